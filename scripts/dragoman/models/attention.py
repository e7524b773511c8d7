"""A forward pass in which every query sees what we say: with `output`, the only file that reaches inside a Hugging Face
model.

Models with rotary positions (and learned ones) take a boolean mask [batch, 1, queries, keys] and `position_ids` as they
are. Falcon with ALiBi accepts no such mask and adds its bias itself; for the time of a pass its ALiBi is switched off
and our bias given as the mask, which leaves the same arithmetic: under a causal mask the logits are those of the
untouched model, bit for bit. BLOOM, whose attention is its own and takes no SDPA, gets our bias in place of its own.

How positions are counted when source tokens are hidden:

    plain     every token where it stands in the sequence, hidden or not
    modified  ALiBi: hidden tokens take no room, query by query (arXiv 2405.10443)
    group     rotary: the source and what follows it each count from an origin of their own (arXiv 2505.16983)
    none      any model: every token is at position 0, and only the mask shows the order (NoPE, arXiv 2305.19466)

The last three give the numbers that word-by-word decoding with a kept cache gives.

A sliding layer's query sees keys that are nearer than its window: at inference the tokens read and written by then, one
after the other. So hidden tokens count for the window with `plain` only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.models.bloom import modeling_bloom as bloom
from transformers.models.falcon.modeling_falcon import FalconModel, build_alibi_tensor

from dragoman import models
from dragoman.models import output, visibility

Positions = Literal["plain", "modified", "group", "none"]


@dataclass(frozen=True)
class View:
    """What each query of a block sees, and where."""

    seen: torch.Tensor
    """bool [batch, queries, keys]: may the query see the key? Every query sees one at least."""
    place: torch.Tensor
    """int64 [batch, queries]: position of each query, for rotary and learned positions."""
    key_place: torch.Tensor
    """int64 [batch, queries or 1, keys]: position at which the query finds the key, below `keys`, for ALiBi and for
    sliding windows."""
    own_place: torch.Tensor
    """int64 [batch, queries]: position at which the query finds its own key, for sliding windows."""


def uses_alibi(model: PreTrainedModel) -> bool:
    """Whether positions are ALiBi, not rotary or learned.

    Raises:
        ValueError: they are ALiBi in a kind of model that is not provided for.
    """
    kind = model.config.model_type
    if kind == "mpt":
        raise ValueError(models.unmaskable({"model_type": kind}))
    return kind == "bloom" or (kind == "falcon" and model.config.alibi)


def window(model: PreTrainedModel) -> int | None:
    """How many keys a query of a sliding layer sees, its own among them; None where all layers see all.

    Raises:
        ValueError: the model has layers that no mask can be given to.
    """
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ()
    if why := models.unmaskable({**vars(config), "model_type": config.model_type, "layer_types": kinds}):
        raise ValueError(f"{why}; use an offline decoder, and train without packing")
    return getattr(config, "sliding_window", None) if not kinds or "sliding_attention" in kinds else None


def mirroring(model: PreTrainedModel) -> Positions:
    """The way to count positions in training that word-by-word decoding repeats exactly."""
    return "modified" if uses_alibi(model) else "group"


def check_positions(model: PreTrainedModel, positions: Positions) -> None:
    """Refuse positions that this kind of model cannot have.

    Raises:
        ValueError: they are for other models.
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
    """The view of whole sequences, every token a query and a key. Each document counts from its own beginning.

    Args:
        visible: int64 [batch, length], source tokens that each query sees; see `visibility`.
        documents: int64 [batch, length], which example each token is part of, from 1; 0 on padding, on either side.
        positions: how to count.
        origin: with `group`, the position of the first token after the source.
        window: the model's, if it has one.
    """
    first, start, end = visibility.edges(visible, documents)
    index = torch.arange(visible.shape[1], device=visible.device)
    i, j, rows, starts, ends = index[:, None], index[None, :], visible[:, :, None], start[:, :, None], end[:, :, None]
    seen = visibility.sees(i, j, rows, starts, ends) & (documents[:, :, None] == documents[:, None, :])
    place = own_place = index - first
    key_place = place[:, None, :]
    counts = window is not None and len(index) > window
    if positions == "modified" or (positions in ("group", "none") and counts):
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
    """Logits of one pass over whole sequences under their visibility.

    Args:
        model: loaded with `attn_implementation="sdpa"`; in any precision, also under autocast or with an adapter.
        input_ids: int64 [batch, length].
        visible: int64 [batch, length], source tokens that each query sees; see `visibility`.
        documents: int64 [batch, length], which example each token is part of, from 1; 0 on padding.
        positions: how to count, see above; each document for itself.
        origin: with `group`, the position of the first token after the source.
        keep: logits of so many last positions only; 0 means all. Or those that are True, a bool [batch, length].
        kernel: `flex` computes the mask inside FlexAttention instead of keeping it in memory: for long sequences on
            a GPU.

    Returns:
        [batch, length or keep, vocabulary], or [True ones, vocabulary]; differentiable.

    Raises:
        ValueError: the model cannot have such positions, or not this kernel.
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
    """Logits of an ordinary pass in which no document sees another; arguments as for `masked`."""
    return masked(model, input_ids, torch.zeros_like(input_ids), documents, "plain", keep=keep)


# --------------------------------------------------------------------------------------------------------- the pass


class _Biased(torch.nn.Module):
    """A Falcon block with ALiBi whose mask holds the bias already. It only asks whether there is one: then it does not
    rotate. Being an argument, it is there again when gradient checkpointing repeats the block afterwards."""

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
def _alibi_given(model: PreTrainedModel, mask: torch.Tensor) -> Iterator[torch.Tensor | None]:
    """Let a model with ALiBi take a mask [rows, heads, queries, keys] as it is, and add nothing of its own.

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
    """The model's own bias [heads, places] of a key at each position, as it is added to scores that are scaled already.

    Falcon rounds slopes and biases to bfloat16 (above position 256, every second one is another's) and scales the bias
    with the scores; pre-trained weights know nothing else.
    """
    config = model.config
    ones = torch.ones((1, places), dtype=torch.long, device=model.device)
    if config.model_type == "bloom":
        return bloom.build_alibi_tensor(ones, config.num_attention_heads, model.dtype)[:, 0]
    return build_alibi_tensor(ones, config.num_attention_heads, model.dtype)[:, 0] / config.head_dim**0.5


def forward(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    view: View,
    cache: Cache | None = None,
    keep: int | torch.Tensor = 0,
) -> torch.Tensor:
    """Logits of a block of queries over cached keys and their own.

    Args:
        model: loaded with `attn_implementation="sdpa"`.
        input_ids: int64 [batch, queries].
        view: of keys [cached, then those of the block]; need not be in the order of the sentence.
        cache: from `new_cache`; the block's keys and values are appended to it.
        keep: logits of so many last queries only; 0 means all. Or those that are True, a bool [batch, queries].

    Returns:
        [batch, queries, vocabulary], or [True ones, vocabulary].

    Raises:
        ValueError: another attention implementation, or layers that no mask can be given to.
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
    """The masks of a model with a sliding window, as it takes them: one for each kind of layer that it has."""
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
    """Logits under a mask [batch or 1, heads or 1, queries, keys], or one for each kind of layer, and nothing else."""
    given, wanted = model.config.get_text_config()._attn_implementation, models.implementation(model.config.model_type)
    if given != wanted:
        raise ValueError(f"load the model with attn_implementation={wanted!r}, not {given!r}")
    with output.only(model, keep) as last:
        arguments |= {"logits_to_keep": last}
        if uses_alibi(model):
            assert isinstance(mask, torch.Tensor)  # no such model has kinds of layers
            with _alibi_given(model, mask) as given:
                return model(**arguments, attention_mask=given).logits
        return model(**arguments, attention_mask=mask, position_ids=place).logits


def new_cache() -> Cache:
    """An empty cache that keeps every key, also in models with a sliding window."""
    return DynamicCache()


def crop(cache: Cache, tokens: int) -> None:
    """Forget the last so many tokens."""
    if tokens:
        cache.crop(-tokens)


# ---------------------------------------------------------------------------------------------------- FlexAttention


@functools.cache
def _compiled_flex() -> Callable[..., torch.Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


class Flex(TorchFunctionMode):
    """While active, `scaled_dot_product_attention` over whole sequences is FlexAttention under our mask and bias.

    Works for every model, also for Falcon, which knows no attention but its own. The mask it is called with only tells
    the kind of the layer.
    """

    kernel: Callable[..., torch.Tensor] | None = None
    """Another implementation of `flex_attention` than the compiled one."""

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
        """The mask to call the model with."""
        self.block_masks = {}
        for mark, each in zip(marks, windows, strict=True):
            seen = visibility.mask_mod(visible, documents, each, hidden_counts=positions == "plain")
            self.block_masks[mark.data_ptr()] = create_block_mask(
                seen, batch, None, length, length, device=visible.device
            )
        self.marks = marks  # kept, so that nothing else lies where they do

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
    """FlexAttention's `score_mod` for ALiBi: (scaled score, batch, head, query, key) -> score with its bias.

    Sequences are padded on the right. `table` is [heads, length], from `alibi_table`.
    """
    first, start, end = visibility.edges(visible, documents)

    def add(score: torch.Tensor, b: Any, h: Any, i: Any, j: Any) -> torch.Tensor:
        found = visibility.position(j, visible[b, i], start[b, i], end[b, i]) if positions == "modified" else j
        return score + table[h, (found - first[b, i]).clamp(min=0)]

    return add
