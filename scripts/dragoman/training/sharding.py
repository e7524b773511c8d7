"""One model on several devices: weights, gradients and moments are shared out among them (FSDP2, `fully_shard`).

Every device computes its own examples of a batch with the layer that is gathered at the moment. transformers' Trainer
knows models that were sharded before it got them; what it lacks for them is checkpoints, which are here. Runs on GPUs
(NCCL) and on processes of CPUs (Gloo) alike.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from dragoman.training import launch
from dragoman.training.trainable import blocks


def shard(model: PreTrainedModel, device: torch.device) -> PreTrainedModel | None:
    """Share out a model in place, layer by layer; all processes call this with the same weights.

    Args:
        model: with an adapter or without; its process group exists.
        device: this process's.

    Returns:
        In the first process a whole copy in main memory, for `gathered` to fill; None in the others.
    """
    spare = copy.deepcopy(model).cpu() if launch.first() else None
    model.to(device)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    # so the Trainer neither wraps nor moves it, and adds up the gradients of micro-batches before they are exchanged
    inner._is_distributed_loading_by_transformers = True
    model._is_fsdp_managed_module = True
    return spare


def is_sharded(model: PreTrainedModel) -> bool:
    """Whether a model's weights are shared out, so that its layers can be called in its own passes only."""
    return isinstance(next(model.parameters()), DTensor)


@contextmanager
def unsynchronised(model: PreTrainedModel) -> Iterator[None]:
    """Gradients of the passes in this block stay with their process: more of the batch is to come."""
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def save(model: PreTrainedModel, optimizer: Optimizer, folder: Path) -> None:
    """Write a checkpoint, every process its part."""
    dcp.save(get_model_state_dict(model), checkpoint_id=folder / "model")
    dcp.save(get_optimizer_state_dict(model, optimizer), checkpoint_id=folder / "optimizer")


def load_model(model: PreTrainedModel, folder: Path) -> None:
    """Read weights that `save` wrote, with the same number of processes or another."""
    state = get_model_state_dict(model)
    dcp.load(state, checkpoint_id=folder / "model")
    set_model_state_dict(model, state)


def load_optimizer(model: PreTrainedModel, optimizer: Optimizer, folder: Path) -> None:
    """Read the moments that `save` wrote."""
    state = get_optimizer_state_dict(model, optimizer)
    dcp.load(state, checkpoint_id=folder / "optimizer")
    set_optimizer_state_dict(model, optimizer, state)


def gathered(model: PreTrainedModel, spare: PreTrainedModel | None) -> PreTrainedModel | None:
    """The whole model in main memory, in the first process; the others help, and get None."""
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if spare is None:
        return None
    spare.load_state_dict(state)
    return spare
