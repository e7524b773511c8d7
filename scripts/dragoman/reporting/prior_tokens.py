"""Figures of prior tokens: scores relative to the fine-tuned twin, and the divergence of both models by position."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.metrics import presentation
from dragoman.reporting.curves import hotspot, name_ends
from dragoman.reporting.figures import QUIET, around, dashes, describe, in_rows, looks, panels, styled
from dragoman.reporting.tables import MEAN, Layout, bar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""
HEIGHT = 3.6
"""Height of a row of panels in inches."""
LEAST_SHARE = 0.25
"""Minimum share of the answers that must reach a position, since means over few sentences vary a lot."""
TWIN = {"color": QUIET, "linestyle": dashes(1)}
"""Look of the twin's line."""
SHOWN = {"agreement@1": "Agreement, top 1, %", "agreement@5": "Agreement, top 5, %", "kl_twin": "KL divergence, nats"}


Means = tuple[float, float, float]
"""A mean, and the ends of its interval."""


@styled
def relative(
    frame: pd.DataFrame, layout: Layout, twin: str, bare: str | None, names: Mapping[str, str]
) -> Figure | None:
    """Scores in per cent of the twin's against the number of given tokens: one line for each system with prior tokens,
    one panel for each pair, and one for their mean if there are several pairs. If the panels of a metric need more than
    one row, only the first metric is drawn.

    Args:
        frame: ratios from `reporting.relative.cells`.
        layout: rows and columns of the experiment; its metrics are drawn.
        twin: name of the system whose score is 100.
        bare: key of the system without a prior; None if there is none. All lines begin at its score, or else at the
            score of another system at n = 0.
        names: key -> name of the systems with prior tokens.

    Returns:
        None if there is no number to draw.
    """
    pairs = [*layout.pairs, MEAN] if len(layout.pairs) > 1 else list(layout.pairs)
    metrics = layout.metrics if len(pairs) <= ACROSS else layout.metrics[:1]
    ratios_of = {
        (metric, pair): _ratios(frame[(frame["metric"] == metric) & (frame["pair"] == pair)], bare, names)
        for metric in metrics
        for pair in pairs
    }
    rows = [row for row in in_rows(metrics, pairs, ACROSS) if any(any(ratios_of[place].values()) for place in row)]
    cells = [cell for own in ratios_of.values() for ratios in own.values() for cell in ratios]
    if not cells:
        return None
    reach = around([end for cell in cells for end in bar(cell) or (cell.value,)] + [100.0])
    most = max(map(_given, cells))
    styles = looks({name: name for name in names.values()})
    figure, shown = panels(rows, HEIGHT)
    for (metric, pair), axes, last in shown:
        _prepare(axes, f"{presentation(metric).label}, % of the twin's, {pair}", "given tokens")
        axes.set_xlim(-0.3, most + 0.3)
        axes.set_ylim(*reach)
        axes.set_xticks(range(most + 1))
        describe(axes.axhline(100, linewidth=1.2, **TWIN), series=twin)
        ends = [(twin, most + 0.3, 100.0, TWIN)]
        for layer, (key, name) in enumerate(names.items(), 3):
            if ratios := ratios_of[metric, pair][key]:
                _line(axes, [(_given(cell), cell.value, _text(cell)) for cell in ratios], styles[name], layer, name)
                for cell in ratios:
                    if (low_high := bar(cell)) and low_high[0] < low_high[1]:
                        look = {"color": styles[name]["color"], "linewidth": 0.8, "alpha": 0.55}
                        describe(*axes.plot([_given(cell)] * 2, low_high, **look), series=name)
                ends.append((name, _given(ratios[-1]), ratios[-1].value, styles[name]))
        if last:
            name_ends(axes, ends)
    return figure


def _ratios(frame: pd.DataFrame, bare: str | None, given: Iterable[str]) -> dict[str, list[Any]]:
    """Key -> cells of the system, in the order of n."""
    cells: dict[str, dict[str, Any]] = {}
    for row in frame.itertuples():
        if not math.isnan(row.value) and row.setting.removeprefix("n=").isdecimal():
            cells.setdefault(row.system, {})[row.setting] = row
    own = (cells.get(key or "", {}) for key in (bare, *given))
    start = next(({"n=0": rows["n=0"]} for rows in own if "n=0" in rows), {})  # n = 0 is the same for all systems
    return {key: sorted((start | cells.get(key, {})).values(), key=_given) for key in given}


def _given(cell: Any) -> int:
    """Number of given tokens."""
    return int(cell.setting.removeprefix("n="))


def _text(cell: Any) -> str:
    """The text that is shown when the pointer is on a ratio."""
    text = f"{presentation(cell.metric).label}: {cell.value:.1f} % of the twin's"
    if not math.isnan(cell.spread):
        text += f" ± {cell.spread:.1f}"
    elif (low_high := bar(cell)) and low_high[0] < low_high[1]:
        text += f" [{cell.low:.1f}, {cell.high:.1f}]"
    return f"{cell.label} · {cell.pair}\n{text}\n{cell.signature}"


@styled
def positions(rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Agreement and divergence at each position of the answer: on the twin's text, and on each model's own text after
    0, 1 and more given tokens.

    Args:
        rows: rows of `scripts/diverge.py`, for all pairs and seeds. At each position, all sentences have equal weight.

    Returns:
        None if there is no position to draw.
    """
    lines = _along(rows)
    if not lines:
        return None
    figure, shown = panels([list(SHOWN.items())], HEIGHT, one_scale=False)
    last = max(at for _, _, values in lines for at in values[next(iter(SHOWN))])
    for (quantity, title), axes, at_end in shown:
        _prepare(axes, title, "position in the answer")
        factor, digits = (100.0, 0) if "%" in title else (1.0, 3)
        drawn = [
            (name, style, {at: tuple(factor * y for y in means) for at, means in own[quantity].items()})
            for name, style, own in lines
        ]
        axes.set_xlim(0, last + 1)
        heights = [y for *_, own in drawn for means in own.values() for y in means]
        axes.set_ylim(*((-3, 103) if factor == 100 else around([0.0, *heights])))
        for layer, (name, style, own) in enumerate(drawn, 3):
            lows, highs = ([means[side] for means in own.values()] for side in (1, 2))
            band = axes.fill_between(list(own), lows, highs, color=style["color"], alpha=0.13, linewidth=0)
            describe(band, series=name)
            texts = [
                (at, y, f"{name}\nposition {at}\n{title}: {y:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
                for at, (y, low, high) in own.items()
            ]
            _line(axes, texts, style, layer, name)
        if at_end:
            name_ends(axes, [(name, at := max(own), own[at][0], style) for name, style, own in drawn])
    return figure


def _along(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, Any], dict[str, dict[int, Means]]]]:
    """(name, look, quantity -> position -> mean and its bounds) of each line. Bounds are averaged like means. Positions
    are counted from the start of the answer, including the given tokens. On the twin's text there is only one line,
    since the number of given tokens makes no difference there."""
    counts = sorted({row["n"] for row in rows})
    wanted = [("teacher", n) for n in counts[:1]] + [("free", n) for n in counts]
    lines = []
    styles = looks({n: str(n) for n in counts})
    for reading, n in wanted:
        own = [row for row in rows if row["reading"] == reading and row["n"] == n]
        answers = sum(row["sentences"] for row in own if row["position"] is None)
        by_position: dict[int, list[Mapping[str, Any]]] = {}
        for row in own:
            if row["position"] is not None:
                by_position.setdefault(row["position"], []).append(row)
        reached = {at: sum(row["positions"] for row in rows_at) for at, rows_at in sorted(by_position.items())}
        values = {
            quantity: {
                n + at: _weighted([(row, row["positions"] / total) for row in by_position[at]], quantity)
                for at, total in reached.items()
                if total >= LEAST_SHARE * answers
            }
            for quantity in SHOWN
        }
        name = "on the twin's text" if reading == "teacher" else f"own text, {n} given" if n else "own text"
        style = TWIN if reading == "teacher" else styles[n]
        if all(values.values()):
            lines.append((name, style, values))
    return lines


def _weighted(rows: Sequence[tuple[Mapping[str, Any], float]], quantity: str) -> Means:
    low, high = (sum(row["intervals"][quantity][side] * weight for row, weight in rows) for side in (0, 1))
    return sum(row[quantity] * weight for row, weight in rows), low, high


def _prepare(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(below)
    axes.grid()
    axes.spines["bottom"].set_visible(False)


def _line(
    axes: Axes, points: Sequence[tuple[float, float, str]], style: dict[str, Any], layer: float, series: str
) -> None:
    """A line through points (x, y, text); with markers if there are fewer than 12 points."""
    line = [(x, y) for x, y, _ in points]
    marker = style.get("marker", "o") if len(points) < 12 else "none"
    look = style | {"linewidth": 1.5, "zorder": layer, "marker": marker, "markersize": 4}
    describe(*axes.plot(*zip(*line, strict=True), **look), series=series)
    for x, y, text in points:
        hotspot(axes, x, y, text, series)
