"""Small GGUF files, written as llama.cpp's own converter writes them, and the Python packages that hold such files.

What the converter does to weights (github.com/ggml-org/llama.cpp, convert_hf_to_gguf.py) is written out here once more,
so that reading them back is compared with something else than the reader.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers as hf
from gguf import GGMLQuantizationType as Kind

from dragoman import models
from dragoman.weights import packages

TEXT = ["The old man buys 2 red cars.", "Le vieil homme achète 33 voitures.", "a\nb\n\nc", "  two blanks  "]
SIZES = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
    "rms_norm_eps": 1e-6,
}


def config_of(architecture: str, **changes: Any) -> Any:
    """The configuration of a tiny model, by llama.cpp's name of the architecture."""
    match architecture:
        case "llama":
            return hf.LlamaConfig(**{**SIZES, "tie_word_embeddings": False, **changes})
        case "qwen3":
            return hf.Qwen3Config(**{**SIZES, "head_dim": 128, "tie_word_embeddings": True, **changes})
        case "gemma3":
            own = {"sliding_window": 16, "query_pre_attn_scalar": 256, "num_hidden_layers": 6}
            return hf.Gemma3TextConfig(**{**SIZES, **own, **changes})
    raise ValueError(architecture)


def model_of(architecture: str, **changes: Any) -> Any:
    """A tiny model with random weights, norms among them."""
    hf.set_seed(1)
    model = hf.AutoModelForCausalLM.from_config(config_of(architecture, **changes), dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.add_(torch.rand_like(weight) / 4)
    return model.eval()


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key projection as llama.cpp's rotation wants them: pairs side by side."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def tokens_of(tokenizer: Any) -> dict[str, Any]:
    """Tokens, types and merges of a byte-level BPE tokenizer, as keys of a file, special tokens as control tokens."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    by_number = {number: token for token, number in whole["model"]["vocab"].items()}
    special = {token["id"] for token in whole["added_tokens"]}
    by_number |= {token["id"]: token["content"] for token in whole["added_tokens"]}
    size = config_of("llama").vocab_size
    tokens = [by_number.get(number, f"[PAD{number}]") for number in range(size)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if n in special else 1 if n in by_number else 5 for n in range(size)],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in whole["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.padding_token_id": 1,
    }


def keys_of(architecture: str, config: Any) -> dict[str, Any]:
    """What a file says of a model's sizes."""
    found = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "rope.freq_base": theta(config),
    }
    if architecture == "llama":
        found |= {"rope.dimension_count": config.head_dim, "vocab_size": config.vocab_size}
    if architecture == "gemma3":
        found["attention.sliding_window"] = config.sliding_window
    return {f"{architecture}.{name}": value for name, value in found.items()}


def theta(config: Any) -> float:
    """The base of the rotary positions, of those of full attention where there are others."""
    parameters = config.rope_parameters
    return parameters.get("full_attention", parameters)["rope_theta"]


def write(
    path: Path,
    architecture: str = "llama",
    *,
    model: Any = None,
    kind: Kind = Kind.F32,
    keys: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
    as_architecture: str | None = None,
) -> Any:
    """Write a tiny model as a GGUF file, and return it.

    Args:
        path: of the file.
        architecture: llama.cpp's name.
        model: what to write; a random one unless given.
        kind: how matrices are stored, where their rows have room for whole blocks.
        keys: written over those of the model; None leaves one out.
        tensors: further ones.
        as_architecture: what the file calls itself.
    """
    model = model or model_of(architecture)
    named = as_architecture or architecture
    writer = gguf.GGUFWriter(path, named)
    tokenizer = models.train_tokenizer(TEXT, 300)
    facts = {"general.name": "tiny", "general.license": "mit", **keys_of(architecture, model.config)}
    facts |= tokens_of(tokenizer) | dict(keys or {})
    for name, value in facts.items():
        if value is not None:
            put(
                writer,
                name.replace(f"{architecture}.", f"{named}.", 1) if name.startswith(architecture) else name,
                value,
            )
    number = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(number, model.config.num_hidden_layers)
    for name, weight in model.named_parameters():
        array = weight.detach().numpy().copy()
        if architecture == "llama" and "q_proj" in name:
            array = permuted(array, model.config.num_attention_heads)
        if architecture == "llama" and "k_proj" in name:
            array = permuted(array, model.config.num_key_value_heads)
        if architecture == "gemma3" and "norm" in name:
            array = array + 1
        stem, _, ending = name.rpartition(".")
        stored = kind if array.ndim == 2 and array.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0 else Kind.F32
        data = array if stored == Kind.F32 else gguf.quantize(array, stored)
        writer.add_tensor(f"{names.get_name(stem)}.{ending}", data, raw_dtype=stored)
    for name, array in (tensors or {}).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def put(writer: gguf.GGUFWriter, name: str, value: Any) -> None:
    """One key, of the type that a Python value means."""
    kinds: dict[type, Callable[..., None]] = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    if name != "general.architecture":
        kinds[type(value)](name, value)


def wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes], damage: str = "") -> Path:
    """A wheel with some files in it; `damage` names one that is not as its RECORD states."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    whole = {**files, f"{stem}.dist-info/METADATA": metadata, f"{stem}.dist-info/WHEEL": tags}
    rows = []
    for each, content in whole.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        rows.append(f"{each},sha256={digest},{len(content)}")
    record = f"{stem}.dist-info/RECORD"
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in whole.items():
            archive.writestr(each, content + b"!" * (each == damage))
        archive.writestr(record, "\n".join([*rows, f"{record},,"]))
    path = folder / f"{stem}-py3-none-any.whl"
    path.write_bytes(memory.getvalue())
    return path


def unpacked(index: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have wheels copied out of a folder as pip would, which takes a second; the packages that were asked for."""
    asked: list[str] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        *_, place, package = command
        asked.append(package)
        name, _, version = package.partition("==")
        found = index / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        if not found.is_file():
            return subprocess.CompletedProcess(command, 1, "", "ERROR: no")
        (Path(place) / found.name).write_bytes(found.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages.subprocess, "run", run)
    return asked
