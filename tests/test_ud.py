"""Treebanks of Universal Dependencies as corpora for tagging: fetched, read, and refused where they are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dragoman import corpora
from dragoman.config import Limits, UdCorpus
from dragoman.corpora import CorpusError, ud

CONLLU = """\
# sent_id = 1
# text = Je viens du 10 000e étage.
1	Je	moi	PRON	_	_	2	nsubj	_	_
2	viens	venir	VERB	_	_	0	root	_	_
3-4	du	_	_	_	_	_	_	_	_
3	de	de	ADP	_	_	6	case	_	_
4	le	le	DET	_	_	6	det	_	_
5	10 000e	10 000e	ADJ	_	_	6	amod	_	_
6	étage	étage	NOUN	_	_	2	obl	_	SpaceAfter=No
6.1	vu	voir	VERB	_	_	_	_	_	_
7	.	.	PUNCT	_	_	2	punct	_	_

# sent_id = 2
1	NAME	NAME	PROPN	_	_	0	root	_	_
2	!	!	PUNCT	_	_	1	punct	_	_

"""
CORPUS = UdCorpus(provider="ud", release="r2.5", treebanks={"fr": "French-GSD"}, pairs=["fr-en"])
FIRST = ("Je viens de le 10_000e étage .", "PRON VERB ADP DET ADJ NOUN PUNCT", "0-0 1-1 2-2 3-3 4-4 5-5 6-6")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out like the repositories; the files of the French one differ by a word."""
    folder = tmp_path / "server" / "UD_French-GSD" / "r2.5"
    folder.mkdir(parents=True)
    for name in ("train", "dev", "test"):
        text = CONLLU.replace("NAME", name.capitalize())
        (folder / f"fr_gsd-ud-{name}.conllu").write_text(text, encoding="utf-8")
    monkeypatch.setenv("UD_ENDPOINT", f"{(tmp_path / 'server').as_uri()}/")
    return folder


def test_words_and_tags(tmp_path: Path, server: Path) -> None:
    corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    made = corpora.prepare(CORPUS, "fr-en", tmp_path / "down", tmp_path / "out")
    assert (made["raw"]["treebank"], made["raw"]["release"], len(made["raw"]["files"])) == ("French-GSD", "r2.5", 3)
    test = corpora.load(tmp_path / "out", "test").to_pylist()
    assert (test[0]["source"], test[0]["target"], test[0]["alignment"]) == FIRST
    train = corpora.load(tmp_path / "out", "train").to_pylist()
    assert [(row["source"], row["target"]) for row in train] == [("Train !", "PROPN PUNCT")]
    assert made["splits"]["train"]["dropped"] == {"in-test": 1}, "the same sentence; the same tags are no reason"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1\tJe\tmoi", "1\tJe", r"test.conllu:3: 9 columns, and CoNLL-U has 10"),
        ("Je\tmoi\tPRON", "Je\tmoi\t_", r"test.conllu:3: no word or no tag"),
        ("punct\t_\t_\n\n", "punct\t_\t_\n", r"test.conllu is cut off"),
    ],
)
def test_treebank_that_is_broken(tmp_path: Path, server: Path, old: str, new: str, message: str) -> None:
    path = server / "fr_gsd-ud-test.conllu"
    head, found, tail = path.read_text(encoding="utf-8").rpartition(old)
    path.write_text(head + new + tail if found else "", encoding="utf-8")
    corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    with pytest.raises(CorpusError, match=message):
        list(ud.read(CORPUS, "fr-en", "test", tmp_path / "down"))


def test_treebank_that_is_not_there(tmp_path: Path, server: Path) -> None:
    other = CORPUS.model_copy(update={"release": "r2.6"})
    with pytest.raises(CorpusError, match=r"UD_French-GSD/r2.6/fr_gsd-ud-train.conllu cannot be fetched"):
        corpora.fetch(other, "fr-en", tmp_path / "down")
    with pytest.raises(CorpusError, match=r"UD_French-GSD is not in .* run scripts/download.py first"):
        list(ud.read(CORPUS, "fr-en", "test", tmp_path / "down"))
    corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    with pytest.raises(CorpusError, match="another treebank or release"):
        list(ud.read(other, "fr-en", "test", tmp_path / "down"))
    with pytest.raises(ValidationError, match="no treebank for 'de' of de-en"):
        UdCorpus(provider="ud", release="r2.5", treebanks={"fr": "French-GSD"}, pairs=["de-en"])


def test_long_sources_are_cut(tmp_path: Path, server: Path) -> None:
    short = CORPUS.model_copy(update={"limits": Limits(overlap="source", source_words=3)})
    corpora.fetch(short, "fr-en", tmp_path / "down")
    corpora.prepare(short, "fr-en", tmp_path / "down", tmp_path / "out")
    cut, whole = corpora.load(tmp_path / "out", "test").to_pylist()
    assert (cut["source"], cut["target"], cut["alignment"]) == ("Je viens de", FIRST[1], "")
    assert (whole["source"], whole["alignment"]) == ("Test !", "0-0 1-1")
