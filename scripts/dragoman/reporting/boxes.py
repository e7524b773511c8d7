"""Distribution of a number over sentences: one box per system, with its median as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.reporting.figures import INK, QUIET, describe, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOGARITHMIC = 30.0
"""The axis is logarithmic from this ratio of the largest whisker end to the smallest."""


@styled
def boxes(samples: Mapping[str, Sequence[float]], unit: str, colours: Mapping[str, str]) -> Figure:
    """A figure with one row per sample: box, whiskers and median (Tukey 1977), without values beyond the whiskers.

    Quartiles are interpolated linearly. Whiskers end at the outermost values within [q1 - 1.5 (q3 - q1),
    q3 + 1.5 (q3 - q1)], with q1 and q3 the first and third quartile.

    Args:
        samples: label -> values, at least one.
        unit: title of the axis: quantity and unit.
        colours: label -> colour.
    """
    from matplotlib import cbook, ticker
    from matplotlib.patches import Rectangle

    stats = cbook.boxplot_stats(list(samples.values()), labels=list(samples))
    low, high = min(box["whislo"] for box in stats), max(box["whishi"] for box in stats)
    logarithmic = low > 0 and high / low >= LOGARITHMIC
    figure, ((_, axes, _),) = panels([[""]], 0.34 * len(stats) + 0.95)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.03, high * (high / low) ** 0.03)
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_xlim(min(0.0, low), high * 1.03 or 1.0)
    beside = axes.get_yaxis_transform()
    for place, box in enumerate(stats):
        colour, median = colours[box["label"]], box["med"]
        for start, end in ((box["whislo"], box["q1"]), (box["q3"], box["whishi"])):
            axes.plot([start, end], [place, place], color=colour, linewidth=1.2, solid_capstyle="butt")
        for end in (box["whislo"], box["whishi"]):
            axes.plot([end, end], [place - 0.14, place + 0.14], color=colour, linewidth=1.2)
        corner, width = (box["q1"], place - 0.28), box["iqr"]
        axes.add_patch(Rectangle(corner, width, 0.56, facecolor=colour, edgecolor="none", alpha=0.3))
        outline = Rectangle(corner, width, 0.56, facecolor="none", edgecolor=colour, linewidth=1.2)
        describe(axes.add_patch(outline), _text(box, len(samples[box["label"]]), unit))
        axes.plot([median, median], [place - 0.28, place + 0.28], color=INK, linewidth=1.6, zorder=3)
        axes.text(1.075, place, _short(median), transform=beside, ha="right", va="center", color=INK)
    axes.text(1.075, -0.75, "median", transform=beside, ha="right", va="bottom", color=QUIET)
    axes.set_yticks(range(len(stats)), list(samples), color=INK)
    axes.set_ylim(len(stats) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{unit}{', logarithmic' if logarithmic else ''}")
    return figure


def _text(box: Mapping[str, Any], count: int, unit: str) -> str:
    """The text that is shown when the pointer is on a box of matplotlib's `boxplot_stats`."""
    return (
        f"{box['label']}\n{unit}: median {_short(box['med'])}\n"
        f"half of them from {_short(box['q1'])} to {_short(box['q3'])}\n"
        f"whiskers {_short(box['whislo'])} to {_short(box['whishi'])}\n{count:,} translations"
    )


def _short(value: float) -> str:
    """A number with three significant digits, or as a whole number from 100."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
