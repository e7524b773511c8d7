"""Configurations of small models of kinds that are not made from scratch here, but come from a hub or a folder."""

from __future__ import annotations

from transformers import Gemma3TextConfig

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "head_dim": 8}
IDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}


def gemma3(vocabulary: int, window: int = 8, layers: int = 3) -> Gemma3TextConfig:
    """Sliding layers and a full one, with a theta each; two heads share keys and values."""
    kinds = ["sliding_attention"] * (layers - 1) + ["full_attention"]
    return Gemma3TextConfig(
        **SIZES,
        **IDS,
        vocab_size=vocabulary,
        num_hidden_layers=layers,
        num_key_value_heads=2,
        layer_types=kinds,
        sliding_window=window,
        max_position_embeddings=2048,
    )
