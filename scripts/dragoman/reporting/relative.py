"""Scores in per cent of the fine-tuned twin's: the relative score of arXiv 2404.16766, as a frame and as a table.

    relative score = 100 * score / score of the twin

Both scores are computed on the same sentences, so the bootstrap draws the same sentences for both, and the interval is
that of the ratio.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from dragoman.claims.results import NotRun, Results
from dragoman.metrics import presentation, significance
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval
from dragoman.plan import Plan
from dragoman.reporting import arrange, figure_kinds, gather
from dragoman.reporting.tables import CELL_COLUMNS, Layout, named, natural
from dragoman.results.records import Record

SIGNATURE = f"relative-to-twin|paired-bootstrap|bs:{RESAMPLES}|seed:{SEED}"
INTERVALS = "In brackets: 95 % interval of the ratio, by paired bootstrap over the test sentences."


def layout_of(plan: Plan, experiment: str) -> tuple[str, Layout]:
    """The twin's key, and a layout of the other systems with all metrics for which higher is better.

    The experiment must have a system that `figure_kinds.twin_system` finds.
    """
    twin, layout = figure_kinds.twin_system(plan, experiment), gather.layout_from(plan, experiment)
    assert twin is not None  # the experiment would have no relative scores
    metrics = [spec for spec in figure_kinds.qualities(layout.metrics) if presentation(spec).better == "higher"]
    systems = {key: label for key, label in layout.systems.items() if key != twin}
    return twin, replace(layout, metrics=tuple(metrics), systems=systems)


def cells(plan: Plan, experiment: str, records: Sequence[Record]) -> pd.DataFrame:
    """One row per system, setting, pair (and mean over pairs) and metric, with the columns of `reporting.tables.cells`.

    `value` is 100 x score / score of the twin. For a mean over pairs, it is the ratio of both means; with several
    seeds, it is the mean of the ratios, and `spread` is their standard deviation. Without hypotheses, `low` and `high`
    are missing.

    Raises:
        MetricError: a recorded score differs from the score of the hypotheses.
    """
    twin, layout = layout_of(plan, experiment)
    results = Results(plan, records)

    def score(system: str, setting: str, pair: str, seed: int, metric: str) -> float | None:
        return results.records.get((experiment, system, setting, pair, seed, metric))

    @cache
    def drawn(system: str, setting: str, pair: str, seed: int, metric: str) -> np.ndarray:
        return significance.resampled(results.statistics(experiment, system, setting, pair, seed, metric))

    def cell(system: str, setting: str, pairs: Sequence[str], metric: str) -> dict[str, Any]:
        own, twins = layout.seeds.get(system, ()), layout.seeds.get(twin, ())
        most = max(len(own), len(twins))
        # a system without training has one seed, which is paired with each seed of the other system
        seeds = list(zip(own * most if len(own) == 1 else own, twins * most if len(twins) == 1 else twins, strict=True))
        sides = [
            [(score(system, setting, pair, s, metric), score(twin, "", pair, t, metric)) for pair in pairs]
            for s, t in seeds
        ]
        if not sides or any(None in both for row in sides for both in row):
            return {"note": "this system or the twin was not scored"}
        wholes = [statistics.fmean(both[1] for both in row) for row in sides]
        if 0 in wholes:
            return {"note": "the twin scores 0"}
        ratios = [
            100 * statistics.fmean(both[0] for both in row) / whole for row, whole in zip(sides, wholes, strict=True)
        ]
        ratio: dict[str, Any] = {"value": statistics.fmean(ratios), "signature": SIGNATURE, "note": ""}
        if len(ratios) > 1:
            ratio["spread"] = statistics.stdev(ratios)
        try:
            above = [np.mean([drawn(system, setting, pair, s, metric) for pair in pairs], axis=0) for s, _ in seeds]
            below = [np.mean([drawn(twin, "", pair, t, metric) for pair in pairs], axis=0) for _, t in seeds]
        except NotRun:
            return ratio
        except significance.UntestableError as error:
            return ratio | {"note": f"no interval: {error}"}
        with np.errstate(divide="ignore", invalid="ignore"):
            samples = np.mean(100 * np.asarray(above) / np.asarray(below), axis=0)
        if not np.isfinite(samples).all():
            return ratio | {"note": "no interval: the twin scores 0 in some samples"}
        ratio["low"], ratio["high"] = interval(samples.tolist())
        return ratio

    rows = []
    for system, label in layout.systems.items():
        for setting in sorted(layout.settings.get(system, ()), key=natural) or [""]:
            start = {"experiment": experiment, "system": system, "label": named(label, setting), "setting": setting}
            start["seeds"] = " ".join(map(str, layout.seeds.get(system, ())))
            groups = {pair: (pair,) for pair in layout.pairs} | layout.means
            for metric in layout.metrics:
                for name, pairs in groups.items():
                    rows.append(start | {"metric": metric, "pair": name} | cell(system, setting, pairs, metric))
    frame = pd.DataFrame(rows, columns=CELL_COLUMNS)
    return frame.astype({**dict.fromkeys(("value", "low", "high", "spread"), "float64"), "n": "Int64"})


def table(plan: Plan, experiment: str, frame: pd.DataFrame) -> arrange.Table:
    """The ratios of `cells` as a table."""
    twin, layout = layout_of(plan, experiment)
    laid = arrange.lay_out(frame, replace(layout, assumptions={}), INTERVALS)
    name = gather.labels(plan.config.experiments[experiment])[twin]
    groups = [(f"{metric}, %", pairs) for metric, pairs in laid.groups]
    return replace(laid, title=f"{layout.title}: in per cent of “{name}”", groups=groups)
