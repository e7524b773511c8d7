"""One typed JSON record per number: value, interval, signature, and the hashes of what it was made from.

Scores live in records, never in log lines. Tables, figures and comparisons are views of records.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dragoman.storage import canonical, read_jsonl, replacing


@dataclass(frozen=True, slots=True)
class Record:
    """A number and its making."""

    paper: str
    """Whose experiment: simulmask, langaware, pretty, or the user's own."""
    experiment: str
    system: str
    pair: str
    """`en-fr`, or `all` for a figure over every pair."""
    setting: str
    """The value of the axis a system is swept over (`k=3`, `n=1`); empty where there is none."""
    seed: int
    metric: str
    value: float | None
    """null where there is no number; the note says why, and tables show it."""
    low: float | None
    high: float | None
    """95 % interval, where the metric has one."""
    signature: str
    """Everything one must know to compute the same number again: metric, options, library, version."""
    n: int
    """Number of sentences (or whatever the metric averages over)."""
    made_from: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each input, by name: hypotheses, references."""
    note: str = ""
    """Why a value is missing, or what to know about it."""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.metric} of {self.experiment}/{self.system}/{self.pair}: {name} is {number}")

    def line(self) -> str:
        """The record as one line of JSON, keys in alphabetical order."""
        return canonical(asdict(self))


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """What a sentence has of a record that is made of sentences."""

    system: str
    pair: str
    metric: str
    sentence: int
    """Number of its line in the system's file, from 1."""
    value: float | None
    """null for a sentence that the metric leaves out."""
    signature: str

    def line(self) -> str:
        """It as one line of JSON, keys in alphabetical order."""
        return canonical(asdict(self))


KINDS: dict[Any, Any] = {"str": str, "int": int, "float | None": int | float | None, "dict[str, str]": dict}
"""What may stand where a field of a record is annotated so."""


def from_dict(row: dict[str, Any]) -> Record:
    """A record from its JSON object; unknown or missing keys, and values of another kind, are errors that name them."""
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
    """All records of a JSON Lines file; a bad one is named by file and line."""
    records = []
    for number, row in enumerate(read_jsonl(path), 1):
        try:
            records.append(from_dict(row))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
    return records


def write(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON Lines, whole or not at all, in the order given."""
    with replacing(path) as file:
        for record in records:
            file.write(record.line() + "\n")
