"""Cross-lingual consistency: the predictions of the answer from the source and from the answer itself are made alike.

XConST (Gao et al., arXiv 2401.05861; llama_recipes/utils/train_utils.py of the authors' code), which applies CrossConST
(Gao et al. 2023, arXiv 2305.07310) to prompts. With y the answer and its end-of-sequence token, T tokens,

    loss = 1/T sum_t [ -log p(y_t | x, y_<t)  +  alpha KL( p(. | x, y_<t) || p(. | y, y_<t) ) ]

where p(. | y, y_<t) has the prompt from the target language into itself, with y as the source. As in the authors' code,
gradients flow through both distributions. That code also leaves out sentences whose answer has different tokens in both
prompts, and adds 1e-4 to T. Neither is needed here, since segments are tokenised one by one, so that answers always
have the same tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from dragoman.config import Prompt, Strict
from dragoman.languages import split_pair
from dragoman.methods import Example, ParallelText, paired, sft
from dragoman.methods.paired import Answers, with_other
from dragoman.prompts import encode

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from dragoman.training.losses import Forward


class Options(Strict):
    """Weight of consistency."""

    alpha: NonNegativeFloat = 0.1
    """Weight of the divergence; 0 is ordinary fine-tuning."""


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """Examples of ordinary fine-tuning, each with a second prompt that has the target as its source."""
    made = []
    for text in texts:
        target = split_pair(text.pair)[1]
        copies = encode(prompt, tokenizer, f"{target}-{target}", text.targets)
        ordinary = sft.examples([text], prompt, tokenizer, sft.Options())
        made += [with_other(example, pieces) for example, pieces in zip(ordinary, copies, strict=True)]
    return made


def loss(forward: Forward, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Options) -> torch.Tensor:
    """Cross-entropy plus alpha times the divergence, per predicted token of the global batch."""
    from torch.nn.functional import kl_div

    def divergence(own: Answers, other: Answers) -> torch.Tensor:
        return kl_div(other.logits.log_softmax(1), own.logits.log_softmax(1), log_target=True, reduction="sum")

    return paired.loss(forward.model, batch, predicted, options.alpha, divergence)
