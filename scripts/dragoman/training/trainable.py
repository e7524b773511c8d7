"""Prepares a model for training: adapter, gradient checkpointing, compilation."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import Module
from transformers import PreTrainedModel

from dragoman import registry
from dragoman.config import Lora, Training
from dragoman.training.entropy import LARGE

log = logging.getLogger(__name__)


def blocks(model: PreTrainedModel) -> list[Module]:
    """The transformer blocks of a model, with or without an adapter, in order."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return [module for module in inner.modules() if type(module).__name__ in (inner._no_split_modules or ())]


def trainable(model: PreTrainedModel, training: Training) -> Any:
    """The model with all changes that `training` asks for, made in place. Weights keep their names.

    Raises:
        ValueError: `compile` is set and there is no C++ compiler; or as in `with_adapter`.
    """
    model = with_adapter(model, training.adapter)
    _spare_embeddings(model, training)
    if training.gradient_checkpointing:
        model.activation_checkpointing_enable()
    if training.compile:
        if shutil.which(compiler := os.environ.get("CXX", "g++")) is None:
            raise ValueError(
                f"compile: true needs a C++ compiler, and there is no {compiler}: install it, or let CXX name one"
            )
        # by block, since all blocks share the compiled code; the code around them, such as our masks, is not compiled
        for block in blocks(model):
            block.compile(dynamic=True)
    return model


def _spare_embeddings(model: Any, training: Training) -> None:
    """Make the gradient of large embeddings sparse (only rows of the batch's tokens), if the output layer has the same
    weight. The output layer gives this weight a dense gradient, and a second dense one would be nearly all zeros."""
    embeddings, layer = model.get_input_embeddings(), model.get_output_embeddings()
    shared = layer is not None and layer.weight is embeddings.weight and layer.weight.requires_grad
    if shared and layer.weight.numel() > LARGE and training.devices == 1:
        embeddings.sparse = True


def with_adapter(model: PreTrainedModel, adapter: Lora | None) -> Any:
    """The model with a LoRA adapter, or unchanged if `adapter` is None. A layer that shares its weight with the
    embeddings gets its own copy before it gets an adapter.

    Raises:
        ValueError: a target names no layer, or a layer whose weight is shared in another way.
    """
    if adapter is None:
        return model
    from peft import LoraConfig, get_peft_model

    if isinstance(adapter.targets, list):
        _untie(model, _layers(model, adapter.targets))
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=adapter.targets if isinstance(adapter.targets, str) else list(adapter.targets),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def merged(model: Any) -> PreTrainedModel:
    """The model without its adapter, whose product has been added to the weights."""
    return model.merge_and_unload()


def _layers(model: PreTrainedModel, targets: Sequence[str]) -> list[str]:
    """Full names of the modules that `targets` match, by peft's rule: a target is a full name or its last parts.

    Raises:
        ValueError: a target matches no module.
    """
    layers = []
    names = [name for name, module in model.named_modules() if hasattr(module, "weight")]
    for target in targets:
        fitting = [name for name in names if name == target or name.endswith(f".{target}")]
        if not fitting:
            known = {name.rpartition(".")[2] for name in names if not name.rpartition(".")[2].isdigit()}
            raise ValueError(registry.unknown("layer in the targets of an adapter", target, known))
        layers += fitting
    return layers


def _untie(model: PreTrainedModel, layers: Sequence[str]) -> None:
    """Give the output layer its own weight if one of `layers` shares its weight with another layer.

    Merging an adapter changes a shared weight for all layers that share it, although the adapter was trained for one of
    them. With two weights, both layers are saved as they were in training.

    Raises:
        ValueError: a weight is shared by other layers than embeddings and output layer.
    """
    sharing: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        if isinstance(weight := getattr(module, "weight", None), torch.Tensor):
            sharing.setdefault(id(weight), []).append(name)
    embeddings, output = model.get_input_embeddings(), model.get_output_embeddings()
    for names in sharing.values():
        if len(names) == 1 or not {*names} & {*layers}:
            continue
        shared = " and ".join(names)
        if len(names) > 2 or {model.get_submodule(name) for name in names} != {embeddings, output}:
            raise ValueError(f"{shared} share one weight, so an adapter cannot be merged into one of them alone")
        output.weight = torch.nn.Parameter(output.weight.detach().clone())
        for config in (model.config, model.config.get_text_config()):
            config.tie_word_embeddings = False
        model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
        log.info(f"{shared} shared one weight; for the adapter they have one each: {output.weight.numel():,} more")
