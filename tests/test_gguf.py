"""GGUF files: what is read equals what was written, and what would be left out is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from dragoman import models
from dragoman.weights import header, model
from gguf_files import model_of, write


def read(path: Path) -> Any:
    found = header.read(path)
    model.check(path, found)
    return model.read(path, found)


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen3"])
def test_weights_come_back_bit_for_bit(architecture: str, tmp_path: Path) -> None:
    written = write(tmp_path / "m.gguf", architecture)
    found = read(tmp_path / "m.gguf")
    # llama.cpp writes 1 + w of Gemma's norms; taking the 1 off again costs the last bit
    for name, weight in written.state_dict().items():
        assert torch.allclose(found.state_dict()[name], weight, atol=2e-7 if "norm" in name else 0, rtol=0), name
    for name in ("rope_parameters", "rms_norm_eps", "tie_word_embeddings", "head_dim", "num_key_value_heads"):
        assert getattr(found.config, name) == getattr(written.config, name), name
    assert getattr(found.config, "layer_types", None) == getattr(written.config, "layer_types", None)
    ids = torch.arange(40)[None] % 300
    with torch.no_grad():
        assert torch.allclose(found(ids).logits, written(ids).logits, atol=2e-5)


def test_what_is_saved_is_an_ordinary_checkpoint(tmp_path: Path) -> None:
    """transformers refuses to save what it read from GGUF; and its own marks would tie the folder to that file."""
    written = write(tmp_path / "m.gguf", kind=Kind.Q8_0, keys={"tokenizer.ggml.eot_token_id": 7})
    read(tmp_path / "m.gguf").save_pretrained(tmp_path / "folder")
    again = models.load(tmp_path / "folder")
    assert not hasattr(again.config, "quantization_config")
    assert again.generation_config.eos_token_id == [0, 7]
    name = "model.layers.0.mlp.up_proj.weight"
    weight, found = written.state_dict()[name], again.state_dict()[name]
    # of Q8_0, by hand: 32 numbers share the scale max / 127, kept in 16 bits
    blocks = weight.reshape(-1, 32)
    scale = (blocks.abs().amax(1, keepdim=True) / 127).half().float()
    assert (found.reshape(-1, 32) - blocks).abs().max() <= (0.51 * scale).max()
    steps = found.reshape(-1, 32) / scale
    assert torch.allclose(steps, steps.round(), atol=1e-3)


def test_quantisation_is_named_as_the_file_names_it(tmp_path: Path) -> None:
    write(tmp_path / "a.gguf", keys={"general.file_type": 15})
    write(tmp_path / "b.gguf", kind=Kind.Q8_0)
    assert header.read(tmp_path / "a.gguf").quantisation == "Q4_K_M"
    assert header.read(tmp_path / "b.gguf").quantisation == "F32, Q8_0"


def test_the_head_agrees_with_the_package_gguf(tmp_path: Path) -> None:
    written = write(tmp_path / "m.gguf", kind=Kind.Q8_0)
    found, other = header.read(tmp_path / "m.gguf"), gguf.GGUFReader(tmp_path / "m.gguf")
    assert {
        name: field.contents() for name, field in other.fields.items() if not name.startswith("GGUF.")
    } == found.keys
    assert [(t.name, t.shape, t.kind, t.start, t.size) for t in found.tensors] == [
        (t.name, tuple(map(int, reversed(t.shape))), t.tensor_type.name, t.data_offset, t.n_bytes)
        for t in other.tensors
    ]
    assert found.weights == written.num_parameters()


# -------------------------------------------------------------------------------------------------- rotary positions


def test_llama_3_rotation_is_read_from_its_tensor(tmp_path: Path) -> None:
    """transformers passes over the tensor, and the model would count positions otherwise."""
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, **model.LLAMA3}
    written = model_of("llama", rope_parameters=rope)
    inverse = written.model.rotary_emb.inv_freq
    plain = 1 / 500000.0 ** (torch.arange(4) / 4)
    write(tmp_path / "m.gguf", model=written, tensors={"rope_freqs.weight": (plain / inverse).numpy()})
    found = read(tmp_path / "m.gguf")
    assert found.config.rope_parameters == written.config.rope_parameters
    assert torch.allclose(found.model.rotary_emb.inv_freq, inverse)
    write(tmp_path / "n.gguf", model=written, tensors={"rope_freqs.weight": np.float32([1, 3, 5, 7])})
    with pytest.raises(ValueError, match="not Llama 3's"):
        read(tmp_path / "n.gguf")


@pytest.mark.parametrize(("architecture", "layers"), [("llama", None), ("gemma3", "full_attention")])
def test_linear_rotation_is_taken_over(architecture: str, layers: str | None, tmp_path: Path) -> None:
    keys = {f"{architecture}.rope.scaling.type": "linear", f"{architecture}.rope.scaling.factor": 8.0}
    write(tmp_path / "m.gguf", architecture, keys=keys)
    parameters = read(tmp_path / "m.gguf").config.rope_parameters
    own = parameters[layers] if layers else parameters
    assert (own["rope_type"], own["factor"]) == ("linear", 8.0)
    if layers:  # those of sliding attention are left alone
        assert parameters["sliding_attention"] == {"rope_type": "default", "rope_theta": 10000.0}


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0}, "llama.rope.scaling"),
        ({"llama.attention.key_length": 16}, "attention.key_length = 16"),
        ({"llama.attention.sliding_window": 64}, "attention.sliding_window = 64"),
        ({"llama.attn_logit_softcapping": 50.0}, "attn_logit_softcapping = 50.0"),
        ({"llama.expert_count": 8}, "expert_count = 8"),
        ({"llama.leading_dense_block_count": 1}, "leading_dense_block_count = 1"),
    ],
)
def test_a_key_that_would_be_passed_over_is_refused(keys: dict[str, Any], said: str, tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", keys=keys)
    with pytest.raises(ValueError, match=said) as caught:
        read(tmp_path / "m.gguf")
    assert "m.gguf" in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"gemma3.attention.sliding_window_pattern": 6, "gemma3.rope.freq_base_swa": 10000.0},
        {
            "gemma3.attention.sliding_window_pattern": [True, True, True, True, True, False],
            "gemma3.rope.scaling.type": "none",
            "gemma3.attention.scale": 256**-0.5,
        },
    ],
)
def test_a_key_that_agrees_with_what_was_made_is_fine(keys: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", "gemma3", keys=keys)
    assert read(tmp_path / "m.gguf").config.layer_types[5] == "full_attention"


def test_weights_that_would_be_left_out_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", tensors={"blk.0.extra.weight": np.zeros((4, 4), dtype=np.float32)})
    with pytest.raises(ValueError, match=r"holds 44,208 weights, and the llama that transformers makes .* has 44,192"):
        read(tmp_path / "m.gguf")
