"""Test sets that verdicts accept: joined on a shared language, out of somebody's archive, or said to stand for one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dragoman import corpora
from dragoman.config import ArchiveCorpus, FilePair, FilesCorpus, FileSet, PivotCorpus, Sides
from dragoman.configfile import ConfigError, parse
from dragoman.corpora import CorpusError
from dragoman.imports import closure
from dragoman.plan import Plan
from dragoman.results import comparable
from dragoman.storage import read_manifest

KNOWN = comparable.load()


def tsv(path: Path, *rows: tuple[str, str], header: str = "en\tde") -> FileSet:
    path.write_text("".join(f"{line}\n" for line in (header, *map("\t".join, rows))), encoding="utf-8")
    return FileSet(path=str(path))


def sides(folder: Path, split: str = "test") -> list[tuple[str, str]]:
    table = corpora.load(folder, split)
    return list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))


# --------------------------------------------------------------------------------------------------------------- pivot

GERMAN = [
    ("one", "eins"),
    ("thanks", "danke"),
    ("two  cats", "zwei Katzen"),
    ("thanks", "vielen Dank"),
    ("x", "nur DE"),
]
FRENCH = [("thanks", "merci"), ("two cats", "deux chats"), ("one", "un"), ("thanks", "mille fois"), ("thanks", "3x")]


@pytest.fixture
def based(tmp_path: Path) -> Path:
    """The prepared pairs of another corpus."""
    for code, rows in (("de", GERMAN), ("fr", FRENCH)):
        files = FilePair(test=tsv(tmp_path / f"{code}.tsv", *rows, header=f"en\t{code}"))
        base = FilesCorpus(provider="files", pairs={f"en-{code}": files})
        for pair in (f"en-{code}", f"{code}-en"):
            corpora.prepare(base, pair, tmp_path, tmp_path / "base" / pair)
    return tmp_path / "base"


def joined(pair: str, based: Path, **more: Any) -> list[tuple[str, str]]:
    corpus = PivotCorpus(provider="pivot", corpus="base", pairs=[pair], **more)
    corpora.fetch(corpus, pair, based)
    corpora.prepare(corpus, pair, based, based.parent / "out" / pair)
    return sides(based.parent / "out" / pair)


def test_lines_meet_where_the_shared_line_is_the_same(based: Path) -> None:
    """By hand, in the order of de: one; thanks with fr's first thanks; two cats, whose blanks differ; thanks again."""
    expected = [("eins", "un"), ("danke", "merci"), ("zwei Katzen", "deux chats"), ("vielen Dank", "mille fois")]
    assert joined("de-fr", based) == expected
    assert joined("fr-de", based) == [(french, german) for german, french in expected], "the same lines in one order"


def test_pairs_of_the_shared_language_are_served_as_they_are(based: Path) -> None:
    assert joined("en-fr", based) == FRENCH
    assert joined("fr-en", based) == [(french, english) for english, french in FRENCH]


def test_a_joined_text_says_what_it_was_made_of(based: Path) -> None:
    joined("de-fr", based)
    raw = read_manifest(based.parent / "out" / "de-fr")["raw"]
    assert raw["through"] == "en"
    wanted = read_manifest(based / "en-de")["files"]["test.parquet"]["sha256"]
    assert raw["files"]["en-de/test.parquet"] == wanted
    assert {name.partition("/")[0] for name in raw["files"]} == {"en-de", "en-fr"}


def test_dev2010_joined_is_mostly_the_official_pair(shared_data: Path, tmp_path: Path) -> None:
    """en-it and en-nl share 724 English lines; of the 721 different pairs these make, 701 are official ones."""
    folder = shared_data / "iwslt17"
    for code in ("it", "nl"):
        files = FilePair(test=FileSet(path=str(folder / f"dev2010.en-{code}.tsv.gz")))
        base = FilesCorpus(provider="files", pairs={f"en-{code}": files})
        corpora.prepare(base, f"en-{code}", tmp_path, tmp_path / "base" / f"en-{code}")
    made = joined("it-nl", tmp_path / "base")

    def words(path: Path) -> set[tuple[str, ...]]:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            header, *lines = [line.rstrip("\n").split("\t") for line in file]
        places = [header.index(code) for code in ("it", "nl")]
        return {tuple(" ".join(line[place].split()) for place in places) for line in lines}

    found = {tuple(" ".join(side.split()) for side in row) for row in made}
    official, five_ways = (words(folder / f"dev2010.{name}.tsv.gz") for name in ("it-nl", "5way"))
    assert (len(made), len(found), len(found & official)) == (724, 721, 701)
    assert five_ways <= found, "what five languages have in common, two have"


BASE = {"provider": "files", "pairs": {f"en-{code}": {"train": {"path": "t.tsv"}} for code in ("de", "fr")}}


def configured(**corpus: Any) -> dict[str, Any]:
    """A configuration that trains and tests on a joined corpus."""
    joined_corpus = {"provider": "pivot", "corpus": "base", "pairs": ["de-fr", "en-de"]} | corpus
    text = {"corpus": "joined", "pairs": ["en-de"], "count": 5}
    return {
        "corpora": {"base": BASE, "joined": joined_corpus, "demo": {"provider": "demo", "test": 4}},
        "models": {"m": {"source": "scratch", "architecture": "llama", "text": text}},
        "experiments": {
            "e": {
                "title": "t",
                "model": "m",
                "prompt": "short",
                "train": {"corpus": "joined", "pairs": ["de-fr"]},
                "test": {"corpus": "demo", "pairs": ["de-fr"]},
                "tunings": {"t": {"training": {"steps": 1}}},
                "systems": {"s": {"tuning": "t"}},
                "metrics": ["bleu"],
            }
        },
    }


def test_the_other_corpus_is_prepared_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.tsv").write_text("en\tde\tfr\na\tb\tc\n")
    plan = Plan(parse(configured()))
    base = [f"results/corpora/base/{pair}/manifest.json" for pair in ("en-de", "en-fr")]
    assert plan.text("joined", "de-fr").own_files == base
    assert plan.text("joined", "en-de").own_files == base[:1]
    assert plan.text("joined", "de-fr").downloads == Path("results/corpora/base")
    assert not plan.text("joined", "de-fr").config.needs_network
    assert {plan.text("base", "en-de"), plan.text("base", "en-fr"), plan.text("joined", "de-fr")} <= set(
        plan.texts_used
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"corpus": "bse"},
            "corpora.joined.corpus = 'bse': unknown corpus that is not joined itself 'bse'; did you mean",
        ),
        ({"corpus": "joined"}, "corpora.joined.corpus = 'joined': unknown corpus that is not joined itself"),
        (
            {"pairs": ["de-fr", "en-de", "de-it"]},
            "joined.pairs.2 = 'de-it': needs the pair en-it of the corpus 'base', which does not",
        ),
        ({"through": "it"}, "joined.pairs.0 = 'de-fr': needs the pair it-de of the corpus 'base'"),
        ({"corpus": "demo"}, "corpus 'joined' has no train split for de-fr; add one"),
        ({"stands_for": "wmt2"}, "joined.stands_for = 'wmt2': unknown published test set 'wmt2'; did you mean 'wmt22'"),
        ({"through": "english"}, "joined.through = 'english': English is written 'en' here"),
        ({"pairs": []}, "joined.pairs = []: list should have at least 1 item"),
    ],
)
def test_what_cannot_be_joined_is_named(
    change: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.tsv").write_text("en\tde\tfr\n")
    with pytest.raises(ConfigError) as caught:
        parse(configured(**change))
    assert said in str(caught.value)


# ------------------------------------------------------------------------------------------------------------- archive


def packed(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return sink.getvalue()


def campaign(*lines: str) -> bytes:
    """As IWSLT 2017 has it: a header with texts that are no segments, and blanks around each segment."""
    segments = "".join(f'<seg id="{n}">  {line}   </seg>\n' for n, line in enumerate(lines, 1))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<mteval>\n<srcset setid="iwslt2017-tst2017" srclang="x">\n'
    return f'{head}<doc docid="1" genre="lectures">\n<title>No line</title>\n{segments}</doc>\n</srcset>\n'.encode()


TEXTS = {"it-nl": ("Il gatto.", "R&amp;D  e altro"), "nl-it": ("De kat.", "R&amp;D en meer")}
NESTED = {
    f"top/{pair[:2]}/{pair[3:]}/{pair}.tgz": packed({f"{pair}/tst.{pair}.{pair[:2]}.xml": campaign(*lines)})
    for pair, lines in TEXTS.items()
}
PATHS = Sides(
    source="top/{source}/{target}/{source}-{target}.tgz/{source}-{target}/tst.{source}-{target}.{source}.xml",
    target="top/{target}/{source}/{target}-{source}.tgz/{target}-{source}/tst.{target}-{source}.{target}.xml",
)
ITALIAN = [("Il gatto.", "De kat."), ("R&D  e altro", "R&D en meer")]


def archived(path: Path, content: bytes, **more: Any) -> ArchiveCorpus:
    path.write_bytes(content)
    given = {"pairs": ["it-nl", "nl-it"], "files": {"test": PATHS}} | more
    return ArchiveCorpus(provider="archive", url=path.as_uri(), **given)


def taken(corpus: ArchiveCorpus, folder: Path, pair: str = "it-nl") -> list[tuple[str, str]]:
    corpora.fetch(corpus, pair, folder / "raw" / pair)
    corpora.prepare(corpus, pair, folder / "raw" / pair, folder / "out" / pair)
    return sides(folder / "out" / pair)


@pytest.mark.parametrize("pack", [packed, zipped, lambda files: packed(files, "w")])
def test_segments_in_archives_in_an_archive(pack: Any, tmp_path: Path) -> None:
    """Source and reference come from two archives inside one; entities are read, blanks inside a line stay."""
    content = pack(NESTED)
    corpus = archived(tmp_path / "a", content)
    assert taken(corpus, tmp_path) == ITALIAN
    (tmp_path / "a").unlink()
    assert taken(corpus, tmp_path, "nl-it") == [(b, a) for a, b in ITALIAN], "the archive is kept for all pairs"
    assert taken(corpus, tmp_path) == ITALIAN, "what was taken out is not taken out again"
    raw = read_manifest(tmp_path / "out" / "it-nl")["raw"]
    assert raw["archive"] == hashlib.sha256(content).hexdigest()
    assert set(raw["files"]) == {"test.source", "test.target"}


def test_plain_text_in_an_archive(tmp_path: Path) -> None:
    files = {"d/a.it": "uno\u2028due\r\n tre \n".encode(), "d/a.nl": b"een twee\ndrie"}
    corpus = archived(
        tmp_path / "a", packed(files), files={"test": Sides(source="d/a.{source}", target="d/a.{target}")}
    )
    assert taken(corpus, tmp_path) == [("uno\u2028due", "een twee"), ("tre", "drie")]


def damaged(content: bytes, place: int, bits: int) -> bytes:
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]


SAME = {"test": Sides(source="a", target="a")}
LONG = {"a": "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(200)).encode()}
LOCKED = damaged(damaged(zipped(LONG), 6, 1), zipped(LONG).index(b"PK\x01\x02") + 8, 1)
"""The flag of an encrypted file, in both places where it is."""
NO_SEGMENTS = packed({"top/it/nl/it-nl.tgz": packed({"it-nl/tst.it-nl.it.xml": b"<mteval/>"})})


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (
            b"<!DOCTYPE html> quota exceeded",
            {},
            ["gives no archive (it begins with b'<!DOCTYPE html>", "url: file:///path"],
        ),
        (packed(NESTED), {"sha256": "0" * 64}, ["gives a file with the SHA-256", "it was removed"]),
        (packed({"else": b""}), {}, ["has no 'top/it/nl/it-nl.tgz'", "it has: else"]),
        (packed({"top/it/nl/it-nl.tgz": b"cut"}), {}, ["top/it/nl/it-nl.tgz is not a whole archive"]),
        (
            packed({"top/it/nl/it-nl.tgz": packed({"b": b""})}),
            {},
            ["it-nl.tgz has no 'it-nl/tst.it-nl.it.xml'", "it has: b"],
        ),
        (NO_SEGMENTS, {}, ["tst.it-nl.it.xml has no <seg>"]),
        (damaged(zipped(LONG), 40, 255), {"files": SAME}, ["is not a whole archive", "archives/"]),
        (damaged(packed(LONG), len(packed(LONG)) // 2, 255), {"files": SAME}, ["is not a whole archive", "archives/"]),
        (LOCKED, {"files": SAME}, ["a cannot be read (File 'a' is encrypted"]),
        (packed({"a": b"\xff"}), {"files": SAME}, ["a is not UTF-8"]),
    ],
    ids=[
        "a page",
        "another archive",
        "no such archive in it",
        "cut",
        "no such file in it",
        "no segment",
        "a damaged zip",
        "a damaged tgz",
        "a password",
        "no UTF-8",
    ],
)
def test_archives_that_do_not_hold_what_they_should(
    content: bytes, more: dict[str, Any], said: list[str], tmp_path: Path
) -> None:
    corpus = archived(tmp_path / "a", content, page="https://example.org/get", **more)
    with pytest.raises(CorpusError) as caught:
        taken(corpus, tmp_path)
    for text in said:
        assert text in str(caught.value)
    assert not (tmp_path / "raw" / "it-nl" / "manifest.json").exists()


def test_an_archive_that_cannot_be_fetched_says_how_to_get_it_by_hand(tmp_path: Path) -> None:
    corpus = archived(tmp_path / "a", b"", page="https://example.org/get")
    (tmp_path / "a").unlink()
    with pytest.raises(
        CorpusError, match=r"cannot be fetched .* by hand from https://example.org/get and write `url: file"
    ):
        taken(corpus, tmp_path)
    with pytest.raises(CorpusError, match=r"is not in .* yet; run scripts/download.py first"):
        corpora.prepare(corpus, "it-nl", tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(CorpusError, match="unknown pair 'it-ro'"):
        taken(corpus, tmp_path, "it-ro")


# ---------------------------------------------------------------------------------------------------------- stands_for


def standing(tmp_path: Path, rows: list[tuple[str, str]], name: str, pair: str) -> FilesCorpus:
    source, target = pair.split("-")
    files = FilePair(test=tsv(tmp_path / "t.tsv", *rows, header=f"{source}\t{target}"))
    return FilesCorpus(provider="files", pairs={pair: files}, stands_for=name)


def test_fingerprints_by_hand() -> None:
    assert comparable.fingerprint([("a  b", " c")]) == hashlib.sha256(b"a b\tc\n").hexdigest()
    known = comparable.PublishedSet(
        title="T", lines={"en-de": 1}, sha256={"en-de": hashlib.sha256(b"a\tb\n").hexdigest()}
    )
    assert comparable.mismatch(known, "en-de", [("a", "b")]) == ""
    assert comparable.mismatch(known, "en-de", [("a", "b")] * 2) == "2 lines of en-de, and T has 1"
    assert comparable.mismatch(known, "en-de", [("a", "c")]) == "other words in en-de than T"
    assert comparable.mismatch(known, "de-en", [("b", "c")]) == "", "nothing is known of it"


def test_a_set_that_is_another_is_refused(tmp_path: Path) -> None:
    corpus = standing(tmp_path, [("a", "b")], "wmt22", "en-de")
    with pytest.raises(CorpusError, match=r"stands_for: wmt22, but 1 lines of en-de, and WMT22 general has 2,037; use"):
        corpora.prepare(corpus, "en-de", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    changed = corpus.model_copy(update={"stands_for": "iwslt17-tst2017-multilingual"})
    corpora.prepare(changed, "en-de", tmp_path, tmp_path / "out")  # of this pair nothing is known


@pytest.mark.parametrize(("pair", "reference"), [("cs-en", "B"), ("en-zh", "A"), ("fr-de", "A")])
def test_wmt22_from_files_stands_for_itself(pair: str, reference: str, shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "wmt22" / f"{pair}.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    rows = [(row["src"].strip(), row["refs"][reference].strip()) for row in found]
    assert comparable.mismatch(KNOWN.test_sets["wmt22"], pair, rows) == ""
    rows[-1] = (rows[-1][0], rows[-1][1] + " x")
    assert "other words" in comparable.mismatch(KNOWN.test_sets["wmt22"], pair, rows)


def test_what_a_corpus_stands_for_is_part_of_what_it_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.tsv").write_text("en\tde\tfr\n")
    plain, named = (Plan(parse(configured(**more))) for more in ({}, {"stands_for": "wmt22"}))
    facts = plain.text("joined", "en-de").spec["corpus"]
    assert not facts.keys() & {"published", "stands_for"}
    known = ["wmt22", 2037, KNOWN.test_sets["wmt22"].sha256["en-de"]]
    assert named.text("joined", "en-de").spec["corpus"]["published"] == known
    assert named.text("joined", "de-fr").spec["corpus"]["published"] == ["wmt22", None, None]


def test_a_new_published_set_prepares_and_trains_nothing_again() -> None:
    """What is known of a set is in the parameters of the corpora that stand for it; the page depends on all."""
    steps = [("prepare", ("provider", "files")), ("finetune", ("method", "sft")), ("report",)]
    assert [any(path.name == "comparable.py" for path in closure(*step)) for step in steps] == [False, False, True]
