"""Few-shot prompts: demonstrations (solved examples) before the sentence to translate.

Each demonstration is the whole prompt with its answer, followed by a line break and no end-of-sequence token (arXiv
2403.14399, evaluate/*_shot_samples.json of the authors' code). The result is an ordinary `Prompt`, so every decoder
accepts it. Demonstrations have the same segments as training examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dragoman import corpora
from dragoman.config import Prompt, Segment
from dragoman.plan import DecodeRun
from dragoman.prompts import chat, render


def asked(run: DecodeRun) -> Prompt:
    """The prompt of a decoding, in the model's chat template or with the demonstrations of its system.

    Raises:
        ValueError: a demonstration does not exist or cannot be used; or as in `chat.rendered`.
    """
    prompt, shots = run.prompt, run.system_config.shots
    if run.model is not None:
        prompt = chat.for_model(prompt, run.model.folder)
    if shots is None or run.shots is None:
        return prompt
    table = corpora.load(run.shots.folder, shots.split)
    try:
        pairs = chosen(table["source"].to_pylist(), table["target"].to_pylist(), shots.lines)
        return with_shots(prompt, run.pair, pairs)
    except ValueError as error:
        text = f"experiments.{run.experiment}.systems.{run.system}.shots: {run.pair} {shots.split}: {error}"
        raise ValueError(text) from None


def chosen(sources: Sequence[str], targets: Sequence[str], lines: Sequence[int]) -> list[tuple[str, str]]:
    """Demonstrations by line number, from 1, in the given order.

    Raises:
        ValueError: there is no such line.
    """
    if missing := [line for line in lines if not 1 <= line <= len(sources)]:
        raise ValueError(f"no line {missing[0]} to take a demonstration from: there are {len(sources)}")
    return [(sources[line - 1], targets[line - 1]) for line in lines]


def with_shots(prompt: Prompt, pair: str, demonstrations: Sequence[tuple[str, str]]) -> Prompt:
    """The prompt of one pair after solved examples of that pair.

    Args:
        prompt: how one sentence is asked for, without demonstrations.
        pair: of the demonstrations, and of the sentences to come.
        demonstrations: (source, target) each.

    Raises:
        ValueError: a demonstration holds what a prompt fills in, like `{source}`.
    """
    shots = []
    for source, target in demonstrations:
        if placeholder := re.search(r"{\w+}", source + target):
            raise ValueError(
                f"the demonstration {source!r} holds {placeholder[0]}, which a prompt would fill in; take another"
            )
        shots += [Segment(role="instruction", text=text) for _, text in render(prompt, pair, source, target)]
        shots.append(Segment(role="instruction", text="\n"))
    return prompt.model_copy(update={"segments": [*shots, *prompt.segments]})
