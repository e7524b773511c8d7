"""Tables are views of records: one long frame of an experiment's cells, and its layout for people to read.

A number that is missing stays missing: it prints as an en dash with the reason below, and no average is taken over it.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dragoman.metrics import presentation
from dragoman.records import Record

MISSING = "–"
MEAN = "mean"
CELL_COLUMNS = (
    "experiment,system,label,setting,pair,metric,value,low,high,spread,seeds,n,signature,note".split(",")  # noqa: SIM905
)


@dataclass(frozen=True)
class Layout:
    """What an experiment promised: its rows and columns, whether or not they have been computed."""

    experiment: str
    systems: dict[str, str]
    """Key -> how tables name it, in the order of the rows."""
    pairs: tuple[str, ...]
    metrics: tuple[str, ...]
    seeds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Seeds each system should have; those it has, where this says nothing."""
    title: str = ""


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


def layout_of(records: Iterable[Record], experiment: str) -> Layout:
    """The layout that records themselves suggest, where there is no configuration to ask."""
    own = [r for r in records if r.experiment == experiment]
    return Layout(
        experiment=experiment,
        systems={r.system: r.system for r in own},
        pairs=tuple(dict.fromkeys(r.pair for r in own)),
        metrics=tuple(dict.fromkeys(r.metric for r in own)),
        title=experiment,
    )


def natural(text: str) -> list[tuple[int, float, str]]:
    """Sort key under which `k=9` comes before `k=11`."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)]


def cells(records: Iterable[Record], layout: Layout) -> pd.DataFrame:
    """One row per system, setting, pair (and `mean` over pairs) and metric, at full precision.

    With one seed a cell holds the record's value and 95 % interval over test sentences. With several, `value` is the
    mean over seeds and `spread` their standard deviation (n - 1); the interval then is left out, since it would say
    nothing about the seeds. A mean over pairs stands only where every pair has every seed.

    Raises:
        ValueError: two records for the same number.
    """
    found: dict[tuple[str, str, str, str], dict[int, Record]] = {}
    for record in records:
        if record.experiment == layout.experiment:
            by_seed = found.setdefault((record.system, record.setting, record.pair, record.metric), {})
            if record.seed in by_seed:
                where = f"{record.experiment}, {record.system}, {record.pair}, {record.metric}, seed {record.seed}"
                raise ValueError(f"two records for the same number: {where}")
            by_seed[record.seed] = record
    rows = []
    for system, label in layout.systems.items():
        settings = sorted({key[1] for key in found if key[0] == system}, key=natural) or [""]
        for setting in settings:
            name = f"{label}, {setting}" if setting else label
            for metric in layout.metrics:
                seeds = layout.seeds.get(system) or _seeds_seen(found, system, setting, metric)
                per_pair = [found.get((system, setting, pair, metric), {}) for pair in layout.pairs]
                start = {"experiment": layout.experiment, "system": system, "label": name, "setting": setting}
                start |= {"metric": metric, "seeds": " ".join(map(str, seeds))}
                made = [_cell(by_seed, seeds) for by_seed in per_pair]
                rows += [start | {"pair": pair} | cell for pair, cell in zip(layout.pairs, made, strict=True)]
                if len(layout.pairs) > 1:
                    rows.append(start | {"pair": MEAN} | _mean(per_pair, seeds))
    frame = pd.DataFrame(rows, columns=CELL_COLUMNS)
    return frame.astype({**dict.fromkeys(("value", "low", "high", "spread"), "float64"), "n": "Int64"})


def _seeds_seen(found: dict[tuple[str, str, str, str], dict[int, Record]], *key: str) -> tuple[int, ...]:
    system, setting, metric = key
    return tuple(sorted({s for k, v in found.items() if (k[0], k[1], k[3]) == (system, setting, metric) for s in v}))


def _cell(by_seed: dict[int, Record], seeds: Sequence[int]) -> dict[str, object]:
    records = [by_seed[seed] for seed in seeds if seed in by_seed]
    scored = [r for r in records if r.value is not None]
    notes = list(dict.fromkeys(r.note for r in records if r.note))
    if len(scored) < len(seeds) or not seeds:
        absent = [str(seed) for seed in seeds if seed not in by_seed]
        if absent and len(seeds) > 1:
            notes.append(f"seed {', '.join(absent)} of {', '.join(map(str, seeds))} not scored")
        elif not notes:
            notes.append("not scored")
    if not scored:
        return {"note": "; ".join(notes)}
    values = [r.value for r in scored]
    only = scored[0] if len(seeds) == 1 else None
    return {
        "value": statistics.fmean(values),
        "low": only.low if only else None,
        "high": only.high if only else None,
        "spread": statistics.stdev(values) if len(values) > 1 else None,
        "n": scored[0].n,
        "signature": "; ".join(dict.fromkeys(r.signature for r in scored)),
        "note": "; ".join(notes),
    }


def _mean(per_pair: Sequence[dict[int, Record]], seeds: Sequence[int]) -> dict[str, object]:
    def values(seed: int) -> list[float]:
        return [r.value for by_seed in per_pair if (r := by_seed.get(seed)) is not None and r.value is not None]

    rows = [values(seed) for seed in seeds]
    if not rows or any(len(row) < len(per_pair) for row in rows):
        return {"note": "no mean: not every pair has a value"}
    means = [statistics.fmean(row) for row in rows]
    return {"value": statistics.fmean(means), "spread": statistics.stdev(means) if len(means) > 1 else None, "note": ""}


def lay_out(frame: pd.DataFrame, layout: Layout) -> Table:
    """Arrange cells as rows = systems, columns = metric x pair, with the best value of a column marked."""
    pairs = [*layout.pairs, MEAN] if len(layout.pairs) > 1 else list(layout.pairs)
    by_key = {(row.label, row.metric, row.pair): row for row in frame.itertuples()}
    labels = list(dict.fromkeys(frame["label"]))
    letters: dict[str, str] = {}
    shown: dict[tuple[str, str, str], Cell] = {}
    for metric in layout.metrics:
        look = presentation(metric)
        for pair in pairs:
            column = {label: by_key[label, metric, pair] for label in labels}
            best = _best([round(row.value, look.digits) for row in column.values() if _is(row.value)], look.better)
            for label, row in column.items():
                marked = _is(row.value) and best is not None and round(row.value, look.digits) == best
                shown[label, metric, pair] = _show(row, look.digits, marked)
    rows = []
    for label in labels:
        line = []
        for metric in layout.metrics:
            for pair in pairs:
                note = by_key[label, metric, pair].note
                mark = letters.setdefault(note, _letter(len(letters))) if isinstance(note, str) and note else ""
                line.append(Cell(**{**vars(shown[label, metric, pair]), "mark": mark}))
        rows.append((label, line))
    return Table(
        title=layout.title or layout.experiment,
        groups=[(presentation(metric).label, pairs) for metric in layout.metrics],
        rows=rows,
        notes=[(letter, note) for note, letter in letters.items()],
        legend=_legend([cell for _, line in rows for cell in line], layout),
        signatures=sorted({s for text in frame["signature"].dropna() for s in text.split("; ")}),
    )


def _is(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _best(values: list[float], better: str | None) -> float | None:
    if better is None or len(values) < 2:
        return None
    return max(values) if better == "higher" else min(values)


def _show(row: tuple, digits: int, best: bool) -> Cell:
    if not _is(row.value):
        return Cell(MISSING)
    interval = f"[{row.low:.{digits}f}, {row.high:.{digits}f}]" if _is(row.low) and _is(row.high) else ""
    spread = f"{row.spread:.{digits}f}" if _is(row.spread) else ""
    return Cell(f"{row.value:.{digits}f}", interval, spread, best)


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else str(number)


def _legend(shown: list[Cell], layout: Layout) -> list[str]:
    legend = []
    if any(cell.interval for cell in shown):
        legend.append("In brackets: 95 % bootstrap interval over the test sentences.")
    if any(cell.spread for cell in shown):
        legend.append("Mean ± standard deviation over the seeds.")
    if any(cell.best for cell in shown):
        legend.append("Bold: best of its column.")
    for metric in layout.metrics:
        look = presentation(metric)
        if look.better == "lower":
            legend.append(f"{look.label}: lower is better.")
    if any(cell.text == MISSING for cell in shown):
        legend.append(f"{MISSING}: no value; the note says why.")
    return legend


def csv(frame: pd.DataFrame) -> str:
    """The cells as CSV: one row per number, as many digits as it has."""
    return frame.to_csv(index=False, lineterminator="\n")
