"""The benchmark beside TRL trains on the same tokens; TRL itself runs where its environment exists."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import bench
from conftest import save_model
from dragoman import models
from dragoman.benchmarks import sentences, trl_training
from dragoman.methods import IGNORE


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_model(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_sentence_pairs_are_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "t.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("en\tde\nA cat.\tEine Katze.\nA dog.\tEin Hund.\nA cow.\tEine Kuh.\n")
    pairs = trl_training.read(tmp_path / "t.tsv.gz", 2)
    assert (pairs.pair, pairs.sources, pairs.targets) == ("en-de", ["A cat.", "A dog."], ["Eine Katze.", "Ein Hund."])


def test_prompt_and_completion_are_the_text_of_the_example(checkpoint: Path) -> None:
    tokenizer = models.load_tokenizer(checkpoint)
    pairs = sentences(5)
    for row, example in zip(trl_training._rows(pairs), trl_training._examples(pairs, tokenizer), strict=True):
        assert row["prompt"].endswith("French:") and row["completion"].startswith(" ")
        target = [label for label in example["labels"] if label != IGNORE]
        assert tokenizer.decode(target[:-1]).strip() == row["completion"].strip()
        assert target[-1] == tokenizer.eos_token_id


def test_dragoman_trains(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = trl_training._examples(sentences(8), models.load_tokenizer(checkpoint))
    work = {"checkpoint": str(checkpoint), "steps": 2, "batch": 4, "rate": 1e-3, "threads": 1, "examples": examples}
    work |= {"options": {"precision": "float32"}, "out": str(tmp_path / "out")}
    (tmp_path / "work.json").write_text(json.dumps(work))
    trl_training.main(str(tmp_path / "work.json"))
    made = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert made["seconds"] > 0 and made["peak_mb"] > 0
    assert trl_training._loss(tmp_path / "out", examples) < trl_training._loss(checkpoint, examples)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trl needs --checkpoint"):
        bench.main(["trl"])
    monkeypatch.setattr(trl_training, "PYTHON", tmp_path / "python")
    with pytest.raises(FileNotFoundError, match="run `make env-trl` first"):
        bench.main(["trl", "--checkpoint", str(tmp_path)])


@pytest.mark.skipif(not trl_training.PYTHON.is_file(), reason="TRL's environment does not exist: make env-trl")
def test_trl_trains_beside(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trl_training, "STEPS", 2)
    monkeypatch.setattr(trl_training, "HELD_OUT", 4)
    lines = list(trl_training.compare(checkpoint))
    assert [line.how.partition(":")[0] for line in lines] == [
        "dragoman, its defaults",
        "dragoman, recomputation",
        "dragoman, float32",
        "TRL, its defaults",
        "TRL, float32, no recomputation",
    ]
    assert len({line.count for line in lines}) == 1
