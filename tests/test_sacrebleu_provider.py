"""sacrebleu's test sets without a network: from a seeded cache, and from archives of our own at file:// addresses."""

from __future__ import annotations

import copy
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.dataset import DATASETS

from dragoman import corpora
from dragoman.config import SacrebleuCorpus
from dragoman.corpora import CorpusError
from dragoman.text import TextError

pytestmark = pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"), reason="Python before 3.11.4 unpacks nothing safely"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `SACREBLEU` points to; any real address leads to a closed door."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SACREBLEU", str(folder))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    return folder


def corpus(*test: str, **more: Any) -> SacrebleuCorpus:
    return SacrebleuCorpus(provider="sacrebleu", pairs=["de-en", "en-cs", "fr-de"], test=list(test), **more)


def get(wanted: SacrebleuCorpus, pair: str, folder: Path) -> list[tuple[str, str]]:
    corpora.fetch(wanted, pair, folder / pair)
    corpora.prepare(wanted, pair, folder / pair, folder / "out")
    table = corpora.load(folder / "out", "test")
    return list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))


def seed(cache: Path, name: str, pair: str, **fields: str) -> None:
    (cache / name).mkdir(parents=True, exist_ok=True)
    for field, text in fields.items():
        (cache / name / f"{name.replace('/', '_')}.{pair}.{field.replace('_', '-')}").write_text(text)


def archive(path: Path, files: dict[str, str]) -> str:
    """A .tgz with these files; returns its MD5."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


def talks(language: str, *sentences: str) -> str:
    segments = "".join(f'<seg id="{n}"> {sentence} </seg>\n' for n, sentence in enumerate(sentences, 1))
    return f'<mteval>\n<srcset srclang="{language}">\n<doc docid="1" genre="lectures">\n{segments}</doc>\n</mteval>\n'


@pytest.fixture
def local17(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A copy of IWSLT 2017's entry whose only archive is a file of our own."""
    entry = copy.copy(DATASETS["iwslt17"])
    files = {
        "de-en/IWSLT17.TED.tst2017.de-en.de.xml": talks("de", "ein Satz", "noch einer"),
        "en-de/IWSLT17.TED.tst2017.en-de.en.xml": talks("en", "one sentence", "another"),
    }
    entry.name, entry.md5 = "local17", [archive(tmp_path / "de-en.tgz", files)]
    entry.data = [(tmp_path / "de-en.tgz").as_uri()]
    monkeypatch.setitem(DATASETS, "local17", entry)
    return entry


def test_seeded_cache_needs_no_network(cache: Path, tmp_path: Path) -> None:
    seed(cache, "iwslt17/tst2016", "de-en", src="a\nb\n", ref="A\nB\n")
    seed(cache, "iwslt17", "de-en", src="c\n", ref="C\n")
    assert get(corpus("iwslt17/tst2016", "iwslt17"), "de-en", tmp_path) == [("a", "A"), ("b", "B"), ("c", "C")]
    assert get(corpus("iwslt17", "iwslt17/tst2016"), "de-en", tmp_path)[0] == ("c", "C"), "other sets, asked for anew"


def test_reference_that_sacrebleu_scores_by_default(cache: Path, tmp_path: Path) -> None:
    seed(cache, "wmt22", "en-cs", src="a\n", ref_A="not this\n", ref_B="B\n")
    assert get(corpus("wmt22"), "en-cs", tmp_path) == [("a", "B")]
    raw = corpora.read_manifest(tmp_path / "out")["raw"]
    assert raw["references"] == {"wmt22": "ref:B"} and raw["archives"]["wmt22"]


def test_archive_is_kept_for_all_pairs(cache: Path, tmp_path: Path, local17: Any) -> None:
    assert get(corpus("local17"), "de-en", tmp_path) == [("ein Satz", "one sentence"), ("noch einer", "another")]
    (tmp_path / "de-en.tgz").unlink()
    both = corpus("local17").model_copy(update={"pairs": ["en-de"]})
    assert get(both, "en-de", tmp_path)[1] == ("another", "noch einer")


def test_without_the_variable_the_archives_lie_beside_the_pairs(
    cache: Path, tmp_path: Path, local17: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SACREBLEU")
    get(corpus("local17"), "de-en", tmp_path)
    assert (tmp_path / "sacrebleu" / "local17" / "raw" / "local17.de-en.tgz").is_file() and not cache.exists()


def test_wrong_md5_is_removed_so_that_a_second_try_downloads(cache: Path, tmp_path: Path, local17: Any) -> None:
    whole = (tmp_path / "de-en.tgz").read_bytes()
    (tmp_path / "de-en.tgz").write_bytes(whole[:-9])
    for _ in range(2):
        with pytest.raises((CorpusError, TextError), match=r"de-en\.tgz has another MD5 .* removed, so run again"):
            corpora.fetch(corpus("local17"), "de-en", tmp_path / "de-en")
    (tmp_path / "de-en.tgz").write_bytes(whole)
    assert len(get(corpus("local17"), "de-en", tmp_path)) == 2


@pytest.mark.parametrize("state", ["half an archive", "archive not unpacked"])
def test_what_a_killed_process_left_is_mended(cache: Path, tmp_path: Path, local17: Any, state: str) -> None:
    raw = cache / "local17" / "raw"
    raw.mkdir(parents=True)
    whole = (tmp_path / "de-en.tgz").read_bytes()
    (raw / "local17.de-en.tgz").write_bytes(whole[:100] if state == "half an archive" else whole)
    assert len(get(corpus("local17"), "de-en", tmp_path)) == 2


def test_right_archives_are_unpacked_without_a_network_and_stay(
    cache: Path, tmp_path: Path, local17: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As brought from another machine: all pairs of a set, none of them unpacked."""
    raw = cache / "local17" / "raw"
    raw.mkdir(parents=True)
    (tmp_path / "de-en.tgz").rename(raw / "local17.de-en.tgz")
    other = {"fr-en/IWSLT17.TED.tst2017.fr-en.fr.xml": talks("fr", "une phrase")}
    md5 = archive(raw / "local17.fr-en.tgz", other)
    monkeypatch.setattr(local17, "data", [*local17.data, (tmp_path / "fr-en.tgz").as_uri()])
    monkeypatch.setattr(local17, "md5", [*local17.md5, md5])
    before = {path.name: path.read_bytes() for path in raw.glob("*.tgz")}
    assert len(before) == 2
    assert get(corpus("local17"), "de-en", tmp_path) == [("ein Satz", "one sentence"), ("noch einer", "another")]
    lacking = corpus("local17").model_copy(update={"pairs": ["fr-en"]})
    with pytest.raises(CorpusError, match="local17 fr-en cannot be read: FileNotFoundError"):
        corpora.fetch(lacking, "fr-en", tmp_path / "fr-en")
    assert {path.name: path.read_bytes() for path in raw.glob("*.tgz")} == before


def test_archive_without_the_pair_stays(
    cache: Path, tmp_path: Path, local17: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is right, but what the pair is made of is not in it."""
    raw = cache / "local17" / "raw"
    raw.mkdir(parents=True)
    monkeypatch.setattr(local17, "md5", [archive(raw / "local17.de-en.tgz", {"README": "no texts"})])
    whole = (raw / "local17.de-en.tgz").read_bytes()
    with pytest.raises(CorpusError, match=r"local17 de-en cannot be read: FileNotFoundError"):
        corpora.fetch(corpus("local17"), "de-en", tmp_path / "de-en")
    assert (raw / "local17.de-en.tgz").read_bytes() == whole


def test_archive_of_unknown_checksum_is_fetched_again_where_it_is_broken(
    cache: Path, tmp_path: Path, local17: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local17, "md5", None)
    raw = cache / "local17" / "raw"
    raw.mkdir(parents=True)
    (raw / "local17.de-en.tgz").write_bytes((tmp_path / "de-en.tgz").read_bytes()[:100])
    assert len(get(corpus("local17"), "de-en", tmp_path)) == 2


def test_half_a_cached_text(cache: Path, tmp_path: Path) -> None:
    seed(cache, "iwslt17", "de-en", src="a\nb\n", ref="A\n")
    with pytest.raises((CorpusError, TextError), match=r"src has 2 lines but .*ref has 1;.*remove both"):
        get(corpus("iwslt17"), "de-en", tmp_path)


def test_mistakes(cache: Path, tmp_path: Path) -> None:
    for names, pair, said in (
        (["iwslt71"], "de-en", r"unknown sacrebleu test set 'iwslt71'; did you mean 'iwslt17'"),
        (["wmt13"], "fr-de", r"sacrebleu's wmt13: unknown pair 'fr-de'.*known: cs-en, de-en,"),
        (["wmt13"], "en-ro", r"unknown pair 'en-ro'.*known: de-en, en-cs, fr-de"),
        (["iwslt17"], "de-en", r"https://.* could not be downloaded: .*SACREBLEU=FOLDER"),
    ):
        with pytest.raises((CorpusError, TextError), match=said):
            corpora.fetch(corpus(*names), pair, tmp_path / "raw")
    with pytest.raises((CorpusError, TextError), match=r"run scripts/download\.py first"):
        corpora.prepare(corpus("iwslt17"), "de-en", tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "raw" / "manifest.json").exists() and not list(cache.rglob("*.src"))


def test_other_sets_than_were_fetched(cache: Path, tmp_path: Path, local17: Any) -> None:
    corpora.fetch(corpus("local17"), "de-en", tmp_path / "raw")
    with pytest.raises((CorpusError, TextError), match="other sets"):
        corpora.prepare(corpus("local17", "iwslt17"), "de-en", tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize("name", ["../../../evil", "/evil", "link"])
def test_archives_write_only_into_their_folder(
    name: str, tmp_path: Path, cache: Path, local17: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "de-en.tgz", "w:gz") as tar:
        entry = tarfile.TarInfo(f"{tmp_path}/evil" if name == "/evil" else name)
        if name == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, str(tmp_path)
            tar.addfile(entry)
            entry = tarfile.TarInfo("link/evil")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"evil"))
    monkeypatch.setattr(local17, "md5", None)  # a checksum would stop it before
    with pytest.raises(CorpusError, match="cannot be read"):
        corpora.fetch(corpus("local17"), "de-en", tmp_path / "out" / "de-en")
    raw = cache / "local17" / "raw"
    assert [found for found in tmp_path.rglob("evil*") if not found.is_relative_to(raw)] == []


def test_python_that_cannot_unpack_safely_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(CorpusError, match=r"Python 3\.\S+ cannot unpack archives safely; .* needs 3\.11\.4 or newer"):
        corpora.fetch(corpus("wmt17"), "de-en", tmp_path)
