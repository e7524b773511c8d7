"""Words and their part-of-speech tags from treebanks of Universal Dependencies: XGLUE's POS task is of release 2.5.

Of a pair the first language's treebank is read; the second plays no part. A source is the syntactic words with blanks
between them, so of French "du" both "de" and "le"; a target is their UPOS tags. A blank inside a word is written "_".
"""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman.config import UdCorpus
from dragoman.corpora import CorpusError, Row, require_pair
from dragoman.languages import split_pair
from dragoman.storage import building, read_manifest
from dragoman.text import lines

ENDPOINT = "https://raw.githubusercontent.com/UniversalDependencies"
"""Where the repositories of treebanks are, unless the environment variable UD_ENDPOINT says otherwise."""
FILES = {"train": "train", "validation": "dev", "test": "test"}
STALL = 60.0
"""Seconds without a byte after which a download is given up."""


def fetch(corpus: UdCorpus, pair: str, folder: Path) -> None:
    """Download the three files of a treebank.

    Raises:
        CorpusError: there is no such treebank or release, or no network.
    """
    treebank = _treebank(corpus, pair)
    language, _ = split_pair(pair)
    endpoint = os.environ.get("UD_ENDPOINT", ENDPOINT).rstrip("/")
    with building(folder, {"treebank": treebank, "release": corpus.release}) as place:
        for split, name in FILES.items():
            stem = f"{language}_{treebank.partition('-')[2].lower()}-ud-{name}.conllu"
            url = f"{endpoint}/UD_{treebank}/{corpus.release}/{stem}"
            try:
                with (
                    urllib.request.urlopen(url, timeout=STALL) as answer,
                    open(place / f"{split}.conllu", "wb") as file,
                ):
                    shutil.copyfileobj(answer, file)
            except (urllib.error.URLError, OSError) as error:
                text = f"{url} cannot be fetched ({error}); check treebank and release, and the network"
                raise CorpusError(text) from None


def read(corpus: UdCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The sentences of one split, in the order of the treebank."""
    _manifest(corpus, pair, folder)
    path, words, tags = folder / f"{split}.conllu", list[str](), list[str]()
    for number, line in enumerate(lines(path), 1):
        if not line and words:
            yield Row(" ".join(words), " ".join(tags), " ".join(f"{i}-{i}" for i in range(len(words))))
            words, tags = [], []
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != 10:
            raise CorpusError(f"{path}:{number}: {len(cells)} columns, and CoNLL-U has 10; download it again")
        if not cells[0].isdecimal():  # a range of words that are one token, or an empty node
            continue
        if cells[1] == "_" or cells[3] == "_":
            raise CorpusError(f"{path}:{number}: no word or no tag; this treebank is published without: take another")
        words.append("_".join(cells[1].split()))
        tags.append(cells[3])
    if words:
        raise CorpusError(f"{path} is cut off: no empty line after its last sentence; download it again")


def describe(corpus: UdCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """Treebank, release, and the files' hashes."""
    manifest = _manifest(corpus, pair, folder)
    files = {name: file["sha256"] for name, file in manifest["files"].items()}
    return {"treebank": manifest["treebank"], "release": manifest["release"], "files": files}


def _treebank(corpus: UdCorpus, pair: str) -> str:
    require_pair(pair, corpus.pairs, "the corpus")
    return corpus.treebanks[split_pair(pair)[0]]


def _manifest(corpus: UdCorpus, pair: str, folder: Path) -> dict[str, Any]:
    treebank = _treebank(corpus, pair)
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        raise CorpusError(f"UD_{treebank} is not in {folder} yet; run scripts/download.py first") from None
    if (manifest.get("treebank"), manifest.get("release")) != (treebank, corpus.release):
        raise CorpusError(f"{folder} holds another treebank or release; run scripts/download.py again")
    return manifest
