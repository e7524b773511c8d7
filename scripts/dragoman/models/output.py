"""The output layer of a model: which positions it computes logits of, from what, and how its input lies in memory.

With a vocabulary of 262,144 the output layer is most of the work and of the memory of a small model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast


def vocabulary(model: PreTrainedModel) -> int:
    """How many logits a position has; the tokenizer may have more tokens, or fewer."""
    return len(model.get_output_embeddings().weight)


def arranged(model: PreTrainedModel) -> PreTrainedModel:
    """The same model, whose output layer gets its input in one piece of memory.

    `logits_to_keep` cuts its positions out of longer rows. With such a cut and a weight that is not trained, torch's
    `linear` makes one product per row, each of which reads the whole weight.
    """
    if (layer := model.get_output_embeddings()) is not None:
        layer.register_forward_pre_hook(_in_one_piece)
    return model


def _in_one_piece(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (given[0].contiguous(), *given[1:])


@contextmanager
def only(model: PreTrainedModel, keep: int | torch.Tensor) -> Iterator[int]:
    """Let the passes in this block compute logits of some positions.

    Args:
        model: with an adapter or without.
        keep: how many last positions, 0 for all; or a bool tensor [batch, length], True where logits are wanted: then
            these are [True ones, vocabulary].

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
    """What the output layer would get in a pass: hidden states [True ones, width]; no logits are computed.

    Args:
        model: the one that `run` calls.
        run: the pass.
        kept: bool [batch, length], the positions that are wanted.
    """
    found = []

    def take(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        found.append(given[0][kept])
        return (given[0][:, :0],)

    hook = model.get_output_embeddings().register_forward_pre_hook(take)
    try:
        run()
    finally:
        hook.remove()
    return found[0]


def logits(model: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """Logits [positions, vocabulary] of last hidden states [positions, width], by all that the model does after its
    layers: some models scale or cap what the output layer gives."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    with _instead_of_layers(inner, hidden[None]):
        return inner(inputs_embeds=hidden[None], use_cache=False).logits[0]


@contextmanager
def _instead_of_layers(model: PreTrainedModel, hidden: torch.Tensor) -> Iterator[None]:
    base: Any = model.base_model
    before = base.__dict__.get("forward")
    made = BaseModelOutputWithPast(last_hidden_state=hidden)
    made.image_hidden_states = None  # models that also take pictures hand this on
    base.forward = lambda *args, **kwargs: made
    try:
        yield
    finally:
        del base.forward
        if before is not None:
            base.forward = before
