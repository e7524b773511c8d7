"""What the papers' configurations fetch, file by file as the hub has it, with tiny models and a few lines of text.

Layouts are those that the repositories' pages show: which files there are, how weights are cut and stored, what the
configurations and tokenizers say, wrong and superfluous entries included. Vocabularies and widths alone are made small.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from hub_server import Hub, parquet

FALCON = "e4b9872bb803165eb22f0a867d4e6a64d34fce19"
"""The commit that config/papers/simulmask.yaml names."""
NAMES = ("Anna", "Bruno", "Carla", "Dario", "Elena", "Fabio", "Gina", "Hugo", "Irma", "Jan", "Karla", "Leo", "Marta")
TEXTS = {
    "en": "{name} wants to buy {n} red cars in the old town.",
    "fr": "{name} veut acheter {n} voitures rouges dans la vieille ville.",
    "de": "{name} will in der alten Stadt {n} rote Autos kaufen.",
    "nl": "{name} wil in de oude stad {n} rode auto's kopen.",
    "it": "{name} vuole comprare {n} auto rosse nella città vecchia.",
    "ro": "{name} vrea să cumpere {n} mașini roșii în orașul vechi.",
    "cs": "{name} chce ve starém městě koupit {n} červených aut.",
    "ru": "{name} хочет купить {n} красных машин в старом городе.",
    "uk": "{name} хоче купити {n} червоних машин у старому місті.",
    "zh": "{name}想在老城买{n}辆红色的汽车。",
    "ja": "{name}は旧市街で赤い車を{n}台買いたい。",
    "ko": "{name}는 구시가지에서 빨간 차 {n}대를 사고 싶어한다.",
    "ar": "{name} يريد شراء {n} سيارات حمراء في المدينة القديمة.",
}


def text(language: str, number: int) -> str:
    """A sentence that says the same in every language."""
    return TEXTS[language].format(name=NAMES[number % len(NAMES)], n=number + 2)


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def documents(**contents: Any) -> dict[str, bytes]:
    """JSON files, by name without the ending."""
    return {f"{name}.json": json.dumps(content, indent=2).encode() for name, content in contents.items()}


# --------------------------------------------------------------------------------------------------------------- models


def weights(config: Mapping[str, Any], dtype: str, **options: Any) -> dict[str, bytes]:
    """A random model of a configuration, saved as safetensors."""
    import torch
    import transformers as hf

    hf.set_seed(1)
    known = hf.AutoConfig.for_model(**config)
    kind = getattr(hf, config["architectures"][0])
    with tempfile.TemporaryDirectory() as folder:
        kind(known).to(getattr(torch, dtype)).save_pretrained(folder, **options)
        return {name: content for name, content in files(Path(folder)).items() if name.startswith("model")}


def pickled(safetensors: bytes) -> bytes:
    """The same weights as `torch.save` writes them."""
    import io

    import torch
    from safetensors.torch import load

    sink = io.BytesIO()
    torch.save(load(safetensors), sink)
    return sink.getvalue()


def falcon_rw_1b() -> dict[str, bytes]:
    """tiiuae/falcon-rw-1b: GPT-2's tokenizer, whose tokens are fewer than the model's; ids of beginning and end that
    are not the tokenizer's; programs beside the weights; and these only as a pickle, without the tied head's name."""
    from dragoman import models

    config = {
        "alibi": True,
        "apply_residual_connection_post_layernorm": False,
        "architectures": ["FalconForCausalLM"],
        "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_falcon.FalconConfig", "AutoModel": "modeling_falcon.FalconModel"},
        "bias": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_dropout": 0.0,
        "hidden_size": 32,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "falcon",
        "multi_query": False,
        "new_decoder_architecture": False,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "parallel_attn": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.27.4",
        "use_cache": True,
        "vocab_size": 448,
    }
    with tempfile.TemporaryDirectory() as folder:
        models.train_tokenizer([text("en", n) for n in range(20)], 400).save_pretrained(folder)
        whole = json.loads((Path(folder) / "tokenizer.json").read_text(encoding="utf-8"))
    pad = whole["added_tokens"].pop()  # GPT-2's has none
    del whole["model"]["vocab"][pad["content"]]
    vocabulary = {token: i for i, token in enumerate(whole["model"]["vocab"])}
    whole["model"]["vocab"] = vocabulary
    merges = "".join(f"{a} {b}\n" for a, b in whole["model"]["merges"])
    end = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    tensors = weights({key: value for key, value in config.items() if key != "auto_map"}, "bfloat16")
    return {
        **documents(
            config=config,
            generation_config={"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2},
            special_tokens_map=end,
            tokenizer=whole,
            tokenizer_config={
                **end,
                "add_prefix_space": False,
                "model_max_length": 1024,
                "tokenizer_class": "GPT2Tokenizer",
            },
            vocab=vocabulary,
        ),
        "merges.txt": f"#version: 0.2\n{merges}".encode(),
        "pytorch_model.bin": pickled(tensors["model.safetensors"]),
        "configuration_falcon.py": b"raise SystemExit('never run')",
        "modeling_falcon.py": b"raise SystemExit('never run')",
        "README.md": b"# Falcon-RW-1B",
    }


def pieces(texts: Iterable[str], size: int, **options: Any) -> bytes:
    """A model of sentencepiece."""
    import io

    import sentencepiece

    sink = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=sink, model_type="bpe", vocab_size=size, minloglevel=2, **options
    )
    return sink.getvalue()


def merged(model: bytes) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Pieces and merges of such a model, as tokenizer.json has them."""
    from transformers.convert_slow_tokenizer import BPE, SentencePieceExtractor  # type: ignore[attr-defined]

    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(model)
        found = SentencePieceExtractor(file.name).extract(BPE)
    return found["vocab"], found["merges"]


def added(content: str, **more: bool) -> dict[str, Any]:
    """A special token, as tokenizer_config.json has it."""
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {"__type": "AddedToken", "content": content, **plain, **more}


LLAMA_PIECES = pieces(
    [text(language, n) for language in ("en", "de", "fr") for n in range(20)],
    400,
    byte_fallback=True,
    split_digits=True,
    normalization_rule_name="identity",
    remove_extra_whitespaces=False,
    unk_id=0,
    bos_id=1,
    eos_id=2,
    pad_id=-1,
)
"""Like Llama-2's tokenizer.model: BPE, a blank before every text, bytes of letters that have no piece."""


def _llama_tokenizer(legacy: bool) -> dict[str, bytes]:
    vocabulary, merges = merged(LLAMA_PIECES)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": vocabulary[name], **{k: v for k, v in added(name).items() if k != "__type"}, "special": True}
            for name in names.values()
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": [" ".join(pair) for pair in merges],
        },
    }
    said = {
        "add_bos_token": True,
        "add_eos_token": False,
        **{role: added(name) for role, name in names.items()},
        "clean_up_tokenization_spaces": False,
        "legacy": legacy,
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": None,
        "padding_side": "right",
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
    }
    found = documents(tokenizer=whole, tokenizer_config=said, special_tokens_map=names)
    return found | {"tokenizer.model": LLAMA_PIECES}


def _shards(config: Mapping[str, Any], dtype: str) -> dict[str, bytes]:
    """Weights in two files and their index."""
    found = weights(config, dtype, max_shard_size="60KB")
    names = sorted(name for name in found if name.endswith(".safetensors"))
    assert len(names) == 2, names
    return found


def llama_2_7b_hf() -> dict[str, bytes]:
    """meta-llama/Llama-2-7b-hf: float16 in two files, pickles of the same beside them, no padding token, sampling
    settings in generation_config.json."""
    config = {
        "_name_or_path": "meta-llama/Llama-2-7b-hf",
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.2,
        "intermediate_size": 64,
        "max_position_embeddings": 4096,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 4,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.31.0.dev0",
        "use_cache": True,
        "vocab_size": 400,
    }
    settings = {"bos_token_id": 1, "do_sample": True, "eos_token_id": 2, "max_length": 4096, "pad_token_id": 0}
    return {
        **_llama_tokenizer(legacy=False),
        **_shards(config, "float16"),
        **documents(config=config, generation_config=settings | {"temperature": 0.6, "top_p": 0.9}),
        "pytorch_model-00001-of-00002.bin": b"a pickle",
        "pytorch_model-00002-of-00002.bin": b"a pickle",
        "pytorch_model.bin.index.json": b"{}",
        "LICENSE.txt": b"LLAMA 2 COMMUNITY LICENSE AGREEMENT",
        "USE_POLICY.md": b"# Use policy",
        "README.md": b"# Llama 2",
    }


def mistral_7b() -> dict[str, bytes]:
    """mistralai/Mistral-7B-v0.1: bfloat16, grouped keys, a sliding window, Llama's tokenizer in the old manner."""
    config = {
        "architectures": ["MistralForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.2,
        "intermediate_size": 64,
        "max_position_embeddings": 32768,
        "model_type": "mistral",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.34.0.dev0",
        "use_cache": True,
        "vocab_size": 400,
    }
    return {
        **_llama_tokenizer(legacy=True),
        **_shards(config, "bfloat16"),
        **documents(
            config=config, generation_config={"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2}
        ),
        "pytorch_model-00001-of-00002.bin": b"a pickle",
        "README.md": b"# Mistral-7B",
    }


def nllb_600m(codes: Iterable[str]) -> dict[str, bytes]:
    """facebook/nllb-200-distilled-600M: an encoder and a decoder, languages as special tokens, generation settings in
    config.json, the shared embeddings stored once."""
    from transformers import NllbTokenizer

    config = {
        "_name_or_path": "facebook/nllb-200-distilled-600M",
        "activation_dropout": 0.0,
        "activation_function": "relu",
        "architectures": ["M2M100ForConditionalGeneration"],
        "attention_dropout": 0.1,
        "bos_token_id": 0,
        "d_model": 16,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
        "decoder_layerdrop": 0,
        "decoder_layers": 2,
        "decoder_start_token_id": 2,
        "dropout": 0.1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "encoder_layerdrop": 0,
        "encoder_layers": 2,
        "eos_token_id": 2,
        "init_std": 0.2,
        "is_encoder_decoder": True,
        "max_length": 200,
        "max_position_embeddings": 128,
        "model_type": "m2m_100",
        "num_hidden_layers": 2,
        "pad_token_id": 1,
        "scale_embedding": True,
        "tokenizer_class": "NllbTokenizer",
        "torch_dtype": "float32",
        "transformers_version": "4.21.0.dev0",
        "use_cache": True,
        "vocab_size": 600,
    }
    model = pieces([text(language, n) for language in TEXTS for n in range(20)], 360)
    learnt, merges = merged(model)
    # fairseq's order: its own special tokens, then the pieces without sentencepiece's
    names = ["<s>", "<pad>", "</s>", "<unk>", *list(learnt)[3:]]
    vocabulary = {name: i for i, name in enumerate(names)}
    languages = sorted(codes)
    with tempfile.TemporaryDirectory() as folder:
        NllbTokenizer(
            vocab=vocabulary, merges=merges, additional_special_tokens=languages, src_lang="eng_Latn"
        ).save_pretrained(folder)
        whole = (Path(folder) / "tokenizer.json").read_bytes()
    special = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": added("<mask>", lstrip=True, normalized=True),
    }
    said = special | {"model_max_length": 1024, "sp_model_kwargs": {}, "src_lang": "eng_Latn", "tgt_lang": None}
    settings = {"bos_token_id": 0, "decoder_start_token_id": 2, "eos_token_id": 2, "max_length": 200, "pad_token_id": 1}
    return {
        **documents(
            config=config,
            generation_config={"_from_model_config": True, **settings},
            special_tokens_map=special | {"additional_special_tokens": languages},
            tokenizer_config=said | {"tokenizer_class": "NllbTokenizer"},
        ),
        **weights(config, "float32"),
        "tokenizer.json": whole,
        "sentencepiece.bpe.model": model,
        "pytorch_model.bin": b"a pickle",
        "README.md": b"# NLLB-200",
    }


# ----------------------------------------------------------------------------------------------------------------- text


def iwslt2017(hub: Hub, pairs: Iterable[str], rows: int = 24) -> None:
    """IWSLT/iwslt2017: a loading script on main, one column of {language: text} on `refs/convert/parquet`."""
    name, made = "IWSLT/iwslt2017", {}
    hub.add("dataset", name, {"README.md": b"# IWSLT", "iwslt2017.py": b"raise SystemExit('never run')"})
    for pair in pairs:
        first, second = pair.split("-")
        for split, numbers in (("train", range(rows)), ("validation", range(30, 33)), ("test", range(40, 46))):
            told = [{code: text(code, n) for code in (first, second)} for n in numbers]
            kind = pa.struct([(first, pa.string()), (second, pa.string())])
            table = pa.table({"translation": pa.array(told, kind)})
            made[f"iwslt2017-{pair}/{split}/0000.parquet"] = parquet(table)
    hub.add("dataset", name, made, "refs/convert/parquet")


def flores(hub: Hub, name: str, columns: Mapping[str, str]) -> None:
    """A column for each language, in the configuration `all`, beside those about the page a sentence is from."""
    hub.add("dataset", name, {"README.md": b"# FLORES", "flores.py": b"raise SystemExit('never run')"})
    made = {}
    for split, numbers in (("dev", range(24)), ("devtest", range(40, 46))):
        table = pa.table(
            {
                "id": pa.array([n + 1 for n in numbers], pa.int32()),
                "URL": [f"https://en.wikinews.org/wiki/{n}" for n in numbers],
                "domain": ["wikinews" for _ in numbers],
                "topic": ["politics" for _ in numbers],
                "has_image": pa.array([0 for _ in numbers], pa.int32()),
                "has_hyperlink": pa.array([0 for _ in numbers], pa.int32()),
                **{column: [text(code, n) for n in numbers] for code, column in columns.items()},
            }
        )
        made[f"all/{split}/0000.parquet"] = parquet(table)
    hub.add("dataset", name, made, "refs/convert/parquet")


def crosssum(hub: Hub, configs: Mapping[str, str]) -> None:
    """csebuetnlp/CrossSum: articles and summaries of another language, with their addresses."""
    hub.add("dataset", "csebuetnlp/CrossSum", {"README.md": b"# CrossSum", "CrossSum.py": b"raise SystemExit('no')"})
    made = {}
    for pair, config in configs.items():
        first, second = pair.split("-")
        for split, numbers in (("train", range(20)), ("validation", range(20, 22)), ("test", range(22, 26))):
            table = pa.table(
                {
                    "source_url": [f"https://www.bbc.com/{first}/{n}" for n in numbers],
                    "target_url": [f"https://www.bbc.com/{second}/{n}" for n in numbers],
                    "summary": [text(second, n) for n in numbers],
                    "text": ["\n".join(text(first, 40 * n + line) for line in range(40)) for n in numbers],
                }
            )
            made[f"{config}/{split}/0000.parquet"] = parquet(table)
    hub.add("dataset", "csebuetnlp/CrossSum", made, "refs/convert/parquet")


def sacrebleu_cache(cache: Path, sets: Mapping[str, Iterable[str]], references: Mapping[str, Iterable[str]]) -> None:
    """sacrebleu's folder after it has fetched test sets.

    Args:
        cache: where `SACREBLEU` points.
        sets: pairs of each test set.
        references: fields that a set has besides `src` and, where it is not named here, `ref`.
    """
    for place, (name, pairs) in enumerate(sorted(sets.items())):
        (cache / name).mkdir(parents=True)
        for pair in pairs:
            first, second = pair.split("-")
            # until 2018 both directions of a pair had the same lines
            start = 100 * place + (50 if name >= "wmt19" and f"{second}-{first}" in pairs and first > second else 0)
            numbers = range(start, start + 8)
            for field in ("src", *references.get(name, ("ref",))):
                lines = "".join(text(first if field == "src" else second, n) + "\n" for n in numbers)
                (cache / name / f"{name}.{pair}.{field}").write_text(lines, encoding="utf-8")
