"""One typed JSON record per number: value, interval, signature, and the hashes of the inputs it was made from.

All scores are in records. Tables, figures and comparisons are made from records alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dragoman.config.sweeps import joined, split
from dragoman.storage import canonical, read_jsonl, replacing


@dataclass(frozen=True, slots=True)
class Record:
    """A number, and how it was measured."""

    paper: str
    """The paper of the experiment: simulmask, langaware, pretty, or a name of the user's own."""
    experiment: str
    system: str
    pair: str
    """`en-fr`, or `all` for a number over all pairs."""
    setting: str
    """The value of the option over which a system is swept (`k=3`, `n=1`); empty if there is none."""
    seed: int
    metric: str
    value: float | None
    """null: there is no number; the note gives the reason, and tables show it."""
    low: float | None
    high: float | None
    """95 % interval; null: the metric has none."""
    signature: str
    """Everything that is needed to compute the same number again: metric, options, library, version."""
    n: int
    """Number of sentences, or of other items that the metric averages over."""
    made_from: dict[str, str] = field(default_factory=dict)
    """Name of an input (hypotheses, references) -> its SHA-256."""
    note: str = ""
    """The reason for a missing value, or a remark on the value."""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.metric} of {self.experiment}/{self.system}/{self.pair}: {name} is {number}")

    @property
    def system_and_setting(self) -> tuple[str, str]:
        """The system as the configuration names it, and its setting with the point of a sweep: `sm,k=3` is `sm` at
        `k=3`."""
        base, point = split(self.system)
        return base, joined(point, self.setting)

    def line(self) -> str:
        """The record as one line of JSON, keys in alphabetical order."""
        return canonical(asdict(self))


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """The value of a metric for one sentence."""

    system: str
    pair: str
    metric: str
    sentence: int
    """Number of its line in the system's file, from 1."""
    value: float | None
    """null: the metric leaves the sentence out."""
    signature: str

    def line(self) -> str:
        """The score as one line of JSON, keys in alphabetical order."""
        return canonical(asdict(self))


KINDS: dict[Any, Any] = {"str": str, "int": int, "float | None": int | float | None, "dict[str, str]": dict}
"""Annotation of a field of `Record` -> types that its value may have."""


def from_dict(row: dict[str, Any]) -> Record:
    """A record from its JSON object.

    Raises:
        ValueError: a key is unknown or missing, or a value has a wrong type.
    """
    known = {f.name for f in fields(Record)}
    required = known - {"made_from", "note"}
    if extra := sorted(set(row) - known):
        raise ValueError(f"unknown keys in a record: {', '.join(extra)}")
    if missing := sorted(required - set(row)):
        raise ValueError(f"keys missing from a record: {', '.join(missing)}")
    for each in fields(Record):
        value = row.get(each.name, "" if each.name == "note" else {})
        if not isinstance(value, KINDS[each.type]) or isinstance(value, bool):
            raise ValueError(f"{each.name!r} of a record is {value!r}, not {each.type}")
    return Record(**row)


def read(path: Path) -> list[Record]:
    """All records of a JSON Lines file.

    Raises:
        ValueError: a line is not a record; the message names file and line.
    """
    records = []
    for number, row in enumerate(read_jsonl(path), 1):
        try:
            records.append(from_dict(row))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
    return records


def write(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON Lines, in the order given; the file is replaced only after all of them are written."""
    with replacing(path) as file:
        for record in records:
            file.write(record.line() + "\n")
