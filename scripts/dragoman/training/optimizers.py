"""Muon for weight matrices, AdamW for the rest, behind one optimizer: what trains small models from scratch fastest."""

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
    """The nearest matrices whose singular values are all about 1.

    Args:
        matrices: [count, rows, columns].

    Returns:
        The same shape and type; each U S V^T became about U V^T.
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
    """Momentum, orthogonalised, for weight matrices (Jordan et al. 2024; arXiv 2502.16982).

    Matrices of one shape are orthogonalised together, and on a CPU in float32. torch's own goes one by one and in
    bfloat16, which a CPU without it computes several times slower (`scripts/bench.py optimizer`).
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
                # as wide as it is tall or wider, an orthogonal matrix keeps lengths; a taller one is scaled to
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                updates = orthogonalised(torch.stack([self._momentum(p, group["momentum"]) for p in parameters]))
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _momentum(self, parameter: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        """Nesterov's look ahead along the running mean of the gradients."""
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        state["mean"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["mean"], momentum)


class Together(torch.optim.Optimizer):
    """Several optimizers that step, save and load as one.

    Their parameter groups are shared, not copied, so a learning-rate scheduler reaches all of them.
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
    """Muon on the matrices inside the blocks, AdamW on embeddings, norms and biases.

    The embedding, tied to the output layer, is a table and not a map between spaces, so Muon does not fit it.
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
