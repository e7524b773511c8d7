"""Cross-entropy over large vocabularies, a few rows at a time.

torch's keeps the logits in float32 and their softmax as well: with a vocabulary of 128,000 and 16,000 tokens 8 GB each.
`summed` makes nothing of that size but the gradient, in the precision of the logits; `of_states` not even the logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from dragoman.methods import IGNORE
from dragoman.models import output

LARGE = 2**25
"""Logits beyond which memory counts more than the time of a loop; below, torch's function is as good."""

ROWS = 2**24
"""Logits of one step of the loop."""


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        norms = torch.empty(len(targets), device=logits.device)
        total = torch.zeros((), device=logits.device)
        for rows in _steps(logits):
            part, target = logits[rows].float(), targets[rows]
            norms[rows] = part.logsumexp(-1)
            nats = norms[rows] - part.gather(1, target.clamp(min=0)[:, None])[:, 0]
            total += nats.masked_fill(target == IGNORE, 0.0).sum()
        ctx.save_for_backward(logits, targets, norms)
        return total

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, targets, norms = ctx.saved_tensors
        found = torch.empty_like(logits)
        for rows in _steps(logits):
            target = targets[rows]
            slope = logits[rows].float().sub_(norms[rows, None]).exp_()
            slope.scatter_add_(1, target.clamp(min=0)[:, None], torch.full_like(slope[:, :1], -1.0))
            slope.mul_(above[0]).masked_fill_((target == IGNORE)[:, None], 0.0)
            found[rows] = slope.to(logits.dtype)
        return found, None


class _OfStates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, model: PreTrainedModel, targets: torch.Tensor) -> torch.Tensor:
        learns = ctx.needs_input_grad[0]
        ctx.weights = [w for w in model.get_output_embeddings().parameters() if learns and w.requires_grad]
        ctx.slopes = [torch.zeros_like(states)] if learns else []
        total = torch.zeros((), device=states.device)
        # a step may take as much as the gradient of the output layer, which is there anyway
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
                if start:
                    others = [kept.add_(more) for kept, more in zip(ctx.slopes[1:], others, strict=True)]
                ctx.slopes[1:] = others
        return total

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        states, *others = (slope.mul_(above[0]) for slope in ctx.slopes)
        ctx.slopes = []
        # not handed to autograd: it would copy the table to add the sparse gradient of the embeddings to it
        for weight, slope in zip(ctx.weights, others, strict=True):
            weight.grad = slope if weight.grad is None else weight.grad.add_(slope)
        return states, None, None


def of_states(model: PreTrainedModel, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """As `summed`, of logits that the model's output layer makes of hidden states, a few rows at a time.

    The gradient is computed with the loss, while the logits are there, so nothing is computed twice; it can be asked
    for once. `backward` adds the output layer's own gradient to the `grad` of its weights.

    Args:
        model: its weights are not shared out among processes.
        states: [rows, width], from `output.states`.
        targets: int64 [rows]; rows with `IGNORE` count nothing.
    """
    return _OfStates.apply(states, model, targets)


def _steps(logits: torch.Tensor) -> list[slice]:
    size = max(1, ROWS // logits.shape[1])
    return [slice(start, start + size) for start in range(0, len(logits), size)]


def summed(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of the cross-entropy over rows, in nats.

    Args:
        logits: [rows, vocabulary], in any precision; they are computed with in float32.
        targets: int64 [rows]; rows with `IGNORE` count nothing.

    Returns:
        A float32 scalar. Its gradient has the precision of the logits.
    """
    if logits.numel() > LARGE:
        return _Summed.apply(logits, targets)
    return functional.cross_entropy(logits.float(), targets, reduction="sum", ignore_index=IGNORE)
