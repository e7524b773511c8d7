"""What a number of ours must share with a published one to be compared with it: `config/published/comparison.yaml`.

The file is data: papers, base models, test sets and metrics, by the names that the tables of numbers use. A new paper
adds lines to it and needs no change of the library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.config import Name, Pair, Strict
from dragoman.configfile import ConfigError, explained
from dragoman.yamlfile import read_yaml

FOLDER = REPOSITORY / "config" / "published"
FILE = "comparison.yaml"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Tested(Strict):
    """Which test set some of a paper's numbers are of."""

    table: str = ""
    """How the name of their table begins; empty: any table."""
    version: str | None = None
    """Of this version of the paper alone."""
    pairs: list[Pair] | None = None
    """Of these pairs alone."""
    set: Name | None = None
    """A name under `test_sets`."""
    why: str = ""
    """Instead of `set`: what the test set is, and why nobody can have it."""

    @model_validator(mode="after")
    def _set_or_why(self) -> Tested:
        if bool(self.set) == bool(self.why):
            raise ValueError("give either `set` or, where nobody can have the test set, `why`")
        return self


class Unreachable(Strict):
    """Numbers of a paper that no configuration can make, besides those whose test set nobody can have."""

    system: str | None = None
    metric: str | None = None
    """Of this system alone, of this metric alone."""
    why: str


class Paper(Strict):
    """A paper whose numbers have a table."""

    title: str
    tests: list[Tested] = []
    """Of several that apply to a number, the first counts."""
    unreachable: list[Unreachable] = []


class PublishedSet(Strict):
    """A published test set."""

    title: str
    hub: list[str] = []
    """Data sets of the hub whose test split it is."""
    sacrebleu: list[str] = []
    """sacrebleu's names of it, all of them together."""
    lines: dict[Pair, PositiveInt] = {}
    """Number of lines of a pair, where it is known."""
    sha256: dict[Pair, Sha256] = {}
    """`fingerprint` of a pair's lines, where it is known."""


class PublishedMetric(Strict):
    """A metric of the tables."""

    lowest: float = 0
    highest: float | None = None
    """Between what a score lies; null: no limit."""
    times: PositiveFloat = 1
    """What papers multiply it with before they print it, and we do not."""
    signature: list[str | Annotated[list[str], Field(min_length=1)]] = []
    """How parts of a signature of ours must begin for the number to be the paper's; of a list one is enough, the first
    is the paper's own, and a verdict names another one.
    `{tokenizer}` is sacrebleu's for the target language."""


class Comparison(Strict):
    """The file."""

    papers: dict[Name, Paper]
    models: dict[str, Annotated[list[str], Field(min_length=1)]]
    """Base model, as a table writes it -> repositories of the hub with its weights."""
    test_sets: dict[Name, PublishedSet]
    metrics: dict[str, PublishedMetric]

    @model_validator(mode="after")
    def _sets_that_are_there(self) -> Comparison:
        for name, paper in self.papers.items():
            for each in paper.tests:
                if each.set is not None and each.set not in self.test_sets:
                    raise ValueError(f"papers.{name}.tests: {registry.unknown('test set', each.set, self.test_sets)}")
        return self

    def tested(self, paper: str, version: str, table: str, pair: str) -> Tested | None:
        """What a number of a paper was tested on; None where nothing is said."""
        for each in self.papers[paper].tests if paper in self.papers else ():
            fits = table.startswith(each.table) and each.version in (None, version)
            if fits and (each.pairs is None or pair in each.pairs):
                return each
        return None


@cache
def load(folder: Path = FOLDER) -> Comparison:
    """The file of a folder: of every published paper, or of one's own.

    Raises:
        ConfigError: what is wrong with it, by file, line and key.
    """
    path = folder / FILE
    data, lines = read_yaml(path)
    try:
        return Comparison.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explained(error, data, Comparison, path, lines)) from None


def fingerprint(rows: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of the words of a test set, one source and target a line with a tab between them.

    Blanks between words count as one: sacrebleu joins them, and other copies of a set do not.
    """
    digest = hashlib.sha256()
    for source, target in rows:
        digest.update(f"{' '.join(source.split())}\t{' '.join(target.split())}\n".encode())
    return digest.hexdigest()


def mismatch(known: PublishedSet, pair: str, rows: Sequence[tuple[str, str]]) -> str:
    """How a pair's lines differ from those of a published set, as far as these are known; empty where they do not."""
    if (lines := known.lines.get(pair, len(rows))) != len(rows):
        return f"{len(rows):,} lines of {pair}, and {known.title} has {lines:,}"
    if (wanted := known.sha256.get(pair)) and fingerprint(rows) != wanted:
        return f"other words in {pair} than {known.title}"
    return ""
