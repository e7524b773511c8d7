"""Figures as matplotlib draws them, the same bytes for the same numbers: SVG for the page, PNG for slides.

Names stand beside what they name, so there is no legend to look up and no meaning in colour alone.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.metrics import presentation
from dragoman.reporting.tables import MEAN
from dragoman.storage import read_jsonl, replacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design"; their yellow and black are left out, since each vanishes on one of
# the two grounds (light, dark) that the page has
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""The palette starts again with the next of these, so that the 7th curve differs from the 1st."""
INK, QUIET, RULE = "#222222", "#6b6b6b", "#cccccc"
"""The page swaps these for its own, light or dark."""
WIDTH = 9.0
"""Inches at 100 dots: 900 pixels, the width of the page's column."""
DIGIT = 0.075
"""Inches that a letter of 9.5 points takes, roughly: enough to keep room for names."""

STYLE: dict[str, Any] = {
    "svg.hashsalt": "dragoman",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.parse_math": False,  # a name with dollar signs in it is a name
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def read_log(path: Path) -> list[tuple[int, float]]:
    """(optimizer step, loss in nats per token) of a training: JSON Lines, or a JSON list in a file named `.json`."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else read_jsonl(path)
    return [(int(row["step"]), float(row["loss"])) for row in rows if row.get("loss") is not None]


def spread_out(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart until each has `gap`, keeping their order and, where it can be, their places."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = [min(max(heights[i], low), high) for i in order]
    for _ in range(200):
        for below in range(len(placed) - 1):
            if (overlap := gap - (placed[below + 1] - placed[below])) > 1e-9:
                placed[below] -= overlap / 2
                placed[below + 1] += overlap / 2
        if placed and placed[0] < low:
            placed[0] = low
        if placed and placed[-1] > high:
            placed[-1] = high
    result = [0.0] * len(heights)
    for position, index in enumerate(order):
        result[index] = placed[position]
    return result


def loss_curves(curves: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> Figure:
    """Training loss against optimizer steps, each curve named at its end.

    Args:
        curves: (label, [(step, loss)]). Curves of one label are seeds of one run: one colour, one name.

    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    curves = [(label, points) for label, points in curves if points]
    if not curves:
        return empty("Nothing was trained here.")
    labels = list(dict.fromkeys(label for label, _ in curves))
    with mpl.rc_context(STYLE):
        height = max(3.2, 0.2 * len(labels) + 1)
        figure = Figure(figsize=(WIDTH, height))
        room = min(0.4, (0.3 + DIGIT * max(map(len, labels))) / WIDTH)
        axes = figure.add_axes((0.07, 0.5 / height, 0.92 - room, 1 - 0.75 / height))
        ends: dict[str, list[tuple[int, float]]] = {}
        for label, points in curves:
            number = labels.index(label)
            steps, losses = zip(*points, strict=True)
            several = sum(1 for other, _ in curves if other == label) > 1
            axes.plot(
                steps,
                losses,
                color=PALETTE[number % len(PALETTE)],
                linestyle=DASHES[number // len(PALETTE) % len(DASHES)],
                linewidth=1.1 if several else 1.6,
                solid_capstyle="round",
            )
            ends.setdefault(label, []).append(points[-1])
        axes.set_xlim(left=0, right=max(points[-1][0] for _, points in curves))
        axes.margins(y=0.06)
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("optimizer steps")
        axes.set_title("loss, nats per token", loc="left", fontsize=9.5, color=QUIET)
        _name_ends(axes, [(label, sum(y for _, y in ends[label]) / len(ends[label])) for label in labels])
    return figure


def _name_ends(axes: Axes, ends: Sequence[tuple[str, float]]) -> None:
    low, high = axes.get_ylim()
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]
    places = spread_out([y for _, y in ends], 0.18 * (high - low) / inches, low, high)
    right = axes.get_xlim()[1]
    for number, ((label, y), place) in enumerate(zip(ends, places, strict=True)):
        axes.annotate(
            label,
            xy=(right, y),
            xytext=(1 + 0.16 / (axes.get_position().width * WIDTH), place),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            annotation_clip=False,
            color=INK,
            arrowprops={
                "arrowstyle": "-",
                "color": PALETTE[number % len(PALETTE)],
                "linewidth": 0.9,
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )


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
                rows = own[(own["metric"] == metric) & (own["pair"] == pair)].set_index("label")
                _panel(axes, {label: rows.loc[label].to_dict() for label in labels}, look.better)
                axes.set_xlim(*reach[metric])
                axes.set_title(pair, loc="left", fontsize=9.5, color=QUIET)
                if column:
                    axes.tick_params(labelleft=False)
    return figure


def empty(text: str) -> Figure:
    """A figure that says why there is nothing to see: a workflow's figure must exist to be declared."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6))
        figure.text(0.02, 0.5, text, color=QUIET, va="center")
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


def _panel(axes: Axes, rows: Mapping[str, dict[str, Any]], better: str | None) -> None:
    values = {label: row["value"] for label, row in rows.items() if row["value"] == row["value"]}
    pick = {"higher": max, "lower": min}.get(better or "")
    best = pick(values.values()) if pick and len(values) > 1 else None
    for place, (label, row) in enumerate(rows.items()):
        if label not in values:
            continue
        value, colour = row["value"], PALETTE[0] if row["value"] == best else QUIET
        low, high = row["low"], row["high"]
        if row["spread"] == row["spread"]:
            low, high = value - row["spread"], value + row["spread"]
        if low == low and low is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt", alpha=0.55)
        axes.plot([value], [place], marker="o", markersize=5.5, color=colour, markeredgewidth=0)
    axes.set_yticks(range(len(rows)), list(rows), color=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def svg(figure: Figure) -> str:
    """The figure as an SVG document without a date in it."""
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def save(figure: Figure, stem: Path) -> None:
    """Write STEM.svg, and STEM.png on white at 200 dots an inch."""
    import matplotlib as mpl

    with replacing(stem.with_name(f"{stem.name}.svg")) as file:
        file.write(svg(figure))
    with replacing(stem.with_name(f"{stem.name}.png"), "wb") as file, mpl.rc_context(STYLE):
        figure.savefig(file, format="png", dpi=200, facecolor="white", metadata={"Software": None})
