"""Words and part-of-speech tags from treebanks of Universal Dependencies. XGLUE's POS task uses release 2.5.

The treebank of the first language of a pair is read; the second language is ignored. A source is the syntactic words,
separated by blanks (French "du" is the two words "de le"). A target is their UPOS tags. A blank inside a word is
written "_".

Some treebanks have only a test set (all PUD), and some have training text in several files (Czech-PDT). A sentence is
dropped with one of these reasons:

    no-words    all its words are "_", as in texts that may not be published; a "_" among other words is a word
    no-tags     a word has the tag "_"
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dragoman.config import UdCorpus
from dragoman.corpora import CorpusError, Row, require_pair
from dragoman.languages import split_pair
from dragoman.storage import building, read_manifest
from dragoman.text import lines

log = logging.getLogger(__name__)

ENDPOINT = "https://raw.githubusercontent.com/UniversalDependencies"
"""Address of the repositories of treebanks; the environment variable UD_ENDPOINT replaces it."""
LISTING = "https://api.github.com/repos/UniversalDependencies/{repository}/contents?ref={release}"
"""Address of the list of files of a repository; a mirror lists them in the index of the folder."""
FILES = {"train": "train", "validation": "dev", "test": "test"}
STALL = 60.0
"""Seconds without data after which a download fails."""


def fetch(corpus: UdCorpus, pair: str, folder: Path) -> None:
    """Download the files of a treebank, unless they have been downloaded.

    Raises:
        CorpusError: the treebank or release does not exist, or there is no network.
    """
    treebank = _treebank(corpus, pair)
    facts = {"treebank": treebank, "release": corpus.release}
    try:
        if facts.items() <= read_manifest(folder).items():
            return
    except (FileNotFoundError, ValueError):
        pass
    endpoint = os.environ.get("UD_ENDPOINT", ENDPOINT).rstrip("/")
    address = f"{endpoint}/UD_{treebank}/{corpus.release}"
    stem = f"{split_pair(pair)[0]}_{treebank.partition('-')[2].lower()}-ud-"
    with building(folder, facts) as place:
        absent = []
        for split, name in FILES.items():
            if not _fetched(f"{address}/{stem}{name}.conllu", place / f"{split}.conllu"):
                absent.append(split)
        listed = _listed(address, f"UD_{treebank}", corpus.release) if absent else []
        for split in absent.copy():
            for name in listed:
                if part := re.fullmatch(rf"{re.escape(stem + FILES[split])}(-.+\.conllu)", name):
                    _fetched(f"{address}/{name}", place / f"{split}{part[1]}")
                    absent = [each for each in absent if each != split]
        if len(absent) == len(FILES):
            there = f"it has: {', '.join(listed)}" if listed else "check the names of treebank and release"
            raise CorpusError(f"{address} has no {stem}train.conllu, {stem}dev.conllu or {stem}test.conllu; {there}")
    if absent:
        log.info(f"UD_{treebank} at {corpus.release} has no text for {' and '.join(absent)}")


def read(corpus: UdCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The sentences of one split, in the order of the treebank; empty if it has no such split.

    Raises:
        CorpusError: the treebank is not downloaded, or a file cannot be read.
    """
    files = _manifest(corpus, pair, folder)["files"]
    for name in sorted(name for name in files if re.fullmatch(rf"{split}(-.+)?\.conllu", name)):
        yield from _sentences(folder / name)


def describe(corpus: UdCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """Treebank, release, and the hashes of the files."""
    manifest = _manifest(corpus, pair, folder)
    files = {name: file["sha256"] for name, file in manifest["files"].items()}
    return {"treebank": manifest["treebank"], "release": manifest["release"], "files": files}


def _sentences(path: Path) -> Iterator[Row]:
    words, tags, untagged = list[str](), list[str](), 0
    for number, line in enumerate(lines(path), 1):
        if not line and words:
            links = " ".join(f"{i}-{i}" for i in range(len(words)))
            row = Row(" ".join(words), " ".join(tags), links)
            if set(words) == {"_"}:
                why = "every word is `_`; a treebank where all are so is published without its text, so take another"
                row = row._replace(fault="no-words", why=f"{path}:{number - 1}: {why}")
            elif untagged:
                row = row._replace(fault="no-tags", why=f"{path}:{untagged}: no tag for this word")
            yield row
            words, tags, untagged = [], [], 0
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != 10:
            raise CorpusError(f"{path}:{number}: {len(cells)} columns, and CoNLL-U has 10; download it again")
        if not cells[0].isdecimal():  # a range like 1-2 (one token of several words), or an empty node like 1.1
            continue
        if cells[3] == "_":
            untagged = untagged or number
        words.append("_".join(cells[1].split()))
        tags.append(cells[3])
    if words:
        raise CorpusError(f"{path} is cut off: no empty line after its last sentence; download it again")


def _fetched(url: str, path: Path) -> bool:
    """Download a file; False if the server has no such file.

    Raises:
        CorpusError: the server cannot be reached.
    """
    try:
        with urllib.request.urlopen(url, timeout=STALL) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file)
        return True
    except (OSError, HTTPException) as error:
        path.unlink(missing_ok=True)
        if getattr(error, "code", None) == 404 or isinstance(getattr(error, "reason", None), FileNotFoundError):
            return False
        raise CorpusError(f"{url} cannot be fetched ({error}); check the network and run again") from None


def _listed(address: str, repository: str, release: str) -> list[str]:
    """Names of the files of a treebank, sorted; empty if there is no such treebank, or a mirror has no index.

    Raises:
        CorpusError: the list cannot be fetched.
    """
    parts = urlsplit(address)
    if parts.scheme == "file":
        folder = Path(url2pathname(parts.path))
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    on_github = address.startswith(ENDPOINT)
    url = LISTING.format(repository=repository, release=release) if on_github else f"{address}/"
    try:
        with urllib.request.urlopen(url, timeout=STALL) as answer:
            text = answer.read().decode("utf-8")
    except (OSError, HTTPException) as error:
        if not on_github or getattr(error, "code", None) == 404:
            return []
        said = f"{repository} at {release} lacks a train, dev or test file, and the list of its files, {url}"
        raise CorpusError(f"{said}, cannot be fetched ({error}); run again later") from None
    if on_github:
        return sorted(entry["name"] for entry in json.loads(text))
    return sorted(set(re.findall(r'href="(?:[^"]*/)?([\w.-]+\.conllu)"', text)))


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
