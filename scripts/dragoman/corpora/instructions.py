"""Instructions and answers in Alpaca's format, from a file or a data set of the hub, for mixing into fine-tuning.

The source of a row is the whole input of the model, in Alpaca's template; the target is the answer. Both may contain
line breaks, so only two checks of parallel text apply: for empty sides, and for repeated rows.
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
    """Download the files of the data set; does nothing if the text is a file on disk."""
    if corpus.dataset is not None:
        hub.fetch("dataset", corpus.dataset, str(corpus.revision), [str(corpus.files)], folder)


def read(corpus: InstructionsCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """All rows for the split `train`; empty for other splits.

    Raises:
        CorpusError: the files are not downloaded or cannot be read.
    """
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
            except TextError as error:  # the line is not an object, or a text is missing
                yield Row("", "", fault="not-text", why=str(error))


def describe(corpus: InstructionsCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The file with its hash; or repository, revision and commit with the hashes of their files."""
    if corpus.path is not None:
        return {"files": {corpus.path: sha256(located(corpus.path))}}
    manifest = fetched(corpus, folder)
    files = {name: file["sha256"] for name, file in manifest["files"].items()}
    return {key: manifest[key] for key in ("repo", "revision", "commit")} | {"files": files}


def _parquet(path: Path, name: str) -> Iterator[Row]:
    for instruction, output, given in parquet.texts(path, name, ["instruction", "output"], optional=["input"]):
        yield _row(instruction.strip(), given.strip(), output)


def _row(instruction: str, given: str, output: str) -> Row:
    """A row. If there is no instruction, its source is empty, so that the row is dropped."""
    return Row(asked(instruction, given) if instruction else "", output)
