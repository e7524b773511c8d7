"""ALiBi: a bias for each key's distance in place of positions, given to Falcon, BLOOM and MPT with our masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from transformers import Cache, PreTrainedModel
from transformers.models.bloom import modeling_bloom as bloom
from transformers.models.falcon.modeling_falcon import FalconModel, build_alibi_tensor
from transformers.models.mpt.modeling_mpt import MptAttention, MptModel, build_mpt_alibi_tensor

from dragoman import models


def uses_alibi(model: PreTrainedModel) -> bool:
    """Whether a model has ALiBi positions."""
    kind = model.config.model_type
    return kind in models.OWN_ATTENTION or (kind == "falcon" and model.config.alibi)


class _Given(torch.nn.Module):
    """A block that always gets some arguments of ours. Gradient checkpointing stores arguments, so they are also there
    when the block is run again in the backward pass."""

    def __init__(self, block: torch.nn.Module, **ours: Any) -> None:
        super().__init__()
        self.block, self.ours = block, ours

    def forward(self, hidden_states: torch.Tensor, **arguments: Any) -> Any:
        return self.block(hidden_states, **arguments | self.ours)


def _attend(
    self: MptAttention,
    hidden_states: torch.Tensor,
    position_bias: torch.Tensor,
    past_key_values: Cache | None = None,
    attention_mask: torch.Tensor | None = None,
    **arguments: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """MPT's attention, which also accepts a bias [rows, heads, queries, keys] that is the whole mask. The library's
    attention accepts one bias for all rows only, and still computes every pass with such a bias."""
    if position_bias.dim() == 3:
        return MptAttention.forward(self, hidden_states, position_bias, past_key_values, attention_mask, **arguments)
    projected = self.Wqkv(hidden_states)
    if self.clip_qkv:
        projected = projected.clamp(min=-self.clip_qkv, max=self.clip_qkv)
    queries, keys, values = (
        part.unflatten(-1, (self.n_heads, self.head_dim)).transpose(1, 2) for part in projected.chunk(3, dim=2)
    )
    if past_key_values is not None:
        keys, values = past_key_values.update(keys, values, self.layer_idx)
    dropout = self.attn_dropout_p if self.training else 0.0
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, position_bias, dropout, scale=self.softmax_scale
    )
    return self.out_proj(mixed.transpose(1, 2).flatten(2)), None


@contextmanager
def alibi_given(model: PreTrainedModel, mask: torch.Tensor) -> Iterator[torch.Tensor | None]:
    """Let a model with ALiBi take a mask [rows, heads, queries, keys] unchanged, without adding its own bias.

    Yields:
        The value for the model's argument `attention_mask`.
    """
    core = next(module for module in model.modules() if isinstance(module, FalconModel | bloom.BloomModel | MptModel))
    if isinstance(core, FalconModel):
        # without any `alibi`, a block applies rotary positions
        name, ours, passed = "h", {"alibi": mask}, mask
    elif isinstance(core, MptModel):
        name, ours, passed = "blocks", {"position_bias": mask, "attention_mask": None}, None
        for block in core.blocks:
            block.attn.forward = partial(_attend, block.attn)
    else:
        name, ours, passed = "h", {"alibi": mask.flatten(0, 1), "attention_mask": None}, None
    blocks = getattr(core, name)
    core.use_alibi = not isinstance(core, FalconModel)  # the others have no such switch
    setattr(core, name, torch.nn.ModuleList(_Given(block, **ours) for block in blocks))
    try:
        yield passed
    finally:
        core.use_alibi = True
        setattr(core, name, blocks)


def alibi_table(model: PreTrainedModel, places: int) -> torch.Tensor:
    """The model's own ALiBi bias [heads, places] for a key at each position, to be added to scaled scores.

    Falcon rounds slopes and biases to bfloat16, in which neighbouring positions above 256 share a value, and scales the
    bias together with the scores. Pre-trained weights were trained with these roundings, so they are kept.
    """
    config = model.config
    ones = torch.ones((1, places), dtype=torch.long, device=model.device)
    if config.model_type == "mpt":
        return build_mpt_alibi_tensor(config.n_heads, places, device=model.device)[:, 0].to(model.dtype)
    if config.model_type == "bloom":
        return bloom.build_alibi_tensor(ones, config.num_attention_heads, model.dtype)[:, 0]
    return build_alibi_tensor(ones, config.num_attention_heads, model.dtype)[:, 0] / config.head_dim**0.5
