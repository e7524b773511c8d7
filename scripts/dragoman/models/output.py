"""The output layer of a model: chooses the positions whose logits are computed, and computes logits of hidden states.

With a vocabulary of 262,144, the output layer takes most of a small model's time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast


def vocabulary(model: PreTrainedModel) -> int:
    """Number of logits of a position. The tokenizer may have more or fewer tokens."""
    return len(model.get_output_embeddings().weight)


def arranged(model: PreTrainedModel) -> PreTrainedModel:
    """The same model, changed so that its output layer gets contiguous input.

    `logits_to_keep` takes a slice of each row, which is not contiguous. For such input and a frozen weight, torch's
    `linear` computes one product per row and reads the whole weight for each of them.
    """
    if (layer := model.get_output_embeddings()) is not None:
        layer.register_forward_pre_hook(_in_one_piece)
    return model


def _in_one_piece(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (given[0].contiguous(), *given[1:])


@contextmanager
def only(model: PreTrainedModel, keep: int | torch.Tensor) -> Iterator[int]:
    """Within this context, passes of a model compute the logits of some positions only.

    Args:
        model: with or without an adapter.
        keep: number of last positions, 0 for all; or a bool mask [batch, length], which makes the logits
            [number of True, vocabulary].

    Yields:
        The value for the model's argument `logits_to_keep`.
    """
    if not isinstance(keep, torch.Tensor):
        yield keep
        return
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, given: (given[0][keep],))
    try:
        yield 0
    finally:
        hook.remove()


def states(model: PreTrainedModel, run: Callable[[], Any], kept: torch.Tensor) -> torch.Tensor:
    """The input of the output layer in a pass: hidden states [number of True, width]. No logits are computed.

    Args:
        model: the model that `run` calls.
        run: the pass.
        kept: bool [batch, length], the positions.
    """
    inputs = []

    def take(hidden: torch.Tensor) -> torch.Tensor:
        inputs.append(hidden[kept])
        # the layer itself is not called, even without positions, since autocast would copy its weights
        return hidden.new_zeros(len(hidden), 0, vocabulary(model))

    with _replaced(model.get_output_embeddings(), take):
        run()
    return inputs[0]


def logits(model: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """Logits [positions, vocabulary] of last hidden states [positions, width], with all steps that the model applies
    after its layers: some models scale or cap their logits."""
    inner: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    made = BaseModelOutputWithPast(last_hidden_state=hidden[None])
    made.image_hidden_states = None  # models for text and images read this attribute
    with _replaced(inner.base_model, lambda *args, **kwargs: made):
        # an index in place of `squeeze` would make the backward pass copy the gradient
        return inner(inputs_embeds=hidden[None], use_cache=False).logits.squeeze(0)


@contextmanager
def _replaced(module: torch.nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Within this context, `forward` runs in place of the module's own."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before
