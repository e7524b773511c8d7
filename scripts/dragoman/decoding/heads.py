"""A ranking of attention heads by how often they point at the source word that the next token translates, for AlignAtt.

For every head and every token of a reference, the source word with the largest attention weight is compared with the
word alignment. The head's share is the share of tokens for which they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from dragoman.decoding.prediction import attention_weights, check_attention
from dragoman.languages.spelling import Spelled
from dragoman.models import attention
from dragoman.models.attention import Positions
from dragoman.policies import Link


class Head(NamedTuple):
    """An attention head, or the mean of a layer's heads."""

    layer: int
    head: int | None
    """Number of the head from 0; None: the mean of the weights of all heads of the layer."""
    share: float
    """Share of target tokens whose largest weight is on an aligned source word, 0 to 1."""


class EveryWeight(TorchFunctionMode):
    """While active, keeps the attention weights of all layers, one tensor [rows, heads, queries, keys] each."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[torch.Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            given = dict(zip(("query", "key", "value", "attn_mask"), args, strict=False)) | kwargs
            self.layers.append(attention_weights(given["query"], given["key"], given["attn_mask"], given.get("scale")))
        return func(*args, **kwargs)


@torch.inference_mode()
def ranked(
    model: PreTrainedModel,
    pairs: Iterable[tuple[Spelled, Sequence[Link]]],
    positions: Positions = "plain",
    origin: int = 0,
) -> list[Head]:
    """All heads and the mean of each layer, sorted by share, the largest first.

    Each token is predicted from the whole source and the tokens before it, as in training. Tokens of unaligned target
    words are left out.

    Args:
        model: in evaluation mode, with `attn_implementation="sdpa"`.
        pairs: sentence pairs in tokens, with their word alignments.
        positions, origin: as for `attention.masked`.

    Raises:
        ValueError: no word is aligned, or the model's attention weights cannot be computed.
    """
    check_attention(model)
    hits, tokens = 0, 0
    for pair, links in pairs:
        aligned = torch.zeros(pair.count + 2, len(pair.source.source), dtype=torch.bool)
        for source, target in links:
            aligned[target + 1, source] = True
        units = torch.tensor(pair.number)
        chosen = aligned[units].any(-1)
        if not chosen.any():
            continue
        context, ends = len(pair.source.context), pair.source.ends
        first = context + len(pair.source.mark)
        visible = torch.full((1, len(pair.ids)), context - ends[0])
        visible[0, :context] = (torch.arange(context) - ends[0] + 1).clamp(min=0)
        ids = torch.tensor([pair.ids])
        with EveryWeight() as every:
            inputs = (each.to(model.device) for each in (ids, visible, torch.ones_like(ids)))
            attention.masked(model, *inputs, positions, origin=origin, keep=1)
        predicting = slice(first - 1, first - 1 + len(units))
        weights = torch.stack([layer[0, :, predicting, :context] for layer in every.layers]).cpu()
        weights = torch.cat([weights, weights.mean(1, keepdim=True)], 1)  # [layers, heads + 1, tokens, context]
        # weight of each source word, [layers, heads + 1, tokens, words]: the sum over its tokens ends[i] to ends[i + 1]
        sums = functional.pad(weights.cumsum(-1), (1, 0))[..., ends].diff(dim=-1)
        hits = hits + aligned[units, sums.argmax(-1)][..., chosen].sum(-1)
        tokens += int(chosen.sum())
    if not tokens:
        raise ValueError("no word of these sentence pairs is aligned")
    shares = (hits / tokens).tolist()
    heads = [
        Head(layer, None if head == len(row) - 1 else head, share)
        for layer, row in enumerate(shares)
        for head, share in enumerate(row)
    ]
    return sorted(heads, key=lambda each: -each.share)
