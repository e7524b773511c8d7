"""Checkpoints hold the keys that transformers 4 reads, and are the same models for transformers 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import PreTrainedTokenizerFast

from dragoman import models
from dragoman.models import saving

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
BASE = {"rope_type": "default", "rope_theta": 500000.0}
LOCAL = {"rope_type": "default", "rope_theta": 5000.0}
LINEAR = {"rope_type": "linear", "factor": 8.0}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return models.train_tokenizer(["the old man wants to buy a red car", "der alte Mann will ein rotes Auto"], 300)


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("Llama", {"rope_parameters": BASE}, {"rope_theta": 500000.0, "rope_scaling": None}),
        ("Llama", {"rope_parameters": BASE | LLAMA3}, {"rope_theta": 500000.0, "rope_scaling": LLAMA3}),
        ("Falcon", {"alibi": True}, {"rope_theta": 10000.0, "rope_scaling": None}),
        (
            "Gemma3",
            {
                "rope_parameters": {"full_attention": BASE | LINEAR, "sliding_attention": LOCAL},
                "head_dim": 8,
                "sliding_window": 8,
            },
            {"rope_theta": 500000.0, "rope_scaling": LINEAR, "rope_local_base_freq": 5000.0},
        ),
        (
            "Phi",
            {"rope_parameters": BASE | {"partial_rotary_factor": 0.5}, "num_key_value_heads": 4},
            {"rope_theta": 500000.0, "partial_rotary_factor": 0.5, "rope_scaling": None},
        ),
        (
            "GPTNeoX",
            {"rope_parameters": BASE | {"partial_rotary_factor": 0.5}},
            {"rotary_emb_base": 500000.0, "rotary_pct": 0.5, "rope_scaling": None},
        ),
        ("Bloom", {"n_head": 4, "n_layer": 2}, {}),
    ],
)
def test_rotary_positions_have_both_kinds_of_keys(
    kind: str,
    options: dict[str, Any],
    expected: dict[str, Any],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    config = getattr(transformers, {"Gemma3": "Gemma3Text"}.get(kind, kind) + "Config")(**SIZES | options)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    saving.save(model, tokenizer, tmp_path)

    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    old = (
        "rope_theta",
        "rope_scaling",
        "rope_local_base_freq",
        "partial_rotary_factor",
        "rotary_emb_base",
        "rotary_pct",
    )
    assert {key: written[key] for key in old if key in written} == expected
    again = models.load(tmp_path)
    ids = torch.randint(2, 300, (1, 40), generator=torch.Generator().manual_seed(1))
    assert torch.equal(again(ids).logits, model(ids).logits)
    saving.save(again, tokenizer, tmp_path / "again")
    assert saving.older_rotary_keys(json.loads((tmp_path / "again/config.json").read_text("utf-8"))) == expected


def test_the_tokenizer_has_a_class_that_both_know(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    torch.manual_seed(0)
    saving.save(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)), tokenizer, tmp_path)

    about = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert about["tokenizer_class"] == "PreTrainedTokenizerFast"
    again = models.load_tokenizer(tmp_path)
    for text in ("The old man  wants\n a car.", " 3 Hunde<|endoftext|>", "你好"):
        assert again(text).input_ids == tokenizer(text).input_ids
        assert again.decode(tokenizer(text).input_ids) == tokenizer.decode(tokenizer(text).input_ids)
    assert (again.eos_token, again.pad_token) == (tokenizer.eos_token, tokenizer.pad_token)
