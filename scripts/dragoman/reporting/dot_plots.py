"""Scores as dots with intervals: one panel a language pair, one scale for all panels of a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dragoman.metrics import presentation
from dragoman.reporting.figures import DIGIT, INK, PALETTE, QUIET, STYLE, WIDTH, empty, tell
from dragoman.reporting.tables import MEAN, told

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def scores(frame: pd.DataFrame, across: int = 6) -> Figure:
    """Every metric per system and pair: one panel a pair, a dot for the value, a line for its 95 % interval.

    With several seeds the line is the mean plus and minus one standard deviation. The best of a panel is in colour.

    Args:
        frame: cells as `reporting.tables.cells` makes them.
        across: most panels side by side; the pairs of a metric take as many lines as they need.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    own = frame[frame["pair"] != MEAN]
    metrics, pairs, labels = (list(dict.fromkeys(own[column])) for column in ("metric", "pair", "label"))
    lines = [(metric, pairs[i : i + across]) for metric in metrics for i in range(0, len(pairs), across)]
    if not labels:
        return empty("There are no systems in this experiment.")
    reach = {metric: _reach(own[own["metric"] == metric]) for metric in metrics}
    panel, head, foot = 0.27 * len(labels) + 0.1, 0.62, 0.3
    height = len(lines) * (panel + head + foot)
    left = min(0.4, (0.25 + DIGIT * max(map(len, labels))) / WIDTH)
    step = (0.985 - left) / min(across, len(pairs))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        for number, (metric, here) in enumerate(lines):
            look = presentation(metric)
            bottom = height - (number + 1) * (panel + head + foot) + foot
            figure.text(left, (bottom + panel + 0.36) / height, look.label, color=INK, fontweight="bold", va="bottom")
            for column, pair in enumerate(here):
                area = (left + column * step, bottom / height, step - 0.035, panel / height)
                axes = figure.add_axes(area)
                rows = own[(own["metric"] == metric) & (own["pair"] == pair)]
                _panel(axes, {row.label: row for row in rows.itertuples()}, look.better)
                axes.set_xlim(*reach[metric])
                axes.set_title(pair, loc="left", fontsize=9.5, color=QUIET)
                if column:
                    axes.tick_params(labelleft=False)
    return figure


def _reach(rows: pd.DataFrame) -> tuple[float, float]:
    """One scale for all panels of a metric, so that pairs can be compared."""
    spread = rows["spread"].fillna(0)
    low = min((rows["value"] - spread).min(), rows["low"].fillna(math.inf).min())
    high = max((rows["value"] + spread).max(), rows["high"].fillna(-math.inf).max())
    if rows["value"].isna().all():
        return 0.0, 1.0
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _panel(axes: Axes, rows: Mapping[str, Any], better: str | None) -> None:
    values = {label: row.value for label, row in rows.items() if not math.isnan(row.value)}
    pick = {"higher": max, "lower": min}.get(better or "")
    best = pick(values.values()) if pick and len(values) > 1 else None
    for place, (label, row) in enumerate(rows.items()):
        if label not in values:
            continue
        value, colour = row.value, PALETTE[0] if row.value == best else QUIET
        low, high = row.low, row.high
        if not math.isnan(row.spread):
            low, high = value - row.spread, value + row.spread
        if not math.isnan(low):
            axes.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt", alpha=0.55)
        (dot,) = axes.plot([value], [place], marker="o", markersize=5.5, color=colour, markeredgewidth=0)
        tell(dot, told(label, [row]))
    axes.set_yticks(range(len(rows)), list(rows), color=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
