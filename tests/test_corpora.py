"""Corpora end to end: from files, a grammar or a hub to checked parquet files, the same bytes every time."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dragoman import corpora
from dragoman.config import DemoCorpus, FilePair, FilesCorpus, FileSet, HubCorpus
from dragoman.corpora import CorpusError
from dragoman.hub import HubError
from dragoman.text import TextError
from refusals import Bad, over, refuse
from support.files import PREPARE, files_config, rows, sides

pytest_plugins = ["hub_server"]
if TYPE_CHECKING:
    from hub_server import Hub

REPOSITORY = Path(__file__).resolve().parents[1]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def one_file(path: Path, content: bytes, pair: str = "en-fr", **more: Any) -> FilesCorpus:
    """A corpus whose training text is one file with this content."""
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return FilesCorpus(provider="files", pairs={pair: FilePair(train=FileSet(path=str(path)), **more)})


def two_files(folder: Path, source: bytes, target: bytes, ending: str = "") -> FilesCorpus:
    pack: Callable[[bytes], bytes] = gzip.compress if ending else bytes
    (folder / f"a{ending}").write_bytes(pack(source))
    (folder / f"b{ending}").write_bytes(pack(target))
    both = FileSet(source=str(folder / f"a{ending}"), target=str(folder / f"b{ending}"))
    return FilesCorpus(provider="files", pairs={"en-fr": FilePair(train=both)})


def refused(corpus: Any, tmp_path: Path, *said: str, pair: str = "en-fr") -> None:
    with pytest.raises((CorpusError, TextError)) as caught:
        corpora.prepare(corpus, pair, tmp_path / "none", tmp_path / "out")
    for word in said:
        assert word in str(caught.value), caught.value
    assert not (tmp_path / "out" / "manifest.json").exists()


# ------------------------------------------------------------------------------------------------------------- prepare


def test_prepared_folder(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("en\tfr\nsee you\tà bientôt\n\tvide\nsee you\tà bientôt\n")
    corpus = one_file(
        tmp_path / "train.tsv",
        b"en\tfr\n one \tun\n\tvide\none\tun\nsee you\tau revoir\ntwo\tdeux\n",
        test=FileSet(path=str(tmp_path / "test.tsv")),
    )
    manifest = corpora.prepare(corpus, "en-fr", tmp_path / "none", tmp_path / "out")
    assert manifest["splits"] == {
        "train": {"rows_in": 5, "rows_kept": 2, "dropped": {"empty-side": 1, "duplicate": 1, "in-test": 1}},
        "validation": {"rows_in": 0, "rows_kept": 0, "dropped": {}},
        "test": {"rows_in": 3, "rows_kept": 3, "dropped": {}, "warnings": {"empty-side": 1, "duplicate": 1}},
    }
    assert manifest["warning"].startswith("60.0% of the train lines were dropped (")
    assert corpora.load(tmp_path / "out", "train").to_pylist() == [
        {"id": 0, "source": "one", "target": "un", "alignment": ""},
        {"id": 4, "source": "two", "target": "deux", "alignment": ""},
    ]
    assert sides(tmp_path / "out", "test") == [("see you", "à bientôt"), ("", "vide"), ("see you", "à bientôt")]
    assert sides(tmp_path / "out", "validation") == []
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert [(d["split"], d["id"], d["reason"]) for d in dropped] == [
        ("train", 1, "empty-side"),
        ("train", 2, "duplicate"),
        ("train", 3, "in-test"),
    ]
    assert set(manifest["raw"]["files"]) == {str(tmp_path / "train.tsv"), str(tmp_path / "test.tsv")}


def test_same_bytes_again_and_nothing_half_written(tmp_path: Path) -> None:
    text = "".join(f"{n}\t{n * n} things\n" for n in range(corpora.CHUNK + 7))
    corpus = one_file(tmp_path / "a.tsv", f"en\tfr\n{text}".encode())
    first = corpora.prepare(corpus, "en-fr", tmp_path, tmp_path / "out")
    before = files_of(tmp_path / "out")
    assert first["splits"]["train"]["rows_kept"] == corpora.CHUNK + 7
    assert pq.ParquetFile(tmp_path / "out" / "train.parquet").num_row_groups == 2
    corpora.prepare(corpus, "en-fr", tmp_path, tmp_path / "out")
    assert files_of(tmp_path / "out") == before
    (tmp_path / "a.tsv").write_text("en\tfr\n1\n")
    with pytest.raises((CorpusError, TextError)):
        corpora.prepare(corpus, "en-fr", tmp_path, tmp_path / "out")
    assert files_of(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tsv", "out"]


def test_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    corpus = one_file(tmp_path / "a.tsv", b"en\tfr\n1\t2\n")
    with pytest.raises((CorpusError, TextError), match=r"a\.tsv.*empty folder"):
        corpora.prepare(corpus, "en-fr", tmp_path, tmp_path)


def test_load_refuses_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    corpus = one_file(tmp_path / "a.tsv", b"en\tfr\n1\t2\n")
    with pytest.raises(FileNotFoundError, match="not complete"):
        corpora.load(tmp_path / "out", "train")
    corpora.prepare(corpus, "en-fr", tmp_path, tmp_path / "out")
    with pytest.raises((CorpusError, TextError), match="did you mean 'train'"):
        corpora.load(tmp_path / "out", "trian")
    (tmp_path / "out" / "train.parquet").write_bytes(b"cut")
    with pytest.raises(ValueError, match="was changed"):
        corpora.load(tmp_path / "out", "train")


def test_memory_does_not_grow_with_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "CHUNK", 100)
    side = "x" * 1900
    text = "".join(f"{n}{side}\t{n}{side}\n" for n in range(1500)).encode()
    corpus = one_file(tmp_path / "a.tsv", b"en\tfr\n" + text)
    tracemalloc.start()
    try:
        corpora.prepare(corpus, "en-fr", tmp_path / "none", tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < len(text) / 3
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("kind", ["tsv", "jsonl", "parquet", "plain"])
def test_every_format_gives_the_same_rows_both_ways(tmp_path: Path, kind: str, ending: str) -> None:
    said = [('He said "no', "Il a dit « non »"), ("a\u2028b\u0085c", "d\u2029e"), ("the  end", "fin, l'été")]
    path = tmp_path / f"a.{kind}{ending}"
    if kind == "plain":
        source, target = ("".join(f"{row[side]}\n" for row in said).encode() for side in (0, 1))
        corpus = two_files(tmp_path, source, target, ending)
    elif kind == "tsv":
        corpus = one_file(path, ("id\tfr\ten\n" + "".join(f"7\t{b}\t{a}\n" for a, b in said)).encode())
    elif kind == "jsonl":
        lines = [json.dumps({"fr": b, "en": a, "id": 7}, ensure_ascii=False) for a, b in said]
        corpus = one_file(path, "\n".join(lines).encode())
    else:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"fr": [b for _, b in said], "id": [7] * 3, "en": [a for a, _ in said]}), sink)
        corpus = one_file(path, sink.getvalue().to_pybytes())
    assert rows(corpus, tmp_path) == said
    assert rows(corpus, tmp_path, "fr-en") == [(b, a) for a, b in said]


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    bom = b"\xef\xbb\xbf"
    assert rows(one_file(tmp_path / "a.tsv", bom + b"en\tfr\r\none\tun\r\n\xef\xbb\xbftwo\tdeux\r\r\n"), tmp_path) == [
        ("one", "un"),
        ("\ufefftwo", "deux"),  # one "\r" belongs to the line end; a second one is a blank at the end of a side
    ]
    assert rows(two_files(tmp_path, bom + b"one\r\ntwo", b"un\ndeux\n"), tmp_path) == [("one", "un"), ("two", "deux")]


def test_columns_by_name_and_alignments_turned_round(tmp_path: Path) -> None:
    text = b"English\tde\talignment\n"
    text += b"I see him\tIch sehe ihn\t0-0 1-1 2-2\nsee you soon\tbis bald\t0-0 1-0 2-1\nhi\thallo\t\n"
    corpus = one_file(tmp_path / "a.tsv", text, "en-de", columns={"en": "English"})
    rows(corpus, tmp_path, "de-en")
    table = corpora.load(tmp_path / "out", "train")
    assert table["source"].to_pylist()[1] == "bis bald"
    assert table["alignment"].to_pylist() == ["0-0 1-1 2-2", "0-0 0-1 1-2", ""]


def parquet(**columns: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def json_parquet(*translations: str | None) -> bytes:
    """A column of JSON, as `datasets` 5.2 writes one whose rows do not have the same languages."""
    return parquet(translation=pa.ExtensionArray.from_storage(pa.json_(), pa.array(translations, pa.string())))


TSV = b"en\tfr\n" + b"".join(b"%d\t%d\n" % (n, n) for n in range(9999))
GZ = gzip.compress(TSV, mtime=0)
PARQUET = parquet(en=["a", "b"], fr=["c", "d"])
NOT_UTF8 = PARQUET.replace(b"\x01\x00\x00\x00a", b"\x01\x00\x00\x00\xff")

FILES = [
    ("a.tsv", b"en\tde\n1\t2\n", ["a.tsv:1", "'fr'", "en, de", "`columns`"]),
    ("a.tsv", b"", ["a.tsv:1", "name every column"]),
    ("a.tsv", b"en\ten\n", ["a.tsv:1", "name every column"]),
    ("a.tsv", b"en\tfr\n1\t2\t3\n", ["a.tsv:2", "3 columns", "the header has 2"]),
    ("a.tsv", b"en\tfr\n1\t2\n3\t4\xe9\n", ["a.tsv:3", "byte 13 (0xe9)", "iconv"]),
    ("a.tsv", "en\tfr\n1\t2\n".encode("utf-16"), ["a.tsv:1", "byte 0 (0xff)", "iconv -f UTF-16 "]),
    ("a.tsv", b"en\tfr\talignment\na b\tc\t0-0 1-1\n", ["a.tsv:2", "links 1-1", "2 and 1 words"]),
    ("a.tsv", b"en\tfr\talignment\na\tb\t0:0\n", ["a.tsv:2", "'0:0'"]),
    ("a.jsonl", b'{"en": "1", "fr": "2"}\n{"en": "1"\n', ["a.jsonl:2", "not JSON"]),
    ("a.jsonl", b'{"en": "1", "fr": "2"}\n ', ["a.jsonl:2", "not JSON"]),
    ("a.jsonl", b'["en", "fr"]\n', ["a.jsonl:1", "found list"]),
    ("a.jsonl", b'{"en": "1", "de": "2"}\n', ["a.jsonl:1", "'fr'", "en, de"]),
    ("a.jsonl", b'{"en": "1", "fr": 2}\n', ["a.jsonl:1", "not text"]),
    ("a.jsonl", b'{"en": "1", "fr": "\\ud83d"}\n', ["a.jsonl:1", "surrogate"]),
    ("a.parquet", b"PAR1 not really", ["a.parquet", "not a whole parquet file"]),
    ("a.jsonl", b'{"en": NaN, "fr": "2"}\n', ["a.jsonl:1", "'en' holds nan, not text"]),
    ("a.jsonl", b'{"en": "1", "fr": ' + b"9" * 5000 + b"}\n", ["a.jsonl:1", "not JSON"]),
    ("a.jsonl", b"[" * 100_000, ["a.jsonl:1", "not JSON"]),
    ("a.jsonl", b'{"en": "1", "fr": "2"}\r\r\n{', ["a.jsonl:2", "not JSON"]),
    ("a.tsv", b"en\tfr\n\n1\n", ["a.tsv:2", "1 columns", "empty lines"]),
    ("a.tsv", b"en\tfr\n" + b"x" * 1_000_000 + b"\n", ["a.tsv:2", "1 columns"]),
    ("a.tsv", b"en\tfr\n1\x002\n", ["a.tsv:2", "1 columns"]),
    ("a.tsv", "en\u2028fr\n1\t2\n".encode(), ["a.tsv:1", "no 'en'", "cells are separated by tabs"]),
    ("a.tsv.gz", GZ[:-3000], ["a.tsv.gz is cut off after line", "again"]),
    ("a.tsv.gz", GZ[:200] + bytes(200) + GZ[400:], ["a.tsv.gz is not a whole gzip file"]),
    ("a.tsv.gz", b"en\tfr\n1\t2\n", ["a.tsv.gz is not a whole gzip file", "without .gz"]),
    ("a.tsv.gz", b"", ["a.tsv.gz", "name every column"]),
    ("a.parquet", b"", ["a.parquet", "not a whole parquet file"]),
    ("a.parquet", PARQUET[:-20], ["a.parquet", "not a whole parquet file", "again"]),
    ("a.parquet", PARQUET[:40] + PARQUET[60:], ["a.parquet", "not a whole parquet file"]),
    ("a.parquet", NOT_UTF8, ["a.parquet", "not UTF-8 in rows 0 to 2"]),
    ("a.parquet", parquet(en=["a"], fr=[1]), ["a.parquet", "'fr' holds int64, not text"]),
    ("a.parquet", parquet(en=["a"], de=["b"]), ["a.parquet has no 'fr'", "en, de", "`columns`"]),
    ("a.parquet", json_parquet('{"en": "a", "de": "b"}'), ["a.parquet has no 'fr'", "de, en", "`columns`"]),
    ("a.parquet", json_parquet('{"en": "a", "fr": 1}'), ["a.parquet", "'fr' in row 0", "1, not text"]),
    ("a.parquet", json_parquet('["a", "b"]'), ["a.parquet", "row 0 of 'translation' is no JSON object"]),
    ("a.parquet", json_parquet('{"en": "a"'), ["a.parquet", "row 0 of 'translation' is no JSON object"]),
    ("a.parquet.gz", gzip.compress(PARQUET, mtime=0)[:-9], ["a.parquet.gz is not a whole gzip file"]),
    ("a.parquet.gz", PARQUET, ["a.parquet.gz is not a whole gzip file"]),
]
SIDES = [
    ("a line too many", b"1\n2\n3", b"1\n2\n", ["a has 3 lines but b has 2", "find the missing line"]),
    ("lines too few", b"1\n", b"1\n2\n2\n2\n", ["a has 1 lines but b has 4"]),
    ("an empty side", b"1\n", b"", ["a has 1 lines but b has 0"]),
    ("a side that is not UTF-8", b"1\n", b"\x80\n", ["b:1: byte 0 (0x80) is not UTF-8"]),
    ("a side that is a cut archive", GZ[:5000], b"1\n", ["a is cut off after line"]),
]
ROWS = [
    *(
        Bad(f"{name}: {content[:40]!r}", PREPARE, said, {name: content, "c.yaml": files_config(path=name)})
        for name, content, said in FILES
    ),
    *(
        Bad(what, PREPARE, said, {"a": source, "b": target, "c.yaml": files_config(source="a", target="b")})
        for what, source, target, said in SIDES
    ),
    Bad(
        "a pair the corpus lacks",
        PREPARE.replace("en-fr", "en-ro"),
        ["unknown pair 'en-ro'"],
        {"a.tsv": TSV, "c.yaml": files_config(path="a.tsv")},
    ),
    Bad(
        "a corpus that is not there",
        PREPARE.replace("corpus c", "corpus d"),
        ["unknown corpus 'd' (known: c, demo)"],
        {"c.yaml": files_config(path="c.yaml.tsv"), "c.yaml.tsv": ""},
    ),
    Bad(
        "a folder that holds other files",
        PREPARE.replace("--out out", "--out ."),
        ["which was not written here and would be lost", "empty folder"],
        {"a.tsv": TSV, "c.yaml": files_config(path="a.tsv")},
    ),
    Bad(
        "a file where the folder should be",
        PREPARE.replace("--out out", "--out a.tsv/b"),
        ["a file stands where a folder should"],
        {"a.tsv": TSV, "c.yaml": files_config(path="a.tsv")},
    ),
]


@over(ROWS, least=48)
def test_refused(bad: Bad, tmp_path: Path) -> None:
    refuse(bad, tmp_path)


def test_odd_text_is_taken_or_dropped_but_never_changed(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    said = ["a\0b", "\ufeffa", "a\u2028b", "a\x85b", "a\u2029b", long, "a\x1bb", "\U0010ffff", "a\r"]
    text = "en\tfr\r\n" + "".join(f"{line}\t{line}\r\n" for line in said)
    manifest = corpora.prepare(one_file(tmp_path / "a.tsv", text.encode()), "en-fr", tmp_path, tmp_path / "out")
    kept = ["\ufeffa", "a\u2028b", "a\x85b", "a\u2029b", "\U0010ffff", "a"]
    assert sides(tmp_path / "out", "train") == [(line, line) for line in kept]
    assert manifest["splits"]["train"]["dropped"] == {"control-characters": 2, "too-long": 1}


def test_nulls_are_empty_sides(tmp_path: Path) -> None:
    assert rows(one_file(tmp_path / "a.parquet", parquet(en=["a", None], fr=["b", "c"])), tmp_path) == [("a", "b")]


def test_translations_in_json_are_read_like_a_struct(tmp_path: Path) -> None:
    found = ['{"en": "a", "fr": "é"}', '{"fr": "c", "en": "b", "nl": "x"}', '{"nl": "y", "en": "z"}', None]
    assert rows(one_file(tmp_path / "a.parquet", json_parquet(*found)), tmp_path) == [("a", "é"), ("b", "c")]
    beside = parquet(en=["a"], fr=["b"], translation=pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"])))
    assert rows(one_file(tmp_path / "b.parquet", beside), tmp_path) == [("a", "b")], "columns go before a column"


# ---------------------------------------------------------------------------------------------------------------- demo


def test_demo_directions_say_the_same(tmp_path: Path) -> None:
    corpus = DemoCorpus(provider="demo", train=60, validation=5, test=20)
    for pair in ("en-de", "de-en", "de-fr"):
        corpora.fetch(corpus, pair, tmp_path / "none")
        corpora.prepare(corpus, pair, tmp_path / "none", tmp_path / pair)
    forth, back, third = (sides(tmp_path / pair, "test") for pair in ("en-de", "de-en", "de-fr"))
    assert [(b, a) for a, b in forth] == back and [a for a, _ in back] == [a for a, _ in third]
    tables = [corpora.load(tmp_path / pair, "train").to_pylist() for pair in ("en-de", "de-en")]
    assert len(tables[0]) > 40 and any(row["alignment"] for row in tables[0])
    for a, b in zip(*tables, strict=True):
        assert corpora.flipped(a["alignment"]) == b["alignment"] and a["id"] == b["id"]
    with pytest.raises((CorpusError, TextError), match="unknown pair 'en-zh'"):
        corpora.prepare(corpus, "en-zh", tmp_path, tmp_path / "zh")


# ----------------------------------------------------------------------------------------------------------------- hub


def iwslt(**more: Any) -> HubCorpus:
    facts: dict[str, Any] = {
        "provider": "hub",
        "dataset": "IWSLT/iwslt2017",
        "revision": "refs/convert/parquet",
        "files": {split: f"{{config}}/{split}/*.parquet" for split in ("train", "validation", "test")},
        "configs": {"de-en": "iwslt2017-de-en"},
        "pairs": ["de-en", "en-de"],
    }
    return HubCorpus(**(facts | more))


def test_iwslt_2017_as_the_hub_has_it(hub: Hub, tmp_path: Path) -> None:
    commit = hub.iwslt2017()
    corpora.fetch(iwslt(), "en-de", tmp_path / "raw")
    requests = len(hub.requests)
    corpora.fetch(iwslt(), "en-de", tmp_path / "raw")
    manifest = corpora.prepare(iwslt(), "en-de", tmp_path / "raw", tmp_path / "out")
    assert len(hub.requests) == requests, "what is there is not asked for again"
    assert sides(tmp_path / "out", "train")[0] == ("This is sentence 0 of train.", "Das ist Satz 0 von train.")
    assert [manifest["splits"][split]["rows_in"] for split in corpora.SPLITS] == [5, 2, 3]
    assert manifest["raw"]["commit"] == commit and len(manifest["raw"]["files"]) == 3
    assert not list(tmp_path.rglob("*.py")) and not list(tmp_path.rglob("*ro-nl*"))


def test_one_column_per_language(hub: Hub, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "sentence_eng_Latn": ["one", "two"], "sentence_deu_Latn": ["eins", None]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    for part in (0, 1):
        hub.add("dataset", "tiny/flores", {f"all/dev-{part}.parquet": sink.getvalue().to_pybytes() for part in (0, 1)})
    corpus = HubCorpus(
        provider="hub",
        dataset="tiny/flores",
        revision="main",
        files={"test": "all/dev-*.parquet"},
        pairs=["en-de"],
        column=None,
        columns={"en": "sentence_eng_Latn", "de": "sentence_deu_Latn"},
    )
    corpora.fetch(corpus, "en-de", tmp_path / "raw")
    manifest = corpora.prepare(corpus, "en-de", tmp_path / "raw", tmp_path / "out")
    assert sides(tmp_path / "out", "test") == [("one", "eins"), ("two", "")] * 2
    assert manifest["splits"]["test"]["warnings"] == {"empty-side": 2, "duplicate": 1}
    wrong = corpus.model_copy(update={"columns": {"en": "sentence_eng"}})
    refused_raw(wrong, tmp_path, "'sentence_eng'", "sentence_eng_Latn", "`columns`", pair="en-de")
    refused_raw(
        corpus.model_copy(update={"column": "translation"}), tmp_path, "no column 'translation'", "null", pair="en-de"
    )


def refused_raw(corpus: HubCorpus, tmp_path: Path, *said: str, pair: str) -> None:
    with pytest.raises((CorpusError, TextError)) as caught:
        corpora.prepare(corpus, pair, tmp_path / "raw", tmp_path / "other")
    assert all(word in str(caught.value) for word in said), caught.value


def test_hub_mistakes(hub: Hub, tmp_path: Path) -> None:
    hub.iwslt2017()
    refused_raw(iwslt(), tmp_path, "not in", "download.py", pair="de-en")
    with pytest.raises(HubError, match=r"no file matches .*iwslt2017-de-en/train/0000.parquet"):
        corpora.fetch(iwslt(configs={"de-en": "de-en"}), "de-en", tmp_path / "raw")
    with pytest.raises(HubError, match=r"no file matches .*iwslt2017\.py"):
        corpora.fetch(iwslt(revision="main"), "de-en", tmp_path / "raw")
    with pytest.raises((CorpusError, TextError), match="`configs` says nothing for de-en"):
        corpora.fetch(iwslt(configs={}), "de-en", tmp_path / "raw")
    with pytest.raises((CorpusError, TextError), match=r"\{source\}, \{target\} and \{config\}"):
        corpora.fetch(iwslt(files={"train": "{pair}.parquet"}), "de-en", tmp_path / "raw")
    with pytest.raises((CorpusError, TextError), match="unknown pair 'en-fr'"):
        corpora.fetch(iwslt(), "en-fr", tmp_path / "raw")
    corpora.fetch(iwslt(), "de-en", tmp_path / "raw")
    refused_raw(iwslt(revision="other"), tmp_path, "not IWSLT/iwslt2017 at other", "again", pair="de-en")


# ------------------------------------------------------------------------------------------------ commands, real text


def test_commands(hub: Hub, tmp_path: Path) -> None:
    hub.iwslt2017()
    config = {
        "corpora": {"iwslt": iwslt().model_dump(), "demo": {"provider": "demo", "test": 2, "train": 2}},
        "models": {"m": {"source": "hub", "id": "tiny/llama", "revision": "main"}},
        "experiments": {
            "e": {
                "title": "t",
                "model": "m",
                "prompt": "simulmask",
                "test": {"corpus": "iwslt", "pairs": ["de-en"]},
                "systems": {"copy": {"decoder": {"name": "copy"}}},
            }
        },
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))

    def command(script: str, corpus: str, *more: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--config", "c.yaml", "--corpus", corpus, "--pair", "de-en", *more]
        line = [sys.executable, str(REPOSITORY / "scripts" / script), *arguments]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)

    early = command("prepare.py", "iwslt", "--downloads", "raw", "--out", "out")
    assert early.returncode == 1 and "run scripts/download.py first" in early.stderr and "Traceback" not in early.stderr
    assert (done := command("download.py", "iwslt", "--out", "raw")).returncode == 0, done.stderr
    assert (done := command("prepare.py", "iwslt", "--downloads", "raw", "--out", "out")).returncode == 0, done.stderr
    assert "train: 5 of 5 rows kept" in done.stderr and len(sides(tmp_path / "out", "test")) == 3
    wrong = command("download.py", "iwslt2", "--out", "raw")
    assert wrong.returncode == 1 and "did you mean 'iwslt'" in wrong.stderr


def test_real_text(shared_data: Path, tmp_path: Path) -> None:
    """Tatoeba's 55,000 English-Dutch pairs keep nearly everything; no line of the dev set stays in training."""
    splits = {"train": "train.en-nl.tsv.gz", "test": "dev.en-nl.tsv.gz"}
    pair = FilePair(**{split: FileSet(path=str(shared_data / "tatoeba" / name)) for split, name in splits.items()})
    manifest = corpora.prepare(
        FilesCorpus(provider="files", pairs={"en-nl": pair}), "nl-en", tmp_path, tmp_path / "out"
    )
    train, test = manifest["splits"]["train"], manifest["splits"]["test"]
    assert test["rows_kept"] == test["rows_in"] > 500
    assert 0.8 * train["rows_in"] < train["rows_kept"] <= train["rows_in"] and train["rows_in"] > 50_000
    kept = {side for row in sides(tmp_path / "out", "train") for side in row}
    assert not kept & {side for row in sides(tmp_path / "out", "test") for side in row}
