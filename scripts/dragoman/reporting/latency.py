"""Quality against latency: one panel per language pair, one line per system through all its settings."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from dragoman.metrics import presentation
from dragoman.reporting.curves import curved_and_level, name_ends
from dragoman.reporting.figures import GROUND, INK, around, describe, in_rows, panels, styled
from dragoman.reporting.tables import MEAN, Layout, bar, hover_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""


@dataclass(frozen=True)
class Curve:
    """A system in one panel: points in the order of its settings, or a horizontal line (`level`). Numbers are cells
    from `reporting.tables.cells`."""

    label: str
    look: dict[str, Any]
    points: list[tuple[Any, Any] | None]
    """(latency, quality) of each setting; None for a setting without one of them; the line has a gap there."""
    level: Any = None


@styled
def trade_off(
    frame: pd.DataFrame,
    layout: Layout,
    qualities: Sequence[str],
    against: str,
    curved: Collection[str],
    counted: Mapping[str, str] | None = None,
) -> Figure | None:
    """Each quality metric against a latency metric, in a panel for each pair, and one for their mean if there are
    several pairs. If the panels need more than one row, only the first quality metric is drawn.

    Args:
        frame: cells from `reporting.tables.cells`.
        layout: rows and columns of the experiment.
        qualities: metrics to draw.
        against: the latency metric.
        curved: keys of the systems with settings. The others read the whole sentence before they write, so each is
            a horizontal line.
        counted: pair -> source unit of the latency, `word` or `character`; None: words.

    Returns:
        None if no system has a number to draw.
    """
    read = {pair: f"{unit}s" for pair, unit in (counted or {}).items()}
    of_all = " or ".join(sorted(set(read.values()), reverse=True)) or "words"
    pairs = [*layout.pairs, MEAN] if len(layout.pairs) > 1 else list(layout.pairs)
    drawn = {
        quality: {pair: _curves(frame[frame["pair"] == pair], layout, quality, against, curved) for pair in pairs}
        for quality in qualities[: None if len(pairs) <= ACROSS else 1]
    }
    drawn = {quality: own for quality, own in drawn.items() if any(own.values())}
    if not drawn:
        return None
    height = max(4.6 if len(pairs) == 1 else 3.4, 0.18 * len(layout.systems) + 0.8)
    figure, shown = panels(in_rows(drawn, pairs, ACROSS), height)
    every = {quality: [curve for curves in own.values() for curve in curves] for quality, own in drawn.items()}
    lags = _reach(point[0] for curve in chain(*every.values()) for point in curve.points if point)
    named: set[str] = set()
    for (quality, pair), axes, last in reversed(shown):
        axes.set_xlim(*lags)
        axes.set_ylim(*_reach(cell for curve in every[quality] for cell in _heights(curve)))
        axes.set_title(f"{presentation(quality).label}, {pair}")
        axes.set_xlabel(f"{presentation(against).label}, source {read.get(pair, of_all)}")
        axes.locator_params(nbins=6)
        axes.grid()
        axes.spines["bottom"].set_visible(False)
        curves = drawn[quality][pair]
        for place, curve in enumerate(curves):
            _draw(axes, curve, 3 + place)
        if last:
            named = set()
        ends = [(c.label, *_end(c, lags[1]), c.look) for c in curves if c.label not in named]
        named |= {label for label, *_ in ends}
        if last:
            name_ends(axes, ends)
        else:
            for label, x, y, style in ends:  # curves that the last panel does not have
                place = {"textcoords": "offset points", "ha": "right", "fontsize": 8}
                describe(axes.annotate(label, (x, y), (0, 7), color=style["color"], **place), series=label)
    return figure


def _curves(frame: pd.DataFrame, layout: Layout, quality: str, against: str, curved: Collection[str]) -> list[Curve]:
    """The curves and levels of one panel: those of all systems with numbers."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in frame.itertuples():
        scores = rows.setdefault((row.system, row.setting), {})
        if not math.isnan(row.value):
            scores[row.metric] = row
    curves, levels = [], []
    styles = curved_and_level(layout, curved)
    for key, label in layout.systems.items():
        if key in curved:
            points = [
                (scores[against], scores[quality]) if quality in scores and against in scores else None
                for (system, _), scores in rows.items()
                if system == key
            ]
            if any(points):
                curves.append(Curve(label, styles[key], points))
        elif (row := rows.get((key, ""), {}).get(quality)) is not None:
            levels.append(Curve(label, styles[key], [], row))
    return curves + levels


def _heights(curve: Curve) -> list[Any]:
    return [curve.level] if curve.level else [point[1] for point in curve.points if point]


def _ends(cell: Any) -> tuple[float, float]:
    """The ends of a cell's bar; both are its value if it has none."""
    return bar(cell) or (cell.value, cell.value)


def _reach(cells: Iterable[Any]) -> tuple[float, float]:
    return around(end for cell in cells for end in _ends(cell))


def _end(curve: Curve, right: float) -> tuple[float, float]:
    if curve.level:
        return right, curve.level.value
    lag, score = [point for point in curve.points if point][-1]
    return lag.value, score.value


def _draw(axes: Axes, curve: Curve, layer: float) -> None:
    if curve.level:
        level = axes.axhline(curve.level.value, linewidth=1.2, zorder=2, **curve.look)
        describe(level, hover_text(curve.label, [curve.level]), curve.label)
        return
    colour = curve.look["color"]
    gap = (math.nan, math.nan)
    path = [(point[0].value, point[1].value) if point else gap for point in curve.points]
    (line,) = axes.plot(*zip(*path, strict=True), linewidth=1.5, zorder=layer, **curve.look | {"marker": "none"})
    describe(line, series=curve.label)
    for lag, score in filter(None, curve.points):
        x, y = lag.value, score.value
        for across, up in ((_ends(lag), (y, y)), ((x, x), _ends(score))):
            if (across[0], up[0]) != (across[1], up[1]):
                (thin,) = axes.plot(across, up, color=colour, linewidth=0.8, alpha=0.55, zorder=layer)
                describe(thin, series=curve.label)
        text = re.sub(r"\w+=", "", score.setting)  # the value of `k=3`
        inside = len(text) <= 2  # short enough to be written into the marker
        node = {"marker": curve.look["marker"], "markersize": 8.6 if inside else 4.5}
        node |= {"markeredgecolor": colour, "markeredgewidth": 1.2}
        (drawn,) = axes.plot([x], [y], markerfacecolor=GROUND if inside else colour, zorder=layer + 0.1, **node)
        describe(drawn, hover_text(score.label, [score, lag]), curve.label)
        name = axes.annotate(
            text,
            (x, y),
            (0, 0 if inside else 7),
            textcoords="offset points",
            ha="center",
            va="center_baseline" if inside else "center",
            fontsize=6.2,
            color=INK,
            zorder=layer + 0.2,
        )
        describe(name, series=curve.label)
