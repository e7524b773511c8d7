"""The decoder `contextual`: earlier sentences of a talk, with their translations, before each sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from conftest import save_model
from dragoman import decoding
from dragoman.config import Decoder
from dragoman.configfile import ConfigError, load_config
from dragoman.decoding import Context, Item, contextual, offline
from dragoman.plan import Plan
from dragoman.prompts.shots import with_shots
from support.animals import SENTENCES
from support.trainings import PROMPT

WORDS = " ".join(line for text in SENTENCES.values() for line in text[:6]).split()
ITEMS = [Item(i, " ".join(WORDS[i :: 19 - 2 * i]), SENTENCES["fr"][i]) for i in range(7)]
TALKS = "ababbaa"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes different things, and the talk of each sentence."""
    folder = tmp_path_factory.mktemp("contextual")
    every = [line for text in SENTENCES.values() for line in text]
    save_model(folder / "model", "llama", sharpness=30, texts=every, vocabulary=420)
    (folder / "talks.txt").write_text("\n".join(TALKS), encoding="utf-8")
    return folder


def made(folder: Path, name: str = "contextual", prompt: Any = PROMPT, **options: Any) -> Any:
    """A decoder from German into French."""
    if name == "contextual":
        options = {"talks": str(folder / "talks.txt")} | options
    settings = TypeAdapter(Decoder).validate_python({"name": name, "max_new_tokens": 6} | options)
    module = {"contextual": contextual, "offline": offline}[name]
    return module.Decoder(Context(folder / "model", "de-fr", prompt), settings)


def one_by_one(folder: Path, window: int, earlier: str) -> list[Any]:
    """The same answers, each by the offline decoder after the demonstrations that the definition names."""
    rows: list[Any] = []
    for item in ITEMS:
        same = [other for other in ITEMS[: item.id] if TALKS[other.id] == TALKS[item.id]][-window:]
        own = [rows[other.id]["hypothesis"] if earlier == "own" else other.reference for other in same]
        shown = with_shots(PROMPT, "de-fr", [(other.source, text) for other, text in zip(same, own, strict=True)])
        rows += made(folder, "offline", shown).decode([item])[0]
    return rows


@pytest.mark.parametrize("earlier", ["own", "reference"])
@pytest.mark.parametrize("window", [1, 2, 9])
def test_each_sentence_follows_those_before_it_in_its_talk(folder: Path, window: int, earlier: str) -> None:
    expected = one_by_one(folder, window, earlier)
    assert [row for (row,) in made(folder, window=window, earlier=earlier).decode(ITEMS)] == expected
    plain = [row["hypothesis"] for (row,) in made(folder, "offline").decode(ITEMS)]
    first, second = 0, 1  # the first sentences of the two talks
    assert [row["hypothesis"] for row in expected][: second + 1] == [plain[first], plain[second]]
    assert [row["hypothesis"] for row in expected] != plain, "the context has an effect here"


def test_batches_hold_whole_talks(folder: Path) -> None:
    """The longest talk comes first."""
    assert made(folder, batch_size=1).batches(ITEMS) == [[0, 2, 5, 6], [1, 3, 4]]
    assert made(folder).batches(ITEMS) == [[0, 2, 5, 6, 1, 3, 4]]
    assert made(folder, talks=None).batches(ITEMS) == [[0, 1, 2, 3, 4, 5, 6]]


def test_a_batch_that_is_divided_for_lack_of_memory_keeps_its_context(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    decoder, whole = made(folder), made(folder).decode(ITEMS)
    decode, sizes = decoder.decode, []

    def small(items: Any) -> Any:
        sizes.append(len(items))
        rows = decode(items)
        if len(items) > 3:
            raise OutOfMemoryError
        return rows

    assert decoding._in_memory(small, ITEMS, "") == whole
    assert sizes == [7, 4, 2, 2, 3]


def test_context_that_does_not_fit_is_left_out(folder: Path) -> None:
    """The earliest sentence first."""
    decoder = made(folder, window=3, earlier="reference", talks=None)
    decoder.decode(ITEMS[:3])
    whole, two, none = (
        len(decoder._after(list(decoder.translated[""].values())[-n:] if n else [], ITEMS[3].source)) for n in (3, 2, 0)
    )
    assert len(decoder.prompts(ITEMS[3:4])[0]) == whole
    for room, expected in ((whole + 5, whole), (whole + 4, two), (none, none)):
        decoder.room = room
        assert len(decoder.prompts(ITEMS[3:4])[0]) == expected


def test_placeholders_in_earlier_sentences_are_text(folder: Path) -> None:
    decoder = made(folder, earlier="reference", talks=None)
    decoder.decode([Item(0, "{source} Hund", "chien {target}")])
    text = decoder.tokenizer.decode(decoder.prompts([Item(1, "Katze", "chat")])[0])
    assert "{source} Hund" in text and "chien {target}" in text


def test_too_few_names_of_talks(folder: Path) -> None:
    with pytest.raises(ValueError, match="has 7 lines, but the test set has a line 8; write the name of a talk"):
        made(folder).batches([*ITEMS, Item(7, "Hund", "chien")])


def test_monolingual_text_has_no_context() -> None:
    with pytest.raises(ValidationError, match="`monolingual` measures a model without a prompt"):
        TypeAdapter(Decoder).validate_python({"name": "contextual", "monolingual": True})


CONFIG = """
corpora:
  demo: {provider: demo, train: 60, test: 25}
models:
  tiny: {source: local, path: model, parameters: 20000}
experiments:
  e:
    title: Talks
    model: tiny
    prompt: simulmask
    test: {corpus: demo, pairs: [en-fr, fr-en]}
    systems:
      talks: {decoder: {name: contextual, talks: "talks.{pair}"}}
"""


def test_files_with_talks(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One per pair. A decoding depends on its own; one that does not exist is named before anything runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(folder / "model")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "talks.en-fr").write_text("a\n" * 25, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.yaml:13: .*talks.fr-en: no such file; write the name of each"):
        load_config("config.yaml")
    (tmp_path / "talks.fr-en").write_text("a\n" * 25, encoding="utf-8")
    run = Plan(load_config("config.yaml")).decode_run("e", "talks", "en-fr", 1)
    assert run.decoder.talks == "talks.en-fr" and Path("talks.en-fr") in run.inputs
