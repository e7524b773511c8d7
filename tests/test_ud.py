"""Treebanks of Universal Dependencies as corpora for tagging: fetched, read, and refused where they are not whole."""

from __future__ import annotations

import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from dragoman import corpora
from dragoman.config import Limits, UdCorpus
from dragoman.corpora import CorpusError, ud
from dragoman.text import TextError

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


EWT = """\
# text = Press the _ key
1	Press	press	VERB	_	_	0	root	_	_
2	the	the	DET	_	_	4	det	_	_
3	_	_	SYM	_	_	4	compound	_	_
4	key	key	NOUN	_	_	1	obj	_	_

# text = (this post may not be published)
1	_	_	DET	_	_	2	det	_	_
2	_	_	NOUN	_	_	0	root	_	_

1	No	no	DET	_	_	2	det	_	_
2	tag	tag	_	_	_	0	root	_	_

1	_	_	SYM	_	_	0	root	_	_
2	!	!	PUNCT	_	_	1	punct	_	_

"""


def english(tmp_path: Path, **files: str) -> UdCorpus:
    """A treebank of English with these files, by the end of their names."""
    folder = tmp_path / "server" / "UD_English-EWT" / "r2.5"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"en_ewt-ud-{name.replace('_', '-')}.conllu").write_text(text, encoding="utf-8")
    return UdCorpus(provider="ud", release="r2.5", treebanks={"en": "English-EWT"}, pairs=["en-fr"])


def prepared(corpus: UdCorpus, tmp_path: Path) -> dict[str, Any]:
    corpora.fetch(corpus, "en-fr", tmp_path / "down")
    return corpora.prepare(corpus, "en-fr", tmp_path / "down", tmp_path / "out")["splits"]


def test_low_line_is_a_word(tmp_path: Path, server: Path) -> None:
    splits = prepared(english(tmp_path, train=EWT, test=EWT.replace("key", "bar")), tmp_path)
    train, test = (corpora.load(tmp_path / "out", split).to_pylist() for split in ("train", "test"))
    assert (train[0]["source"], train[0]["target"]) == ("Press the _ key", "VERB DET SYM NOUN")
    assert splits["train"] == {"rows_in": 4, "rows_kept": 1, "dropped": {"no-words": 1, "no-tags": 1, "in-test": 1}}
    assert [row["source"] for row in test] == ["Press the _ bar", "_ _", "No tag", "_ !"]
    assert splits["test"]["warnings"] == {"no-words": 1, "no-tags": 1}
    dropped = (tmp_path / "out" / "dropped.jsonl").read_text(encoding="utf-8")
    assert "train.conllu:9: every word is `_`" in dropped
    assert "train.conllu:12: no tag for this word" in dropped


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EWT[EWT.index("# text = (") : EWT.index("1\tNo")], r"train\.conllu:3: every word is `_`; .* take another"),
        (EWT[EWT.index("1\tNo") : EWT.index("1\t_\t_\tSYM")] * 2, r"train\.conllu:2: no tag for this word"),
    ],
)
def test_treebank_without_any_text_or_tags(text: str, message: str, tmp_path: Path, server: Path) -> None:
    with pytest.raises(TextError, match=message):
        prepared(english(tmp_path, train=text, test=EWT), tmp_path)


def test_test_set_alone(tmp_path: Path, server: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        splits = prepared(english(tmp_path, test=EWT), tmp_path)
    assert [splits[split]["rows_in"] for split in corpora.SPLITS] == [0, 0, 4]
    assert "UD_English-EWT at r2.5 has no text for train and validation" in caplog.text


def parts(tmp_path: Path) -> UdCorpus:
    sentences = {f"train_{part}": EWT.replace("key", part) for part in ("m", "l", "c", "a_1")}
    return english(tmp_path, **sentences, dev=EWT.replace("key", "bar"), test=EWT.replace("key", "pin"))


def test_training_text_in_several_files(tmp_path: Path, server: Path) -> None:
    splits = prepared(parts(tmp_path), tmp_path)
    kept = corpora.load(tmp_path / "out", "train").to_pylist()
    assert [row["source"].split()[-1] for row in kept] == ["a_1", "c", "l", "m"], "in the order of their names"
    assert [splits[split]["rows_in"] for split in corpora.SPLITS] == [16, 4, 4]


@pytest.mark.parametrize("missing", ["dev", "train-l"])
def test_files_that_a_mirror_over_http_lists(
    missing: str, tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror shows an index of its folder; without one, files in parts cannot be found."""
    corpus = parts(tmp_path)
    (tmp_path / "server" / "UD_English-EWT" / "r2.5" / f"en_ewt-ud-{missing}.conllu").unlink()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "server"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies that another test had set
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as mirror:
        Thread(target=mirror.serve_forever, daemon=True).start()
        monkeypatch.setenv("UD_ENDPOINT", f"http://127.0.0.1:{mirror.server_port}")
        splits = prepared(corpus, tmp_path)
        mirror.shutdown()
    counts = [splits[split]["rows_in"] for split in corpora.SPLITS]
    assert counts == ([16, 0, 4] if missing == "dev" else [12, 4, 4])


def test_github_lists_files_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "UD_English-EWT-r2.5.json").write_text('[{"name": "en_ewt-ud-train-b.conllu"}, {"name": "README.md"}]')
    monkeypatch.setattr(ud, "LISTING", f"{tmp_path.as_uri()}/{{repository}}-{{release}}.json")
    names = ["README.md", "en_ewt-ud-train-b.conllu"]
    assert ud._listed(f"{ud.ENDPOINT}/UD_English-EWT/r2.5", "UD_English-EWT", "r2.5") == names
    monkeypatch.setattr(ud, "LISTING", "http://127.0.0.1:9/{repository}{release}")
    with pytest.raises(CorpusError, match=r"UD_English-EWT at r2\.5 lacks a train, dev or test file.*run again later"):
        ud._listed(f"{ud.ENDPOINT}/UD_English-EWT/r2.5", "UD_English-EWT", "r2.5")


def test_what_is_there_is_not_fetched_again(tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    monkeypatch.setenv("UD_ENDPOINT", "http://127.0.0.1:9")
    corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    before = {path.name: path.read_bytes() for path in (tmp_path / "down").iterdir()}
    other = CORPUS.model_copy(update={"release": "r2.6"})
    with pytest.raises(CorpusError, match=r"fr_gsd-ud-train\.conllu cannot be fetched .*check the network"):
        corpora.fetch(other, "fr-en", tmp_path / "down")
    assert {path.name: path.read_bytes() for path in (tmp_path / "down").iterdir()} == before


def test_treebank_that_is_not_there(tmp_path: Path, server: Path) -> None:
    other = CORPUS.model_copy(update={"release": "r2.6"})
    with pytest.raises(CorpusError, match=r"UD_French-GSD/r2.6 has no fr_gsd-ud-train\.conllu, .* check the names of"):
        corpora.fetch(other, "fr-en", tmp_path / "down")
    (server / "fr_gsd-ud-test.conllu").rename(server / "fr_gsd-um-test.conllu")
    for name in ("train", "dev"):
        (server / f"fr_gsd-ud-{name}.conllu").unlink()
    with pytest.raises(CorpusError, match=r"has no fr_gsd-ud-train\.conllu, .* it has: fr_gsd-um-test\.conllu"):
        corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    with pytest.raises(CorpusError, match=r"UD_French-GSD is not in .* run scripts/download.py first"):
        list(ud.read(CORPUS, "fr-en", "test", tmp_path / "down"))


def test_folder_of_another_release(tmp_path: Path, server: Path) -> None:
    corpora.fetch(CORPUS, "fr-en", tmp_path / "down")
    other = CORPUS.model_copy(update={"release": "r2.6"})
    with pytest.raises(CorpusError, match="another treebank or release"):
        list(ud.read(other, "fr-en", "test", tmp_path / "down"))
    with pytest.raises(ValidationError, match="`treebanks` has no entry for 'de', the first language of de-en"):
        UdCorpus(provider="ud", release="r2.5", treebanks={"fr": "French-GSD"}, pairs=["de-en"])


def test_long_sources_are_cut(tmp_path: Path, server: Path) -> None:
    short = CORPUS.model_copy(update={"limits": Limits(overlap="source", source_words=3)})
    corpora.fetch(short, "fr-en", tmp_path / "down")
    corpora.prepare(short, "fr-en", tmp_path / "down", tmp_path / "out")
    cut, whole = corpora.load(tmp_path / "out", "test").to_pylist()
    assert (cut["source"], cut["target"], cut["alignment"]) == ("Je viens de", FIRST[1], "")
    assert (whole["source"], whole["alignment"]) == ("Test !", "0-0 1-1")
