"""Quality against latency: one panel per language pair, one line per system through all its settings."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.metrics import presentation
from dragoman.reporting.curves import name_ends
from dragoman.reporting.figures import GROUND, INK, QUIET, around, dashes, describe, looks, panels, styled
from dragoman.reporting.tables import MEAN, Layout, hover_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""


class Number(NamedTuple):
    """A value and the ends of its bar; both ends are the value if it has no bar."""

    value: float
    low: float
    high: float


class Point(NamedTuple):
    """A system at one setting."""

    setting: str
    lag: Number
    quality: Number
    text: str
    """Text that is shown when the pointer is on it."""


@dataclass(frozen=True)
class Curve:
    """A system in one panel: points in the order of its settings, or a horizontal line (`level`)."""

    label: str
    look: dict[str, Any]
    points: list[Point | None]
    """None for a setting without one of its two numbers; the line has a gap there."""
    level: Number | None = None
    text: str = ""
    """Text that is shown when the pointer is on a level."""


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
    lines = [(quality, pairs[i : i + ACROSS]) for quality in drawn for i in range(0, len(pairs), ACROSS)]
    height = max(4.6 if len(pairs) == 1 else 3.4, 0.18 * len(layout.systems) + 0.8)
    figure, rows = panels([len(here) for _, here in lines], height)
    points = [p for own in drawn.values() for curves in own.values() for c in curves for p in c.points if p]
    lags = _reach(point.lag for point in points)
    for (quality, here), row in zip(lines, rows, strict=True):
        own = drawn[quality]
        heights = _reach(n for curves in own.values() for c in curves for n in _heights(c))
        unnamed = {curve.label for pair in here for curve in own[pair]}
        for pair, axes in reversed([*zip(here, row, strict=True)]):
            axes.set_xlim(*lags)
            axes.set_ylim(*heights)
            axes.set_title(f"{presentation(quality).label}, {pair}", loc="left", fontsize=9.5, color=QUIET)
            axes.set_xlabel(f"{presentation(against).label}, source {read.get(pair, of_all)}")
            axes.tick_params(labelleft=axes is row[0])
            axes.locator_params(nbins=6)
            axes.grid()
            axes.spines[["left", "bottom"]].set_visible(False)
            for place, curve in enumerate(own[pair]):
                _draw(axes, curve, 3 + place)
            ends = [(c.label, *_end(c, lags[1]), c.look) for c in own[pair] if c.label in unnamed]
            unnamed -= {label for label, *_ in ends}
            if axes is row[-1]:
                name_ends(axes, ends)
            else:
                for label, x, y, style in ends:  # curves that the last panel does not have
                    place = {"textcoords": "offset points", "ha": "right", "fontsize": 8}
                    describe(axes.annotate(label, (x, y), (0, 7), color=style["color"], **place), series=label)
    return figure


def curved_and_level(layout: Layout, curved: Collection[str]) -> dict[str, dict[str, Any]]:
    """Key -> look of every system: curves by their families, and grey dashes for the horizontal lines of the others."""
    families = {key: layout.families.get(key, key) for key in layout.systems if key in curved}
    styles = looks(families, layout.baselines)
    grey = max(1, sum(style["color"] == QUIET for style in styles.values()))
    levels = [key for key in layout.systems if key not in curved]
    return styles | {key: {"color": QUIET, "linestyle": dashes(grey + i)} for i, key in enumerate(levels)}


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
            points = [_point(scores, quality, against) for (system, _), scores in rows.items() if system == key]
            if any(points):
                curves.append(Curve(label, styles[key], points))
        elif (row := rows.get((key, ""), {}).get(quality)) is not None:
            levels.append(Curve(label, styles[key], [], _number(row), hover_text(label, [row])))
    return curves + levels


def _point(scores: Mapping[str, Any], quality: str, against: str) -> Point | None:
    if quality not in scores or against not in scores:
        return None
    score, lag = scores[quality], scores[against]
    return Point(score.setting, _number(lag), _number(score), hover_text(score.label, [score, lag]))


def _number(row: Any) -> Number:
    if not math.isnan(row.spread):
        return Number(row.value, row.value - row.spread, row.value + row.spread)
    if math.isnan(row.low) or math.isnan(row.high):
        return Number(row.value, row.value, row.value)
    return Number(row.value, row.low, row.high)


def _heights(curve: Curve) -> list[Number]:
    return [curve.level] if curve.level else [point.quality for point in curve.points if point]


def _reach(numbers: Iterable[Number]) -> tuple[float, float]:
    return around(end for number in numbers for end in (number.low, number.high))


def _end(curve: Curve, right: float) -> tuple[float, float]:
    if curve.level:
        return right, curve.level.value
    last = [point for point in curve.points if point][-1]
    return last.lag.value, last.quality.value


def _draw(axes: Axes, curve: Curve, layer: float) -> None:
    if curve.level:
        describe(axes.axhline(curve.level.value, linewidth=1.2, zorder=2, **curve.look), curve.text, curve.label)
        return
    colour = curve.look["color"]
    gap = (math.nan, math.nan)
    path = [(point.lag.value, point.quality.value) if point else gap for point in curve.points]
    (line,) = axes.plot(*zip(*path, strict=True), linewidth=1.5, zorder=layer, **curve.look | {"marker": "none"})
    describe(line, series=curve.label)
    for point in filter(None, curve.points):
        (x, left, right), (y, low, high) = point.lag, point.quality
        for across, up in (([left, right], [y, y]), ([x, x], [low, high])):
            if (across[0], up[0]) != (across[1], up[1]):
                (bar,) = axes.plot(across, up, color=colour, linewidth=0.8, alpha=0.55, zorder=layer)
                describe(bar, series=curve.label)
        text = re.sub(r"\w+=", "", point.setting)  # the value of `k=3`
        inside = len(text) <= 2  # short enough to be written into the marker
        node = {"marker": curve.look["marker"], "markersize": 8.6 if inside else 4.5}
        node |= {"markeredgecolor": colour, "markeredgewidth": 1.2}
        (drawn,) = axes.plot([x], [y], markerfacecolor=GROUND if inside else colour, zorder=layer + 0.1, **node)
        describe(drawn, point.text, curve.label)
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
