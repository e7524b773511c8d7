"""A frame of cells as people read it: systems down, metric and pair across, the best value of each column marked.

A number that is missing prints as an en dash with the reason below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from dragoman.metrics import parse, presentation
from dragoman.reporting.gallery import LATENCY
from dragoman.reporting.tables import MEAN, Layout, named

MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """One number as it is shown."""

    text: str
    interval: str = ""
    spread: str = ""
    best: bool = False
    mark: str = ""
    """Letter of the note below the table."""


@dataclass(frozen=True)
class Table:
    """An experiment's numbers, laid out: groups of columns (a metric, its pairs), rows of (label, cells)."""

    title: str
    groups: list[tuple[str, list[str]]]
    rows: list[tuple[str, list[Cell]]]
    notes: list[tuple[str, str]]
    """(letter, text), in the order they are referred to."""
    legend: list[str]
    """How to read the numbers."""
    signatures: list[str]
    places: list[tuple[str, str]] = field(default_factory=list)
    """(system, setting) of each row; the setting is empty where a system has none."""


def lay_out(frame: pd.DataFrame, layout: Layout) -> Table:
    """Arrange cells as rows = systems, columns = metric x pair, with the best value of a column marked.

    Where systems are swept, the best is sought among rows of one setting: the largest k is no achievement. Nor is the
    least lag at one setting, which stands for how long to wait; so it is not marked.
    """
    pairs = [*layout.pairs, MEAN] if len(layout.pairs) > 1 else list(layout.pairs)
    by_key = {(row.label, row.metric, row.pair): row for row in frame.itertuples()}
    labels = list(dict.fromkeys(frame["label"]))
    letters: dict[str, str] = {}
    shown: dict[tuple[str, str, str], Cell] = {}
    for metric in layout.metrics:
        look = presentation(metric)
        for pair in pairs:
            rivals: dict[str, list[float]] = {}
            for label in labels:
                if _is((row := by_key[label, metric, pair]).value):
                    rivals.setdefault(row.setting, []).append(round(row.value, look.digits))
            lags = parse(metric)[0] in LATENCY
            best = {s: None if s and lags else _best(values, look.better) for s, values in rivals.items()}
            for label in labels:
                row = by_key[label, metric, pair]
                marked = _is(row.value) and round(row.value, look.digits) == best[row.setting]
                shown[label, metric, pair] = _show(row, look.digits, marked)
    rows = []
    for label in labels:
        line = []
        for metric in layout.metrics:
            for pair in pairs:
                note = by_key[label, metric, pair].note
                mark = letters.setdefault(note, _letter(len(letters))) if isinstance(note, str) and note else ""
                line.append(replace(shown[label, metric, pair], mark=mark))
        rows.append((label, line))
    settings = dict(zip(frame["label"], frame["setting"], strict=True))
    places = [(label.removesuffix(named("", settings[label])), settings[label]) for label in labels]
    return Table(
        title=layout.title or layout.experiment,
        groups=[(presentation(metric).label, pairs) for metric in layout.metrics],
        rows=rows,
        notes=[(letter, note) for note, letter in letters.items()],
        legend=_legend([cell for _, line in rows for cell in line], layout, any(setting for _, setting in places)),
        places=places,
        signatures=sorted({s for text in frame["signature"].dropna() for s in text.split("; ")}),
    )


def _is(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _best(values: list[float], better: str | None) -> float | None:
    if better is None or len(values) < 2:
        return None
    return max(values) if better == "higher" else min(values)


def _show(row: Any, digits: int, best: bool) -> Cell:
    if not _is(row.value):
        return Cell(MISSING)
    interval = f"[{row.low:.{digits}f}, {row.high:.{digits}f}]" if _is(row.low) and _is(row.high) else ""
    spread = f"{row.spread:.{digits}f}" if _is(row.spread) else ""
    return Cell(f"{row.value:.{digits}f}", interval, spread, best)


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else str(number)


def _legend(shown: list[Cell], layout: Layout, swept: bool) -> list[str]:
    legend = []
    if any(cell.interval for cell in shown):
        legend.append("In brackets: 95 % bootstrap interval over the test sentences.")
    if any(cell.spread for cell in shown):
        legend.append("Mean ± standard deviation over the seeds.")
    if any(cell.best for cell in shown):
        legend.append(f"Bold: best of its column{' among rows of one setting' if swept else ''}.")
    for metric in layout.metrics:
        look = presentation(metric)
        if look.better == "lower":
            legend.append(f"{look.label}: lower is better.")
    if any(cell.text == MISSING for cell in shown):
        legend.append(f"{MISSING}: no value; the note says why.")
    return legend
