"""Training loss against optimizer steps, each curve named at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.reporting.figures import DASHES, DIGIT, INK, PALETTE, QUIET, STYLE, WIDTH, empty
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
        axes.xaxis.get_major_locator().set_params(integer=True)
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
