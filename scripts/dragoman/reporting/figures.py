"""Figures as matplotlib draws them, the same bytes for the same numbers: SVG for the page, PNG for slides, PDF for
papers.

Names stand beside what they name, so there is no legend to look up and no meaning in colour alone.
"""

from __future__ import annotations

import functools
import io
import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape, quoteattr

from dragoman.storage import replacing

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

# Six hues at least 25 degrees apart, most of them those of Okabe and Ito (2008), "Color Universal Design"
PALETTE = ("#0072b2", "#d1491b", "#009e73", "#b8508a", "#b98600", "#7a52b3")
MARKERS = ("o", "s", "D", "^", "v", "p")
"""One for each hue, so that families differ without colour, too."""
MUTED_MARKER = "h"
INK, QUIET, RULE, GROUND = "#222222", "#6b6b6b", "#cccccc", "#ffffff"
THEMED = {INK: "ink", QUIET: "quiet", RULE: "rule", GROUND: "ground"} | {
    colour: f"c{number}" for number, colour in enumerate(PALETTE, 1)
}
"""Colour -> the page's variable in its place, light or dark (page.css)."""
SUFFIXES = ("svg", "png", "pdf")
WIDTH = 9.0
"""Inches at 100 dots: 900 pixels, the width of the page's column."""
STYLE: dict[str, Any] = {
    "svg.hashsalt": "dragoman",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # letters stay letters, as publishers want them
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


def dashes(number: int) -> Any:
    """The dashes of the `number`-th line of one colour, counted from 0: no two are the same."""
    start = ("solid", (0, (5, 2)), (0, (1.5, 1.5)))
    return start[number] if number < len(start) else (0, (6, 2) + (1.5, 2) * (number - 2))


def looks(families: Mapping[str, str], muted: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of every line: a family has one hue, and its members differ in their dashes.

    Args:
        families: line -> its family, in the order they are drawn.
        muted: families that are grey: the baselines.
    """
    hues = [family for family in dict.fromkeys(families.values()) if family not in muted]
    lines: Counter[str] = Counter()
    styles = {}
    for line, family in families.items():
        place = hues.index(family) % len(PALETTE) if family in hues else None
        colour, marker = (QUIET, MUTED_MARKER) if place is None else (PALETTE[place], MARKERS[place])
        styles[line] = {"color": colour, "linestyle": dashes(lines[colour]), "marker": marker}
        lines[colour] += 1
    return styles


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a function draw in the project's style, which matplotlib reads when it makes a text or a line."""

    @functools.wraps(draw)
    def in_style(*arguments: P.args, **options: P.kwargs) -> T:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            return draw(*arguments, **options)

    return in_style


@styled
def panels(rows: Sequence[int], height: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure with rows of panels, whose places matplotlib's constrained layout finds.

    Args:
        rows: number of panels in each row.
        height: of a row, in inches, with its title and axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), max(rows), squeeze=False)
    for axes in grid.flat:
        axes.tick_params(length=0)
    for row, count in zip(grid, rows, strict=True):
        for axes in row[count:]:
            axes.remove()
    return figure, [[*row[:count]] for row, count in zip(grid, rows, strict=True)]


def around(numbers: Iterable[float]) -> tuple[float, float]:
    """Limits of an axis that hold all numbers, with some room."""
    found = [number for number in numbers if not math.isnan(number)]
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


EMPTY = "empty"
"""Of the text in a figure without numbers; the page leaves such a figure out."""


@styled
def empty(text: str) -> Figure:
    """A figure that says why there is nothing to see: a workflow's figure must exist to be declared."""
    figure, ((axes,),) = panels([1], 0.6)
    axes.set_axis_off()
    axes.text(0, 0.5, text, color=QUIET, va="center", gid=EMPTY)
    return figure


def describe(artist: Artist, text: str = "", series: str = "") -> None:
    """Attach to an artist what the SVG holds besides its shape.

    Args:
        text: lines that are shown when it is pointed at; a `<title>`, which browsers show without a script.
        series: a name shared by the artists that are shown and hidden together; an attribute `data-series`.
    """
    artist.set_gid(f"description:{quote(series, safe='')}:{quote(text, safe='')}")


def _group(match: re.Match[str]) -> str:
    series, text = map(unquote, match.groups())
    group = f"<g data-series={quoteattr(series)}>" if series else "<g>"
    return group + (f"<title>{escape(text)}</title>" if text else "")


def svg(figure: Figure) -> str:
    """The figure as an SVG document without a date in it, with the descriptions of its artists."""
    document = _saved(figure, format="svg", metadata={"Date": None, "Creator": None}).decode()
    return re.sub(r'<g id="description:([^":]*):([^":]*)">', _group, document)


def png(figure: Figure) -> bytes:
    """The figure on white at 200 dots an inch, in 256 colours: it has few, and takes a third of the bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(_saved(figure, format="png", dpi=200, facecolor="white"))) as image:
        out = io.BytesIO()
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, format="png", dpi=(200, 200))
    return out.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as a page of its size, with its letters in it and no date."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table of every font
    return _saved(figure, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


@styled
def _saved(figure: Figure, **options: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, **options)
    return out.getvalue()


def contents(figure: Figure) -> dict[str, bytes]:
    """The figure's files by suffix."""
    return {"svg": svg(figure).encode(), "png": png(figure), "pdf": pdf(figure)}


def save(figure: Figure, stem: Path) -> None:
    """Write STEM.svg, STEM.png and STEM.pdf."""
    for suffix, content in contents(figure).items():
        with replacing(stem.with_name(f"{stem.name}.{suffix}"), "wb") as file:
            file.write(content)
