"""Dictionary files as they are found: with scores, blanks for tabs, headers, rows that are none."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dragoman.config import DictionaryDecoder
from dragoman.decoding import Context, Item, baselines
from dragoman.languages.dictionaries import read_dictionary
from dragoman.text import TextError
from refusals import Bad, over, refuse

FORMATS = {
    # what it is -> name, content, what is read
    "two columns": ("d.tsv", "the\tle\ncat\tchat\nthe\tla\n", {"the": "le", "cat": "chat"}),
    "scores": (
        "d.tsv",
        "the\tle\t0.53\ncat\tchat\t0.91\nsleeps\tdort\t0.40\n",
        {"the": "le", "cat": "chat", "sleeps": "dort"},
    ),
    "scores out of order": ("d.tsv", "the\tla\t0.2\nThe\tle\t0.53\nthe\tles\t1e-1\n", {"the": "le"}),
    "scores that are equal": ("d.tsv", "the\tla\t5\nthe\tle\t5\n", {"the": "la"}),
    "logarithms": ("d.tsv", "<eps>\tle\t-0.1\nthe\tla\t-3.2\nthe\tle\t-0.4\n", {"the": "le"}),
    "a header of codes": ("d.tsv", "en\tfr\ncat\tchat\n", {"cat": "chat"}),
    "a header of names": ("d.tsv", "English\tFrench\ncat\tchat\n", {"cat": "chat"}),
    "a header and scores": ("d.tsv", "source\ttarget\tscore\ncat\tchat\t1\n", {"cat": "chat"}),
    "comments and empty rows": ("d.tsv", "# made by hand\n#en\tfr\n\ncat\tchat\n\n", {"cat": "chat"}),
    "blanks around cells": ("d.tsv", "cat \t chat\n", {"cat": "chat"}),
    "phrases": (
        "d.tsv",
        "s'il  vous plaît\tplease\nNew York\tNew York\n",
        {"s'il vous plaît": "please", "new york": "New York"},
    ),
    "MUSE": ("en-fr.txt", "the le\nthe la\ncat chat\n", {"the": "le", "cat": "chat"}),
    "MUSE with tabs": ("en-fr.0-5000.txt", "the\tle\nthe\tla\n", {"the": "le"}),
    "blanks and scores": ("d.txt", "cat chat 0.9\ncat minou 0.1\n", {"cat": "chat"}),
    # Moses: p(target | source), the target word first; a source word that is mostly left out still has a translation
    "lex.f2e": ("lex.f2e", "chat cat 0.7\nNULL cat 0.9\nminou cat 0.2\nle NULL 0.9\n", {"cat": "chat"}),
    "lex.e2f, packed": ("lex.e2f.gz", "chat cat 0.2\nminou cat 0.7\n", {"cat": "minou"}),
    "lex.f2n": ("lex.0-0.f2n", "chat cat 1.0000000\n", {"cat": "chat"}),
    "Windows": ("d.tsv", "\ufeffcat\tchat\r\ndog\tchien\r\n", {"cat": "chat", "dog": "chien"}),
    "packed": ("d.tsv.gz", "cat\tchat\n", {"cat": "chat"}),
    "NULL is a word without scores": ("d.tsv", "NULL\tnul\n", {"null": "nul"}),
}


def write(path: Path, content: str) -> Path:
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


@pytest.mark.parametrize("what", FORMATS)
def test_every_form_is_read(what: str, tmp_path: Path) -> None:
    name, content, expected = FORMATS[what]
    assert read_dictionary(write(tmp_path / name, content), "en-fr") == expected


def test_scores_do_not_go_into_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "d.tsv", FORMATS["scores"][1])
    decoder = baselines.Decoder(
        Context(None, "en-fr", None), DictionaryDecoder(name="dictionary", files={"en-fr": str(path)})
    )
    assert decoder.decode([Item(0, "The cat sleeps.", "")]) == [[{"hypothesis": "Le chat dort."}]]


def test_frequent_words_come_first_as_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "d.tsv", "the\tla\t0.1\ncat\tchat\t1\nthe\tle\t0.9\n")
    assert read_dictionary(path, "en-fr").places == {"the": 1, "cat": 2}


def test_odd_rows_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "d.tsv", "the\tle\t1\ncat\t\t1\n\tchien\t1\nbird\toiseau\tn/a\nowl\thibou\tnan\n")
    with caplog.at_level(logging.WARNING):
        assert read_dictionary(path, "en-fr") == {"the": "le"}
    assert "rows left out: 2 with an empty cell (line 2); 2 with no number for a score (line 4)" in caplog.text


def config(name: str, system: dict[str, Any] | None = None) -> str:
    decoder = {"name": "dictionary", "files": {"en-fr": name}}
    web = {"corpus": "demo", "languages": ["en", "fr"], "count": 1}
    experiment = {
        "title": "t",
        "model": "m",
        "prompt": "short",
        "test": {"corpus": "demo", "pairs": ["en-fr"]},
        "systems": {"d": system or {"decoder": decoder}},
    }
    return json.dumps(
        {
            "corpora": {"demo": {"provider": "demo", "train": 2, "test": 2}},
            "models": {"m": {"source": "scratch", "architecture": "llama", "text": web}},
            "experiments": {"e": experiment},
        }
    )


def prefilled(name: str) -> dict[str, Any]:
    return {"decoder": {"name": "prefilled", "prior": {"kind": "pseudo", "files": {"en-fr": name}}}}


REFUSED = [
    (
        "a row without translation",
        "the\tle\ncat\n",
        ["d.tsv:2: expected a word, a tab and its translation, found 'cat'"],
    ),
    (
        "three columns in one row",
        "the\tle\ncat\tchat\tminou\n",
        ["d.tsv:2: expected a word, a tab and its translation"],
    ),
    ("a score that is missing", "the\tle\t1\ncat\tchat\n", ["d.tsv:2: expected", "a tab and a score"]),
    ("four columns", "the\tle\tDET\t0.5\n", ["d.tsv:1: expected a word"]),
    (
        "words for scores",
        "the\tle\tDET\ncat\tchat\tNOUN\n",
        ["d.tsv has no entries (2 with no number for a score (line 1))"],
    ),
    ("commas", "the,le\ncat,chat\n", ["d.tsv:1", "commas do not separate them"]),
    ("a phrase and blanks", "the le\ns'il vous plaît please\n", ["d.tsv:2", "blanks separate single words only"]),
    ("a phrase table", "the ||| le ||| 0.5 0.5\n", ["d.tsv:1: expected"]),
    ("nothing", "", ["d.tsv has no entries"]),
    ("a header alone", "en\tfr\n", ["d.tsv has no entries"]),
    ("empty cells alone", "the\t\n", ["d.tsv has no entries (1 with an empty cell (line 1))"]),
    ("Latin-1", "été\tsummer\n".encode("latin-1"), ["d.tsv:1: byte 0 (0xe9) is not UTF-8", "iconv -f CP1252"]),
    ("UTF-16", "the\tle\n".encode("utf-16"), ["this is UTF-16", "iconv -f UTF-16 -t UTF-8 d.tsv"]),
    ("a zip archive", b"PK\x03\x04\xff\xff", ["this is a zip archive"]),
]
ROWS = [
    *(
        Bad(
            what,
            "validate.py c.yaml",
            ["systems.d.decoder.files.en-fr", *said],
            {"d.tsv": content, "c.yaml": config("d.tsv")},
        )
        for what, content, said in REFUSED
    ),
    Bad(
        "the dictionary of a prior",
        "validate.py c.yaml",
        ["systems.d.decoder.prior.files.en-fr", "d.tsv:2: expected a word"],
        {"d.tsv": "the\tle\ncat\n", "c.yaml": config("", prefilled("d.tsv"))},
    ),
]


@over(ROWS)
def test_refused_before_anything_runs(bad: Bad, tmp_path: Path) -> None:
    refuse(bad, tmp_path)


def test_long_files_are_looked_at_and_read_to_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "d.tsv", "".join(f"word{n}\tmot{n}\n" for n in range(30)) + "cat\n")
    assert len(read_dictionary(path, "en-fr", most=30)) == 30
    with pytest.raises(TextError, match=r"d\.tsv:31"):
        read_dictionary(path, "en-fr")


TEI = """<?xml version="1.0"?><TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body>
<entry><form><orth>colour</orth><orth>color</orth><pron>k</pron></form><sense n="1"><def>not this</def>
<cit type="trans"><quote>la
 couleur</quote></cit><cit type="trans"><quote>teinte</quote></cit><cit type="example"><quote>no</quote></cit>
</sense></entry>
<entry><form><orth>cat</orth></form><sense><sense><cit type="trans"><quote>chat</quote></cit></sense></sense></entry>
<entry><form><orth>none</orth></form></entry></body></text></TEI>"""


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_dictionaries_of_freedict(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"eng-fra.tei{ending}"
    path.write_bytes(gzip.compress(TEI.encode()) if ending else TEI.encode())
    assert read_dictionary(path, "en-fr") == {"colour": "la couleur", "color": "la couleur", "cat": "chat"}
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"eng-fra\.tei(\.gz)? is no whole TEI dictionary .*again"):
        read_dictionary(path, "en-fr")
