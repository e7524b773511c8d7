"""Conditions under which our number is comparable with a published one: `config/published/comparison.yaml`.

The file lists papers, base models, test sets and metrics under the names that the tables of published numbers use. A
new paper needs lines in this file and no change of the library.
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
    """The test set of some of a paper's numbers."""

    table: str = ""
    """Only numbers of tables whose name begins with this; empty: any table."""
    version: str | None = None
    """Only numbers of this version of the paper; null: any version."""
    pairs: list[Pair] | None = None
    """Only numbers of these pairs; null: any pair."""
    set: Name | None = None
    """A name under `test_sets`."""
    why: str = ""
    """Instead of `set`: a description of the test set, and the reason why it is not available."""

    @model_validator(mode="after")
    def _set_or_why(self) -> Tested:
        if bool(self.set) == bool(self.why):
            raise ValueError("give either `set` or, if the test set is not available, `why`")
        return self


class Unreachable(Strict):
    """Numbers of a paper that no configuration can compute, for another reason than an unavailable test set."""

    system: str | None = None
    """Only numbers of this system; null: any system."""
    metric: str | None = None
    """Only numbers of this metric; null: any metric."""
    why: str


class Paper(Strict):
    """A paper with a table of published numbers."""

    title: str
    tests: list[Tested] = []
    """If several apply to a number, the first one counts."""
    unreachable: list[Unreachable] = []


class PublishedSet(Strict):
    """A published test set."""

    title: str
    hub: list[str] = []
    """Data sets of the hub that have it as their test split."""
    sacrebleu: list[str] = []
    """sacrebleu's names of the sets that it consists of."""
    lines: dict[Pair, PositiveInt] = {}
    """Number of lines, for pairs for which it is known."""
    sha256: dict[Pair, Sha256] = {}
    """`fingerprint` of the lines, for pairs for which it is known."""


class PublishedMetric(Strict):
    """A metric in the tables of published numbers."""

    lowest: float = 0
    """Lowest possible score."""
    highest: float | None = None
    """Highest possible score; null: no limit."""
    times: PositiveFloat = 1
    """Factor by which published scores are larger than ours: 100 if papers print percent and we do not."""
    signature: list[str | Annotated[list[str], Field(min_length=1)]] = []
    """Beginnings that parts of our signature must have for our score to be comparable. A list holds alternatives: the
    first one is the paper's own, and a verdict mentions any other one. `{tokenizer}` means sacrebleu's tokenizer for
    the target language."""


class Comparison(Strict):
    """The contents of `comparison.yaml`."""

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
        """The test set of a published number; None if the file has no entry for it."""
        for each in self.papers[paper].tests if paper in self.papers else ():
            fits = table.startswith(each.table) and each.version in (None, version)
            if fits and (each.pairs is None or pair in each.pairs):
                return each
        return None


@cache
def load(folder: Path = FOLDER) -> Comparison:
    """The file `comparison.yaml` of a folder.

    Raises:
        ConfigError: the file has mistakes; the message gives file, line and key of each.
    """
    path = folder / FILE
    data, lines = read_yaml(path)
    try:
        return Comparison.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explained(error, data, Comparison, path, lines)) from None


def fingerprint(rows: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of a test set's text: one line per sentence pair, source and target separated by a tab.

    Several blanks between words count as one, since sacrebleu joins them and other copies of a set do not.
    """
    digest = hashlib.sha256()
    for source, target in rows:
        digest.update(f"{' '.join(source.split())}\t{' '.join(target.split())}\n".encode())
    return digest.hexdigest()


def mismatch(known: PublishedSet, pair: str, rows: Sequence[tuple[str, str]]) -> str:
    """How the lines of a pair differ from the known facts about a published test set; empty if they do not differ."""
    if (lines := known.lines.get(pair, len(rows))) != len(rows):
        return f"{len(rows):,} lines of {pair}, and {known.title} has {lines:,}"
    if (wanted := known.sha256.get(pair)) and fingerprint(rows) != wanted:
        return f"other words in {pair} than {known.title}"
    return ""
