"""Language-aware tuning: the answer is made likely under its own instruction and unlikely under a conflicting one.

Zan et al., arXiv 2403.14399 (FITEE 2025, 26(8):1341-1355; train.py of the authors' code), their second stage, which
starts from an ordinarily fine-tuned model. With y the answer and its end-of-sequence token, T tokens,

    loss = 1/T sum_t [ -log p(y_t | instruction, x, y_<t)  -  alpha log(1 - p(y_t | conflicting instruction, x, y_<t)) ]

All answer tokens are penalised equally, including names and numbers. Each example has one conflicting instruction,
drawn before training. If the text also has instructions other than translation (`mix`), all examples draw from one
pool, and these examples get conflicting instructions, too. In the authors' code, each device has one sentence, so the
loss is averaged over the tokens of a sentence and then over sentences; here both terms are means over the answer tokens
of the whole batch, as in the other methods.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from dragoman.config import Pair, Prompt, Strict
from dragoman.instructions import PAIR, PROMPT, parts, with_input
from dragoman.languages import split_pair
from dragoman.methods import Example, ParallelText, paired, sft
from dragoman.methods.paired import Answers, with_other
from dragoman.prompts import cut, encode, render

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from dragoman.training.losses import Forward


MIXES = True


class Options(Strict):
    """Weight and choice of conflicting instructions."""

    alpha: NonNegativeFloat = 0.05
    """Weight of the unlikelihood term; 0 is ordinary fine-tuning."""
    sampler: Literal["official", "target-differs", "zero-shot-aware"] = "official"
    """`official`: the instruction of another training example, drawn until its text differs; it may still name the
    right target language (20 % of draws over six English-centric directions of similar size). `target-differs`: the
    same, but always with another target language. `zero-shot-aware`: any of `directions` with another target language,
    all equally often."""
    directions: list[Pair] | None = None
    """The directions for `zero-shot-aware`: all directions that the model is to distinguish, supervised or not."""
    seed: NonNegativeInt = 1234
    """Seed of the draws; the value of the authors. Seeds of the experiment do not change them."""
    floor: Annotated[float, Field(gt=0, lt=1)] | None = 1e-9
    """Lower bound of 1 - p, so that a token's penalty is at most 20.7 nats, and has no gradient beyond; the authors'
    value. null: no bound."""

    @model_validator(mode="after")
    def _directions_of_their_sampler(self) -> Options:
        if (self.sampler == "zero-shot-aware") != bool(self.directions):
            raise ValueError("`sampler: zero-shot-aware` needs `directions`, and no other sampler reads them")
        return self


def instruction(prompt: Prompt, pair: str) -> list[str]:
    """The texts of a prompt for a pair, without source, target and target segment."""
    return [text for role, text in render(prompt, pair, "", "") if role != "target"]


def conflicting(pairs: Sequence[str], prompt: Prompt, options: Options) -> Iterator[str]:
    """The pair of the conflicting instruction of each example.

    Args:
        pairs: [examples] the example's own pair.
        prompt: the prompt of the tuning.
        options: the sampler.

    Raises:
        ValueError: a pair has no conflicting instruction.
    """
    official, listed = options.sampler == "official", options.sampler == "zero-shot-aware"
    weights = Counter(set(options.directions or ()) if listed else pairs)
    choices = {}
    for pair in set(pairs):
        fitting = [
            other
            for other in sorted(weights)
            if instruction(prompt, other) != instruction(prompt, pair)
            and (official or split_pair(other)[1] != split_pair(pair)[1])
        ]
        if not fitting:
            where, key = ("directions", "options.directions") if listed else ("training pairs", "train.pairs")
            kind = "instruction" if official else "instruction of another target language"
            raise ValueError(
                f"language_aware: the {where} ({', '.join(sorted(weights))}) have no other {kind} to conflict with "
                f"that of {pair}; add directions to {key}, or name the languages in the prompt"
            )
        choices[pair] = fitting, [weights[other] for other in fitting]
    rng = random.Random(options.seed)
    return (rng.choices(*choices[pair])[0] for pair in pairs)


def check(pairs: Sequence[str], prompt: Prompt, options: Options) -> None:
    """Refuse training pairs if one of them has no conflicting instruction."""
    conflicting(pairs, prompt, options)


def check_mixed(prompt: Prompt, options: Options) -> None:
    """Refuse samplers and prompts that do not work with instructions other than translation."""
    if options.sampler != "official":
        raise ValueError(
            f"language_aware: `sampler: {options.sampler}` goes by target languages, which instructions have none of; "
            "write `sampler: official` or leave `mix` out"
        )
    if prompt.bos is not True or alpaca_instruction(prompt, "en-de") is None:
        raise ValueError(
            "language_aware: instructions of a `mix` come in Alpaca's template, and this prompt has another, so they "
            "cannot be exchanged; write `prompt: alpaca` or leave `mix` out"
        )


def alpaca_instruction(prompt: Prompt, pair: str) -> str | None:
    """The instruction for a pair if the prompt is Alpaca's template with the source as input; None otherwise."""
    texts = render(prompt, pair, "x", "")
    given = parts("".join(text for _, text in texts))
    shape = [role for role, _ in texts] == ["instruction", "source", "mark", "target"]
    return given[0] if shape and given and given[1] == "x" else None


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """Examples of ordinary fine-tuning, each with a second prompt: a conflicting instruction and the same source.

    Raises:
        ValueError: some pair has no conflicting instruction.
    """
    texts = list(texts)
    if any(text.pair == PAIR for text in texts):
        return mixed_examples(texts, prompt, tokenizer, options)
    stream = conflicting([text.pair for text in texts for _ in text.sources], prompt, options)
    made = []
    for text in texts:
        ordinary = sft.examples([text], prompt, tokenizer, sft.Options())
        drawn = list(islice(stream, len(ordinary)))
        for other in sorted(set(drawn)):
            rows = [row for row, pair in enumerate(drawn) if pair == other]
            prompts = encode(prompt, tokenizer, other, [text.sources[row] for row in rows])
            for row, pieces in zip(rows, prompts, strict=True):
                ordinary[row] = with_other(ordinary[row], pieces)
        made += ordinary
    return made


def mixed_examples(
    texts: Sequence[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """The same as `examples`, for text with instructions other than translation, in Alpaca's template.

    As in the authors' code, a conflicting instruction is that of any other example, drawn until its text differs. The
    input stays the same, and so does the template, which depends on whether there is an input.

    Raises:
        ValueError: all instructions are the same, or one is not in the template.
    """
    check_mixed(prompt, options)
    asked: list[tuple[str, str]] = []  # instruction and input of every example
    for text in texts:
        if text.pair != PAIR:
            own = str(alpaca_instruction(prompt, text.pair))
            asked += [(own, source) for source in text.sources]
            continue
        for source in text.sources:
            if (divided := parts(source)) is None:
                raise ValueError(f"language_aware: not in Alpaca's template: {source[:60]!r}; prepare the corpus again")
            asked.append(divided)
    pool = [own for own, _ in asked]
    if len(set(pool)) < 2:
        raise ValueError("language_aware: all training examples have one instruction, so none conflicts with it")
    rng = random.Random(options.seed)
    drawn = []
    for own in pool:
        while (other := rng.choice(pool)) == own:
            pass
        drawn.append(other)
    made, start = [], 0
    for text in texts:
        rows = slice(start, start + len(text.sources))
        start = rows.stop
        wrong = [with_input(other, given) for other, (_, given) in zip(drawn[rows], asked[rows], strict=True)]
        if text.pair == PAIR:
            columns: list[tuple[str, Sequence[str] | str]] = [("source", ["".join(each) for each in wrong])]
        else:
            before, given, after = zip(*wrong, strict=True)
            columns = [("instruction", before), ("source", given), ("mark", after)]
        prompts = cut(columns, tokenizer, len(wrong), PROMPT)
        ordinary = sft.examples([text], prompt, tokenizer, sft.Options())
        made += [with_other(example, pieces) for example, pieces in zip(ordinary, prompts, strict=True)]
    return made


def unlikelihood(logits: torch.Tensor, tokens: torch.Tensor, floor: float | None) -> torch.Tensor:
    """-log(1 - p) of each token, in nats.

    1 - p is computed as the sum of the probabilities of all other tokens, in logarithms. The subtraction would lose all
    digits for p near 1 (in float32, 1 - 1e-8 is 1). The gradient with respect to each logit is between -1 and 1.

    Args:
        logits: [tokens, vocabulary], float32.
        tokens: [tokens].
        floor: lower bound of 1 - p; None: no bound.

    Returns:
        [tokens].
    """
    others = logits.scatter(1, tokens[:, None], -math.inf).logsumexp(1)
    log_rest = others - logits.logsumexp(1)
    return -(log_rest if floor is None else log_rest.clamp(min=math.log(floor)))


def loss(forward: Forward, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Options) -> torch.Tensor:
    """Cross-entropy plus alpha times unlikelihood, per predicted token of the global batch."""

    def penalty(own: Answers, other: Answers) -> torch.Tensor:
        return unlikelihood(other.logits, other.tokens, options.floor).sum()

    return paired.loss(forward.model, batch, predicted, options.alpha, penalty)
