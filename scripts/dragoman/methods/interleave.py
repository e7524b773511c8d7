"""Interleaved source and target: the model itself decides when to write, and when to read on.

EAST (Fu et al. 2025, arXiv 2504.09570). One sequence holds source and target in turn, and two marks between them:

    [instruction, level of latency] then for each chunk [source chunk][end of reading][target chunk][end of writing]

The loss is on everything after the instruction, as in the authors' code (github.com/biaofuxmu/EAST,
east_scripts/prepare_train_data.py). If the next token is a source word, the model learns to read on; if it is
the end of reading, the model learns to write. The mask is causal, positions are plain, and no keys are computed twice.

Assumptions, where the authors' way cannot be followed:

- The marks. The authors add two tokens. Here the vocabulary stays as it is: the prompt's text between source and target
  is the end of reading, and the token that ends an answer is the end of writing, as in `converse`.
- The chunks. In the paper, GPT-4 divided the sentences for low, medium and high latency, and rewrote the targets in the
  order of the source. Here targets are not changed, and chunks are made from word alignments: a chunk is one or more
  segments, and a segment is as short as the alignment allows (`converse.segments`).
- The level is a segment of its own before the source, since a prompt here has no place for it.
- Each sentence pair has one level, drawn at random with a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from pydantic import PositiveInt

from dragoman.config import Prompt, Segment, Strict
from dragoman.decoding.options import LEVELS, Level
from dragoman.languages.spelling import cut
from dragoman.languages.units import units
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.methods.converse import divided, segments
from dragoman.methods.reading import schedules
from dragoman.policies.alignment import Alignment
from dragoman.prompts import encode, joined

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONVERSES = "interleaved"


class Options(Strict):
    """Sizes of chunks."""

    low: PositiveInt = 1
    """Number of successive segments in a chunk at low latency (fewer at the end of a sentence). A segment is as short
    as the word alignment allows."""
    medium: PositiveInt = 2
    """The number at medium latency."""
    high: PositiveInt = 4
    """The number at high latency."""

    @property
    def aligned(self) -> bool:
        """Every sentence pair is cut by its word alignment."""
        return True


class Frame(NamedTuple):
    """Tokens of a sequence that are neither words nor the mark between source and target."""

    instruction: list[int]
    """Token ids before the first source word."""
    lead: list[int]
    """Token ids before the first source word of a later chunk."""


def frame(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, pair: str, level: Level) -> Frame:
    """The instruction with a level of latency.

    Raises:
        ValueError: the prompt has no instruction before the source.
    """
    place = [segment.role for segment in prompt.segments].index("source")
    if not place:
        raise ValueError("a prompt for interleaved text needs an instruction before the source")
    said = Segment(role="instruction", text=f" {level} latency.")
    prompt = prompt.model_copy(update={"segments": [*prompt.segments[:place], said, *prompt.segments[place:]]})
    (empty,), (whole,) = encode(prompt, tokenizer, pair, [""]), cut(prompt, tokenizer, pair, [""])
    return Frame(whole.instruction, whole.instruction[len(joined(empty[: place + 1])) :])


def chunks(ends: list[tuple[int, int]], together: int) -> list[tuple[int, int]]:
    """Source words read and target words written by the end of each chunk.

    Args:
        ends: the same of each segment.
        together: segments of a chunk.
    """
    return [ends[min(last, len(ends)) - 1] for last in range(together, len(ends) + together, together)]


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """One example per sentence pair; its level depends on the languages and its number alone.

    Raises:
        ValueError: a sentence pair has no word alignment, or the prompt has no instruction before the source.
    """
    made: list[Example] = []
    for text in texts:
        plan = schedules(text, [Alignment(name="alignment")])
        levels = random.Random(f"interleave-{text.pair}").choices(LEVELS, k=len(text.sources))
        frames = {level: frame(prompt, tokenizer, text.pair, level) for level in LEVELS}
        counts, sources, targets = [], list[str](), list[str]()
        for number, level in enumerate(levels):
            read, written = (
                units(side[number], unit) for side, unit in zip((text.sources, text.targets), text.counted, strict=True)
            )
            ends = chunks(segments(plan(number, len(read), len(written))), getattr(options, level))
            counts.append(len(ends))
            for source, target in divided(read, written, ends, text.counted):
                sources.append(source)
                targets.append(target)
        given = iter(cut(prompt, tokenizer, text.pair, sources, text.counted.source))
        answers = iter(encode(prompt, tokenizer, text.pair, [""] * len(targets), targets))
        for level, count in zip(levels, counts, strict=True):
            instruction, lead = frames[level]
            ids: list[int] = []
            for number in range(count):
                chunk, answer = next(given), next(answers)[-1].ids
                ids += [*(lead if number else ()), *(t for word in chunk.source for t in word), *chunk.mark, *answer]
            made.append({"input_ids": [*instruction, *ids], "labels": [IGNORE] * len(instruction) + ids})
    return made
