"""Distribution of a number over sentences: one box per system, with its median as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dragoman.reporting.figures import INK, QUIET, describe, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOGARITHMIC = 30.0
"""The axis is logarithmic from this ratio of the largest whisker end to the smallest."""


class Box(NamedTuple):
    """Five numbers of a sample (Tukey 1977): the ends of the whiskers, the quartiles and the median."""

    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float


def box(sample: Sequence[float]) -> Box:
    """The box of a sample.

    Quartiles are interpolated linearly. Whiskers end at the outermost values within [q1 - 1.5 (q3 - q1),
    q3 + 1.5 (q3 - q1)], with q1 and q3 the first and third quartile.
    """
    values = np.sort(np.asarray(sample, dtype=float))
    quarter, median, three_quarters = np.quantile(values, (0.25, 0.5, 0.75))
    reach = 1.5 * (three_quarters - quarter)
    inside = values[(values >= quarter - reach) & (values <= three_quarters + reach)]
    return Box(*map(float, (inside[0], quarter, median, three_quarters, inside[-1])))


@styled
def boxes(samples: Mapping[str, Sequence[float]], unit: str, colours: Mapping[str, str]) -> Figure:
    """A figure with one row per sample: box, whiskers, median. Values beyond the whiskers are not drawn.

    Args:
        samples: label -> values, at least one.
        unit: title of the axis: quantity and unit.
        colours: label -> colour.
    """
    from matplotlib import ticker
    from matplotlib.patches import Rectangle

    summaries = {label: box(sample) for label, sample in samples.items()}
    low, high = min(b.low for b in summaries.values()), max(b.high for b in summaries.values())
    logarithmic = low > 0 and high / low >= LOGARITHMIC
    figure, ((axes,),) = panels([1], 0.34 * len(summaries) + 0.95)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.03, high * (high / low) ** 0.03)
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_xlim(min(0.0, low), high * 1.03 or 1.0)
    beside = axes.get_yaxis_transform()
    for place, (label, b) in enumerate(summaries.items()):
        colour = colours[label]
        for start, end in ((b.low, b.quarter), (b.three_quarters, b.high)):
            axes.plot([start, end], [place, place], color=colour, linewidth=1.2, solid_capstyle="butt")
        for end in (b.low, b.high):
            axes.plot([end, end], [place - 0.14, place + 0.14], color=colour, linewidth=1.2)
        corner, width = (b.quarter, place - 0.28), b.three_quarters - b.quarter
        axes.add_patch(Rectangle(corner, width, 0.56, facecolor=colour, edgecolor="none", alpha=0.3))
        outline = Rectangle(corner, width, 0.56, facecolor="none", edgecolor=colour, linewidth=1.2)
        describe(axes.add_patch(outline), _text(label, b, len(samples[label]), unit))
        axes.plot([b.median, b.median], [place - 0.28, place + 0.28], color=INK, linewidth=1.6, zorder=3)
        axes.text(1.075, place, _short(b.median), transform=beside, ha="right", va="center", color=INK)
    axes.text(1.075, -0.75, "median", transform=beside, ha="right", va="bottom", color=QUIET)
    axes.set_yticks(range(len(summaries)), list(summaries), color=INK)
    axes.set_ylim(len(summaries) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{unit}{', logarithmic' if logarithmic else ''}", color=QUIET)
    return figure


def _text(label: str, b: Box, count: int, unit: str) -> str:
    middle = f"half of them from {_short(b.quarter)} to {_short(b.three_quarters)}"
    return f"{label}\n{unit}: median {_short(b.median)}\n{middle}\nwhiskers {_short(b.low)} to {_short(b.high)}\n" + (
        f"{count:,} translations"
    )


def _short(value: float) -> str:
    """A number with three significant digits, or as a whole number from 100."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
