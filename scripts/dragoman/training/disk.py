"""The disk space that a training needs."""

from __future__ import annotations

from transformers import PreTrainedModel

from dragoman.config import Training

MOMENTS = {"adamw": 8, "adamw-8bit": 2, "muon": 4}
"""Bytes per weight of an optimizer's moments in a checkpoint, at least."""


def needed(model: PreTrainedModel, training: Training, saves: int, continued: bool) -> int:
    """Bytes of free disk space that a training still needs.

    A checkpoint holds the weights that are trained, and the optimizer's moments. It is removed when the next one is
    complete, and the last one when the finished model is saved.

    Args:
        model: the model, whose trained weights require a gradient.
        training: names the optimizer.
        saves: number of checkpoints that the whole training writes.
        continued: a checkpoint is there already.
    """
    weights = list(model.parameters())
    checkpoint = sum(w.numel() * (w.element_size() + MOMENTS[training.optimizer]) for w in weights if w.requires_grad)
    finished = sum(w.numel() * w.element_size() for w in weights)
    return max(min(saves, 2) * checkpoint, min(saves, 1) * checkpoint + finished) - continued * checkpoint
