"""A model as it is trained: with an adapter, its activations kept or computed again, its blocks compiled or not."""

from __future__ import annotations

import os
import shutil
from typing import Any

from torch.nn import Module
from transformers import PreTrainedModel

from dragoman.config import Lora, Training


def blocks(model: PreTrainedModel) -> list[Module]:
    """The layers of a model, with an adapter or without, that are alike and called one after the other."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return [module for module in inner.modules() if type(module).__name__ in (inner._no_split_modules or ())]


def trainable(model: PreTrainedModel, training: Training) -> Any:
    """The model, changed in place, as `training` wants it; weights keep their names.

    Raises:
        ValueError: it is to be compiled, and nothing here can.
    """
    model = with_adapter(model, training.adapter)
    if training.gradient_checkpointing:
        model.activation_checkpointing_enable()
    if training.compile:
        if shutil.which(compiler := os.environ.get("CXX", "g++")) is None:
            raise ValueError(
                f"compile: true needs a C++ compiler, and there is no {compiler}: install it, or let CXX name one"
            )
        # block by block: what is compiled for one serves all, and what lies between, like our masks, stays as it is
        for block in blocks(model):
            block.compile(dynamic=True)
    return model


def with_adapter(model: PreTrainedModel, adapter: Lora | None) -> Any:
    """The model with a LoRA adapter to train, or as it is."""
    if adapter is None:
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=adapter.targets if isinstance(adapter.targets, str) else list(adapter.targets),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)
