"""Reads the model in a GGUF file through transformers, checks it, and makes an ordinary float32 checkpoint.

transformers ignores unknown tensors and unknown keys, some of which change the model's computation (other positions,
another scale of attention). Here, every key of the architecture must be read by transformers or agree with the
configuration that transformers has made; otherwise the file is refused. Every weight in the file must become a weight
of the model.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman import room
from dragoman.weights.header import Header, Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

FLOAT32 = 4
"""Bytes of a weight in the finished checkpoint."""
READING = 2 * FLOAT32
"""Bytes of memory per weight while a file is read: once dequantised, and once in the model."""
LIBRARIES = 1_500_000_000
"""Bytes of memory for Python, torch and a large tokenizer."""
ROTATION = "rope_freqs.weight"
"""A tensor of Llama 3.1 and later, by which the frequencies of the rotary positions are divided."""
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""Parameters of rotary positions, except for the factor, which all Llama models since 3.1 share."""


def check(path: Path, header: Header) -> None:
    """Refuse, before any work, a file that cannot be made into a checkpoint on this machine.

    Raises:
        ValueError: the file has no model, transformers cannot read the model, or there is too little memory.
    """
    import gguf
    import numpy as np
    from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    keys, kind = header.keys, header.keys.get("general.type", "model")
    if kind != "model":
        raise ValueError(f"{path} holds no model, but {kind!r}; take the file of the whole model")
    if (count := keys.get("split.count", 1)) > 1:
        raise ValueError(
            f"{path} is part {keys.get('split.no', 0) + 1} of {count} that llama.cpp made, each a GGUF file of its "
            "own. Join them with its `llama-gguf-split --merge`, and name the result"
        )
    known = {*GGUF_CONFIG_ARCHS, *GGUF_SUPPORTED_ARCHITECTURES} - {"general", "tokenizer"}
    spelled = {name.replace("_", "-") for name in known} | {name.replace("_", "") for name in known} | known
    if header.architecture not in spelled:
        raise ValueError(
            f"{path} has the architecture {header.architecture!r}, which transformers does not read from GGUF (it "
            f"reads {', '.join(sorted(known))}); take its safetensors checkpoint, with `source: hub` or `local`"
        )
    for name in sorted({tensor.kind for tensor in header.tensors}):
        number = gguf.GGMLQuantizationType[name]
        try:
            gguf.dequantize(np.zeros(gguf.GGML_QUANT_SIZES[number][1], dtype=np.uint8), number)
        except (NotImplementedError, ValueError, KeyError):
            first = next(tensor.name for tensor in header.tensors if tensor.kind == name)
            raise ValueError(
                f"{path} holds tensors in {name} ({first}), which the package gguf cannot dequantise; take a file of "
                "another quantisation, like Q4_K_M or Q8_0"
            ) from None
    room.check_memory(READING * header.weights + LIBRARIES, f"reading {path.name} ({header.weights:,} weights)")


def read(path: Path, header: Header) -> PreTrainedModel:
    """The model of a GGUF file, with float32 weights and without transformers' notes on the file they come from.

    Raises:
        ValueError: transformers cannot read the file, or would ignore a part of it.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        with tempfile.TemporaryDirectory() as alone:  # transformers would also read other files in the same folder
            Path(alone, "model.gguf").symlink_to(path.resolve())
            place = {"pretrained_model_name_or_path": alone, "gguf_file": "model.gguf"}
            config = AutoConfig.from_pretrained(**place, trust_remote_code=False)
            settle(config, path, header)
            model, loaded = AutoModelForCausalLM.from_pretrained(
                **place,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except Exception as error:  # transformers raises many types of errors
        first = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path} cannot be read by transformers ({first})") from error
    lacking = sorted({*loaded["missing_keys"], *(name for name, *_ in loaded["mismatched_keys"])})
    if lacking:
        raise ValueError(f"{path} lacks weights of the model it describes, or has them in another shape: {lacking[0]}")
    taken = sum(weight.numel() for weight in model.parameters())
    held = sum(math.prod(tensor.shape) for tensor in header.tensors if tensor.name != ROTATION)
    if taken != held:
        raise ValueError(
            f"{path} holds {held:,} weights, and the {config.model_type} that transformers makes of it has {taken:,}: "
            "some of the file would be left out"
        )
    plain = _plain(model)
    plain.generation_config.eos_token_id = ends(header)
    return plain


def _plain(model: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that transformers can save, since it refuses to save a model read from GGUF."""
    config = model.config
    for name in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(config, name):
            delattr(config, name)
    config._name_or_path = ""
    return type(model).from_pretrained(None, config=config, state_dict=model.state_dict(), dtype=model.dtype)


def ends(header: Header) -> int | list[int] | None:
    """Ids of the tokens that end an answer: the end-of-sequence token, and the ends of a turn and of a message if the
    file names them."""
    names = ("eos", "eot", "eom")
    tokens = [header.keys.get(f"tokenizer.ggml.{name}_token_id") for name in names]
    known = list(dict.fromkeys(token for token in tokens if token is not None))
    return known if len(known) > 1 else next(iter(known), None)


# ------------------------------------------------------------------------------------------------------ configuration


def settle(config: PreTrainedConfig, path: Path, header: Header) -> None:
    """Correct the configuration that transformers has made from a file's keys, in place.

    Raises:
        ValueError: transformers ignores a key that changes the model's computation.
    """
    for name, value in vars(config).items():
        if isinstance(value, float):
            setattr(config, name, _shortest(value))
    if (rotation := next((tensor for tensor in header.tensors if tensor.name == ROTATION), None)) is not None:
        _llama3(config, path, rotation)
    architecture = header.architecture
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in header.keys.items()
        if key.startswith(f"{architecture}.")
    }
    _linear(config, own)
    for name in sorted(own.keys() - _read(architecture, own)):
        if name not in AGREES or not AGREES[name](config, own[name]):
            raise ValueError(
                f"it says {architecture}.{name} = {own[name]!r}, which transformers passes over, so that the model "
                "would compute something else; take its safetensors checkpoint, with `source: hub` or `local`"
            )


def _shortest(value: float) -> float:
    """The shortest decimal number with the same float32 value: 1e-06 instead of 9.999999974752427e-07."""
    import numpy as np

    return float(str(np.float32(value)))


def _rope(config: PreTrainedConfig) -> dict[str, Any]:
    """Parameters of the rotary positions; of the layers with full attention, if kinds of layers have their own."""
    parameters = config.rope_parameters
    return parameters.get("full_attention", parameters)


def _llama3(config: PreTrainedConfig, path: Path, rotation: Tensor) -> None:
    """Set the Llama 3 parameters of rotary positions, for which the file has a tensor of divisors instead.

    Raises:
        ValueError: the divisors do not follow Llama 3's formula.
    """
    import numpy as np

    divisors = np.fromfile(path, dtype="<f4", count=math.prod(rotation.shape), offset=rotation.start)
    factor, low, high, length = float(divisors.max()), *LLAMA3.values()
    exponents = np.arange(len(divisors)) / len(divisors)
    # number of periods of each frequency within the original context length
    waves = length / (2 * math.pi * _rope(config)["rope_theta"] ** exponents)
    between = ((waves - low) / (high - low)).clip(0, 1)
    expected = 1 / ((1 - between) / factor + between)
    if rotation.kind != "F32" or not np.allclose(divisors, expected, rtol=1e-3):
        raise ValueError(
            f"its tensor {ROTATION} divides the frequencies of rotary positions in a way that is not Llama 3's; take "
            "its safetensors checkpoint, with `source: hub` or `local`"
        )
    _rope(config).update({"rope_type": "llama3", "factor": factor, **LLAMA3})


def _linear(config: PreTrainedConfig, own: dict[str, Any]) -> None:
    """Set rotary positions that are divided by a constant factor, and remove their keys from `own`."""
    kind, factor = own.get("rope.scaling.type", "linear"), own.get("rope.scaling.factor", 1.0)
    if kind == "linear" and factor != 1.0:
        _rope(config).update({"rope_type": "linear", "factor": factor})
    if kind in ("linear", "none"):
        for name in [name for name in own if name.startswith("rope.scaling.")]:
            del own[name]


def _read(architecture: str, own: dict[str, Any]) -> set[str]:
    """The keys of an architecture that transformers reads."""
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING
    from transformers.integrations.gguf import GGUF_CONFIG_ARCHS

    if architecture in GGUF_CONFIG_ARCHS:
        return {*own}
    bare = str.maketrans("", "", "-_")
    (mapping,) = [
        mapping for name, mapping in GGUF_CONFIG_MAPPING.items() if name.translate(bare) == architecture.translate(bare)
    ]
    return {name for name, meant in mapping.items() if meant is not None}


def _head(config: PreTrainedConfig) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def _windows(config: PreTrainedConfig, value: int | Sequence[bool]) -> bool:
    kinds = [kind == "sliding_attention" for kind in config.layer_types]
    wanted = [bool((layer + 1) % value) for layer in range(len(kinds))] if isinstance(value, int) else list(value)
    return kinds == wanted


def _same(name: str) -> Callable[[Any, Any], bool]:
    return lambda config, value: getattr(config, name, None) == value


AGREES: dict[str, Callable[[Any, Any], bool]] = {
    "attention.causal": lambda config, value: bool(value),
    "attention.key_length": lambda config, value: value == _head(config),
    "attention.scale": lambda config, value: math.isclose(
        value, getattr(config, "query_pre_attn_scalar", _head(config)) ** -0.5, rel_tol=1e-5
    ),
    "attention.sliding_window": _same("sliding_window"),
    "attention.sliding_window_pattern": _windows,
    "attention.value_length": lambda config, value: value == _head(config),
    "attn_logit_softcapping": _same("attn_logit_softcapping"),
    "context_length": lambda config, value: True,
    "expert_count": lambda config, value: value == 0,
    "expert_used_count": lambda config, value: value == 0,
    "feed_forward_length": lambda config, value: (
        value == (getattr(config, "intermediate_size", None) or 4 * config.hidden_size)
    ),
    "final_logit_softcapping": _same("final_logit_softcapping"),
    "rope.dimension_count": lambda config, value: (
        value == _head(config) * _rope(config).get("partial_rotary_factor", 1)
    ),
    "rope.freq_base": lambda config, value: value == _rope(config)["rope_theta"],
    "rope.freq_base_swa": lambda config, value: (
        value == config.rope_parameters.get("sliding_attention", _rope(config))["rope_theta"]
    ),
    "tensor_data_layout": lambda config, value: True,
    "use_parallel_residual": _same("use_parallel_residual"),
    "vocab_size": _same("vocab_size"),
}
"""Key that transformers ignores -> function that checks whether the configuration agrees with the key's value."""
