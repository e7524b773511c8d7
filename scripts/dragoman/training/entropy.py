"""Cross-entropy over large vocabularies, computed for a few rows at a time to save memory.

torch's cross-entropy keeps the logits in float32 and their softmax: for a vocabulary of 128,000 and 16,000 tokens, 8 GB
each. `summed` needs no tensor of that size except the gradient, which has the precision of the logits. `of_states` does
not need the logits either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from dragoman.methods import IGNORE
from dragoman.models import output

LARGE = 2**25
"""Number of logits above which the loop is used; for fewer, torch's function is as good and faster."""

ROWS = 2**24
"""Number of logits of one step of the loop."""


class _Summed(torch.autograd.Function):
    """Cross-entropy of logits. The forward pass keeps one number per row, the logarithm of its softmax denominator. The
    backward pass computes the softmax from it again."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        norms = torch.empty(len(targets), device=logits.device)
        total = torch.zeros((), device=logits.device)
        for rows in _steps(logits):
            part, target = logits[rows].float(), targets[rows]
            norms[rows] = part.logsumexp(-1)
            # IGNORE is negative and no valid index; its rows are set to 0 below
            nats = norms[rows] - part.gather(1, target.clamp(min=0)[:, None])[:, 0]
            total += nats.masked_fill(target == IGNORE, 0.0).sum()
        ctx.save_for_backward(logits, targets, norms)
        return total

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, targets, norms = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for rows in _steps(logits):
            target = targets[rows]
            # the derivative of the cross-entropy by the logits is softmax(logits) - onehot(target)
            slope = logits[rows].float().sub_(norms[rows, None]).exp_()
            slope.scatter_add_(1, target.clamp(min=0)[:, None], torch.full_like(slope[:, :1], -1.0))
            slope.mul_(above[0]).masked_fill_((target == IGNORE)[:, None], 0.0)
            gradient[rows] = slope
        return gradient, None


class _OfStates(torch.autograd.Function):
    """Cross-entropy of hidden states. The forward pass computes the gradients too, since the logits of a step are not
    kept; the backward pass only scales them."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, model: PreTrainedModel, targets: torch.Tensor) -> torch.Tensor:
        learns = ctx.needs_input_grad[0]
        ctx.weights = [w for w in model.get_output_embeddings().parameters() if learns and w.requires_grad]
        ctx.slopes = [torch.zeros_like(states)] if learns else []
        total = torch.zeros((), device=states.device)
        # a step may use as much memory as the gradient of the output layer, which is needed in any case
        size = max(1, max([ROWS, *(weight.numel() for weight in ctx.weights)]) // output.vocabulary(model))
        for start in range(0, len(states), size):
            rows = slice(start, start + size)
            part = states[rows].detach().requires_grad_(learns)
            with torch.set_grad_enabled(learns):
                nats = summed(output.logits(model, part), targets[rows])
            total += nats.detach()
            if learns:
                slope, *others = torch.autograd.grad(nats, (part, *ctx.weights))
                ctx.slopes[0][rows] = slope
                if start:  # gradients of the weights are sums over all steps
                    others = [kept.add_(more) for kept, more in zip(ctx.slopes[1:], others, strict=True)]
                ctx.slopes[1:] = others
        return total

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        states, *others = (slope.mul_(above[0]) for slope in ctx.slopes)
        ctx.slopes = []
        # added here, since autograd would copy the table in order to add the sparse gradient of the embeddings to it
        for weight, slope in zip(ctx.weights, others, strict=True):
            weight.grad = slope if weight.grad is None else weight.grad.add_(slope)
        return states, None, None


def of_states(model: PreTrainedModel, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """As `summed`, for the logits that the model's output layer computes from hidden states, a few rows at a time.

    The gradient is computed together with the loss, while the logits are in memory, so nothing is computed twice.
    `backward` can therefore be called only once. It adds the gradient of the output layer's weights to their `grad`.

    Args:
        model: a model whose weights are not sharded.
        states: [rows, width], from `output.states`.
        targets: int64 [rows]; rows with `IGNORE` do not count.

    Returns:
        A float32 scalar, in nats.
    """
    return _OfStates.apply(states, model, targets)


def _steps(logits: torch.Tensor) -> list[slice]:
    size = max(1, ROWS // logits.shape[1])
    return [slice(start, start + size) for start in range(0, len(logits), size)]


def summed(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of the cross-entropy over rows, in nats.

    Args:
        logits: [rows, vocabulary], in any precision; the computation is in float32.
        targets: int64 [rows]; rows with `IGNORE` do not count.

    Returns:
        A float32 scalar. Its gradient has the precision of the logits.
    """
    if logits.numel() > LARGE:
        return _Summed.apply(logits, targets)
    return functional.cross_entropy(logits.float(), targets, reduction="sum", ignore_index=IGNORE)
