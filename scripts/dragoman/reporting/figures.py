"""Figures as matplotlib draws them, the same bytes for the same numbers: SVG for the page, PNG for slides.

Names stand beside what they name, so there is no legend to look up and no meaning in colour alone.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.storage import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design"; their yellow and black are left out, since each vanishes on one of
# the two grounds (light, dark) that the page has
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""The palette starts again with the next of these, so that the 7th curve differs from the 1st."""
INK, QUIET, RULE, GROUND = "#222222", "#6b6b6b", "#cccccc", "#ffffff"
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


def look(number: int) -> dict[str, Any]:
    """Colour and dashes of the `number`-th thing drawn, counted from 0."""
    return {
        "color": PALETTE[number % len(PALETTE)],
        "linestyle": DASHES[number // len(PALETTE) % len(DASHES)],
    }


def empty(text: str) -> Figure:
    """A figure that says why there is nothing to see: a workflow's figure must exist to be declared."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6))
        figure.text(0.02, 0.5, text, color=QUIET, va="center")
    return figure


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
