"""Language-aware tuning: the answer is made likely under its own instruction and unlikely under a conflicting one.

Zan et al., arXiv 2403.14399 (FITEE 2025, 26(8):1341-1355; train.py of the authors' code), their second stage, which
starts from an ordinarily fine-tuned model. With y the answer and its end-of-sequence token, T tokens,

    loss = 1/T sum_t [ -log p(y_t | instruction, x, y_<t)  -  alpha log(1 - p(y_t | conflicting instruction, x, y_<t)) ]

Every answer token is penalised alike, names and numbers too. Each example has one conflicting instruction, drawn before
training. Where the text also holds instructions that ask for no translation (`mix`), all are drawn from one pool, and
these examples get conflicting instructions as translations do. The authors average over the tokens of a sentence and
then over sentences, as each of their devices holds one; here both terms are means over the answer tokens of the whole
batch, as everywhere in this library.
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
    """How much conflicting instructions weigh, and where they come from."""

    alpha: NonNegativeFloat = 0.05
    """Weight of the unlikelihood term; 0 is ordinary fine-tuning."""
    sampler: Literal["official", "target-differs", "zero-shot-aware"] = "official"
    """`official`: the instruction of another training example, drawn until it reads differently; it may still name the
    right target language (20 % of draws over six English-centric directions of like size). `target-differs`: likewise,
    but always of another target language. `zero-shot-aware`: any of `directions` of another target language, all
    equally often."""
    directions: list[Pair] | None = None
    """What `zero-shot-aware` draws from: all directions that the model is to tell apart, supervised or not."""
    seed: NonNegativeInt = 1234
    """Seed of the draws; the authors' own. Seeds of the experiment do not change them."""
    floor: Annotated[float, Field(gt=0, lt=1)] | None = 1e-9
    """1 - p counts as no less than this, so that a token's penalty ends at 20.7 nats and, from there on, has no
    gradient; the authors' value. null: no end."""

    @model_validator(mode="after")
    def _directions_of_their_sampler(self) -> Options:
        if (self.sampler == "zero-shot-aware") != bool(self.directions):
            raise ValueError("`sampler: zero-shot-aware` needs `directions`, and no other sampler reads them")
        return self


def instruction(prompt: Prompt, pair: str) -> list[str]:
    """All that a prompt says about a pair, wherever it says so; sentences left empty."""
    return [text for role, text in render(prompt, pair, "", "") if role != "target"]


def conflicting(pairs: Sequence[str], prompt: Prompt, options: Options) -> Iterator[str]:
    """For each example, given by its pair, the pair whose instruction it gets instead of its own.

    Raises:
        ValueError: there is none to get.
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
            what = "instruction" if official else "instruction of another target language"
            raise ValueError(
                f"language_aware: the {where} ({', '.join(sorted(weights))}) have no other {what} to conflict with "
                f"that of {pair}; add directions to {key}, or name the languages in the prompt"
            )
        choices[pair] = fitting, [weights[other] for other in fitting]
    rng = random.Random(options.seed)
    return (rng.choices(*choices[pair])[0] for pair in pairs)


def check(pairs: Sequence[str], prompt: Prompt, options: Options) -> None:
    """Refuse training pairs that leave some pair without a conflicting instruction."""
    conflicting(pairs, prompt, options)


def check_mixed(prompt: Prompt, options: Options) -> None:
    """Refuse what cannot draw from instructions that ask for no translation."""
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
    """The instruction for a pair in a prompt that is Alpaca's template with the source for its input, else None."""
    texts = render(prompt, pair, "x", "")
    found = parts("".join(text for _, text in texts))
    shape = [role for role, _ in texts] == ["instruction", "source", "mark", "target"]
    return found[0] if shape and found and found[1] == "x" else None


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """Examples of ordinary fine-tuning, each also with a conflicting instruction: same source, same target.

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
    """As `examples`, for text with instructions that ask for no translation, in Alpaca's template.

    As in the authors' code, a conflicting instruction is that of another example, whatever it asks for, drawn until it
    reads differently; the input stays, and with it the template, which is another where there is none.

    Raises:
        ValueError: all instructions read the same, or one is not in the template.
    """
    check_mixed(prompt, options)
    asked: list[tuple[str, str]] = []  # instruction and input of every example
    for text in texts:
        if text.pair != PAIR:
            own = str(alpaca_instruction(prompt, text.pair))
            asked += [(own, source) for source in text.sources]
            continue
        for source in text.sources:
            if (found := parts(source)) is None:
                raise ValueError(f"language_aware: not in Alpaca's template: {source[:60]!r}; prepare the corpus again")
            asked.append(found)
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

    1 - p is the probability of all other tokens, summed as logarithms: so nothing cancels where p is near 1, as it
    does in 1 - p (float32 holds no 1 - 1e-8), and the gradient by each logit lies between -1 and 1.

    Args:
        logits: [tokens, vocabulary], float32.
        tokens: [tokens].
        floor: the least 1 - p, or None.

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
