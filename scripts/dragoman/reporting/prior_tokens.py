"""What prior tokens do: scores relative to the fine-tuned twin, and how alike both models are at every position."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.metrics import presentation
from dragoman.reporting.curves import hotspot, name_ends
from dragoman.reporting.figures import DIGIT, QUIET, STYLE, WIDTH, look, tell
from dragoman.reporting.tables import MEAN, Layout

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""
LEADER = 0.3
"""Inches between the last panel and the names."""
ENOUGH = 0.25
"""Positions that a smaller share of the answers reaches are left out: few sentences make a ragged line."""
PANEL, HEAD, FOOT, LEFT = 2.8, 0.5, 0.6, 0.5
"""Inches."""
SHOWN = {"agreement@1": "Agreement, top 1, %", "agreement@5": "Agreement, top 5, %", "kl_twin": "KL divergence, nats"}


Means = tuple[float, float, float]
"""A mean, and the ends of its interval."""


class Ratio(NamedTuple):
    """A score in per cent of the twin's, and the ends of its bar, which are the value itself where it has none."""

    n: int
    value: float
    low: float
    high: float
    told: str
    """What it says when it is pointed at."""


def relative(
    frame: pd.DataFrame, layout: Layout, twin: str, bare: str | None, names: Mapping[str, str]
) -> Figure | None:
    """Scores in per cent of the twin's against the number of given tokens: a line for each kind of prior, a panel for
    each pair, and one for their mean where there are several; with more pairs than panels fit side by side, of the
    first metric alone.

    Args:
        frame: ratios as `reporting.relative.cells` makes them.
        layout: what the experiment promised; its metrics are drawn.
        twin: name of the system that counts as 100.
        bare: key of the system without prior, if there is one. There, or at any other's n = 0, all lines begin.
        names: key -> name of the systems with prior tokens.

    Returns:
        None where there is no number to draw.
    """
    pairs = [*layout.pairs, MEAN] if len(layout.pairs) > 1 else list(layout.pairs)
    lines = [(metric, pairs[i : i + ACROSS]) for metric in layout.metrics for i in range(0, len(pairs), ACROSS)]
    if len(pairs) > ACROSS:
        lines = lines[: math.ceil(len(pairs) / ACROSS)]
    found = {
        (metric, pair): _ratios(frame[(frame["metric"] == metric) & (frame["pair"] == pair)], bare, names)
        for metric, pairs in lines
        for pair in pairs
    }
    lines = [(metric, pairs) for metric, pairs in lines if any(any(found[metric, pair].values()) for pair in pairs)]
    points = [point for own in found.values() for ratios in own.values() for point in ratios]
    if not points:
        return None
    reach = _room([point.low for point in points] + [point.high for point in points] + [100.0])
    figure, areas = _areas([len(pairs) for _, pairs in lines], [*names.values(), twin])
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        for (metric, pairs), (title, boxes) in zip(lines, areas, strict=True):
            figure.text(*title, f"{presentation(metric).label}, % of the twin's", fontweight="bold", va="bottom")
            for column, (pair, box) in enumerate(zip(pairs, boxes, strict=True)):
                axes = _axes(figure, box, pair, "given tokens", not column)
                axes.set_xlim(-0.3, max(point.n for point in points) + 0.3)
                axes.set_ylim(*reach)
                axes.set_xticks(range(max(point.n for point in points) + 1))
                whole = axes.axhline(100, color=QUIET, linewidth=1.2, linestyle=(0, (5, 2)))
                tell(whole, series=twin)
                ends = [(twin, axes.get_xlim()[1], 100.0, {"color": QUIET, "linestyle": (0, (5, 2))})]
                for place, (key, name) in enumerate(names.items()):
                    if ratios := found[metric, pair][key]:
                        style = look(place)
                        _line(axes, [(p.n, p.value, p.told) for p in ratios], style, 3 + place, name)
                        for p in (p for p in ratios if p.low < p.high):
                            bar = {"color": style["color"], "linewidth": 0.8, "alpha": 0.55}
                            tell(*axes.plot([p.n, p.n], [p.low, p.high], **bar), series=name)
                        ends.append((name, ratios[-1].n, ratios[-1].value, style))
                if column == len(pairs) - 1:
                    name_ends(axes, ends, LEADER)
    return figure


def _ratios(frame: pd.DataFrame, bare: str | None, given: Iterable[str]) -> dict[str, list[Ratio]]:
    """Those of each system, in the order of n."""
    cells: dict[str, dict[str, Any]] = {}
    for row in frame.itertuples():
        if not math.isnan(row.value) and row.setting.removeprefix("n=").isdecimal():
            cells.setdefault(row.system, {})[row.setting] = row
    own = (cells.get(key or "", {}) for key in (bare, *given))
    start = next(({"n=0": rows["n=0"]} for rows in own if "n=0" in rows), {})  # without a prior, all are the same
    return {key: sorted(map(_ratio, (start | cells.get(key, {})).values())) for key in given}


def _ratio(row: Any) -> Ratio:
    low, high = row.low, row.high
    if not math.isnan(row.spread):
        low, high = row.value - row.spread, row.value + row.spread
    ends = (row.value, row.value) if math.isnan(low) or math.isnan(high) else (low, high)
    said = f"{presentation(row.metric).label}: {row.value:.1f} % of the twin's"
    if not math.isnan(row.spread):
        said += f" ± {row.spread:.1f}"
    elif ends[0] < ends[1]:
        said += f" [{row.low:.1f}, {row.high:.1f}]"
    return Ratio(
        int(row.setting.removeprefix("n=")), row.value, *ends, f"{row.label} · {row.pair}\n{said}\n{row.signature}"
    )


def positions(rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Agreement and divergence at each position of the answer: on the twin's text, and on each model's own with 0, 1
    and more tokens given.

    Args:
        rows: what `scripts/diverge.py` writes, of several pairs and seeds: each sentence counts once at a position.

    Returns:
        None where there is no position to draw.
    """
    lines = _along(rows)
    if not lines:
        return None
    import matplotlib as mpl

    figure, ((_, boxes),) = _areas([len(SHOWN)], [name for name, *_ in lines])
    with mpl.rc_context(STYLE):
        last = max(at for _, _, values in lines for at in values[next(iter(SHOWN))])
        for column, ((quantity, title), box) in enumerate(zip(SHOWN.items(), boxes, strict=True)):
            axes = _axes(figure, box, title, "position in the answer", labelled=True)
            factor = 100.0 if "%" in title else 1.0
            drawn = [
                (name, style, {at: tuple(factor * y for y in means) for at, means in own[quantity].items()})
                for name, style, own in lines
            ]
            axes.set_xlim(0, last + 1)
            heights = [y for *_, own in drawn for means in own.values() for y in means]
            axes.set_ylim(*((-3, 103) if factor == 100 else _room([0.0, *heights])))
            digits = 0 if factor == 100 else 3
            for layer, (name, style, own) in enumerate(drawn):
                lows, highs = ([means[side] for means in own.values()] for side in (1, 2))
                band = axes.fill_between(list(own), lows, highs, color=style["color"], alpha=0.13, linewidth=0)
                tell(band, series=name)
                spoken = [
                    (at, y, f"{name}\nposition {at}\n{title}: {y:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
                    for at, (y, low, high) in own.items()
                ]
                _line(axes, spoken, style, 3 + layer, name)
            if column == len(SHOWN) - 1:
                ends = [(name, *next((at, own[at][0]) for at in reversed(own)), style) for name, style, own in drawn]
                name_ends(axes, ends, LEADER)
    return figure


def _along(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, Any], dict[str, dict[int, Means]]]]:
    """(name, look, quantity -> position -> mean and its bounds) of each line. Bounds are averaged as means are.
    Positions count from the answer's start, given tokens included. On the twin's text it makes no difference how many
    of its tokens are called given: one line is all."""
    counts = sorted({row["n"] for row in rows})
    wanted = [("teacher", n) for n in counts[:1]] + [("free", n) for n in counts]
    lines = []
    for place, (reading, n) in enumerate(wanted):
        own = [row for row in rows if row["reading"] == reading and row["n"] == n]
        answers = sum(row["sentences"] for row in own if row["position"] is None)
        there: dict[int, list[Mapping[str, Any]]] = {}
        for row in own:
            if row["position"] is not None:
                there.setdefault(row["position"], []).append(row)
        reached = {at: sum(row["positions"] for row in found) for at, found in sorted(there.items())}
        values = {
            quantity: {
                n + at: _weighted([(row, row["positions"] / total) for row in there[at]], quantity)
                for at, total in reached.items()
                if total >= ENOUGH * answers
            }
            for quantity in SHOWN
        }
        name = "on the twin's text" if reading == "teacher" else f"own text, {n} given" if n else "own text"
        style = {"color": QUIET, "linestyle": (0, (5, 2))} if reading == "teacher" else look(place - 1)
        if all(values.values()):
            lines.append((name, style, values))
    return lines


def _weighted(rows: Sequence[tuple[Mapping[str, Any], float]], quantity: str) -> Means:
    low, high = (sum(row["intervals"][quantity][side] * weight for row, weight in rows) for side in (0, 1))
    return sum(row[quantity] * weight for row, weight in rows), low, high


# ------------------------------------------------------------------------------------------------------------- panels


def _areas(
    across: Sequence[int], names: Sequence[str]
) -> tuple[Figure, list[tuple[tuple[float, float], list[tuple[float, float, float, float]]]]]:
    """A figure, and for each line of panels where its title stands and the boxes of its panels."""
    from matplotlib.figure import Figure

    height = len(across) * (PANEL + HEAD + FOOT)
    room = min(0.3 * WIDTH, LEADER + 0.05 + DIGIT * max(map(len, names)))
    step = (WIDTH - LEFT - room) / max(across)
    lines = []
    for number, count in enumerate(across):
        bottom = height - (number + 1) * (PANEL + HEAD + FOOT) + FOOT
        boxes = [
            ((LEFT + i * step) / WIDTH, bottom / height, (step - 0.35) / WIDTH, PANEL / height) for i in range(count)
        ]
        lines.append(((LEFT / WIDTH, (bottom + PANEL + 0.27) / height), boxes))
    return Figure(figsize=(WIDTH, height)), lines


def _axes(figure: Figure, box: tuple[float, float, float, float], title: str, below: str, labelled: bool) -> Axes:
    axes = figure.add_axes(box)
    axes.set_title(title, loc="left", fontsize=9.5, color=QUIET)
    axes.set_xlabel(below)
    axes.tick_params(length=0, labelleft=labelled)
    axes.grid()
    axes.spines[["left", "bottom"]].set_visible(False)
    return axes


def _line(
    axes: Axes, points: Sequence[tuple[float, float, str]], style: dict[str, Any], layer: float, series: str
) -> None:
    """A line through (x, y) of points that each say something; with dots where there is room for them."""
    line = [(x, y) for x, y, _ in points]
    marker = {"marker": "o", "markersize": 3.5} if len(points) < 12 else {}
    tell(*axes.plot(*zip(*line, strict=True), linewidth=1.5, zorder=layer, **style, **marker), series=series)
    for x, y, text in points:
        hotspot(axes, x, y, text, series)


def _room(numbers: Sequence[float]) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room
