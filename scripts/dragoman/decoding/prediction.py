"""What a policy may ask about the pass that predicted the next token: probabilities, the attention of one layer, and
likely continuations.

SDPA does not return attention weights. While `LayerWeights` is active, the weights of one layer are therefore computed
a second time, from the queries and keys of its attention, for the last query alone.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from dragoman import models
from dragoman.decoding.beams import Candidates


@dataclass(frozen=True)
class Prediction:
    """The prediction of one token."""

    logits: torch.Tensor
    """float32 [vocabulary], minus infinity for tokens that are not possible there."""
    weights: torch.Tensor | None = None
    """float32 [heads, context tokens that the response may look at], where a layer was watched."""
    found: Candidates | None = None
    """Continuations, where a search was asked for."""

    def distribution(self) -> torch.Tensor:
        """Probabilities float32 [vocabulary] of the next token; 0 for tokens that are not possible there."""
        return self.logits.softmax(-1)

    def attention(self) -> torch.Tensor:
        """Attention weights float32 [heads, context tokens] of the watched layer.

        Raises:
            ValueError: the policy names no layer to watch.
        """
        if self.weights is None:
            raise ValueError("a policy that uses attention must set its layer: `watched`")
        return self.weights

    def candidates(self) -> list[list[int]]:
        """Token ids of the most likely continuations, the best first.

        Raises:
            ValueError: the policy does not say how many there are.
        """
        if self.found is None:
            raise ValueError("a policy that looks at candidates must say how many, and of how many tokens: `beams`")
        return self.found.tokens


def check_attention(model: PreTrainedModel) -> None:
    """Refuse a model that does not call SDPA, since its attention weights cannot be computed.

    Raises:
        ValueError: it is such a model.
    """
    if models.implementation(model.config.model_type) != "sdpa":
        raise ValueError(f"no policy can look at the attention of {model.config.model_type} models; use another policy")


class LayerWeights(TorchFunctionMode):
    """While active, stores the attention weights of one layer, for the last query of each row."""

    def __init__(self, layer: int, heads: int) -> None:
        """
        Args:
            layer: number of the layer from 0.
            heads: number of heads of its queries.
        """
        super().__init__()
        self.layer, self.heads, self.calls = layer, heads, 0
        self.weights = torch.empty(0)
        """float32 [rows, heads, keys]."""

    @classmethod
    def of(cls, model: PreTrainedModel, layer: int | None) -> AbstractContextManager[LayerWeights | None]:
        """A context manager for a layer of the model, counted from 0, or from the end with negative numbers; for None,
        one that does nothing.

        Raises:
            ValueError: the model has no such layer.
        """
        if layer is None:
            return nullcontext()
        check_attention(model)
        config = model.config.get_text_config()
        count = config.num_hidden_layers
        if not -count <= layer < count:
            raise ValueError(f"the policy looks at layer {layer}, and the model has layers 0 to {count - 1}")
        return cls(layer % count, config.num_attention_heads)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            if self.calls == self.layer:
                given = dict(zip(("query", "key", "value", "attn_mask"), args, strict=False)) | kwargs
                query, key, mask, scale = given["query"], given["key"], given["attn_mask"], given.get("scale")
                if query.shape[1] == self.heads:
                    self.weights = last_weights(query, key, mask, scale)
                else:
                    # if there is one query, transformers 5 puts the heads that share a key head in the place of queries
                    self.weights = attention_weights(query, key, mask, scale).flatten(1, 2)
            self.calls += 1
        return func(*args, **kwargs)


def last_weights(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor, scale: float | None = None
) -> torch.Tensor:
    """Attention weights float32 [rows, heads, keys] of the last query; arguments as for `attention_weights`."""
    return attention_weights(query[:, :, -1:], key, mask[:, :, -1:], scale)[:, :, 0]


def attention_weights(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor, scale: float | None = None
) -> torch.Tensor:
    """Attention weights float32 [rows, heads, queries, keys].

    Args:
        query: [rows, heads, queries, width].
        key: [rows, key heads, keys, width]; a key head may serve several heads in a row.
        mask: [rows, heads or 1, queries, keys]: boolean, or added to the scores.
        scale: factor of the products; None: 1 / sqrt(width).
    """
    key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scores = (query @ key.mT).float() * (scale or query.shape[-1] ** -0.5)
    return (scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask.float()).softmax(-1)
