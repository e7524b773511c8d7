"""Foundation models: from scratch by architecture and size, or a checkpoint folder. Safetensors only, no hub code."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman import prompts
from dragoman.config import Prompt, ScratchModel
from dragoman.storage import read_json, write_json

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

logging.getLogger("transformers").setLevel(logging.ERROR)
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # bars for tiny files would fill the logs

END, PAD = "<|endoftext|>", "<|pad|>"
MAX_POSITIONS = 2048
LARGE_TOKENIZER = 2**23
"""Bytes of a tokenizer.json beyond which the time to read it counts."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: any text can be written with it, rare words in several tokens.

    BPE because its training is reproducible byte for byte; Unigram's and WordPiece's, in `tokenizers`, is not.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )


def architecture(spec: ScratchModel, vocabulary: int, end: int, pad: int) -> Any:
    """The Hugging Face configuration of a model from scratch. Embeddings are tied: small models need it."""
    import transformers as hf

    common = {
        "vocab_size": vocabulary,
        "hidden_size": spec.width,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "max_position_embeddings": MAX_POSITIONS,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": pad,
        "tie_word_embeddings": True,
    }
    # two thirds of the usual 4x, since a gated MLP has three matrices instead of two
    gated = common | {"intermediate_size": -(-8 * spec.width // 3 // 32) * 32, "num_key_value_heads": spec.heads}
    match spec.architecture:
        case "falcon-alibi" | "falcon-rotary":
            # the layout of falcon-rw-1b: biases, one key and value per head, attention before the MLP
            return hf.FalconConfig(
                **common,
                alibi=spec.architecture == "falcon-alibi",
                bias=True,
                multi_query=False,
                parallel_attn=False,
                new_decoder_architecture=False,
            )
        case "llama":
            return hf.LlamaConfig(**gated)
        case "mistral":
            return hf.MistralConfig(**gated, sliding_window=None)
        case "qwen3":
            return hf.Qwen3Config(**gated, head_dim=spec.width // spec.heads)
        case "gpt-neox":
            return hf.GPTNeoXConfig(**common, intermediate_size=4 * spec.width)


def build(spec: ScratchModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A model with random weights, the same for the same seed."""
    import transformers as hf

    from dragoman.models import output

    hf.set_seed(spec.seed)
    config = architecture(spec, len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
    return output.arranged(hf.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa"))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder, with a padding token (the end-of-sequence token where it has none).

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # its kind depends on the file that is missing or broken
        raise ValueError(
            f"the tokenizer in {folder} cannot be read ({_first_line(error)}); save it there once more, by "
            "AutoTokenizer.from_pretrained(ID).save_pretrained(FOLDER)"
        ) from error
    tokenizer.init_kwargs.pop("local_files_only", None)  # how it was read; saved, it would be a part of the result
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def quicken(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Let a large tokenizer of a checkpoint folder be read in a third of the time; a small one stays as it is.

    transformers reads tokenizer.json up to three times: to find the added tokens, and to build the tokenizer of a class
    of its own piece by piece. Here tokenizer_config.json lists the added tokens, and names the class that takes
    tokenizer.json as it is, which holds all that the other classes add.

    Args:
        tokenizer: as it was read from the folder, or from where the folder's files come from.
        folder: a checkpoint that is being made; files that are links to others are replaced.
    """
    path, config = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not path.is_file() or path.stat().st_size < LARGE_TOKENIZER:
        return
    for each in (path, config):
        each.unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    facts = read_json(config) | {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": tokenizer.padding_side}
    facts["model_input_names"] = tokenizer.model_input_names
    added = tokenizer.added_tokens_decoder
    write_json(config, facts | {"added_tokens_decoder": {str(i): token.__getstate__() for i, token in added.items()}})


def ends(folder: Path, tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Tokens that end an answer: the prompt's own first, the tokenizer's end-of-sequence token, and those of
    generation_config.json.

    Of the last only tokens that are no text count, like the end of a turn in a chat: Falcon-RW-1B's file names the
    token of `#`.
    """
    path, named = Path(folder) / "generation_config.json", None
    if path.is_file():
        named = read_json(path).get("eos_token_id")
    added = tokenizer.added_tokens_decoder
    more = [named] if isinstance(named, int) else named or []
    special = [token for token in more if token in added and added[token].special]
    return list(dict.fromkeys([prompts.end(prompt, tokenizer), tokenizer.eos_token_id, *special]))


def entries(folder: Path) -> int | None:
    """How many tokens a checkpoint's weights know; None where its configuration does not say; errors as `described`."""
    return getattr(described(folder).get_text_config(), "vocab_size", None)


def positions(config: PretrainedConfig) -> int | None:
    """How many positions a model has; None where they have no end, as with ALiBi."""
    text = config.get_text_config()
    return None if getattr(text, "alibi", False) else getattr(text, "max_position_embeddings", None)


def implementation(kind: str) -> str:
    """The attention that a kind of model is loaded with: SDPA, except for BLOOM, which has only its own."""
    return "eager" if kind == "bloom" else "sdpa"


def _kind(folder: Path) -> str:
    """The kind of the model in a folder; "" if its config.json cannot be read, which is an error when it is loaded."""
    try:
        return str(read_json(Path(folder) / "config.json").get("model_type", ""))
    except (OSError, ValueError):
        return ""


def unmaskable(config: Mapping[str, Any]) -> str:
    """Why a model takes no mask of ours, so that only whole sentences can be decoded, and trained on without packing;
    empty where it takes one.

    Args:
        config: what a config.json holds.
    """
    text = config.get("text_config") or config
    kind = text.get("model_type", "")
    if kind == "mpt":
        return f"{kind} models compute ALiBi positions themselves, so they cannot be changed as for Falcon"
    if any("mamba" in key or key == "lru_width" for key in text):  # these name no layer_types
        return f"{kind} models have recurrent layers, which accept no attention mask"
    others = {*(text.get("layer_types") or ())} - {"full_attention", "sliding_attention"}
    return f"{kind} models have layers of the kind {min(others)!r}, which accept no attention mask" if others else ""


def described(folder: Path) -> PretrainedConfig:
    """The configuration of a checkpoint folder.

    Raises:
        ValueError: it cannot be read, or no causal language model of transformers has it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{folder}/config.json cannot be read ({_first_line(error)}); fetch or save it again"
        ) from error


def load(folder: Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The causal language model of a checkpoint folder, weights in `dtype` (float32 unless told); errors as `whole`."""
    import torch
    from transformers import AutoModelForCausalLM

    from dragoman.models import output

    how = implementation(_kind(folder))
    made = whole(AutoModelForCausalLM, folder, dtype=dtype or torch.float32, attn_implementation=how)
    return output.arranged(_of_text(made))


def _of_text(model: PreTrainedModel) -> PreTrainedModel:
    """The language model in a model that also takes pictures or sound, where transformers has one for it by itself."""
    import torch
    from transformers import AutoModelForCausalLM

    config = model.config.get_text_config()
    if config is model.config or type(config) not in AutoModelForCausalLM._model_mapping:
        return model
    with torch.device("meta"):
        text = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    if type(text.base_model) is not type(model.get_decoder()):
        return model
    setattr(text, text.base_model_prefix, model.get_decoder())
    text.set_output_embeddings(model.get_output_embeddings())
    text.generation_config = model.generation_config
    return text


def whole(kind: Any, folder: Path, **options: Any) -> PreTrainedModel:
    """The model of a checkpoint folder, all of its weights read from there.

    Args:
        kind: a class of transformers that loads models.
        folder: in Hugging Face format.
        options: for its `from_pretrained`.

    Raises:
        ValueError: the folder has no safetensors weights, or not those of the model that its config.json describes.
    """
    from safetensors import SafetensorError

    if not any(Path(folder).glob("*.safetensors")):
        raise ValueError(f"{folder} has no *.safetensors weights; {instead_of_safetensors(folder)}")
    try:
        model, found = kind.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **options,
        )
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        if "attention implementation" in str(error):
            raise ValueError(
                f"transformers has no `sdpa` attention for the model in {folder}, but all masks here need it; use "
                f"another model ({_first_line(error)})"
            ) from error
        raise ValueError(
            f"the model in {folder} cannot be read ({_first_line(error)}); fetch or save it again"
        ) from error
    # transformers would go on with random weights in their place
    if lacking := sorted({*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}):
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise ValueError(
            f"the weights in {folder} are not those of the {model.config.model_type} that its config.json describes: "
            f"{lacking[0]}{more} missing or of another shape; fetch or save both files again"
        )
    return model


def instead_of_safetensors(folder: Path) -> str:
    """What to do about a folder without safetensors, for a message."""
    if found := sorted(Path(folder).glob("*.gguf*")):
        return f"name its GGUF file in a model of its own: {{source: gguf, files: [{found[0]}]}}"
    return "other formats are refused, since they can run code when they are read"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip()


def device() -> str:
    """Where models run: `cuda` when there is one, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def made_with(precision: str = "float32") -> dict[str, str]:
    """What a result depends on besides its parameters and inputs: device, arithmetic, libraries."""
    import torch
    import transformers

    return {
        "device": torch.cuda.get_device_name() if device() == "cuda" else torch.backends.cpu.get_cpu_capability(),
        "arithmetic": "bfloat16" if use_bfloat16(precision) else "float32",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def use_bfloat16(precision: str) -> bool:
    """Whether to compute in bfloat16 autocast: when asked to, or where a GPU does so natively.

    On a CPU, `auto` is float32, whatever the CPU has: torch 2.13's attention takes ten times as long backwards in
    bfloat16 at the lengths of sentences (a step of the demonstration's models: 1.3 times as long), and results differ
    less from one kind of CPU to the next.
    """
    import torch

    if precision != "auto":
        return precision == "bfloat16"
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def use_threads(count: int) -> None:
    """Compute with so many CPU threads: the number is part of the result, as sums are split between them."""
    import torch

    torch.set_num_threads(count)
