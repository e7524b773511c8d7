"""Instructions and answers in Alpaca's form, from a file or a data set of the hub: text to mix into fine-tuning.

A row's source is all that a model reads before it answers, in Alpaca's template; its target is the answer. Both may
hold line breaks, so of the checks on parallel text only that for empty sides applies, and that for repeated rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman import hub
from dragoman.command import located
from dragoman.config import InstructionsCorpus
from dragoman.corpora import CorpusError, Row, lines, parquet
from dragoman.corpora.hub import fetched
from dragoman.instructions import asked, field, objects
from dragoman.storage import sha256
from dragoman.text import TextError

CHECKS = {name: lines.CHECKS[name] for name in ("empty-side",)}


def fetch(corpus: InstructionsCorpus, pair: str, folder: Path) -> None:
    """Download the data set's files; nothing to do for a file of the user's."""
    if corpus.dataset is not None:
        hub.fetch("dataset", corpus.dataset, str(corpus.revision), [str(corpus.files)], folder)


def read(corpus: InstructionsCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """All rows, which are training text."""
    if split != "train":
        return
    if corpus.dataset is not None:
        names = sorted(name for name in fetched(corpus, folder)["files"] if hub.matches(name, [str(corpus.files)]))
        if not names:
            raise CorpusError(f"{folder} holds no file like {corpus.files!r}; run the download again")
        for name in names:
            yield from _parquet(folder / name, f"{corpus.dataset}: {name}")
    elif str(corpus.path).endswith(".parquet"):
        yield from _parquet(located(str(corpus.path)), str(corpus.path))
    else:
        for place, entry in objects(located(str(corpus.path))):
            try:
                given = (field(entry, "instruction", place), field(entry, "input", place, ""))
                yield _row(*given, field(entry, "output", place))
            except TextError as error:  # no object, or a text is missing
                yield Row("", "", fault="not-text", why=str(error))


def describe(corpus: InstructionsCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The file and its hash, or the commit and its files' hashes."""
    if corpus.path is not None:
        return {"files": {corpus.path: sha256(located(corpus.path))}}
    manifest = fetched(corpus, folder)
    files = {name: file["sha256"] for name, file in manifest["files"].items()}
    return {key: manifest[key] for key in ("repo", "revision", "commit")} | {"files": files}


def _parquet(path: Path, name: str) -> Iterator[Row]:
    for instruction, output, given in parquet.texts(path, name, ["instruction", "output"], optional=["input"]):
        yield _row(instruction.strip(), given.strip(), output)


def _row(instruction: str, given: str, output: str) -> Row:
    """A row; without an instruction its source is empty, so that it is dropped."""
    return Row(asked(instruction, given) if instruction else "", output)
