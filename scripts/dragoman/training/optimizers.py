"""Muon for weight matrices and AdamW for other parameters, as one optimizer. Small models from scratch train fastest
with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from dragoman.config import Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# Coefficients of the quintic iteration that drives all singular values towards 1 (Jordan et al. 2024, "Muon").
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices with about the same singular vectors, whose singular values are all about 1.

    Args:
        matrices: [count, rows, columns].

    Returns:
        Matrices of the same shape and type, about U V^T for each U S V^T (singular value decomposition).
    """
    a, b, c = QUINTIC
    wide = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    x = wide.bfloat16() if wide.is_cuda else wide.float()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if wide is not matrices else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Muon: orthogonalised momentum, for weight matrices (Jordan et al. 2024; arXiv 2502.16982).

    Matrices of the same shape are orthogonalised together, and on a CPU in float32. torch's Muon orthogonalises them
    one by one in bfloat16, which is several times slower on a CPU without bfloat16 (`scripts/bench.py optimizer`).
    """

    def __init__(
        self, matrices: Iterable[torch.nn.Parameter], lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """One step; a closure is not supported."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for (rows, columns), parameters in shapes.items():
                # with more rows than columns, the factor keeps the root mean square of outputs equal to that of inputs
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                updates = orthogonalised(torch.stack([self._momentum(p, group["momentum"]) for p in parameters]))
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _momentum(self, parameter: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        """The gradient after Nesterov's momentum, with a running mean of the gradients."""
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        state["mean"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["mean"], momentum)


class Together(torch.optim.Optimizer):
    """Several optimizers as one: they step, save and load together.

    The parameter groups are the same objects as in the parts, so a learning-rate scheduler changes all parts.
    """

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        super().__init__([p for part in parts for group in part.param_groups for p in group["params"]], {})
        self.parts = parts
        self.param_groups = [group for part in parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """One step of each part."""
        if closure is not None:
            raise ValueError("an optimizer made of several cannot evaluate a closure once for each")
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """State of every part, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def muon_with_adamw(model: PreTrainedModel, training: Training) -> Together:
    """Muon for the matrices inside the blocks, and AdamW for embeddings, norms and biases. Embeddings are tables of
    vectors, for which orthogonalisation makes no sense.
    """
    tables = {id(m.weight) for m in (model.get_input_embeddings(), model.get_output_embeddings()) if m is not None}
    parameters = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in parameters if p.ndim == 2 and id(p) not in tables]
    rest = [p for p in parameters if p.ndim != 2 or id(p) in tables]
    return Together(
        Muon(matrices, lr=training.muon_learning_rate, weight_decay=training.weight_decay),
        torch.optim.AdamW(
            rest, lr=training.learning_rate, weight_decay=training.weight_decay, betas=(0.9, 0.95), fused=True
        ),
    )
