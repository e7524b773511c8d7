"""Losses: the forward pass that methods use in their losses, and next-token cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from transformers import PreTrainedModel

from dragoman.methods import IGNORE, takes_forward
from dragoman.models import attention, output
from dragoman.training import sharding
from dragoman.training.entropy import LARGE, of_states, summed

Loss = Callable[[PreTrainedModel, dict[str, torch.Tensor], torch.Tensor], torch.Tensor]
"""(model, batch, number of predicted tokens in the global batch) -> loss. `examples` of the batch is the number of
examples in the global batch, for losses that are a mean over examples."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward passes with a causal mask: a token attends only to itself and earlier tokens of its own example, also if
    a row holds several examples (`packing`)."""

    model: PreTrainedModel
    """The model, for other forward passes, which must handle `documents` of the batch themselves."""

    def __call__(self, batch: dict[str, torch.Tensor], keep: int | torch.Tensor = 0) -> torch.Tensor:
        """Logits [batch, length, vocabulary].

        Args:
            batch: `input_ids` and `attention_mask`, each [batch, length]; also `documents` if rows hold several
                examples.
            keep: compute only the logits of the last `keep` positions; 0: of all positions. Or a bool mask,
                [batch, length]: the result is then [number of True, vocabulary].
        """
        ids, documents = batch["input_ids"], batch.get("documents")
        if documents is not None:
            return attention.causal(self.model, ids, documents, keep)
        with output.only(self.model, keep) as last:
            real = batch["attention_mask"]
            return self.model(input_ids=ids, attention_mask=real, use_cache=False, logits_to_keep=last).logits


def of_method(method: Any, options: Any) -> Loss | None:
    """The loss of a method with its options; None if the method uses cross-entropy."""
    if not hasattr(method, "loss"):
        return None
    loss = method.loss
    if takes_forward(method):
        return lambda model, batch, predicted: loss(Forward(model), batch, predicted, options)
    return lambda model, batch, predicted: loss(model, batch, predicted, options)


def cross_entropy(model: PreTrainedModel, batch: dict[str, torch.Tensor], predicted: torch.Tensor) -> torch.Tensor:
    """Next-token cross-entropy over `labels`, per predicted token of the global batch.

    Args:
        model: any causal language model.
        batch: `input_ids`, `attention_mask` and `labels`, each [batch, length]; also `documents` if rows hold several
            examples.
        predicted: number of labels that are not `IGNORE` in all micro-batches of this optimizer step, a scalar.

    Returns:
        A float32 scalar, in nats per token.
    """
    forward = Forward(model)

    def logits(keep: int | torch.Tensor) -> torch.Tensor:
        return forward(batch, keep)

    return token_mean(model, logits, batch["labels"], predicted, packed="documents" in batch)


def token_mean(
    model: PreTrainedModel,
    logits: Callable[[int | torch.Tensor], torch.Tensor],
    labels: torch.Tensor,
    predicted: torch.Tensor,
    packed: bool,
) -> torch.Tensor:
    """Summed next-token cross-entropy over `labels`, divided by the number of predicted tokens in the global batch.

    Logits are computed only for the positions that need them, since with a large vocabulary they take much of the time
    and most of the memory. In packed rows, in which answers are scattered, these are the predicted positions. Otherwise
    they are all positions from the first predicted one on, which is a slice. If these would be too many logits, the
    logits of the predicted positions are computed a few at a time.

    Args:
        model: the model that `logits` calls.
        logits: positions, as in `output.only` -> logits of these positions.
        labels: int64 [batch, length].
        predicted: as in `cross_entropy`.
        packed: whether rows hold several examples.

    Returns:
        A float32 scalar, in nats per token.
    """
    following = functional.pad(labels[:, 1:], (0, 1), value=IGNORE)  # the label that each position predicts
    kept = following != IGNORE
    first = int(kept.any(0).int().argmax())
    positions = int(kept.sum()) if packed else kept[:, first:].numel()
    large = positions * output.vocabulary(model) > LARGE
    # a sharded output layer can only be called inside the model's own pass
    if large and not sharding.is_sharded(model):
        states = output.states(model, lambda: logits(0), kept)
        return of_states(model, states, following[kept]) / predicted
    chosen = logits(kept) if packed or large else logits(labels.shape[1] - first)[:, :-1][kept[:, first:-1]]
    return summed(chosen, following[kept]) / predicted
