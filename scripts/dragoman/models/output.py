"""The output layer of a model: chooses the positions whose logits are computed, computes logits of hidden states, and
finds the largest logits without computing all of them in float32.

With a vocabulary of 262,144, the output layer takes most of a small model's time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from dragoman import models

LARGE = 32_768
"""Smallest vocabulary with which `Likeliest` saves time."""

ROUNDED = 1.01 * 2.0**-8
"""Largest relative error of a number that is rounded to bfloat16, and a little more."""

CANDIDATES = 1024
"""Mean number of candidates per row up to which computing them alone saves time."""


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


class Likeliest:
    """An output layer for choosing the likeliest token, as greedy search does: the choice is that of float32 logits, in
    a fraction of the time where bfloat16 is fast (`scripts/bench.py vocabulary`).

    All logits are computed in bfloat16. Those that, by a bound on the rounding errors, may be the largest of their row
    are computed again in float32. The other logits of the result keep their rounding errors, so only the largest is
    meaningful.

    The bound: let x and w be a hidden state and a row of weights, a and b these numbers in bfloat16. By Cauchy-Schwarz,
    the difference |xw - ab| = |x(w - b) + (x - a)b| is at most |x| |w - b| + |x - a| |b|. In addition, sums are rounded
    to float32, and the result to bfloat16.
    """

    def __init__(self, layer: torch.nn.Module) -> None:
        """
        Args:
            layer: output layer of a model; its weights are not changed later.
        """
        self.layer = layer
        self.suits = suits(layer)
        if self.suits:
            weight = self.layer.weight.detach()
            self.rough = weight.bfloat16()
            pairs = zip(weight.split(LARGE), self.rough.split(LARGE), strict=True)
            sizes = torch.stack(
                [torch.stack([(w - b.float()).norm(dim=1).max(), b.float().norm(dim=1).max()]) for w, b in pairs]
            )
            self.lost, self.size = sizes.max(0).values
            self.size_summed = self.size * weight.shape[1] * 2.0**-23

    @contextmanager
    def used(self, possible: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Iterator[None]:
        """Within this context, the layer's logits are as described above. A layer that does not suit stays as it is.

        Args:
            possible: logits float32 [rows, vocabulary] -> the same with minus infinity for tokens that must not be
                chosen; None: every token may be.
        """
        if not self.suits:
            yield
            return
        with _replaced(self.layer, partial(self._logits, possible)):
            yield

    def _logits(self, possible: Callable[[torch.Tensor], torch.Tensor] | None, hidden: torch.Tensor) -> torch.Tensor:
        states = hidden.reshape(-1, hidden.shape[-1])
        near = states.bfloat16()
        logits = functional.linear(near, self.rough).float()
        if possible is not None:
            logits = possible(logits)
        best = logits.amax(1)
        lost = states.norm(dim=1) * (self.lost + self.size_summed) + (states - near.float()).norm(dim=1) * self.size
        # the largest logit may be too large by `lost` and its last rounding, and another one too small by as much
        least = best - (2 * lost + 2 * ROUNDED * best.abs()) / (1 - ROUNDED)
        rows, tokens = (logits >= least[:, None]).nonzero(as_tuple=True)
        if len(rows) > CANDIDATES * len(states):
            exact = functional.linear(states, self.layer.weight)
            logits = exact if possible is None else possible(exact)
        else:
            logits[rows, tokens] = (states[rows] * self.layer.weight[tokens]).sum(1)
        return logits.unflatten(0, hidden.shape[:-1])


def suits(layer: torch.nn.Module) -> bool:
    """Whether `Likeliest` saves time with an output layer: the vocabulary is large, and bfloat16 is fast."""
    plain = type(layer) is torch.nn.Linear and layer.bias is None and layer.weight.dtype == torch.float32
    return plain and len(layer.weight) >= LARGE and models.use_bfloat16("auto", layer.weight.shape[1])


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
