"""Forward passes with our own attention masks and positions. Only this file, `alibi` and `output` depend on the inside
of Hugging Face models.

Models with rotary or learned positions accept a boolean mask [batch, 1, queries, keys] and `position_ids`. Falcon with
ALiBi accepts no such mask and adds its bias itself. During a pass, its ALiBi is switched off and our bias is given as
the mask, which is the same arithmetic: under a causal mask, the logits equal the unchanged model's, bit for bit. BLOOM
and MPT have an attention of their own without SDPA; our bias replaces theirs. Models without SDPA that accept a mask,
like Gemma 2, add it to the scores, so they get numbers instead of booleans.

There are three ways to count positions when source tokens are hidden:

    plain     all tokens count, hidden or not
    modified  ALiBi: tokens that are hidden from a query do not count for this query (arXiv 2405.10443)
    group     rotary: the source and the tokens after it are counted from two separate origins (arXiv 2505.16983)
    none      any model: every token is at position 0, and only the mask shows the order (NoPE, arXiv 2305.19466)

The last three give the same logits as word-by-word decoding with a kept cache.

In a sliding layer, a query sees the keys within its window: in decoding, the last tokens that had been read and written
by then. So hidden tokens count for the window with `plain` only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import Cache, DynamicCache, PreTrainedModel

from dragoman import models
from dragoman.models import output, visibility
from dragoman.models.alibi import alibi_given, alibi_table, uses_alibi

Positions = Literal["plain", "modified", "group", "none"]


@dataclass(frozen=True)
class View:
    """The keys that each query of a block attends to, and all positions."""

    seen: torch.Tensor
    """bool [batch, queries, keys]: whether the query attends to the key. Every query attends to at least one key."""
    place: torch.Tensor
    """int64 [batch, queries]: position of each query, for rotary and learned positions."""
    key_place: torch.Tensor
    """int64 [batch, queries or 1, keys]: position of each key as counted for the query, less than `keys`; for ALiBi and
    sliding windows."""
    own_place: torch.Tensor
    """int64 [batch, queries]: position of the query's own key, counted in the same way; for sliding windows."""


def window(model: PreTrainedModel) -> int | None:
    """Number of keys that a query of a sliding layer attends to, including its own; None if there are no such layers.

    Raises:
        ValueError: the model has layers that accept no mask.
    """
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ()
    if why := models.unmaskable({**vars(config), "model_type": config.model_type, "layer_types": kinds}):
        raise ValueError(f"{why}; use an offline decoder, and train without packing")
    return getattr(config, "sliding_window", None) if not kinds or "sliding_attention" in kinds else None


def mirroring(model: PreTrainedModel) -> Positions:
    """The way to count positions in training that gives the same positions as word-by-word decoding."""
    return "modified" if uses_alibi(model) else "group"


def check_positions(model: PreTrainedModel, positions: Positions) -> None:
    """Refuse positions that do not fit the model.

    Raises:
        ValueError: the model has no such positions; the message names the ones that it has.
    """
    if positions not in ("plain", "none", mirroring(model)):
        kind = "ALiBi" if uses_alibi(model) else "rotary or learned positions"
        raise ValueError(
            f"a model with {kind} has {mirroring(model)!r}, 'plain' or 'none' positions, not {positions!r}"
        )


def unplaced(model: PreTrainedModel, view: View, positions: Positions) -> View:
    """The view, with every token at position 0 if positions are `none`. Sliding windows still count tokens."""
    if positions != "none":
        return view
    key_place = torch.zeros_like(view.key_place) if uses_alibi(model) else view.key_place
    return replace(view, place=torch.zeros_like(view.place), key_place=key_place)


# --------------------------------------------------------------------------------------------------- whole sequences


def whole(
    visible: torch.Tensor, documents: torch.Tensor, positions: Positions, origin: int = 0, window: int | None = None
) -> View:
    """The view of whole sequences, in which every token is a query and a key. Positions are counted for each document.

    Args:
        visible: int64 [batch, length], number of source tokens that each query attends to; see `visibility`.
        documents: int64 [batch, length], number of the example that each token belongs to, from 1; 0 on padding, which
            may be on either side.
        positions: how to count positions.
        origin: with `group`, the position of the first token after the source.
        window: from `window(model)`.
    """
    first, start, end = visibility.edges(visible, documents)
    index = torch.arange(visible.shape[1], device=visible.device)
    i, j, rows, starts, ends = index[:, None], index[None, :], visible[:, :, None], start[:, :, None], end[:, :, None]
    seen = visibility.sees(i, j, rows, starts, ends) & (documents[:, :, None] == documents[:, None, :])
    place = own_place = index - first
    key_place = place[:, None, :]
    counts = window is not None and len(index) > window
    if positions == "modified" or (positions in ("group", "none") and counts):
        # clamped, since keys of earlier documents would have negative positions; no query sees them
        key_place = (visibility.position(j, rows, starts, ends) - first[:, :, None]).clamp(min=0)
        own_place = visibility.position(index, visible, start, end) - first
    if positions == "group":
        place = torch.where(index < end, place, origin + index - end)
    return View(seen, place, key_place, own_place)


def masked(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    visible: torch.Tensor,
    documents: torch.Tensor,
    positions: Positions,
    *,
    origin: int = 0,
    keep: int | torch.Tensor = 0,
    kernel: Literal["sdpa", "flex"] = "sdpa",
) -> torch.Tensor:
    """Logits of one pass over whole sequences with the masks of simultaneous translation.

    Args:
        model: loaded with `attn_implementation="sdpa"`; in any precision, also under autocast or with an adapter.
        input_ids: int64 [batch, length].
        visible: int64 [batch, length], number of source tokens that each query attends to; see `visibility`.
        documents: int64 [batch, length], number of the example that each token belongs to, from 1; 0 on padding.
        positions: how to count positions, within each document (see above).
        origin: with `group`, the position of the first token after the source.
        keep: number of last positions whose logits are computed; 0: all positions. Or a bool mask [batch, length] of
            the positions.
        kernel: `flex` computes the mask inside FlexAttention instead of keeping it in memory, which is for long
            sequences on a GPU.

    Returns:
        Logits [batch, length or keep, vocabulary], or, for a mask, [number of True, vocabulary]; differentiable.

    Raises:
        ValueError: the positions do not fit the model, or the kernel does not support the model or the padding.
    """
    check_positions(model, positions)
    view = unplaced(model, whole(visible, documents, positions, origin, window(model)), positions)
    if kernel == "sdpa":
        return forward(model, input_ids, view, keep=keep)
    if models.implementation(model.config.model_type) != "sdpa":
        raise ValueError(f"{model.config.model_type} has an attention of its own, without FlexAttention; use sdpa")
    if model.training and model.is_activation_checkpointing:
        raise ValueError("gradient checkpointing repeats the forward pass outside of FlexAttention's reach; use sdpa")
    if not documents[:, 0].all():
        raise ValueError("with FlexAttention, sequences are padded on the right")
    with Flex(model, visible, documents, positions) as flex:
        return _run(model, flex.given, view.place, keep, input_ids=input_ids, use_cache=False)


def causal(
    model: PreTrainedModel, input_ids: torch.Tensor, documents: torch.Tensor, keep: int | torch.Tensor = 0
) -> torch.Tensor:
    """Logits of a causal pass in which tokens attend only to tokens of their own document. Arguments, result and errors
    are as in `masked`."""
    return masked(model, input_ids, torch.zeros_like(input_ids), documents, "plain", keep=keep)


# --------------------------------------------------------------------------------------------------------- the pass


def forward(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    view: View,
    cache: Cache | None = None,
    keep: int | torch.Tensor = 0,
) -> torch.Tensor:
    """Logits of a block of queries, which attend to cached keys and to keys of the block.

    Args:
        model: loaded with `attn_implementation="sdpa"`.
        input_ids: int64 [batch, queries].
        view: its keys are the cached keys, followed by the keys of the block. They may be in another order than in the
            sentence.
        cache: from `new_cache`; the block's keys and values are appended to it.
        keep: number of last queries whose logits are computed; 0: all queries. Or a bool mask [batch, queries].

    Returns:
        Logits [batch, queries or keep, vocabulary], or, for a mask, [number of True, vocabulary].

    Raises:
        ValueError: the model has another attention implementation, or layers that accept no mask.
    """
    seen, size = view.seen[:, None], window(model)
    mask: torch.Tensor | dict[str, torch.Tensor] = seen
    if uses_alibi(model):
        bias = alibi_table(model, seen.shape[-1])[:, view.key_place].transpose(0, 1)
        mask = bias.masked_fill(~seen, torch.finfo(bias.dtype).min)
    elif size is not None:
        near = seen
        if seen.shape[-1] > size:
            near = seen & (view.own_place[:, :, None] - view.key_place < size)[:, None]
        mask = _by_layer(model, seen, near)
    arguments = {"input_ids": input_ids, "past_key_values": cache, "use_cache": cache is not None}
    return _run(model, mask, view.place, keep, **arguments)


def _by_layer(
    model: PreTrainedModel, full: torch.Tensor, sliding: torch.Tensor
) -> torch.Tensor | dict[str, torch.Tensor]:
    """The masks of a model with a sliding window: one mask if all layers slide, otherwise one per kind of layer."""
    if {*(getattr(model.config.get_text_config(), "layer_types", None) or ())} <= {"sliding_attention"}:
        return sliding
    return {"full_attention": full, "sliding_attention": sliding}


def _run(
    model: PreTrainedModel,
    mask: torch.Tensor | dict[str, torch.Tensor],
    place: torch.Tensor,
    keep: int | torch.Tensor,
    **arguments: Any,
) -> torch.Tensor:
    """Logits of a pass with a mask [batch or 1, heads or 1, queries, keys], or with one mask per kind of layer. The
    model adds no mask of its own."""
    given, wanted = model.config.get_text_config()._attn_implementation, models.implementation(model.config.model_type)
    if given != wanted:
        raise ValueError(f"load the model with attn_implementation={wanted!r}, not {given!r}")
    with output.only(model, keep) as last:
        arguments |= {"logits_to_keep": last}
        if uses_alibi(model):
            assert isinstance(mask, torch.Tensor)  # no such model has kinds of layers
            with alibi_given(model, mask) as given:
                return model(**arguments, attention_mask=given).logits
        if wanted == "eager":
            mask = _added(mask, model.dtype)
        return model(**arguments, attention_mask=mask, position_ids=place).logits


def _added(seen: torch.Tensor | dict[str, torch.Tensor], dtype: torch.dtype) -> torch.Tensor | dict[str, torch.Tensor]:
    """A mask that is added to the scores, from one that is True where a query attends to a key; or one per kind of
    layer."""
    if isinstance(seen, dict):
        return {kind: _added(each, dtype) for kind, each in seen.items()}
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)


def new_cache() -> Cache:
    """An empty cache that keeps all keys, also in models with a sliding window, since our masks choose among them."""
    return DynamicCache()


def branch(cache: Cache, times: int) -> Cache:
    """A copy of a cache, with every row several times in a row."""
    copied = DynamicCache()
    for number, layer in enumerate(cache.layers):
        copied.update(layer.keys.repeat_interleave(times, 0), layer.values.repeat_interleave(times, 0), number)
    return copied


def crop(cache: Cache, tokens: int) -> None:
    """Remove the keys and values of the last `tokens` tokens from a cache."""
    if tokens:
        cache.crop(-tokens)


# ---------------------------------------------------------------------------------------------------- FlexAttention


@functools.cache
def _compiled_flex() -> Callable[..., torch.Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


class Flex(TorchFunctionMode):
    """Within this context, `scaled_dot_product_attention` over whole sequences is FlexAttention with our mask and bias.

    This works for all models, also for Falcon, whose attention code cannot be exchanged. The mask that a layer passes
    only identifies the kind of the layer.
    """

    kernel: Callable[..., torch.Tensor] | None = None
    """Replaces the compiled `flex_attention`, for tests."""

    def __init__(
        self, model: PreTrainedModel, visible: torch.Tensor, documents: torch.Tensor, positions: Positions
    ) -> None:
        super().__init__()
        from torch.nn.attention.flex_attention import create_block_mask

        batch, length = visible.shape
        self.score_mod = None
        if uses_alibi(model) and positions != "none":
            self.score_mod = flex_bias(visible, documents, alibi_table(model, length), positions)
        size = window(model)
        windows = [None] if size is None else [None, size]
        marks = [visible.new_ones((1, 1, 1, 1)).bool() for _ in windows]
        self.given = marks[0] if size is None else _by_layer(model, *marks)
        """The mask argument for the model: a mark of one element for each kind of layer."""
        self.block_masks = {}
        for mark, each in zip(marks, windows, strict=True):
            seen = visibility.mask_mod(visible, documents, each, hidden_counts=positions == "plain")
            self.block_masks[mark.data_ptr()] = create_block_mask(
                seen, batch, None, length, length, device=visible.device
            )
        self.marks = marks  # kept alive, since `block_masks` is keyed by their addresses

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **kwargs)
        if kwargs.get("dropout_p"):
            raise ValueError("FlexAttention has no dropout; set the model's attention_dropout to 0")
        given = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
        return (self.kernel or _compiled_flex())(
            given["query"],
            given["key"],
            given["value"],
            score_mod=self.score_mod,
            block_mask=self.block_masks[given["attn_mask"].data_ptr()],
            scale=given.get("scale"),
            enable_gqa=given.get("enable_gqa", False),
        )


def flex_bias(
    visible: torch.Tensor, documents: torch.Tensor, table: torch.Tensor, positions: Positions
) -> Callable[..., torch.Tensor]:
    """FlexAttention's `score_mod` for ALiBi: (scaled score, batch, head, query, key) -> score plus bias.

    Args:
        visible, documents: int64 [batch, length], as in `masked`; padded on the right.
        table: [heads, length], from `alibi_table`.
        positions: `plain` or `modified`.
    """
    first, start, end = visibility.edges(visible, documents)

    def add(score: torch.Tensor, b: Any, h: Any, i: Any, j: Any) -> torch.Tensor:
        place = visibility.position(j, visible[b, i], start[b, i], end[b, i]) if positions == "modified" else j
        return score + table[h, (place - first[b, i]).clamp(min=0)]

    return add
