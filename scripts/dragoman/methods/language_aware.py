"""Language-aware tuning: the answer is made likely under its own instruction and unlikely under a conflicting one.

Zan et al., arXiv 2403.14399 (FITEE 2025, 26(8):1341-1355; train.py of the authors' code), their second stage, which
starts from an ordinarily fine-tuned model. With y the answer and its end-of-sequence token, T tokens,

    loss = 1/T sum_t [ -log p(y_t | instruction, x, y_<t)  -  alpha log(1 - p(y_t | conflicting instruction, x, y_<t)) ]

Every answer token is penalised alike, names and numbers too. Each example has one conflicting instruction, drawn before
training. The authors average over the tokens of a sentence and then over sentences, as each of their devices holds one;
here both terms are means over the answer tokens of the whole batch, as everywhere in this library.
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
from dragoman.languages import split_pair
from dragoman.methods import Example, ParallelText, paired, sft
from dragoman.methods.paired import Answers, with_other
from dragoman.prompts import encode, render

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """Examples of ordinary fine-tuning, each also with a conflicting instruction: same source, same target.

    Raises:
        ValueError: some pair has no conflicting instruction.
    """
    texts = list(texts)
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


def loss(
    model: PreTrainedModel, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Options
) -> torch.Tensor:
    """Cross-entropy plus alpha times unlikelihood, per predicted token of the global batch."""

    def penalty(own: Answers, other: Answers) -> torch.Tensor:
        return unlikelihood(other.logits, other.tokens, options.floor).sum()

    return paired.loss(model, batch, predicted, options.alpha, penalty)
