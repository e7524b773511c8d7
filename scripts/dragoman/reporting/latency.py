"""Quality against latency: one panel a language pair, one line a system, through all its settings."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.metrics import presentation
from dragoman.reporting.curves import name_ends
from dragoman.reporting.figures import DASHES, DIGIT, GROUND, INK, QUIET, STYLE, WIDTH, look, tell
from dragoman.reporting.tables import MEAN, Layout, told

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""
LEADER = 0.3
"""Inches between the last panel and the names."""


class Number(NamedTuple):
    """A value and the ends of its bar, which are the value itself where it has none."""

    value: float
    low: float
    high: float


class Point(NamedTuple):
    """A system at one setting."""

    setting: str
    lag: Number
    quality: Number
    told: str
    """What it says when it is pointed at."""


@dataclass(frozen=True)
class Curve:
    """A system in one panel: points in the order of its settings, or a level."""

    label: str
    look: dict[str, Any]
    points: list[Point | None]
    """None for a setting that lacks one of its two numbers: no line leads past it."""
    level: Number | None = None
    told: str = ""
    """What a level says."""


def trade_off(
    frame: pd.DataFrame,
    layout: Layout,
    qualities: Sequence[str],
    against: str,
    curved: Collection[str],
    counted: Mapping[str, str] | None = None,
) -> Figure | None:
    """Each quality metric against a latency metric, in a panel for each pair, and one for their mean where there are
    several pairs. Where that takes more than one line of panels, only the first quality metric is drawn.

    Args:
        frame: cells as `reporting.tables.cells` makes them.
        layout: what the experiment promised.
        qualities: metrics to draw.
        against: the latency metric.
        curved: keys of the systems with settings. The others read the whole sentence before they write, so each is
            a level line.
        counted: pair -> what of its source a latency counts, `word` or `character`; words unless given.

    Returns:
        None where no system has a number to draw.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    read = {pair: f"{unit}s" for pair, unit in (counted or {}).items()}
    of_all = " or ".join(sorted(set(read.values()), reverse=True)) or "words"
    pairs = [*layout.pairs, MEAN] if len(layout.pairs) > 1 else list(layout.pairs)
    panels = {
        quality: {pair: _curves(frame[frame["pair"] == pair], layout, quality, against, curved) for pair in pairs}
        for quality in qualities[: None if len(pairs) <= ACROSS else 1]
    }
    panels = {quality: own for quality, own in panels.items() if any(own.values())}
    if not panels:
        return None
    lines = [(quality, pairs[i : i + ACROSS]) for quality in panels for i in range(0, len(pairs), ACROSS)]
    across = min(ACROSS, len(pairs))
    panel, head, foot = max(3.8 if across == 1 else 2.6, 0.18 * len(layout.systems)), 0.5, 0.6
    height = len(lines) * (panel + head + foot)
    left, room = 0.45, min(0.3 * WIDTH, LEADER + 0.05 + DIGIT * max(map(len, layout.systems.values())))
    step = (WIDTH - left - room) / across
    lags = _reach(p.lag for own in panels.values() for curves in own.values() for c in curves for p in c.points if p)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        for number, (quality, here) in enumerate(lines):
            bottom = height - (number + 1) * (panel + head + foot) + foot
            title = presentation(quality).label
            figure.text(left / WIDTH, (bottom + panel + 0.27) / height, title, fontweight="bold", va="bottom")
            own = panels[quality]
            heights = _reach(n for curves in own.values() for c in curves for n in _heights(c))
            unnamed = {curve.label for pair in here for curve in own[pair]}
            for column, pair in reversed(list(enumerate(here))):
                area = (left + column * step) / WIDTH, bottom / height, (step - 0.2) / WIDTH, panel / height
                axes = figure.add_axes(area)
                axes.set_xlim(*lags)
                axes.set_ylim(*heights)
                axes.set_title(pair, loc="left", fontsize=9.5, color=QUIET)
                axes.set_xlabel(f"{presentation(against).label}, source {read.get(pair, of_all)}")
                axes.tick_params(length=0, labelleft=not column)
                axes.locator_params(nbins=6)
                axes.grid()
                axes.spines[["left", "bottom"]].set_visible(False)
                for place, curve in enumerate(own[pair]):
                    _draw(axes, curve, 3 + place)
                ends = [(c.label, *_end(c, lags[1]), c.look) for c in own[pair] if c.label in unnamed]
                unnamed -= {label for label, *_ in ends}
                if column == len(here) - 1:
                    name_ends(axes, ends, LEADER)
                else:
                    for label, x, y, style in ends:  # the last panel has no such curve
                        place = {"textcoords": "offset points", "ha": "right", "fontsize": 8}
                        tell(axes.annotate(label, (x, y), (0, 7), color=style["color"], **place), series=label)
    return figure


def _curves(frame: pd.DataFrame, layout: Layout, quality: str, against: str, curved: Collection[str]) -> list[Curve]:
    """One panel: what of each system can be drawn."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in frame.itertuples():
        found = rows.setdefault((row.system, row.setting), {})
        if not math.isnan(row.value):
            found[row.metric] = row
    curves = []
    for place, (key, label) in enumerate((k, name) for k, name in layout.systems.items() if k in curved):
        own = [found for (system, _), found in rows.items() if system == key]
        points = [_point(found, quality, against) for found in own]
        if any(points):
            curves.append(Curve(label, look(place), points))
    for place, (key, label) in enumerate((k, name) for k, name in layout.systems.items() if k not in curved):
        if (row := rows.get((key, ""), {}).get(quality)) is not None:
            style = {"color": QUIET, "linestyle": DASHES[1 + place % (len(DASHES) - 1)]}
            curves.append(Curve(label, style, [], _number(row), told(label, [row])))
    return curves


def _point(found: Mapping[str, Any], quality: str, against: str) -> Point | None:
    if quality not in found or against not in found:
        return None
    high, lag = found[quality], found[against]
    return Point(high.setting, _number(lag), _number(high), told(high.label, [high, lag]))


def _number(row: Any) -> Number:
    if not math.isnan(row.spread):
        return Number(row.value, row.value - row.spread, row.value + row.spread)
    if math.isnan(row.low) or math.isnan(row.high):
        return Number(row.value, row.value, row.value)
    return Number(row.value, row.low, row.high)


def _heights(curve: Curve) -> list[Number]:
    return [curve.level] if curve.level else [point.quality for point in curve.points if point]


def _reach(numbers: Iterable[Number]) -> tuple[float, float]:
    found = list(numbers)
    if not found:
        return 0.0, 1.0
    low, high = min(n.low for n in found), max(n.high for n in found)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _end(curve: Curve, right: float) -> tuple[float, float]:
    if curve.level:
        return right, curve.level.value
    last = [point for point in curve.points if point][-1]
    return last.lag.value, last.quality.value


def _draw(axes: Axes, curve: Curve, layer: float) -> None:
    if curve.level:
        tell(axes.axhline(curve.level.value, linewidth=1.2, zorder=2, **curve.look), curve.told, curve.label)
        return
    colour = curve.look["color"]
    gap = (math.nan, math.nan)
    path = [(point.lag.value, point.quality.value) if point else gap for point in curve.points]
    (line,) = axes.plot(*zip(*path, strict=True), linewidth=1.5, zorder=layer, **curve.look)
    tell(line, series=curve.label)
    for point in filter(None, curve.points):
        (x, left, right), (y, low, high) = point.lag, point.quality
        for across, up in (([left, right], [y, y]), ([x, x], [low, high])):
            if (across[0], up[0]) != (across[1], up[1]):
                (bar,) = axes.plot(across, up, color=colour, linewidth=0.8, alpha=0.55, zorder=layer)
                tell(bar, series=curve.label)
        text = re.sub(r"\w+=", "", point.setting)
        inside = len(text) <= 2
        node = {"marker": "o", "markersize": 8.6 if inside else 4.5, "markeredgecolor": colour, "markeredgewidth": 1.2}
        (drawn,) = axes.plot([x], [y], markerfacecolor=GROUND if inside else colour, zorder=layer + 0.1, **node)
        tell(drawn, point.told, curve.label)
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
        tell(name, series=curve.label)
