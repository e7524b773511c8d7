"""Two sequences in one example: how it holds both, their logits from one forward pass, and the loss such methods share.

Beside the columns of ordinary fine-tuning an example has `other_ids`, another prompt and an answer to it, and
`other_parts`, of the same length: 1 in that prompt, 2 in that answer (the collator pads with 0). One of them is the
example's own: the answer in language-aware tuning and consistency, the prompt in preference tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dragoman.methods import IGNORE, Example
from dragoman.prompts import Piece, joined

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PROMPT, ANSWER = 1, 2


class Answers(NamedTuple):
    """The answer tokens of a batch, row after row, their end-of-sequence tokens among them."""

    logits: torch.Tensor
    """What predicts each, [tokens, vocabulary], float32."""
    tokens: torch.Tensor
    """[tokens]."""
    rows: torch.Tensor
    """The example that each belongs to, [tokens]."""


def with_other(example: Example, prompt: Sequence[Piece], answer: Sequence[int] | None = None) -> Example:
    """The example, and `answer` (its own, unless given) under another prompt (`prompt`: pieces of that alone)."""
    asked = joined(prompt)
    told = [label for label in example["labels"] if label != IGNORE] if answer is None else [*answer]
    return example | {"other_ids": asked + told, "other_parts": [PROMPT] * len(asked) + [ANSWER] * len(told)}


def answers(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> tuple[Answers, Answers]:
    """The answers of the examples themselves, and their other ones.

    Both are rows of one forward pass, so a step takes as long as an ordinary one of twice the batch.

    Args:
        model: any causal language model.
        batch: `input_ids`, `attention_mask`, `labels`, each [batch, length]; `other_ids`, `other_parts`, each
            [batch, other length]; where rows hold several examples also `documents` and `other_documents`.
    """
    import torch
    from torch.nn.functional import pad

    from dragoman.models import attention, output
    from dragoman.training.entropy import LARGE

    size = len(batch["input_ids"])
    width = max(batch["input_ids"].shape[1], batch["other_ids"].shape[1])

    def rows(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.cat([pad(columns.long(), (0, width - columns.shape[1])) for columns in (own, other)])

    ids = rows(batch["input_ids"], batch["other_ids"])
    told = rows(batch["labels"] != IGNORE, batch["other_parts"] == ANSWER)[:, 1:].bool()
    if "documents" in batch:
        documents = rows(batch["documents"], batch["other_documents"])
        found = attention.causal(model, ids, documents, pad(told, (0, 1)))
        examples = documents[:, 1:][told] - 1
    else:
        first = int(told.any(0).int().argmax())
        many = told[:, first:].numel() * output.vocabulary(model) > LARGE
        with output.only(model, pad(told, (0, 1)) if many else width - first) as last:
            real = rows(batch["attention_mask"], batch["other_parts"] > 0)
            found = model(input_ids=ids, attention_mask=real, use_cache=False, logits_to_keep=last).logits
        found = found if many else found[:, :-1][told[:, first:]]
        examples = told.nonzero()[:, 0] % size
    found, tokens, own = found.float(), ids[:, 1:][told], int(told[:size].sum())
    return Answers(found[:own], tokens[:own], examples[:own]), Answers(found[own:], tokens[own:], examples[own:])


def loss(
    model: PreTrainedModel,
    batch: dict[str, torch.Tensor],
    predicted: torch.Tensor,
    weight: float,
    term: Callable[[Answers, Answers], torch.Tensor],
) -> torch.Tensor:
    """Cross-entropy of the examples themselves plus `weight` times a term, per predicted token of the global batch.

    Args:
        model, batch: as for `answers`.
        predicted: as for `losses.cross_entropy`, which this is where the weight is 0.
        weight: of the term.
        term: (own answers, other answers) -> what they add, summed over the batch.
    """
    from dragoman.training import losses
    from dragoman.training.entropy import summed

    if weight == 0:
        return losses.cross_entropy(model, batch, predicted)
    own, other = answers(model, batch)
    return (summed(own.logits, own.tokens) + weight * term(own, other)) / predicted
