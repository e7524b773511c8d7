"""Foundation models: new ones with random weights, or checkpoints in a folder. Weights are read from safetensors only,
and no code from the hub is run."""

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
OWN_ATTENTION = ("bloom", "mpt")
"""Kinds of models whose attention accepts no mask [rows, heads, queries, keys]; both have ALiBi."""
EAGER = ("codegen", "gemma2", "gptj", "vaultgemma", "xglm")
"""Kinds of models that transformers has without SDPA; in their attention, a mask is a number that is added."""
WIDE = 512
"""Size of hidden states from which on matrix products take most of a training step."""
LARGE_TOKENIZER = 2**23
"""Size of a tokenizer.json, in bytes, from which on the time to read it matters."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, which can encode any text.

    BPE is used because its training is reproducible byte for byte; Unigram and WordPiece in `tokenizers` are not.

    Args:
        texts: training text.
        vocabulary: number of tokens.
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
    """The Hugging Face configuration of a model from scratch. Embeddings are tied, as usual for small models.

    Args:
        spec: architecture and size.
        vocabulary: number of tokens.
        end, pad: ids of the end-of-sequence token and of the padding token.
    """
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
    """A model with random weights, which depend only on the specification and its seed."""
    import transformers as hf

    from dragoman.models import output

    hf.set_seed(spec.seed)
    config = architecture(spec, len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
    return output.arranged(hf.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa"))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder. If it has no padding token, the end-of-sequence token is used for padding.

    Raises:
        ValueError: the tokenizer is missing or cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # the type of error depends on the file that is missing or broken
        raise ValueError(
            f"the tokenizer in {folder} cannot be read ({_first_line(error)}); save it there once more, by "
            "AutoTokenizer.from_pretrained(ID).save_pretrained(FOLDER)"
        ) from error
    tokenizer.init_kwargs.pop("local_files_only", None)  # else it would be saved with the tokenizer
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def quicken(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a large tokenizer in a form that loads in a third of the time; a small tokenizer is left alone.

    transformers reads tokenizer.json up to three times: to find the added tokens, and to build a tokenizer of a
    specific class from parts. After this function, tokenizer_config.json lists the added tokens and names the general
    class `PreTrainedTokenizerFast`, which loads tokenizer.json once; that file holds all that specific classes add.

    Args:
        tokenizer: the tokenizer, read from the folder or from the source of the folder's files.
        folder: a checkpoint that is being made; links in it are replaced by files.
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
    """Ids of the tokens that end an answer: first the token of the prompt, then the tokenizer's end-of-sequence token,
    and the end tokens of generation_config.json.

    End tokens of generation_config.json count only if they are special tokens, like the end of a turn in a chat:
    Falcon-RW-1B's file names the token of `#`.
    """
    path, named = Path(folder) / "generation_config.json", None
    if path.is_file():
        named = read_json(path).get("eos_token_id")
    added = tokenizer.added_tokens_decoder
    more = [named] if isinstance(named, int) else named or []
    special = [token for token in more if token in added and added[token].special]
    return list(dict.fromkeys([prompts.end(prompt, tokenizer), tokenizer.eos_token_id, *special]))


def entries(folder: Path) -> int | None:
    """Number of tokens in a checkpoint's embeddings; None if its configuration does not give it.

    Raises:
        ValueError: as in `described`.
    """
    return getattr(described(folder).get_text_config(), "vocab_size", None)


def positions(config: PretrainedConfig) -> int | None:
    """Number of positions of a model; None if there is no limit, as with ALiBi."""
    text = config.get_text_config()
    return None if getattr(text, "alibi", False) else getattr(text, "max_position_embeddings", None)


def implementation(kind: str) -> str:
    """The attention that a kind of model is loaded with: SDPA, except for models that transformers has without it."""
    return "eager" if kind in (*OWN_ATTENTION, *EAGER) else "sdpa"


def _config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder; empty if it cannot be read, which is an error when the model is loaded."""
    try:
        return read_json(Path(folder) / "config.json")
    except (OSError, ValueError):
        return {}


def unmaskable(config: Mapping[str, Any]) -> str:
    """Why a model does not accept our attention masks; empty if it does. Without masks, only whole sentences can be
    decoded, and training examples cannot be packed.

    Args:
        config: the contents of a config.json.
    """
    text = config.get("text_config") or config
    kind = text.get("model_type", "")
    if any("mamba" in key or key == "lru_width" for key in text):  # these models have no `layer_types`
        return f"{kind} models have recurrent layers, which accept no attention mask"
    others = {*(text.get("layer_types") or ())} - {"full_attention", "sliding_attention"}
    return f"{kind} models have layers of the kind {min(others)!r}, which accept no attention mask" if others else ""


def ignored(config: Mapping[str, Any]) -> str:
    """What transformers 5.23 leaves out of a model without a warning; empty if nothing.
    `findings/transformers-mpt-ignored-options.sh` shows it.

    Args:
        config: the contents of a config.json.
    """
    if config.get("model_type") != "mpt":
        return ""
    given = config.get("attn_config") or {}
    usual = {"alibi": True, "alibi_bias_max": 8, "qk_ln": False, "prefix_lm": False}
    others = [f"{key} = {given[key]!r}" for key in usual if given.get(key, usual[key]) != usual[key]]
    return f"transformers ignores attn_config.{others[0]} of MPT models" if others else ""


def described(folder: Path) -> PretrainedConfig:
    """The configuration of a checkpoint folder.

    Raises:
        ValueError: the configuration cannot be read, or transformers has no such model.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{folder}/config.json cannot be read ({_first_line(error)}); fetch or save it again"
        ) from error


def load(folder: Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The causal language model of a checkpoint folder.

    Args:
        folder: in Hugging Face format.
        dtype: type of the weights; None: float32.

    Raises:
        ValueError: as in `whole`; or transformers computes another model than the one of config.json.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from dragoman.models import output

    config = _config(folder)
    if why := ignored(config):
        raise ValueError(f"{folder}/config.json: {why}, so the model's results would be wrong; use another model")
    how = implementation(str(config.get("model_type", "")))
    made = whole(AutoModelForCausalLM, folder, dtype=dtype or torch.float32, attn_implementation=how)
    return output.arranged(_of_text(made))


def _of_text(model: PreTrainedModel) -> PreTrainedModel:
    """The language model inside a model that also accepts images or sound, if transformers has a class for it;
    otherwise the model itself."""
    import torch
    from transformers import AutoModelForCausalLM

    config = model.config.get_text_config()
    if config is model.config or type(config) not in AutoModelForCausalLM._model_mapping:
        return model
    with torch.device("meta"):
        text = AutoModelForCausalLM.from_config(config, attn_implementation=implementation(config.model_type))
    if type(text.base_model) is not type(model.get_decoder()):
        return model
    setattr(text, text.base_model_prefix, model.get_decoder())
    text.set_output_embeddings(model.get_output_embeddings())
    text.generation_config = model.generation_config
    return text


def whole(kind: Any, folder: Path, **options: Any) -> PreTrainedModel:
    """The model of a checkpoint folder, with all weights read from the folder.

    Args:
        kind: a class of transformers that loads models.
        folder: in Hugging Face format.
        options: further arguments of `from_pretrained`.

    Raises:
        ValueError: the folder has no safetensors weights, or the weights do not fit the model in config.json.
    """
    from safetensors import SafetensorError

    if not any(Path(folder).glob("*.safetensors")):
        raise ValueError(f"{folder} has no *.safetensors weights; {instead_of_safetensors(folder)}")
    try:
        model, loading = kind.from_pretrained(
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
    # transformers would only warn, and use random weights instead
    if lacking := sorted({*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])}):
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise ValueError(
            f"the weights in {folder} are not those of the {model.config.model_type} that its config.json describes: "
            f"{lacking[0]}{more} missing or of another shape; fetch or save both files again"
        )
    return model


def instead_of_safetensors(folder: Path) -> str:
    """Advice for a folder without safetensors, for a message."""
    if files := sorted(Path(folder).glob("*.gguf*")):
        return f"name its GGUF file in a model of its own: {{source: gguf, files: [{files[0]}]}}"
    return "other formats are refused, since they can run code when they are read"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip()


def device() -> str:
    """The device on which models run: `cuda` if there is one, otherwise `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def made_with(precision: str = "float32", width: int = 0) -> dict[str, str]:
    """Facts that a result depends on, in addition to its parameters and inputs: device, arithmetic, libraries.

    Args:
        precision: `float32`, `bfloat16` or `auto`, see `use_bfloat16`.
        width: of the model, for `auto`.
    """
    import torch
    import transformers

    return {
        "device": torch.cuda.get_device_name() if device() == "cuda" else torch.backends.cpu.get_cpu_capability(),
        "arithmetic": "bfloat16" if use_bfloat16(precision, width) else "float32",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def use_bfloat16(precision: str, width: int) -> bool:
    """Whether to compute in bfloat16 autocast: for `bfloat16`, and for `auto` where that is faster.

    It is faster on a GPU that computes bfloat16 natively, and on a CPU with instructions for it (AMX or AVX512-BF16) if
    the model is wide. At the lengths of sentences, torch 2.13's backward pass of attention takes ten times as long in
    bfloat16, which only large matrix products outweigh: a training step takes 1.3 times as long for the demonstration's
    models (width 128), and 0.5 to 0.65 times for Gemma 3 270M (width 640). Without such instructions, bfloat16 is
    emulated, which takes three times as long as float32.

    Args:
        precision: `float32`, `bfloat16` or `auto`.
        width: size of the model's hidden states.
    """
    import torch

    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return width >= WIDE and any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def use_threads(count: int) -> None:
    """Set the number of CPU threads. Results depend on it, since sums are divided among threads."""
    import torch

    torch.set_num_threads(count)
