"""Language-contrastive decoding: tokens that are likely with the right instruction and unlikely with a wrong one.

Sennrich, Vamvas and Mohammadshahi, arXiv 2309.07098 (EACL 2024). With X the source, l the target language and C the
languages to avoid, greedy decoding takes the token y with the largest

    log( p(y | X, l)  -  sum_{c in C} lambda_c p(y | X, c) )

where the prompt names c instead of l. The weights of `official` are those of arXiv 2403.14399 (its
inference_contradecode.sh): they sum to 1 for every target except English, so if all prompts agree, the scores of all
tokens are about 0, and small differences decide. So that paper's rows for this method are not Sennrich's method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from dragoman.config import ContrastiveDecoder
from dragoman.decoding import Context, Item, Row, offline
from dragoman.languages import split_pair
from dragoman.prompts import encode, joined


def contrasts(pair: str, weights: float | Literal["official"]) -> dict[str, float]:
    """Language -> weight, for the wrong target languages of `pair`."""
    source, target = split_pair(pair)
    wrong = [language for language in ("en", source) if language != target]
    each = 0.5 if weights == "official" else weights / len(wrong)
    return {language: each * wrong.count(language) for language in wrong}


class Contrast(LogitsProcessor):
    """Gives the rows of a sentence, one per prompt, the same scores, so that they continue with the same token.

    Scores are the differences instead of their logarithms, which have the same order. If no difference is positive
    (with `official` weights, if all prompts agree exactly), the largest one wins; the authors' code then takes token 0.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """
        Args:
            weights: [prompts] weight of each prompt's probabilities; the right prompt is the first.
        """
        self.weights = torch.tensor(weights)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores from logits, both [prompts x sentences, vocabulary], prompt by prompt."""
        count = len(self.weights)
        probabilities = scores.float().softmax(-1).unflatten(0, (count, -1))
        mixed = torch.tensordot(self.weights.to(scores.device), probabilities, dims=1)
        return mixed.repeat(count, 1)


class Decoder(offline.Decoder):
    """A loaded model that translates batches of sentences, each with several prompts at once."""

    options: ContrastiveDecoder

    def __init__(self, context: Context, options: ContrastiveDecoder) -> None:
        super().__init__(context, options)
        source, _ = split_pair(context.pair)
        wrong = contrasts(context.pair, options.weights)
        self.pairs = [context.pair, *(f"{source}-{language}" for language in wrong)]
        self.weights = [1.0, *(-weight for weight in wrong.values())]

    @torch.inference_mode()
    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item: hypothesis, number of tokens, and whether it ended by itself."""
        sources = [item.source for item in items]
        each = [
            [joined(pieces) for pieces in encode(self.context.prompt, self.tokenizer, pair, sources)]
            for pair in self.pairs
        ]
        longest = [max(map(len, prompts)) for prompts in zip(*each, strict=True)]
        contrast = LogitsProcessorList([Contrast(self.weights)])
        written: list[list[int]] = [[] for _ in items]
        for chosen, most in self._alike([self._room(length) for length in longest]):
            prompts = [column[index] for column in each for index in chosen]
            answers = self._generated(prompts, most, logits_processor=contrast)
            for index, ids in zip(chosen, answers[: len(chosen)], strict=True):
                written[index] = self._written(ids)
        return [[self._row(ids) | self._note(length, ids)] for length, ids in zip(longest, written, strict=True)]
