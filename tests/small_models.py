"""Small models of kinds that are not made from scratch here, but come from a hub or a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CodeGenConfig,
    Gemma2Config,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GPT2Config,
    GPTJConfig,
    MistralConfig,
    MptConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen3Config,
    VaultGemmaConfig,
    XGLMConfig,
)

from dragoman import models

WINDOWED = ("gemma2", "gemma3", "mistral", "qwen2", "qwen3")
"""Kinds with a sliding window: in some layers (two kinds), in all, in the last, in all but the first."""


def described(kind: str, vocabulary: int, window: int = 8, **more: object) -> PretrainedConfig:
    """The configuration of a kind; two heads share keys and values."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    ids = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    common = {**sizes, **ids, "num_hidden_layers": 3, "max_position_embeddings": 2048} | more
    match kind:
        case "gemma3":  # a theta for either kind of layer
            kinds = ["sliding_attention"] * (common["num_hidden_layers"] - 1) + ["full_attention"]
            return Gemma3TextConfig(**common, head_dim=8, layer_types=kinds, sliding_window=window)
        case "mistral":
            return MistralConfig(**common, sliding_window=window)
        case "qwen2" | "qwen3":
            made = Qwen2Config if kind == "qwen2" else Qwen3Config
            full = 2 if kind == "qwen2" else 1
            return made(**common, use_sliding_window=True, sliding_window=window, max_window_layers=full)
        case "bloom":  # ALiBi, in an attention of its own
            return BloomConfig(**ids, hidden_size=32, n_layer=2, n_head=4)
        case "mpt":  # the same, with other slopes and attention
            return MptConfig(**ids, d_model=32, n_layers=2, n_heads=4, max_seq_len=2048)
        case "gemma2" | "vaultgemma":  # no SDPA, since scores are capped; every other layer slides
            made = Gemma2Config if kind == "gemma2" else VaultGemmaConfig
            return made(**common, head_dim=8, sliding_window=window, attn_logit_softcapping=5.0)
        case "xglm":  # no SDPA; a table of positions
            return XGLMConfig(**ids, d_model=32, num_layers=2, attention_heads=4, ffn_dim=48)
        case "gptj" | "codegen":  # no SDPA
            made = GPTJConfig if kind == "gptj" else CodeGenConfig
            return made(**ids, n_embd=32, n_layer=2, n_head=4, rotary_dim=4, n_positions=2048)
        case "gpt2":  # a table of positions
            return GPT2Config(**ids, n_embd=32, n_layer=2, n_head=4, n_positions=common["max_position_embeddings"])
    raise ValueError(kind)


def drawn(model: PreTrainedModel, spread: float = 0.4) -> PreTrainedModel:
    """The model with random weights, larger than initial ones, so that every key matters."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape, generator=rng) * spread)
    return model.eval()


def small(kind: str, vocabulary: int = 61, window: int = 8, spread: float = 0.4, **more: object) -> PreTrainedModel:
    """A model of a kind."""
    config = described(kind, vocabulary, window, **more)
    return drawn(AutoModelForCausalLM.from_config(config, attn_implementation=models.implementation(kind)), spread)


def saved(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    """The folder, with the model and the tokenizer in it."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def with_pictures(vocabulary: int = 61, window: int = 8) -> Gemma3ForConditionalGeneration:
    """A language model with a window, in one that also takes pictures."""
    eyes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    eyes |= {"image_size": 28, "patch_size": 14}
    config = Gemma3Config(text_config=described("gemma3", vocabulary, window).to_dict(), vision_config=eyes)
    return drawn(Gemma3ForConditionalGeneration(config))
