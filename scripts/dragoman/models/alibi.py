"""ALiBi: a bias for each key's distance in place of positions, given to Falcon and BLOOM together with our masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.models.bloom import modeling_bloom as bloom
from transformers.models.falcon.modeling_falcon import FalconModel, build_alibi_tensor

from dragoman import models


def uses_alibi(model: PreTrainedModel) -> bool:
    """Whether a model has ALiBi positions.

    Raises:
        ValueError: the model has ALiBi positions, and its architecture is not supported.
    """
    kind = model.config.model_type
    if kind == "mpt":
        raise ValueError(models.unmaskable({"model_type": kind}))
    return kind == "bloom" or (kind == "falcon" and model.config.alibi)


class _Biased(torch.nn.Module):
    """A Falcon block whose mask already contains the ALiBi bias. The block needs any `alibi` argument, since without
    one it applies rotary positions. Gradient checkpointing stores arguments, so the argument is also there when the
    block is run again in the backward pass."""

    def __init__(self, block: torch.nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, hidden_states: torch.Tensor, **arguments: Any) -> Any:
        return self.block(hidden_states, **arguments | {"alibi": arguments["attention_mask"]})


class _Replaced(torch.nn.Module):
    """A BLOOM block whose bias, [rows x heads, queries, keys], is the whole mask."""

    def __init__(self, block: torch.nn.Module, bias: torch.Tensor) -> None:
        super().__init__()
        self.block, self.bias = block, bias

    def forward(self, hidden_states: torch.Tensor, **arguments: Any) -> Any:
        return self.block(hidden_states, **arguments | {"alibi": self.bias, "attention_mask": None})


@contextmanager
def alibi_given(model: PreTrainedModel, mask: torch.Tensor) -> Iterator[torch.Tensor | None]:
    """Let a model with ALiBi take a mask [rows, heads, queries, keys] unchanged, without adding its own bias.

    Yields:
        The value for the model's argument `attention_mask`.
    """
    core = next(module for module in model.modules() if isinstance(module, FalconModel | bloom.BloomModel))
    blocks, falcon = core.h, isinstance(core, FalconModel)
    core.use_alibi = not falcon  # BLOOM has no such switch
    core.h = torch.nn.ModuleList(_Biased(each) if falcon else _Replaced(each, mask.flatten(0, 1)) for each in blocks)
    try:
        yield mask if falcon else None
    finally:
        core.use_alibi, core.h = True, blocks


def alibi_table(model: PreTrainedModel, places: int) -> torch.Tensor:
    """The model's own ALiBi bias [heads, places] for a key at each position, to be added to scaled scores.

    Falcon rounds slopes and biases to bfloat16, in which neighbouring positions above 256 share a value, and scales the
    bias together with the scores. Pre-trained weights were trained with these roundings, so they are kept.
    """
    config = model.config
    ones = torch.ones((1, places), dtype=torch.long, device=model.device)
    if config.model_type == "bloom":
        return bloom.build_alibi_tensor(ones, config.num_attention_heads, model.dtype)[:, 0]
    return build_alibi_tensor(ones, config.num_attention_heads, model.dtype)[:, 0] / config.head_dim**0.5
