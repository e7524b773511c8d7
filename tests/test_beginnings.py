"""What a prompt begins with: `bos` in every form, on tokenizers with every habit, wherever prompts are cut up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from dragoman import models
from dragoman.config import Prompt
from dragoman.configfile import ConfigError, load_config
from dragoman.decoding.priors import encode_answers
from dragoman.languages import spelling
from dragoman.methods import ParallelText, prefix, sft
from dragoman.models import visibility
from dragoman.plan import Plan
from dragoman.prompts import added, encode, end, habits, joined, opening
from dragoman.prompts.shots import with_shots
from dragoman.storage import write_json
from refusals import Bad, refuse
from support.mirrors import span

TEXTS = ["The old man buys a red car.", "Le vieil homme achète une voiture.", "Two blanks", "x"]
SEGMENTS = [
    {"role": "instruction", "text": "{source_language} to {target_language}:"},
    {"role": "source", "text": " {source}"},
    {"role": "mark", "text": "\nAnswer:"},
    {"role": "target", "text": " {target}"},
]
BARE = [SEGMENTS[1], SEGMENTS[2], SEGMENTS[3]]


def tokenizer(before: str = "", after: str = "", bos: str | None = "<s>") -> Any:
    """A byte-level tokenizer that puts tokens around a text."""
    one = models.train_tokenizer(TEXTS, 300)
    backend = Tokenizer.from_str(one.backend_tokenizer.to_str())
    names = ["<s>", "[gMASK]", "<sop>"]
    backend.add_special_tokens(names)
    numbers = [(name, backend.token_to_id(name)) for name in [*names, models.END]]
    if before or after:
        backend.post_processor = TemplateProcessing(single=f"{before} $A {after}".strip(), special_tokens=numbers)
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=bos, eos_token=models.END, pad_token=models.PAD)


HABITS = {
    "none": (tokenizer(bos=None), "", models.END),
    "a token it does not use": (tokenizer(), "", "<s>"),
    "Llama's": (tokenizer("<s>"), "<s>", "<s>"),
    "two": (tokenizer("[gMASK] <sop>", bos=None), "[gMASK]<sop>", models.END),
    "both ends": (tokenizer("<s>", models.END), "<s>", "<s>"),
    "the end only": (tokenizer("", models.END, bos=None), "", models.END),
}


def prompt(bos: bool | str, segments: list[dict[str, str]] = SEGMENTS) -> Prompt:
    return Prompt.model_validate({"segments": segments, "bos": bos})


@pytest.mark.parametrize(("one", "adds", "first"), HABITS.values(), ids=HABITS)
def test_what_comes_first(one: Any, adds: str, first: str) -> None:
    assert one.decode(added(one)) == adds
    assert one.decode(opening(prompt("auto"), one)) == adds
    assert one.decode(opening(prompt(True), one)) == first
    assert opening(prompt(False), one) == []
    assert habits.of(one) == {"adds": adds, "bos": first}


@pytest.mark.parametrize("segments", [SEGMENTS, BARE], ids=["instruction first", "source first"])
@pytest.mark.parametrize("bos", ["auto", True, False])
@pytest.mark.parametrize(("one", "adds", "first"), HABITS.values(), ids=HABITS)
def test_every_place_agrees(one: Any, adds: str, first: str, bos: bool | str, segments: list[dict[str, str]]) -> None:
    asked = prompt(bos, segments)
    rows = encode(asked, one, "en-fr", TEXTS, TEXTS[::-1])
    bare = encode(prompt(False, segments), one, "en-fr", TEXTS, TEXTS[::-1])
    own = opening(asked, one)
    assert [joined(row) for row in rows] == [own + joined(row) for row in bare]
    assert all(row[-1].ids[-1] == end(asked, one) == one.eos_token_id for row in rows)

    def wait(_: int, source: int, target: int) -> np.ndarray:
        return np.minimum(1 + np.arange(target + 1), source)

    spelled = list(spelling.pairs(asked, one, "en-fr", TEXTS, TEXTS[::-1]))
    due = [wait(0, len(each.source.source), each.count) for each in spelled]
    for row, each, vector in zip(rows, spelled, visibility.vectors(spelled, due), strict=True):
        assert each.ids == joined(row)
        start, stop = span(np.array(vector))
        assert len(vector) == len(joined(row))
        assert joined(row)[start:stop] == [token for unit in each.source.source for token in unit]
    cuts = spelling.cut(asked, one, "en-fr", TEXTS)
    assert [cut.context + cut.mark for cut in cuts] == [joined(row[:-1]) for row in rows]
    text = ParallelText("en-fr", TEXTS, TEXTS[::-1], [""] * len(TEXTS))
    whole = [example["input_ids"] for example in sft.examples([text], asked, one, sft.Options())]
    assert whole == [joined(row) for row in rows]
    options = prefix.Options.model_validate({"policies": [{"name": "wait-k", "k": 1}]})
    made = [example["input_ids"] for example in prefix.examples([text], asked, one, options)]
    assert [ids for ids in made if ids in whole] == whole  # the last example of each pair
    assert all(ids[: len(own)] == own for ids in made)
    assert encode_answers(asked, one, "en-fr", TEXTS) == encode_answers(prompt(False, segments), one, "en-fr", TEXTS)
    shown = with_shots(asked, "en-fr", [("a", "b")])
    (row,) = encode(shown, one, "en-fr", ["a"])
    assert joined(row)[: len(own)] == own
    assert not own or joined(row).count(own[0]) == 1


def test_another_end() -> None:
    one = tokenizer()
    made = Prompt.model_validate({"segments": SEGMENTS, "end": "<sop>"})
    (row,) = encode(made, one, "en-fr", ["a"], ["b"])
    assert one.convert_ids_to_tokens(row[-1].ids)[-1] == "<sop>"
    with pytest.raises(ValueError, match="the prompt's `end` '</s>' is no token of"):
        end(Prompt.model_validate({"segments": SEGMENTS, "end": "</s>"}), one)


# ---------------------------------------------------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    ("bos", "adds", "warned"),
    [
        ("auto", "<bos>", ""),
        ("auto", "", ""),
        (True, "<bos>", ""),
        (False, "", ""),
        (False, "<bos>", "p: begins with no token of its own, because it says `bos: false`, but the tokenizer of m"),
        (True, "", "p: begins with <bos>, because it says `bos: true`, but the tokenizer of m puts nothing before a"),
        (True, "[gMASK]<sop>", "p: begins with <bos>, because it says `bos: true`, but the tokenizer of m begins a"),
    ],
)
def test_a_prompt_that_begins_otherwise(bos: bool | str, adds: str, warned: str) -> None:
    found = habits.remark("p", prompt(bos), "m", {"adds": adds, "bos": "<bos>"})
    assert found.warning == bool(warned)
    assert found.text.startswith(
        warned or f"p: begins with {adds or 'no token of its own'}, as the tokenizer of m begins"
    )


CONFIG: dict[str, Any] = {
    "prompts": {
        "bare": {"bos": False, "segments": BARE},
        "unused": {"bos": False, "segments": BARE},
        "chat": {"template": "chat", "segments": BARE},
    },
    "corpora": {
        "demo": {"provider": "demo", "train": 4, "test": 4},
        "asked": {"provider": "instructions", "path": "i.json"},
    },
    "models": {"m": {"source": "hub", "id": "a/b", "revision": "main"}},
    "experiments": {
        "first": {
            "title": "First",
            "model": "m",
            "prompt": "alpaca",
            "train": {"corpus": "demo", "pairs": ["en-fr"]},
            "test": {"corpus": "demo", "pairs": ["en-fr", "en-de"]},
            "tunings": {"sft": {"prompt": "chat", "training": {"steps": 1}}},
            "systems": {
                "copied": {"decoder": {"name": "copy"}},
                "plain": {"prompt_by_target": {"de": "bare"}},
                "tuned": {"tuning": "sft"},
            },
        }
    },
}


def plan(folder: Path, config: dict[str, Any] = CONFIG) -> Plan:
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    (folder / "i.json").write_text("[]")
    return Plan(load_config(folder / "c.yaml"))


def test_the_prompts_that_a_model_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = plan(tmp_path)
    assert list(made.model("m").prompts) == ["alpaca", "bare", "chat"]
    assert habits.remarks(made.model("m")) == []  # not fetched yet
    write_json(made.model("m").folder / "manifest.json", {"tokenizer": {"adds": "", "bos": "<s>"}})
    assert [(each.text[:7], each.warning) for each in habits.remarks(made.model("m"))] == [
        ("alpaca:", True),
        ("bare: b", False),
        ("chat: b", False),
    ]


def test_a_job_warns_of_its_own_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    made = plan(tmp_path)
    write_json(made.model("m").folder / "manifest.json", {"tokenizer": {"adds": "<s>", "bos": "<s>"}})
    habits.warn(made.model("m"), made.prompts["alpaca"])
    assert caplog.messages == []
    habits.warn(made.model("m"), made.prompts["bare"])
    assert [message[:48] for message in caplog.messages] == ["warning: prompt bare: begins with no token of it"]


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("prompts.bare", {"bos": "yes"}, "prompts.bare.bos"),
        ("prompts.bare", {"system": "Be kind."}, "`system` and `template_options` are for `template: chat`"),
        ("prompts.chat", {"bos": True}, "a chat template decides itself what begins a prompt"),
        ("prompts.chat", {"end": "</s>"}, "a chat template decides itself what begins a prompt"),
        ("prompts.chat", {"template": "chatml"}, "did you mean 'chat'"),
        (
            "experiments.first.tunings.sft",
            {"method": "converse"},
            "the turns of `method: converse` cannot go into a chat",
        ),
        (
            "experiments.first.systems.tuned",
            {"shots": {"lines": [1]}},
            "demonstrations (`shots`) cannot go into a chat",
        ),
        (
            "experiments.first.systems.tuned",
            {"decoder": {"name": "simultaneous", "k": [1], "legacy": True}},
            "`legacy` mark cannot go into a chat template",
        ),
        (
            "models.m",
            {
                "source": "scratch",
                "id": None,
                "revision": None,
                "architecture": "llama",
                "text": {"corpus": "demo", "languages": ["en", "fr"], "count": 4},
            },
            "a model from scratch has no chat template",
        ),
    ],
)
def test_refused(where: str, change: dict[str, Any], said: str, tmp_path: Path) -> None:
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    config["corpora"]["demo"]["validation"] = 4
    place = config
    for part in where.split("."):
        place = place[part]
    place.update(change)
    for key in [key for key, value in place.items() if value is None]:
        del place[key]
    files = {"c.yaml": yaml.safe_dump(config), "i.json": "[]"}
    refuse(Bad(said, "validate.py c.yaml", [said], files, lines=0), tmp_path)


def test_the_configuration_above_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="unknown key 'bso'"):
        plan(tmp_path, CONFIG | {"prompts": {"bare": {"bso": True, "segments": BARE}}})
    plan(tmp_path)
