"""One odd row in a corpus is dropped, counted and listed; a file of odd rows alone is refused, and so is a test set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dragoman import corpora
from dragoman.config import FilePair, FilesCorpus, FileSet, InstructionsCorpus
from dragoman.corpora import CorpusError
from dragoman.text import TextError
from support.files import Sides, lay


def prepared(path: Path, split: str = "train", **more: Any) -> tuple[Sides, dict[str, Any], list[dict[str, Any]]]:
    """The sides that are kept, the counts, and what is listed as dropped."""
    corpus = FilesCorpus(provider="files", pairs={"en-fr": FilePair(**{split: FileSet(path=str(path))}, **more)})
    out = path.parent / "out"
    counts = corpora.prepare(corpus, "en-fr", path.parent / "none", out)["splits"][split]
    table = corpora.load(out, split)
    listed = [json.loads(line) for line in (out / "dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    return list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True)), counts, listed


def between(row: str) -> str:
    """A JSON Lines file of two rows and an odd one."""
    return f'{{"en": "1", "fr": "2"}}\n{row}\n{{"en": "6", "fr": "7"}}\n'


ODD = {
    # what -> file, content, why it is dropped, what its message holds
    "a stray tab": ("a.tsv", "en\tfr\n1\t2\n3\t4\t5\n6\t7\n", "columns", "a.tsv:3: 3 columns, but the header has 2"),
    "a missing cell": ("a.tsv", "en\tfr\n1\t2\n3\n6\t7\n", "columns", "a.tsv:3: 1 columns"),
    "an empty row": ("a.tsv.gz", "en\tfr\n1\t2\n\n6\t7\n", "columns", "a.tsv.gz:3: 1 columns"),
    "half a line": ("a.jsonl", between('{"en": "3"'), "not-json", "a.jsonl:2: not JSON"),
    "an empty line": ("a.jsonl", between(""), "not-json", "a.jsonl:2: not JSON"),
    "a list": ("a.jsonl", between('["3"]'), "not-json", "found list"),
    "a number": ("a.jsonl", between('{"en": "3", "fr": 4}'), "not-text", "'fr' holds 4, not text"),
    "a list of texts": ("a.jsonl", between('{"en": "3", "fr": ["4"]}'), "not-text", "'fr' holds ['4'], not text"),
    "a missing key": ("a.jsonl", between('{"en": "3"}'), "not-text", "a.jsonl:2: no 'fr'"),
    "half a character": ("a.jsonl", between('{"en": "\\ud83d", "fr": "4"}'), "not-text", "half a surrogate pair"),
}


@pytest.mark.parametrize("what", ODD)
def test_one_odd_row_is_dropped(what: str, tmp_path: Path) -> None:
    name, content, reason, why = ODD[what]
    sides, counts, listed = prepared(lay(tmp_path / name, content))
    assert sides == [("1", "2"), ("6", "7")]
    assert counts == {"rows_in": 3, "rows_kept": 2, "dropped": {reason: 1}}
    (row,) = listed
    assert (row["split"], row["reason"]) == ("train", reason)
    assert why in row["why"]


@pytest.mark.parametrize("what", ODD)
def test_test_set_is_never_changed(what: str, tmp_path: Path) -> None:
    name, content, _, why = ODD[what]
    with pytest.raises(TextError, match="a test set must be complete") as caught:
        prepared(lay(tmp_path / name, content), "test")
    assert why in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", "en\tfr\n3\t4\t5\n3\t4\t6\n", r"a\.tsv:2: 3 columns"),
        ("a.jsonl", '{"en": "1", "fr": 2}\n{"en": "1", "fr": 3}\n', r"a\.jsonl:1: 'fr' holds 2, not text"),
        ("a.jsonl", '["1"]\n["2"]\n', r"a\.jsonl:1: expected a JSON object, found list; .*jq"),
        ("a.jsonl", '{"en": "1", "fr": "2"}\n{"en": "3', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", '{\n"en": "1",\n"fr": "2"\n}\n', r"a\.jsonl:\d: not JSON"),
        ("a.tsv", "en\tfr\talignment\na b\tc\t0:0\nd\te\t5-5\n", r"a\.tsv:2: the alignment '0:0' is not like"),
    ],
)
def test_file_of_odd_rows_or_cut_off_is_refused(name: str, content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises((CorpusError, TextError), match=said):
        prepared(lay(tmp_path / name, content))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_file_of_another_kind_is_refused_early(tmp_path: Path) -> None:
    rows = "\n".join(f'{{"en": "{n}", "de": "{n}"}}' for n in range(corpora.MAX_FAULTS)) + "\nno JSON"
    with pytest.raises(TextError, match=r"a\.jsonl:1: no 'fr'; it has: en, de"):
        prepared(lay(tmp_path / "a.jsonl", rows))


def test_odd_alignment_costs_the_row_in_training_and_itself_in_a_test_set(tmp_path: Path) -> None:
    content = "en\tfr\talignment\na b\tc d\t0-0 1-1\ne f\tg\t0-0 1-1\nh\ti\t0:0\nk\tl\t\n"
    sides, counts, listed = prepared(lay(tmp_path / "a.tsv", content))
    assert sides == [("a b", "c d"), ("k", "l")]
    assert counts["dropped"] == {"alignment": 2}
    assert "a.tsv:3: the alignment links 1-1, but the sides have 2 and 1 words" in listed[0]["why"]
    sides, counts, _ = prepared(tmp_path / "a.tsv", "test")
    assert len(sides) == 4
    assert counts["warnings"] == {"alignment": 2}
    table = corpora.load(tmp_path / "out", "test")
    assert table["alignment"].to_pylist() == ["0-0 1-1", "", "", ""]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("name", "content"), [("a.tsv", "en\tfr\n1\t2\n\n\n"), ("a.jsonl", '{"en": "1", "fr": "2"}\n\n')]
)
def test_empty_lines_at_the_end_are_no_rows(split: str, name: str, content: str, tmp_path: Path) -> None:
    sides, counts, _ = prepared(lay(tmp_path / name, content), split)
    assert (sides, counts["rows_in"]) == ([("1", "2")], 1)


def test_copy_of_an_odd_row_is_no_duplicate(tmp_path: Path) -> None:
    content = "en\tfr\talignment\na\tb\t0:0\na\tb\t0-0\n"
    assert prepared(lay(tmp_path / "a.tsv", content))[:1] == ([("a", "b")],)


def test_odd_instructions_are_dropped(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": 7, "output": "3"},
        {"instruction": "Say.", "input": "", "output": None},
        {"instruction": "Go.", "output": "Gone."},
        [],
    ]
    for name, content in {"a.json": json.dumps(rows), "a.jsonl": "\n".join(map(json.dumps, rows))}.items():
        corpus = InstructionsCorpus(provider="instructions", path=str(lay(tmp_path / name, content)))
        made = corpora.prepare(corpus, "en-en", tmp_path / "none", tmp_path / "out")
        assert made["splits"]["train"] == {"rows_in": 5, "rows_kept": 2, "dropped": {"not-text": 3}}


# ------------------------------------------------------------------------------------------------------------- layouts

NESTED = [{"translation": {"en": "a", "fr": "b"}, "id": "1"}, {"translation": {"fr": "d", "en": "c"}, "id": "2"}]


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("columns", [{}, {"en": "translation.en", "fr": "translation.fr"}])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_column_of_translations(kind: str, columns: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    lay(path, "\n".join(map(json.dumps, NESTED))) if kind == "jsonl" else parquet(path, NESTED)
    assert prepared(path, columns=columns)[0] == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_columns_within_columns_and_names_with_points(kind: str, tmp_path: Path) -> None:
    rows = [{"text": {"src": {"v": "a"}}, "b.c": "b", "translation": "x"}]
    path = tmp_path / f"a.{kind}"
    lay(path, json.dumps(rows[0])) if kind == "jsonl" else parquet(path, rows)
    assert prepared(path, columns={"en": "text.src.v", "fr": "b.c"})[0] == [("a", "b")]
    with pytest.raises((CorpusError, TextError), match=r"no 'text\.tgt'.*Say which under `columns`"):
        prepared(path, columns={"en": "text.tgt", "fr": "b.c"})


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_columns_of_their_own_come_first(kind: str, tmp_path: Path) -> None:
    rows = [{"en": "a", "fr": "b", "translation": {"en": "x", "fr": "y"}}]
    path = tmp_path / f"a.{kind}"
    lay(path, json.dumps(rows[0])) if kind == "jsonl" else parquet(path, rows)
    assert prepared(path)[0] == [("a", "b")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", "Go.\tVa !\tCC-BY\n", ["a.tsv:1: no 'en'", "has: Go., Va !, CC-BY", r"'en\tfr\tcolumn3\n'"]),
        ("a.tsv", "Go.\tVa !\n", ["the header is missing", "cat", "`source` and `target`"]),
        ("a.tsv.gz", "Go.\tVa !\n", ["gzip -dc"]),
        ("a.tsv", "No\tNo\nYes\tOui\n", ["a.tsv:1", "name every column once", "the header is missing"]),
        ("a.tsv", "1276\tGo.\t77\tVa !\n", [r"'column1\ten\tcolumn3\tfr\n'"]),
        ("a.tsv", "eng_Latn\tfra_Latn\nGo.\tVa !\n", ["has: eng_Latn, fra_Latn", "`columns`"]),
        ("a.tsv", "en,fr\nGo.,Va !\n", ["cells are separated by tabs, and not by commas"]),
        ("a.tsv", "en;fr\nGo.;Va !\n", ["cells are separated by tabs, and not by semicolons"]),
        ("a.tsv", '<?xml version="1.0"?>\n<tmx>\n', ["this is XML: name a translation memory .tmx or .xlf"]),
        ("a.tsv", '{"en": "Go."}\n', ["name the file .jsonl"]),
        ("a.jsonl", '[{"en": "Go.", "fr": "Va !"}]\n', ["jq -c '.[]'"]),
        ("a.jsonl", '[\n{"en": "Go.", "fr": "Va !"}\n]\n', ["a.jsonl:1: not JSON", "jq -c '.[]'"]),
        ("a.jsonl", '{"translation": {"en": "Go.", "de": "Geh!"}}\n', ["no 'en'", "translation", "`columns`"]),
        ("a.jsonl", '{"translation": {"language": ["en", "fr"], "translation": ["Go.", "Va !"]}}\n', ["no 'en'"]),
    ],
)  # fmt: skip
def test_other_layouts_are_named(name: str, content: str, said: list[str], tmp_path: Path) -> None:
    with pytest.raises((CorpusError, TextError)) as caught:
        prepared(lay(tmp_path / name, content))
    assert all(part in str(caught.value) for part in said), caught.value


def test_two_plain_files_have_no_path() -> None:
    with pytest.raises(ValueError, match="two plain text files, a language each, go under `source` and `target`"):
        FileSet(path="corpus.en")
