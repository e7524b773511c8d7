"""Data sets of the Hugging Face hub: parquet files at a fixed revision. Loading scripts are never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman import hub
from dragoman.config import HubCorpus, InstructionsCorpus
from dragoman.corpora import CorpusError, Row, parquet, require_pair
from dragoman.languages import reverse, split_pair
from dragoman.storage import read_manifest


def fetch(corpus: HubCorpus, pair: str, folder: Path) -> None:
    """Download the parquet files of all splits of one pair."""
    patterns = sorted({_pattern(corpus, pair, split) for split in corpus.files})
    hub.fetch("dataset", corpus.dataset, corpus.revision, patterns, folder)


def read(corpus: HubCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The rows of one split, from its files in the order of their names.

    Raises:
        CorpusError: the files are not downloaded or cannot be read.
    """
    if split not in corpus.files:
        return
    pattern = _pattern(corpus, pair, split)
    names = [name for name in sorted(fetched(corpus, folder)["files"]) if hub.matches(name, [pattern])]
    if not names:
        raise CorpusError(f"{folder} holds no file like {pattern!r}; run the download of {corpus.dataset} again")
    keys = [corpus.columns.get(language, language) for language in split_pair(pair)]
    for name in names:
        for source, target in parquet.texts(folder / name, f"{corpus.dataset}: {name}", keys, nested=corpus.column):
            yield Row(source, target)


def describe(corpus: HubCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """Repository, revision and commit, and the hashes of the files."""
    manifest = fetched(corpus, folder)
    patterns = [_pattern(corpus, pair, split) for split in corpus.files]
    files = {name: file["sha256"] for name, file in manifest["files"].items() if hub.matches(name, patterns)}
    return {key: manifest[key] for key in ("repo", "revision", "commit")} | {"files": files}


def _pattern(corpus: HubCorpus, pair: str, split: str) -> str:
    require_pair(pair, corpus.pairs, corpus.dataset)
    source, target = split_pair(pair)
    config = corpus.configs.get(pair) or corpus.configs.get(reverse(pair), "")
    pattern = corpus.files[split]  # type: ignore[index] - only splits come here
    if "{config}" in pattern and not config:
        raise CorpusError(
            f"{corpus.dataset}: `files` has {{config}}, but `configs` says nothing for {pair}; add it there"
        )
    try:
        return pattern.format(source=source, target=target, config=config)
    except (KeyError, IndexError, ValueError) as error:
        raise CorpusError(
            f"{corpus.dataset}: `files` may hold {{source}}, {{target}} and {{config}}; {pattern!r} is wrong: {error}"
        ) from None


def fetched(corpus: HubCorpus | InstructionsCorpus, folder: Path) -> dict[str, Any]:
    """The manifest of a finished download of this data set at this revision.

    Raises:
        CorpusError: the folder has no such download.
    """
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        raise CorpusError(f"{corpus.dataset} is not in {folder} yet; run scripts/download.py first") from None
    if manifest.get("repo") != corpus.dataset or corpus.revision not in (
        manifest.get("revision"),
        manifest.get("commit"),
    ):
        raise CorpusError(
            f"{folder} holds {manifest.get('repo')} at {manifest.get('revision')}, not {corpus.dataset} at "
            f"{corpus.revision}; run scripts/download.py again"
        )
    return manifest
