"""Published numbers: reads `config/published/*.tsv` and refuses rows that break the rules in the README there.

A published number and our record of the same quantity have the same `key`. A key has no version, table or base model,
so several published numbers may share one key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from dragoman import registry
from dragoman.languages import LanguageError, named_pair
from dragoman.results import comparable
from dragoman.results.comparable import FOLDER, PublishedMetric
from dragoman.results.records import Record
from dragoman.text import TextError, table

MEAN = "mean"
"""The pair of an average over pairs, which the paper prints or which was computed from its rows."""

Quantity = Literal["score", "difference", "ratio"]
Sure = Literal["table", "figure", "text", "derived"]
Doubt = Literal["", "misprint", "average", "direction"]

NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
SETTING = re.compile(r"[a-z_]+=[^\s=]+")


@dataclass(frozen=True, slots=True)
class Published:
    """One number of a paper."""

    paper: str
    """Name of the paper, which is also the name of the file."""
    version: str
    """Version of the paper, if versions have different numbers."""
    table: str
    """Table, figure or section of the paper."""
    model: str
    """Base model; empty: the paper does not name it."""
    system: str
    """Empty if the number is about the whole paper."""
    quantity: Quantity
    """`score`: of the system. `difference`: system minus `against`. `ratio`: system divided by `against`."""
    against: str
    """The other system of a difference or ratio; empty for a score."""
    pair: str
    """`en-fr`; `mean` for an average over pairs; empty if the paper states no pair."""
    setting: str
    """`k=3`; empty if there is none."""
    metric: str
    value: float
    error: float
    """Half-width of the interval in which the number lies, for example if it was read from a figure; 0: as printed."""
    sure: Sure
    """How the number was obtained."""
    tolerance: float | None
    """Our number counts as reproduced up to this difference; None: our numbers are not comparable with it."""
    reason: str
    """The reason for the tolerance, or for having none."""
    doubt: Doubt
    note: str
    source: str


COLUMNS = [field.name for field in fields(Published)]
OPTIONAL = frozenset({"model", "system", "against", "pair", "setting", "tolerance", "doubt", "note"})
"""Columns whose cells may be empty."""
IDENTITY = ("version", "table", "model", "system", "quantity", "against", "pair", "setting", "metric")
"""Columns that together identify a row of a file."""
CHOICES = {"quantity": get_args(Quantity), "sure": get_args(Sure), "doubt": get_args(Doubt)}


class Key(NamedTuple):
    """Identifies the quantity that a published number and our record measure."""

    paper: str
    system: str
    pair: str
    setting: str
    metric: str


def key(number: Published | Record) -> Key:
    """The key of a published number or of our record."""
    return Key(*(getattr(number, field) for field in Key._fields))


def load(paper: str, folder: Path = FOLDER) -> list[Published]:
    """Every number of a paper.

    Raises:
        UnknownNameError: the folder has no table of the paper; the message suggests similar names.
        TextError: as in `read`.
    """
    path = folder / f"{paper}.tsv"
    if not path.is_file():
        raise registry.UnknownNameError(registry.unknown("paper", paper, [file.stem for file in folder.glob("*.tsv")]))
    return read(path)


def read(path: Path) -> list[Published]:
    """The numbers of one paper, in the order of its file.

    Args:
        path: a file named after the paper. Metrics are listed in `comparison.yaml` in the same folder, or, if that does
            not exist, in `comparison.yaml` of this repository.

    Raises:
        TextError: a column is missing or unknown, a cell has a wrong value, or a number is there twice; the message
            names file, line and column.
    """
    path = Path(path)
    own = (path.parent / comparable.FILE).is_file()
    metrics = comparable.load(path.parent if own else FOLDER).metrics
    numbers: list[Published] = []
    lines: dict[tuple[Any, ...], int] = {}
    for line, cells in table(path):
        if line == 2:
            _check_columns(path, cells)
        number = _number(path, line, cells, metrics)
        identity = tuple(getattr(number, name) for name in IDENTITY)
        if identity in lines:
            where = ", ".join(f"{name} {value}" for name, value in zip(IDENTITY, identity, strict=True) if value)
            raise TextError(f"{path}:{line}: repeats line {lines[identity]} ({where}); remove one of the two")
        lines[identity] = line
        numbers.append(number)
    if not numbers:
        raise TextError(f"{path}: no numbers below the header; restore the file from the repository")
    return numbers


def _check_columns(path: Path, cells: dict[str, str]) -> None:
    for name in cells:
        if name not in COLUMNS:
            raise TextError(f"{path}:1: {registry.unknown('column', name, COLUMNS)}")
    if missing := [name for name in COLUMNS if name not in cells]:
        raise TextError(f"{path}:1: no column {', '.join(missing)}; add it to the header and to every row")


def _number(path: Path, line: int, cells: dict[str, str], metrics: Mapping[str, PublishedMetric]) -> Published:
    """The number of one row, after all checks."""

    def refuse(column: str, problem: str) -> TextError:
        return TextError(f"{path}:{line}: column {column}: {problem}")

    for column, cell in cells.items():
        if cell != cell.strip():
            raise refuse(column, f"blanks around {cell!r}; remove them")
        if not cell and column not in OPTIONAL:
            raise refuse(column, "must not be empty")
    if cells["paper"] != path.stem:
        raise refuse("paper", f"must be {path.stem!r}, as the file is named, not {cells['paper']!r}")
    for column, allowed in {**CHOICES, "metric": metrics}.items():
        if cells[column] not in allowed:
            raise refuse(column, registry.unknown(column, cells[column], allowed))
    if (pair := cells["pair"]) not in ("", MEAN):
        try:
            named_pair(pair)
        except LanguageError as error:
            raise refuse("pair", f"unknown pair {pair!r}: {error} (or write '{MEAN}', or leave it empty)") from None
    if cells["setting"] and not SETTING.fullmatch(cells["setting"]):
        raise refuse("setting", f"cannot read {cells['setting']!r}; write name=value, like 'k=3'")
    if (cells["quantity"] == "score") != (not cells["against"]):
        raise refuse("against", "names a system where the quantity is a difference or a ratio, and only there")
    if cells["doubt"] and not cells["note"]:
        raise refuse("note", f"must say what is doubtful, since doubt is {cells['doubt']!r}")

    def decimal(column: str) -> float:
        if not NUMBER.fullmatch(cells[column]):
            raise refuse(column, f"{cells[column]!r} is not a plain decimal number")
        return float(cells[column])

    value, error = decimal("value"), decimal("error")
    tolerance = decimal("tolerance") if cells["tolerance"] else None
    lowest, highest = metrics[cells["metric"]].lowest, metrics[cells["metric"]].highest
    highest = float("inf") if highest is None else highest
    if cells["quantity"] == "score" and not lowest <= value <= highest:
        raise refuse("value", f"{cells['metric']} {value:g} is not between {lowest:g} and {highest:g}")
    if cells["quantity"] == "ratio" and value <= 0:
        raise refuse("value", f"a ratio is above 0, not {value:g}")
    if error < 0:
        raise refuse("error", f"is not negative, so not {error:g}")
    if tolerance is not None and (tolerance <= 0 or tolerance < error):
        raise refuse("tolerance", f"{tolerance:g} must be above 0 and not below the error, {error:g}")
    return Published(**{**cells, "value": value, "error": error, "tolerance": tolerance})
