"""Muon for weight matrices, AdamW for the rest, behind one optimizer: what trains small models from scratch fastest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from dragoman.config import Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
    """Muon (arXiv 2502.16982) on the matrices inside the blocks, AdamW on embeddings, norms and biases.

    The embedding, tied to the output layer, is a table and not a map between spaces, so Muon does not fit it.
    """
    tables = {id(m.weight) for m in (model.get_input_embeddings(), model.get_output_embeddings()) if m is not None}
    parameters = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in parameters if p.ndim == 2 and id(p) not in tables]
    rest = [p for p in parameters if p.ndim != 2 or id(p) in tables]
    return Together(
        torch.optim.Muon(matrices, lr=training.muon_learning_rate, weight_decay=training.weight_decay),
        torch.optim.AdamW(
            rest, lr=training.learning_rate, weight_decay=training.weight_decay, betas=(0.9, 0.95), fused=True
        ),
    )
