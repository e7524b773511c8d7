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
from dragoman.config import OfflineDecoder, Prompt
from dragoman.configfile import load_config
from dragoman.decoding import Context, Item, offline
from dragoman.plan import Plan, resources
from dragoman.prompts import chat
from dragoman.storage import read_manifest
from dragoman.weights.model import LIBRARIES, READING
from test_chat import ASKED, CHATML, GEMMA, LLAMA3, QWEN3, SMOLLM3, SPECIAL, messages
from test_mirror import CLOSE, POLICIES, difference, one_pass, sentences, streamed
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
    "EuroLLM 1.7B": Base(hf.LlamaConfig, {}, llama, "<bos>", CHATML, {"system": ""}, 1_657_000_000),
}


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
    folder = plan.model_folder("m")
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


def test_a_date_that_is_not_fixed_is_refused() -> None:
    one = tokenizer_of(BASES["SmolLM3 3B"])
    asked = Prompt.model_validate({"template": "chat", "segments": ASKED, **EMPTY_THOUGHT})
    with pytest.raises(ValueError, match=r"it writes today's date, .*\{strftime_now: 26 Jul 2024\}"):
        chat.rendered(asked, one)
    assert models.END not in one.get_vocab()
