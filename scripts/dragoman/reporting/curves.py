"""A figure of training losses, and the looks of curves and the names at their ends, which other figures use, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from dragoman.reporting.figures import INK, QUIET, dashes, describe, looks, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dragoman.reporting.tables import Layout


def spread_out(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights of labels, moved apart to a distance of `gap`, in the same order and as little as possible.

    Args:
        heights: [labels] wanted heights.
        gap: minimum distance between neighbours; smaller if the labels do not fit.
        low: smallest height.
        high: largest height.
    """
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


@styled
def loss_curves(
    curves: Sequence[tuple[str, Sequence[tuple[int, float]]]],
    families: Mapping[str, str] | None = None,
    muted: Collection[str] = (),
) -> Figure | None:
    """Training loss against optimizer steps, each curve named at its end.

    Args:
        curves: (label, [(step, loss in nats per token)]). Curves with the same label share look and name.
        families: label -> family, as for `figures.looks`; None: each label is a family.
        muted: families that are grey.

    Returns:
        None if no curve has a point.
    """
    curves = [(label, points) for label, points in curves if points]
    if not curves:
        return None
    counts = Counter(label for label, _ in curves)
    styles = looks({label: (families or {}).get(label, label) for label in counts}, muted)
    figure, ((_, axes, _),) = panels([[""]], max(3.2, 0.2 * len(counts) + 1))
    ends: dict[str, list[tuple[int, float]]] = {label: [] for label in counts}
    for label, points in curves:
        style = styles[label] | {"marker": "none", "linewidth": 1.1 if counts[label] > 1 else 1.6}
        (line,) = axes.plot(*zip(*points, strict=True), **style, solid_capstyle="round")
        describe(line, series=label)
        for step, loss in points:
            hotspot(axes, step, loss, f"{label}\nstep {step:,}: loss {loss:.3f}", label)
        ends[label].append(points[-1])
    right = max(points[-1][0] for _, points in curves)
    axes.set_xlim(left=0, right=right)
    axes.margins(y=0.06)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.set_xlabel("optimizer steps")
    axes.set_title("loss, nats per token")
    name_ends(axes, [(k, right, fmean(loss for _, loss in own), styles[k]) for k, own in ends.items()])
    return figure


def curved_and_level(layout: Layout, curved: Collection[str]) -> dict[str, dict[str, Any]]:
    """Key -> look of every system: curves by their families, and grey dashes for the horizontal lines of the others."""
    families = {key: layout.families.get(key, key) for key in layout.systems if key in curved}
    styles = looks(families, layout.baselines)
    grey = max(1, sum(style["color"] == QUIET for style in styles.values()))
    levels = [key for key in layout.systems if key not in curved]
    return styles | {key: {"color": QUIET, "linestyle": dashes(grey + i)} for i, key in enumerate(levels)}


def name_ends(axes: Axes, ends: Sequence[tuple[str, float, float, Mapping[str, Any]]]) -> None:
    """Write names to the right of the axes, one below the other, each with a line to the end of its curve.

    Args:
        axes: one of `figures.panels`, with its final limits.
        ends: (name, x and y of the curve's end, its look).
    """
    from matplotlib.transforms import offset_copy

    low, high = axes.get_ylim()
    figure = axes.get_figure()
    # the title and the axis take about this much of a row
    up = figure.bbox.height / figure.dpi / axes.get_gridspec().nrows - 0.75
    places = spread_out([y for _, _, y, _ in ends], 0.18 * (high - low) / up, low, high)
    beside = offset_copy(axes.get_yaxis_transform(), figure, x=0.25)
    for (label, x, y, style), place in zip(ends, places, strict=True):
        line = {key: style[key] for key in ("color", "linestyle")}
        arrow = {"arrowstyle": "-", "linewidth": 0.9, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)} | line
        options = {"va": "center", "annotation_clip": False, "color": INK, "arrowprops": arrow}
        name = axes.annotate(label, xy=(x, y), xytext=(1, place), textcoords=beside, **options)
        describe(name, series=label)
        describe(name.arrow_patch, series=label)


def hotspot(axes: Axes, x: float, y: float, text: str, series: str) -> None:
    """An invisible point on a line, whose text is shown when the pointer is on it."""
    invisible = {"marker": "o", "markersize": 3.5, "color": INK, "linestyle": "none", "alpha": 0, "clip_on": False}
    describe(*axes.plot([x], [y], **invisible), text, series)
