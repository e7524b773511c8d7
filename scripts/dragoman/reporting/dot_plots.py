"""Scores as dots with intervals: one panel per language pair, one scale for all panels of a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dragoman.metrics import presentation
from dragoman.reporting.figures import INK, PALETTE, QUIET, around, describe, in_rows, panels, styled
from dragoman.reporting.tables import MEAN, bar, hover_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 6
"""Maximum number of panels in a row; a metric with more pairs has several rows."""


@styled
def scores(frame: pd.DataFrame) -> Figure:
    """Every metric by system and pair: one panel per pair, a dot for the value, a line for its 95 % interval.

    With several seeds, the line is the mean plus and minus one standard deviation. The best value of a panel is
    coloured.

    Args:
        frame: cells from `reporting.tables.cells`.
    """
    own = frame[frame["pair"] != MEAN]
    metrics, pairs, labels = (list(dict.fromkeys(own[column])) for column in ("metric", "pair", "label"))
    reach = {metric: _reach(own[own["metric"] == metric]) for metric in metrics}
    figure, shown = panels(in_rows(metrics, pairs, ACROSS), 0.27 * len(labels) + 0.75)
    for (metric, pair), axes, _ in shown:
        look = presentation(metric)
        scored = own[(own["metric"] == metric) & (own["pair"] == pair)]
        _panel(axes, {each.label: each for each in scored.itertuples()}, look.better)
        axes.set_xlim(*reach[metric])
        axes.set_title(f"{look.label}, {pair}")
    return figure


def _reach(rows: pd.DataFrame) -> tuple[float, float]:
    """One scale for all panels of a metric, so that pairs can be compared."""
    spread = rows["spread"].fillna(0)
    return around([*rows["value"] - spread, *rows["value"] + spread, *rows["low"], *rows["high"]])


def _panel(axes: Axes, rows: Mapping[str, Any], better: str | None) -> None:
    values = {label: row.value for label, row in rows.items() if not math.isnan(row.value)}
    pick = {"higher": max, "lower": min}.get(better or "")
    best = pick(values.values()) if pick and len(values) > 1 else None
    for place, (label, row) in enumerate(rows.items()):
        if label not in values:
            continue
        colour = PALETTE[0] if row.value == best else QUIET
        if ends := bar(row):
            axes.plot(ends, [place, place], color=colour, linewidth=1.8, solid_capstyle="butt", alpha=0.55)
        (dot,) = axes.plot([row.value], [place], marker="o", markersize=5.5, color=colour, markeredgewidth=0)
        describe(dot, hover_text(label, [row]))
    axes.set_yticks(range(len(rows)), list(rows), color=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
