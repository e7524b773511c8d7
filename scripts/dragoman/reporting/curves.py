"""Training loss against optimizer steps, each curve named at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.reporting.figures import DIGIT, INK, QUIET, STYLE, WIDTH, empty, look, tell
from dragoman.storage import read_jsonl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        curves: (label, [(step, loss)]). Curves of one label have one colour and one name.
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
            width = 1.1 if several else 1.6
            (line,) = axes.plot(steps, losses, **look(number), linewidth=width, solid_capstyle="round")
            tell(line, series=label)
            for step, loss in points:
                hotspot(axes, step, loss, f"{label}\nstep {step:,}: loss {loss:.3f}", label)
            ends.setdefault(label, []).append(points[-1])
        axes.set_xlim(left=0, right=max(points[-1][0] for _, points in curves))
        axes.margins(y=0.06)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("optimizer steps")
        axes.set_title("loss, nats per token", loc="left", fontsize=9.5, color=QUIET)
        right = axes.get_xlim()[1]
        means = [sum(y for _, y in ends[label]) / len(ends[label]) for label in labels]
        name_ends(axes, [(label, right, y, look(i)) for i, (label, y) in enumerate(zip(labels, means, strict=True))])
    return figure


def name_ends(axes: Axes, ends: Sequence[tuple[str, float, float, dict[str, Any]]], gap: float = 0.16) -> None:
    """Write names right of the axes, one below the other, each joined to the end of its curve.

    Args:
        axes: their limits must be final.
        ends: (name, x and y of the curve's end, its colour and dashes).
        gap: inches between the axes and the names.
    """
    low, high = axes.get_ylim()
    across, up = axes.figure.get_size_inches() * axes.get_position().size
    places = spread_out([y for _, _, y, _ in ends], 0.18 * (high - low) / up, low, high)
    for (label, x, y, style), place in zip(ends, places, strict=True):
        name = axes.annotate(
            label,
            xy=(x, y),
            xytext=(1 + gap / across, place),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            annotation_clip=False,
            color=INK,
            arrowprops={"arrowstyle": "-", "linewidth": 0.9, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5), **style},
        )
        tell(name, series=label)
        tell(name.arrow_patch, series=label)


def hotspot(axes: Axes, x: float, y: float, text: str, series: str) -> None:
    """A place on a line that says something when it is pointed at, and is not seen otherwise."""
    nothing = {"marker": "o", "markersize": 3.5, "color": INK, "linestyle": "none", "alpha": 0, "clip_on": False}
    tell(*axes.plot([x], [y], **nothing), text, series)
