"""SimulMask: ordinary examples, in which a token that predicts target word t sees the source words read by then.

Raffel, Agostinelli, Chen 2024, arXiv 2405.10443. One pass over each sentence pair trains all its read and write steps,
under the mask that word-by-word decoding with a kept cache has. `modified` positions are the paper's (ALiBi); `group`
positions do the same for rotary models (arXiv 2505.16983); `plain` is the paper's SM-norec without modified ALiBi.
`none` removes positions, so that none can differ between training and decoding.

The paper trains one model per k, on k + 4 for decoding with k: one policy. With several policies every sentence pair is
read by one of them, and one model serves them all.
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
    """How examples are masked and positions counted."""

    positions: Literal["modified", "plain", "group", "none"] = "modified"
    """`modified`: ALiBi in which hidden source takes no room, the paper's. `group`: rotary positions, source and
    response counted each from its own origin. `plain`: as if nothing were hidden. `none`: no positions (NoPE, arXiv
    2305.19466), for models of either kind, which have to learn to do without them."""
    visibility: Mode = "exact"
    """`exact` mirrors decoding for words of any number of tokens. `official` is the mask of the authors' code, in which
    all but the last token of a target word see the source of the next one. Their code tokenises each word alone to
    count its tokens, and so loses count where double or no-break blanks take tokens of their own; here white space is
    one blank before text is masked, and `official` is their mask of that text."""
    origin: NonNegativeInt = 0
    """With `group`, the position of the first token after the source."""
    kernel: Literal["sdpa", "flex"] = "sdpa"
    """`sdpa` runs everywhere and keeps masks of length x length; `flex` computes them inside FlexAttention, which can
    train on a GPU only."""

    @model_validator(mode="after")
    def _origin_of_a_group(self) -> Options:
        if self.origin and self.positions != "group":
            raise ValueError(f"`origin` belongs to `positions: group`; leave it out with {self.positions!r}")
        return self


def alibi(options: Options) -> bool | None:
    """Whether the positions need a model with ALiBi (True) or one without (False); None where any will do."""
    return {"modified": True, "group": False}.get(options.positions)


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """One example per sentence pair: ids, labels as in ordinary fine-tuning, and `visible` of each token.

    Raises:
        ValueError: the tokenizer is a slow one, or an alignment is missing.
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
        ValueError: the model cannot have such positions.
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
