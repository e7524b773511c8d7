"""Cross-entropy over large vocabularies, a few rows at a time.

torch's keeps the logits in float32 and their softmax beside them: with a vocabulary of 128,000 and 16,000 tokens 8 GB
each. Here nothing of that size is made but the gradient, in the precision of the logits.
"""

from __future__ import annotations

from typing import Any

import torch

from dragoman.methods import IGNORE

LARGE = 2**26
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
    return _Summed.apply(logits, targets)
