"""Checkpoints in transformers' format, with keys for programs that do not read the names of transformers 5.

transformers 5 writes everything about rotary positions under `rope_parameters`. transformers 4, and mlx-lm 0.32.2 for
LLaMA models, do not read this key: they take the class's default base, without a warning, and compute another model
(`findings/transformers-rope-parameters.sh`). So their keys are written, too; transformers 5 ignores them. The class
`TokenizersBackend` of a tokenizer is unknown to transformers 4, and `PreTrainedTokenizerFast` is the same for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.storage import read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model and its tokenizer to a checkpoint folder.

    Args:
        model: weights are saved as safetensors, in their type.
        tokenizer: the model's tokenizer.
        folder: an existing folder.
    """
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | older_rotary_keys(config))
    about = read_json(folder / "tokenizer_config.json")
    if about.get("tokenizer_class") == "TokenizersBackend":
        write_json(folder / "tokenizer_config.json", about | {"tokenizer_class": "PreTrainedTokenizerFast"})


def older_rotary_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with which transformers 4 describes a model's rotary positions; empty if the model has none.

    Args:
        config: the contents of a config.json of transformers 5. `rope_parameters` holds `rope_type`, `rope_theta` and
            options of the type; or such a mapping for each kind of layer, `full_attention` and `sliding_attention`.
    """
    parameters = config.get("rope_parameters") or {}
    if not {"rope_theta", "full_attention"} & set(parameters):
        return {}
    options = dict(parameters.get("full_attention", parameters))
    keys = {"rope_theta": options.pop("rope_theta")}
    if (share := options.pop("partial_rotary_factor", None)) is not None:
        keys["partial_rotary_factor"] = share
    if config.get("model_type") == "gpt_neox":
        keys = {"rotary_emb_base": keys["rope_theta"], "rotary_pct": share}
    keys["rope_scaling"] = None if options["rope_type"] == "default" else options
    if sliding := parameters.get("sliding_attention"):
        keys["rope_local_base_freq"] = sliding["rope_theta"]
    return keys
