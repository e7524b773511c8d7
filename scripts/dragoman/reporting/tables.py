"""The cells of an experiment's tables, computed from records, as one long frame. `arrange.py` makes tables of it.

A missing number stays missing, with the reason as a note, and there is no mean over pairs without it. If a seed is
missing, the cell is the mean over the other seeds, with a note.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dragoman.metrics import presentation
from dragoman.results.records import Record

MEAN = "mean"
CELL_COLUMNS = (
    "experiment,system,label,setting,pair,metric,value,low,high,spread,seeds,n,signature,note".split(",")  # noqa: SIM905
)


@dataclass(frozen=True)
class Layout:
    """Rows and columns of an experiment's tables, whether or not their numbers have been computed."""

    experiment: str
    systems: dict[str, str]
    """Key -> name in tables, in the order of the rows."""
    pairs: tuple[str, ...]
    metrics: tuple[str, ...]
    seeds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Key -> expected seeds of the system; by default, the seeds of its records."""
    settings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Key -> expected settings of a swept system, in addition to the settings of its records."""
    title: str = ""
    blocks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> pairs of each block of pairs with a mean of its own."""
    assumptions: dict[str, str] = field(default_factory=dict)
    """Short name -> text of the experiment's assumptions."""
    variants: dict[str, str] = field(default_factory=dict)
    """Name in tables -> difference from the paper's system, for systems that are variants."""
    families: dict[str, str] = field(default_factory=dict)
    """Key -> family of systems that share a hue in figures; a system without an entry is a family by itself."""
    baselines: frozenset[str] = frozenset()
    """Families that are grey."""

    @property
    def means(self) -> dict[str, tuple[str, ...]]:
        """Name -> pairs of every mean: the blocks, and all pairs if there are several."""
        return self.blocks | ({MEAN: self.pairs} if len(self.pairs) > 1 else {})


def named(label: str, setting: str) -> str:
    """A system's name in tables, with its setting: `label, k=3`."""
    return f"{label}, {setting}" if setting else label


LEVELS = ("low", "medium", "high")
"""Values of settings that are words, in their order."""


def natural(text: str) -> list[tuple[int, float, str]]:
    """Sort key under which `k=9` comes before `k=11`, and `latency=low` before `latency=high`."""
    numbered = re.sub(rf"=({'|'.join(LEVELS)})$", lambda found: f"={LEVELS.index(found[1])}", text)
    parts = re.split(r"(\d+(?:\.\d+)?)", numbered)
    return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)]


def cells(records: Iterable[Record], layout: Layout) -> pd.DataFrame:
    """One row per system, setting, pair (and mean over pairs) and metric, at full precision.

    With one seed, a cell holds the record's value and 95 % interval over test sentences. With several seeds, `value` is
    their mean and `spread` their standard deviation (with n - 1). Bounds are averaged like values, over seeds and over
    pairs; this is exact if all scores rise and fall together from sample to sample, and too wide otherwise. There is a
    mean over pairs only if every pair has every seed.

    Raises:
        ValueError: there are two records for the same number.
    """
    by_place: dict[tuple[str, str, str, str], dict[int, Record]] = {}
    for record in records:
        if record.experiment == layout.experiment:
            system, setting = record.system_and_setting
            by_seed = by_place.setdefault((system, setting, record.pair, record.metric), {})
            if record.seed in by_seed:
                place = (record.experiment, named(system, setting), record.pair, record.metric)
                where = f"{', '.join(place)}, seed {record.seed}"
                raise ValueError(f"two records for the same number: {where}")
            by_seed[record.seed] = record
    rows = []
    for system, label in layout.systems.items():
        seen = {key[1] for key in by_place if key[0] == system} | set(layout.settings.get(system, ()))
        settings = sorted(seen, key=natural) or [""]
        for setting in settings:
            name = named(label, setting)
            for metric in layout.metrics:
                seeds = layout.seeds.get(system) or _seeds_seen(by_place, system, setting, metric)
                per_pair = {pair: by_place.get((system, setting, pair, metric), {}) for pair in layout.pairs}
                start = {"experiment": layout.experiment, "system": system, "label": name, "setting": setting}
                start |= {"metric": metric, "seeds": " ".join(map(str, seeds))}
                rows += [start | {"pair": pair} | _cell(by_seed, seeds) for pair, by_seed in per_pair.items()]
                for block, pairs in layout.means.items():
                    rows.append(start | {"pair": block} | _mean([per_pair[pair] for pair in pairs], seeds))
    frame = pd.DataFrame(rows, columns=CELL_COLUMNS)
    return frame.astype({**dict.fromkeys(("value", "low", "high", "spread"), "float64"), "n": "Int64"})


def _seeds_seen(by_place: dict[tuple[str, str, str, str], dict[int, Record]], *key: str) -> tuple[int, ...]:
    system, setting, metric = key
    return tuple(sorted({s for k, v in by_place.items() if (k[0], k[1], k[3]) == (system, setting, metric) for s in v}))


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
    return {
        "value": statistics.fmean(values),
        **_bounds(scored),
        "spread": statistics.stdev(values) if len(values) > 1 else None,
        "n": scored[0].n,
        "signature": "; ".join(dict.fromkeys(r.signature for r in scored)),
        "note": "; ".join(notes),
    }


def _mean(per_pair: Sequence[dict[int, Record]], seeds: Sequence[int]) -> dict[str, object]:
    scored = [by_seed[seed] for by_seed in per_pair for seed in seeds if seed in by_seed]
    if not seeds or len(scored) < len(seeds) * len(per_pair) or any(record.value is None for record in scored):
        return {"note": "no mean: not every pair has a value"}
    means = [statistics.fmean(by_seed[seed].value for by_seed in per_pair) for seed in seeds]
    spread = statistics.stdev(means) if len(means) > 1 else None
    return {"value": statistics.fmean(means), **_bounds(scored), "spread": spread, "note": ""}


def _bounds(records: Sequence[Record]) -> dict[str, float | None]:
    """The averages of the lower and of the upper bounds; None if a record has no interval."""
    lows, highs = ([getattr(record, name) for record in records] for name in ("low", "high"))
    if None in (*lows, *highs):
        return {"low": None, "high": None}
    return {"low": statistics.fmean(lows), "high": statistics.fmean(highs)}


def bar(row: Any) -> tuple[float, float] | None:
    """Ends of the bar of a cell: its interval, or, with several seeds, mean ± standard deviation; None without both."""
    if not math.isnan(row.spread):
        return row.value - row.spread, row.value + row.spread
    return None if math.isnan(row.low) or math.isnan(row.high) else (row.low, row.high)


def shown_value(row: Any) -> str:
    """A cell's number in a line, as tables show it: `BLEU 48.0 [44.2, 51.9]`, or `BLEU 48.0 ± 1.2` over seeds."""
    look = presentation(row.metric)
    text = f"{look.label} {row.value:.{look.digits}f}"
    if not math.isnan(row.spread):
        return f"{text} ± {row.spread:.{look.digits}f}"
    ends = bar(row)
    return f"{text} [{ends[0]:.{look.digits}f}, {ends[1]:.{look.digits}f}]" if ends else text


def hover_text(title: str, rows: Sequence[Any]) -> str:
    """The text of a point of a figure: name, pair, numbers, and their signatures."""
    signatures = dict.fromkeys(row.signature for row in rows if isinstance(row.signature, str) and row.signature)
    return "\n".join([f"{title} · {rows[0].pair}", *map(shown_value, rows), *signatures])


def csv(frame: pd.DataFrame) -> str:
    """The cells as CSV: one row per number, with all digits."""
    return frame.to_csv(index=False, lineterminator="\n")
