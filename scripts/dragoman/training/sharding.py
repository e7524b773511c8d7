"""Sharding: weights, gradients and optimizer moments of one model are divided among several devices (FSDP2,
`fully_shard`).

Each device processes its own examples of a batch; the weights of a layer are gathered while it runs. transformers'
Trainer accepts models that are already sharded but cannot save them, so their checkpoints are written here. This works
on GPUs (NCCL) and on CPU processes (Gloo).
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
    """Shard a model in place, layer by layer. All processes call this function with the same weights.

    Args:
        model: with or without an adapter; the process group exists already.
        device: the device of this process.

    Returns:
        In the first process, a copy of the model in main memory, which `gathered` fills; None in the others.
    """
    spare = copy.deepcopy(model).cpu() if launch.first() else None
    model.to(device)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    # with these marks, the Trainer does not wrap or move the model, and exchanges gradients once per batch
    inner._is_distributed_loading_by_transformers = True
    model._is_fsdp_managed_module = True
    return spare


def is_sharded(model: PreTrainedModel) -> bool:
    """Whether a model is sharded, so that its layers can only be called inside its own passes."""
    return isinstance(next(model.parameters()), DTensor)


@contextmanager
def unsynchronised(model: PreTrainedModel) -> Iterator[None]:
    """Within this context, processes do not exchange gradients; used for all micro-batches of a batch but the last."""
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def save(model: PreTrainedModel, optimizer: Optimizer, folder: Path) -> None:
    """Write a checkpoint; every process writes its part."""
    dcp.save(get_model_state_dict(model), checkpoint_id=folder / "model")
    dcp.save(get_optimizer_state_dict(model, optimizer), checkpoint_id=folder / "optimizer")


def load_model(model: PreTrainedModel, folder: Path) -> None:
    """Read weights that `save` wrote; the number of processes may have changed."""
    state = get_model_state_dict(model)
    dcp.load(state, checkpoint_id=folder / "model")
    set_model_state_dict(model, state)


def load_optimizer(model: PreTrainedModel, optimizer: Optimizer, folder: Path) -> None:
    """Read the moments that `save` wrote."""
    state = get_optimizer_state_dict(model, optimizer)
    dcp.load(state, checkpoint_id=folder / "optimizer")
    set_optimizer_state_dict(model, optimizer, state)


def gathered(model: PreTrainedModel, spare: PreTrainedModel | None) -> PreTrainedModel | None:
    """The whole model in main memory, in the first process; None in the others, which must call this function too."""
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if spare is None:
        return None
    spare.load_state_dict(state)
    return spare
