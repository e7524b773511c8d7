"""Today's base models by name, each a tiny one of its architecture, with a tokenizer and a chat template of its manner.

What is looked at is what differs between them: what begins a text, which messages a template writes itself, layers
without positions or with a window, and what a job with the real model asks for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers as hf
import yaml
from tokenizers.processors import TemplateProcessing

import fetch_model
from dragoman import models
from dragoman.config import HubModel, OfflineDecoder, Prompt
from dragoman.configfile import ConfigError, known_models, load_config, with_known_models
from dragoman.decoding import Context, Item, offline
from dragoman.plan import Plan, resources
from dragoman.plan.estimates import forecast
from dragoman.prompts import chat
from dragoman.storage import read_manifest
from dragoman.weights.model import LIBRARIES, READING
from support.chats import ASKED, CHATML, GEMMA, LLAMA3, QWEN3, SMOLLM3, SPECIAL, messages
from support.mirrors import CLOSE, POLICIES, difference, one_pass, sentences, streamed
from tokenizer_kinds import gemma, llama, qwen

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
LLAMA31 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
EMPTY_THOUGHT = {"template_options": {"enable_thinking": False}}
DATED = {"template_options": {"strftime_now": "1 July 2025", "enable_thinking": False}}


class Base(NamedTuple):
    """A model family."""

    config: Any
    more: dict[str, Any]
    tokenizer: Any
    adds: str
    """What its tokenizer puts before a text."""
    template: str
    options: dict[str, Any]
    """What a prompt in its chat template has to say."""
    parameters: int
    """Weights of a model of the family that people take."""


BASES = {
    "Gemma 3 270M": Base(
        hf.Gemma3TextConfig, {"head_dim": 8, "sliding_window": 512}, gemma, "<bos>", GEMMA, {}, 268_098_176
    ),
    "Qwen3 0.6B": Base(hf.Qwen3Config, {"head_dim": 8}, qwen, "", QWEN3, EMPTY_THOUGHT, 596_049_920),
    "Llama 3.2 1B": Base(
        hf.LlamaConfig,
        {"rope_parameters": LLAMA31 | {"original_max_position_embeddings": 8192}, "tie_word_embeddings": True},
        qwen,
        "<bos>",
        LLAMA3,
        {"template_options": {"strftime_now": "26 Jul 2024"}},
        1_235_814_400,
    ),
    "SmolLM3 3B": Base(
        hf.SmolLM3Config, {}, qwen, "", SMOLLM3, DATED, 3_075_098_624
    ),  # every fourth layer: no position
    "EuroLLM 1.7B": Base(hf.LlamaConfig, {}, llama, "<bos>", CHATML, {"system": ""}, 1_656_850_432),
}


QWEN = {"vocab_size": 151936, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8}
KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3-0.6b": ("Qwen3 0.6B", QWEN | {"hidden_size": 1024, "intermediate_size": 3072, "tied": True}),
    "qwen3-1.7b": ("Qwen3 0.6B", QWEN | {"hidden_size": 2048, "intermediate_size": 6144, "tied": True}),
    "gemma3-1b": (
        "Gemma 3 270M",
        {"vocab_size": 262144, "num_hidden_layers": 26, "num_attention_heads": 4, "num_key_value_heads": 1}
        | {"hidden_size": 1152, "intermediate_size": 6912, "head_dim": 256, "tied": True},
    ),
    "llama3.2-1b": (
        "Llama 3.2 1B",
        {"vocab_size": 128256, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8}
        | {"hidden_size": 2048, "intermediate_size": 8192, "tied": True},
    ),
    "smollm3-3b": (
        "SmolLM3 3B",
        {"vocab_size": 128256, "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 4}
        | {"hidden_size": 2048, "intermediate_size": 11008, "tied": True},
    ),
    "eurollm-1.7b": (
        "EuroLLM 1.7B",
        {"vocab_size": 128000, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 8}
        | {"hidden_size": 2048, "intermediate_size": 5632, "tied": False},
    ),
    "towerbase-7b": (  # a LLaMA whose tokenizer begins a text, as EuroLLM
        "EuroLLM 1.7B",
        {"vocab_size": 32000, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32}
        | {"hidden_size": 4096, "intermediate_size": 11008, "tied": False},
    ),
}
"""The family of each model of config/models.yaml, and its real sizes."""


def tokenizer_of(base: Base) -> Any:
    """A tiny tokenizer of the family's manner, with what it puts before a text."""
    one = base.tokenizer()
    one.add_special_tokens({"bos_token": "<bos>", "additional_special_tokens": SPECIAL})
    if base.adds:
        number = one.convert_tokens_to_ids(base.adds)
        one.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{base.adds} $A", special_tokens=[(base.adds, number)]
        )
    one.chat_template = base.template
    return one


def model_of(base: Base, vocabulary: int) -> Any:
    """A tiny model of the architecture, with random weights large enough that every key matters."""
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = base.config(**SIZES, **base.more, **ends, vocab_size=vocabulary)
    made = hf.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape, generator=rng) * 0.4)
    return made


@pytest.fixture(scope="module", params=BASES.values(), ids=BASES)
def base(request: pytest.FixtureRequest) -> Base:
    return request.param


def config_of(base: Base) -> dict[str, Any]:
    return {
        "prompts": {"chat": {"template": "chat", "segments": ASKED, **base.options}},
        "corpora": {"demo": {"provider": "demo", "test": 4}},
        "models": {"m": {"source": "local", "path": "folder", "parameters": base.parameters}},
        "experiments": {
            "first": {
                "title": "First",
                "model": "m",
                "prompt": "headed",
                "test": {"corpus": "demo", "pairs": ["en-fr"]},
                "systems": {"plain": {}, "chat": {"prompt": "chat"}},
            }
        },
    }


def test_the_road_of_a_base(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its folder to a decoding: prompts begin as the tokenizer does, or are what the chat template writes."""
    monkeypatch.chdir(tmp_path)
    one = tokenizer_of(base)
    model_of(base, len(one)).save_pretrained(tmp_path / "folder")
    one.save_pretrained(tmp_path / "folder")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config_of(base)))
    fetch_model.main(["--config", "c.yaml", "--model", "m"])
    plan = Plan(load_config(tmp_path / "c.yaml"))
    folder = plan.model("m").folder
    assert read_manifest(folder)["tokenizer"]["adds"] == base.adds

    items = [Item(0, "The old house.", "La maison."), Item(1, "3 birds", "3")]
    options = OfflineDecoder(name="offline", max_new_tokens=4)
    headed = offline.Decoder(Context(folder, "en-fr", plan.prompts["headed"]), options)
    for ids in headed.prompts(items):
        begun = one.decode(ids)
        assert begun.startswith(base.adds) and begun.removeprefix(base.adds).lstrip().startswith("English:")
        assert begun.count("<bos>") == bool(base.adds)
    written = [row["tokens"] for (row,) in headed.decode(items)]
    assert all(1 <= tokens <= 4 for tokens in written)

    asked = plan.prompts["chat"]
    filled = offline.Decoder(Context(folder, "en-fr", chat.for_model(asked, folder)), options)
    variables = base.options.get("template_options", {})
    one.chat_template = re.sub(r"strftime_now\('.*?'\)", repr(variables.get("strftime_now")), base.template)
    for item, ids in zip(items, filled.prompts(items), strict=True):
        said = messages(asked, item.source)
        expected = one.apply_chat_template(said, add_generation_prompt=True, return_dict=False, **variables)
        assert ids == list(expected)


def test_the_mirror_of_a_base(base: Base) -> None:
    """One masked pass gives the logits of word-by-word streaming, also through layers without positions."""
    model = model_of(base, 61)
    made = sentences(POLICIES[1], 2)
    found = [streamed(model, sentence) for sentence in made]
    assert difference(one_pass(model, made, "exact", "group"), found) < CLOSE


def test_a_job_has_room_for_a_base(base: Base) -> None:
    """Main memory that a cluster is asked for: enough to dequantise the model, which holds its weights twice."""
    need = resources.load().with_model(base.parameters, train=True)
    assert need.mem_mb * 1e6 > READING * base.parameters + LIBRARIES


@pytest.mark.parametrize("row", resources.load().models, ids=lambda row: f"{row.parameters:,}")
def test_a_job_has_room_for_the_largest_model_of_its_row(row: Any) -> None:
    assert row.train.mem_mb * 1e6 > READING * row.parameters + LIBRARIES


@pytest.mark.parametrize("name", known_models())
def test_a_model_that_every_configuration_may_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is downloaded from the hub, its family is tested here, and the hours and bytes that it takes are known."""
    family, sizes = KNOWN[name]
    monkeypatch.chdir(tmp_path)
    data = config_of(BASES[family])
    del data["models"], data["prompts"], data["experiments"]["first"]["systems"]["chat"]
    data["corpora"]["demo"]["train"] = 20
    data["experiments"]["first"]["model"] = name
    train = {"corpus": "demo", "pairs": ["en-fr"]}
    data["experiments"]["first"] |= {"train": train, "tunings": {"sft": {"training": {"steps": 10}}}}
    data["experiments"]["first"]["systems"]["tuned"] = {"tuning": "sft"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(data))
    plan = Plan(load_config(tmp_path / "c.yaml"))
    model, known = plan.model(name).config, known_models()[name]
    assert [*plan.config.models] == [name] and type(model) is HubModel
    assert (model.id, model.revision, model.alibi) == (known.id, known.revision, False)
    estimate = forecast(plan, resources.load())
    assert not estimate.unknown
    assert estimate.rules["finetune"].gpu_seconds > 0 and estimate.rules["decode"].gpu_seconds > 0
    assert sum(estimate.download.values()) == pytest.approx(2 * known.parameters)

    tied = sizes["tied"]
    with torch.device("meta"):
        config = BASES[family].config(**{key: value for key, value in sizes.items() if key != "tied"})
        config.tie_word_embeddings = tied
        made = hf.AutoModelForCausalLM.from_config(config)
    assert sum(weight.numel() for weight in made.parameters()) == known.parameters


def test_an_own_model_replaces_the_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = config_of(BASES["Qwen3 0.6B"])
    data["models"]["qwen3-0.6b"] = {"source": "hub", "id": "someone/else", "revision": "v1"}
    data["experiments"]["first"]["model"] = "qwen3-0.6b"
    assert with_known_models(data) is data
    data["experiments"]["first"]["model"] = "qwen3-06b"
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(data))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=r"unknown model 'qwen3-06b'; did you mean 'qwen3-0.6b'\?"):
        load_config(tmp_path / "c.yaml")


def test_a_date_that_is_not_fixed_is_refused() -> None:
    one = tokenizer_of(BASES["SmolLM3 3B"])
    asked = Prompt.model_validate({"template": "chat", "segments": ASKED, **EMPTY_THOUGHT})
    with pytest.raises(ValueError, match=r"it writes today's date, .*\{strftime_now: 26 Jul 2024\}"):
        chat.rendered(asked, one)
    assert models.END not in one.get_vocab()
