"""Folders that the library `datasets` saved, read as your own text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, Translation, Value

from dragoman.config import FilePair, FilesCorpus, FileSet
from refusals import Bad, over, refuse
from support.files import PREPARE, corpus_config, rows

SAID = [('He said "no', "Il a dit « non »"), ("a\u2028b\u0085c", "d\u2029e"), ("the  end", "fin, l'été")]


def corpus(folder: Path, **more: Any) -> FilesCorpus:
    return FilesCorpus(provider="files", pairs={"en-fr": FilePair(train=FileSet(saved=str(folder)), **more)})


def table(said: list[tuple[str, str]]) -> Dataset:
    return Dataset.from_dict({"fr": [b for _, b in said], "id": [7] * len(said), "en": [a for a, _ in said]})


def test_columns_both_ways(tmp_path: Path) -> None:
    table(SAID).save_to_disk(tmp_path / "a", num_shards=2)
    assert rows(corpus(tmp_path / "a"), tmp_path) == SAID
    assert rows(corpus(tmp_path / "a"), tmp_path, "fr-en") == [(b, a) for a, b in SAID]


def test_rows_that_were_selected_and_mapped(tmp_path: Path) -> None:
    """Such a table holds indices of another; what is saved is the selection, in its order."""
    table(SAID).select([2, 0]).save_to_disk(tmp_path / "a")
    assert rows(corpus(tmp_path / "a"), tmp_path) == [SAID[2], SAID[0]]


@pytest.mark.parametrize("kind", [Translation(languages=["en", "fr"]), {"en": Value("string"), "fr": Value("string")}])
def test_one_column_of_both_languages(tmp_path: Path, kind: Any) -> None:
    both = [{"en": a, "fr": b} for a, b in SAID]
    made = Dataset.from_dict({"translation": both}, features=Features({"translation": kind}))
    made.save_to_disk(tmp_path / "a")
    assert rows(corpus(tmp_path / "a"), tmp_path) == SAID


def test_a_split_of_several_and_other_names(tmp_path: Path) -> None:
    named = table(SAID).rename_columns({"en": "English", "fr": "translation.of"})
    DatasetDict(train=named, test=named.select([0])).save_to_disk(tmp_path / "all")
    columns = {"en": "English", "fr": "translation.of"}
    assert rows(corpus(tmp_path / "all" / "test", columns=columns), tmp_path) == SAID[:1]


def test_the_manifest_names_every_file_and_follows_their_content(tmp_path: Path) -> None:
    from dragoman.corpora import files

    kept = []
    for number, said in enumerate((SAID, SAID[:2])):
        table(said).save_to_disk(tmp_path / f"{number}", num_shards=2)
        hashes = files.describe(corpus(tmp_path / f"{number}"), "en-fr", tmp_path)["files"]
        assert [Path(name).name for name in hashes] == [
            "data-00000-of-00002.arrow",
            "data-00001-of-00002.arrow",
            "state.json",
        ]
        kept.append([*hashes.values()])
    assert kept[0] != kept[1]


def config(**train: Any) -> str:
    return corpus_config({"provider": "files", "pairs": {"en-fr": {"train": train}}})


ROWS = [
    Bad(
        "a folder that is not there",
        PREPARE,
        ["saved", "no whole folder", "save_to_disk"],
        {"c.yaml": config(saved="a")},
    ),
    Bad(
        "a folder of several splits",
        PREPARE,
        ["several splits; name one of them: a/test, a/train"],
        {"c.yaml": config(saved="a"), "a/dataset_dict.json": "{}", "a/test/state.json": "", "a/train/state.json": ""},
    ),
    Bad(
        "a folder that lost a file",
        PREPARE,
        ["a: data-0.arrow is missing, which state.json lists"],
        {"c.yaml": config(saved="a"), "a/state.json": json.dumps({"_data_files": [{"filename": "data-0.arrow"}]})},
    ),
    Bad(
        "a file that is cut off",
        PREPARE,
        ["a cannot be read by the library datasets", "save it again"],
        {
            "c.yaml": config(saved="a"),
            "a/state.json": json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}),
            "a/dataset_info.json": "{}",
            "a/data-0.arrow": "cut",
        },
    ),
    Bad("a list that is not JSON", PREPARE, ["no whole folder"], {"c.yaml": config(saved="a"), "a/state.json": "{"}),
    Bad("two ways at once", PREPARE, ["`saved` (a folder"], {"c.yaml": config(saved="a", path="b.tsv")}),
]


@over(ROWS)
def test_refused(bad: Bad, tmp_path: Path) -> None:
    refuse(bad, tmp_path)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    table(SAID).remove_columns("fr").save_to_disk(tmp_path / "a")
    with pytest.raises(Exception, match=r"has no 'fr'; its columns are: id, en\. Say which under `columns`"):
        rows(corpus(tmp_path / "a"), tmp_path)
