"""Tables from a frame of cells: rows are systems, columns are metrics and pairs, and the best value of each column is
marked. With many pairs, the columns are means over pairs, and another table has pairs as rows and metrics and systems
as columns.

A missing number is printed as an en dash, with the reason below the table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from dragoman.metrics import parse, presentation
from dragoman.reporting.figure_kinds import LATENCY
from dragoman.reporting.tables import Layout, named

MISSING = "–"
MANY = 8
"""Maximum number of pairs that are columns of the first table."""
ASSUMED = "Assumptions where the paper leaves a choice open:"
"""Text before an experiment's assumptions."""


@dataclass(frozen=True)
class Cell:
    """One number as text."""

    text: str
    interval: str = ""
    spread: str = ""
    best: bool = False
    mark: str = ""
    """Letter of the note below the table; empty if there is none."""


@dataclass(frozen=True)
class Table:
    """A table of an experiment: groups of columns (metric, its pairs), and rows (label, cells)."""

    title: str
    groups: list[tuple[str, list[str]]]
    rows: list[tuple[str, list[Cell]]]
    notes: list[tuple[str, str]]
    """(letter, text), in the order of their first use."""
    legend: list[str]
    """Sentences that explain intervals, marks and dashes."""
    signatures: list[str]
    places: list[tuple[str, str]] = field(default_factory=list)
    """(system, setting) of each row; the setting is empty if a system has none. By pair: (block, pair)."""
    head: str = "System"
    """Title of the first column."""
    assumptions: list[tuple[str, str]] = field(default_factory=list)
    """(name, text) of the experiment's assumptions."""


def tables_of(frame: pd.DataFrame, layout: Layout) -> list[Table]:
    """The table of an experiment, and, if that has only means over pairs, a table of every pair."""
    return [lay_out(frame, layout), *([by_pair(frame, layout)] if len(layout.pairs) > MANY else [])]


def lay_out(frame: pd.DataFrame, layout: Layout, intervals: str = "") -> Table:
    """A table with systems as rows, and metrics x pairs as columns, in which the best value of each column is marked.

    Within a sweep the best value is chosen per setting, since a larger k always scores higher. The smallest lag at a
    setting is not marked, since the setting determines the lag.

    Args:
        frame: cells from `reporting.tables.cells`.
        layout: rows and columns.
        intervals: legend of the brackets; empty: they are intervals of scores.
    """
    pairs = [*(layout.pairs if len(layout.pairs) <= MANY else ()), *layout.means]
    shown, notes, common = _cells(frame, layout, pairs)
    labels = list(dict.fromkeys(frame["label"]))
    rows = [(label, [shown[label, metric, pair] for metric in layout.metrics for pair in pairs]) for label in labels]
    settings = dict(zip(frame["label"], frame["setting"], strict=True))
    places = [(label.removesuffix(named("", settings[label])), settings[label]) for label in labels]
    swept = any(setting for _, setting in places)
    return Table(
        title=layout.title or layout.experiment,
        groups=[(presentation(metric).label, pairs) for metric in layout.metrics],
        rows=rows,
        notes=notes,
        legend=_legend([*shown.values()], layout, f"column{' among rows of one setting' if swept else ''}", intervals)
        + common,
        places=places,
        signatures=sorted({s for text in frame["signature"].dropna() for s in text.split("; ")}),
        assumptions=[*layout.assumptions.items()],
    )


def by_pair(frame: pd.DataFrame, layout: Layout) -> Table:
    """A table with pairs as rows, block by block, and metrics x systems as columns, in which the best value of each
    pair is marked; without intervals."""
    labels = list(dict.fromkeys(frame["label"]))
    blocks = layout.blocks or {"": layout.pairs}
    pairs = [pair for own in blocks.values() for pair in own]
    shown, notes, common = _cells(frame, layout, pairs)
    shown = {place: replace(cell, interval="") for place, cell in shown.items()}
    rows = [(pair, [shown[label, metric, pair] for metric in layout.metrics for label in labels]) for pair in pairs]
    return Table(
        title=f"{layout.title or layout.experiment}: every pair",
        groups=[(presentation(metric).label, labels) for metric in layout.metrics],
        rows=rows,
        notes=notes,
        legend=_legend([*shown.values()], layout, "pair") + common,
        places=[(block, pair if block else "") for block, own in blocks.items() for pair in own],
        signatures=[],
        head="Pair",
    )


def _cells(
    frame: pd.DataFrame, layout: Layout, pairs: list[str]
) -> tuple[dict[tuple[str, str, str], Cell], list[tuple[str, str]], list[str]]:
    """(label, metric, pair) -> cell; (letter, text) of notes; sentences for notes that all cells of a metric share."""
    by_key = {(row.label, row.metric, row.pair): row for row in frame.itertuples()}
    labels = list(dict.fromkeys(frame["label"]))
    common = {}
    for metric in layout.metrics:
        own = [by_key[label, metric, pair] for label in labels for pair in pairs]
        notes = {row.note for row in own}
        if len(own) > 1 and len(notes) == 1 and "" not in notes and all(_is(row.value) for row in own):
            common[metric] = notes.pop()
    letters: dict[str, str] = {}
    for label in labels:
        for metric in (metric for metric in layout.metrics if metric not in common):
            for pair in pairs:
                if isinstance(note := by_key[label, metric, pair].note, str) and note:
                    letters.setdefault(note, _letter(len(letters)))
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
                mark = "" if metric in common else letters.get(row.note, "")
                shown[label, metric, pair] = _show(row, look.digits, marked, mark)
    sentences = [f"{presentation(metric).label}: {note}." for metric, note in common.items()]
    return shown, [(letter, note) for note, letter in letters.items()], sentences


def _is(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _best(values: list[float], better: str | None) -> float | None:
    if better is None or len(values) < 2:
        return None
    return max(values) if better == "higher" else min(values)


def _show(row: Any, digits: int, best: bool, mark: str) -> Cell:
    if not _is(row.value):
        return Cell(MISSING, mark=mark)
    interval = f"[{row.low:.{digits}f}, {row.high:.{digits}f}]" if _is(row.low) and _is(row.high) else ""
    spread = f"{row.spread:.{digits}f}" if _is(row.spread) else ""
    return Cell(f"{row.value:.{digits}f}", interval, spread, best, mark)


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else str(number)


def _legend(shown: list[Cell], layout: Layout, rivals: str, intervals: str = "") -> list[str]:
    legend = []
    if intervals and any(cell.interval for cell in shown):
        legend.append(intervals)
    elif any(cell.interval for cell in shown):
        legend.append("In brackets: 95 % bootstrap interval over the test sentences.")
        if layout.means or any(len(seeds) > 1 for seeds in layout.seeds.values()):
            legend.append(
                "For means over seeds and pairs, the bounds are averaged, so the interval is rather too wide."
            )
    if any(cell.spread for cell in shown):
        legend.append("Mean ± standard deviation over the seeds.")
    if any(cell.best for cell in shown):
        legend.append(f"Bold: best of its {rivals}.")
    for metric in layout.metrics:
        look = presentation(metric)
        if look.better == "lower":
            legend.append(f"{look.label}: lower is better.")
    if any(cell.text == MISSING for cell in shown):
        legend.append(f"{MISSING}: no value, for the reason in the note.")
    if layout.variants:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in layout.variants.items())
        legend.append(f"Variants of the paper's systems. {reasons}.")
    return legend
