"""SimulMask: ordinary examples with a mask, in which a token that predicts target word t sees the source read by then.

Raffel, Agostinelli, Chen 2024, arXiv 2405.10443. One pass over each sentence pair trains all its read and write steps,
with the mask of word-by-word decoding that keeps its cache. `modified` positions are the paper's (ALiBi); `group`
positions do the same for rotary models (arXiv 2505.16983); `plain` is the paper's SM-norec without modified ALiBi.
`none` removes positions, so that they cannot differ between training and decoding.

The paper trains one model per k, with the policy wait-(k + 4). With several policies, every sentence pair is read by
one of them, and one model can decode with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeInt, model_validator

from dragoman.config import Prompt
from dragoman.languages.spelling import CHUNK, pairs
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.methods.reading import Reading, schedules
from dragoman.models.visibility import Mode, vectors

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from dragoman.training.losses import Forward


class Options(Reading):
    """Mask and positions."""

    positions: Literal["modified", "plain", "group", "none"] = "modified"
    """`modified`: ALiBi in which hidden source tokens do not count, as in the paper. `group`: rotary positions, with
    source and response each counted from its own origin. `plain`: positions as if nothing were hidden. `none`: no
    positions (NoPE, arXiv 2305.19466), for any model, which has to learn to work without them."""
    visibility: Mode = "exact"
    """`exact` mirrors decoding for words of any number of tokens. `official` is the mask of the authors' code, in which
    all tokens of a target word except the last see the source of the next word. Their code tokenises each word alone to
    count its tokens, which gives wrong counts if double or no-break blanks are tokens of their own; here white space is
    replaced by single blanks first, and `official` is their mask of that text."""
    origin: NonNegativeInt = 0
    """With `group`, the position of the first token after the source. ExPosST (arXiv 2603.14903) reserves positions for
    the source: an origin beyond the longest source does so. How many the authors reserve is not known here."""
    kernel: Literal["sdpa", "flex"] = "sdpa"
    """`sdpa` runs everywhere and stores masks of length x length; `flex` computes them inside FlexAttention, which can
    train only on a GPU."""

    @model_validator(mode="after")
    def _origin_of_a_group(self) -> Options:
        if self.origin and self.positions != "group":
            raise ValueError(f"`origin` belongs to `positions: group`; remove it with {self.positions!r}")
        return self


def alibi(options: Options) -> bool | None:
    """Whether the positions need a model with ALiBi (True) or without ALiBi (False); None: they work with any model."""
    return {"modified": True, "group": False}.get(options.positions)


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """One example per sentence pair: ids, labels as in ordinary fine-tuning, and `visible` of each token.

    Raises:
        ValueError: the tokenizer is not a fast one, or an alignment is missing.
    """
    made = []
    for text in texts:
        plan = schedules(text, options.policies)
        spelled = enumerate(pairs(prompt, tokenizer, text.pair, text.sources, text.targets, text.counted))
        while chunk := list(islice(spelled, CHUNK)):
            examples = [each for _, each in chunk]
            due = [plan(number, len(each.source.source), each.count) for number, each in chunk]
            for each, visible in zip(examples, vectors(examples, due, options.visibility), strict=True):
                ids = each.ids
                labels = [IGNORE] * (len(ids) - len(each.target)) + each.target
                made.append({"input_ids": ids, "labels": labels, "visible": visible})
    return made


def loss(forward: Forward, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Options) -> torch.Tensor:
    """Cross-entropy of one masked pass, per predicted token of the global batch.

    Raises:
        ValueError: the model does not support these positions.
    """
    from dragoman.models import attention
    from dragoman.training import losses

    documents = batch.get("documents", batch["attention_mask"])

    def logits(keep: int | torch.Tensor) -> torch.Tensor:
        return attention.masked(
            forward.model,
            batch["input_ids"],
            batch["visible"],
            documents,
            options.positions,
            origin=options.origin,
            kernel=options.kernel,
            keep=keep,
        )

    return losses.token_mean(forward.model, logits, batch["labels"], predicted, packed="documents" in batch)
