"""Shared style and file formats of figures: SVG for the page, PNG for slides, PDF for papers. The same numbers give the
same bytes.

Names are written next to lines, so there is no legend, and colour alone has no meaning.
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

import numpy as np

from dragoman.storage import replacing

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")

# Six hues at least 25 degrees apart, most of them those of Okabe and Ito (2008), "Color Universal Design"
PALETTE = ("#0072b2", "#d1491b", "#009e73", "#b8508a", "#b98600", "#7a52b3")
MARKERS = ("o", "s", "D", "^", "v", "p")
"""One marker for each hue, so that families differ without colour, too."""
MUTED_MARKER = "h"
INK, QUIET, RULE, GROUND = "#222222", "#6b6b6b", "#cccccc", "#ffffff"
THEMED = {INK: "ink", QUIET: "quiet", RULE: "rule", GROUND: "ground"} | {
    colour: f"c{number}" for number, colour in enumerate(PALETTE, 1)
}
"""Colour -> variable of the page (page.css), whose value depends on its light or dark theme."""
SUFFIXES = ("svg", "png", "pdf")
WIDTH = 9.0
"""Inches. At 100 dots per inch these are 900 pixels, the width of the page's column."""
STYLE: dict[str, Any] = {
    "svg.hashsalt": "dragoman",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType, so that text stays text, as publishers require
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titlecolor": QUIET,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.parse_math": False,  # dollar signs in names are not mathematics
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def dashes(number: int) -> Any:
    """matplotlib's line style of the `number`-th line of one colour, counted from 0; all are different."""
    start = ("solid", (0, (5, 2)), (0, (1.5, 1.5)))
    return start[number] if number < len(start) else (0, (6, 2) + (1.5, 2) * (number - 2))


def looks(families: Mapping[str, str], muted: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Line -> colour, dashes and marker. The lines of a family have one hue and differ in their dashes.

    Args:
        families: line -> its family, in drawing order.
        muted: families that are grey (baselines).
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
    """Decorator: run a function with the project's style, which matplotlib reads when it creates a text or a line."""

    @functools.wraps(draw)
    def in_style(*arguments: P.args, **options: P.kwargs) -> T:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            return draw(*arguments, **options)

    return in_style


@styled
def panels(
    rows: Sequence[Sequence[K]], height: float, one_scale: bool = True
) -> tuple[Figure, list[tuple[K, Axes, bool]]]:
    """A figure with rows of panels, whose places matplotlib's constrained layout finds. Panels of a shorter row are
    about as wide as the others; what stands right of its last panel takes no room from the rows above.

    Args:
        rows: [rows][panels] what each panel shows.
        height: height of a row with title and axis, in inches.
        one_scale: whether only the first panel of a row has numbers at its vertical axis.

    Returns:
        The figure, and (what it shows, its axes, whether it is the last of its row) of each panel.
    """
    from matplotlib.figure import Figure

    figure, across = Figure(figsize=(WIDTH, height * len(rows)), layout="constrained"), max(map(len, rows))
    if len({*map(len, rows)}) > 1:  # rows that are laid out for themselves
        grid = np.vstack([part.subplots(1, across, squeeze=False) for part in figure.subfigures(len(rows))])
    else:
        grid = figure.subplots(len(rows), across, squeeze=False)
    shown = []
    for keys, row in zip(rows, grid, strict=True):
        for axes in row[len(keys) :]:
            axes.remove()
        for place, key in enumerate(keys):
            row[place].tick_params(labelleft=not one_scale or place == 0)
            shown.append((key, row[place], place == len(keys) - 1))
    return figure, shown


def in_rows(metrics: Iterable[str], pairs: Sequence[str], across: int) -> list[list[tuple[str, str]]]:
    """(metric, pair) of panels in rows of at most `across`; every metric begins a row."""
    starts = range(0, len(pairs), across)
    return [[(metric, pair) for pair in pairs[i : i + across]] for metric in metrics for i in starts]


def around(numbers: Iterable[float]) -> tuple[float, float]:
    """Limits of an axis that contain all numbers (NaN is ignored), with some room; 0 and 1 if there are none."""
    known = [number for number in numbers if not math.isnan(number)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


EMPTY = "empty"
"""SVG id of the text in a figure without numbers; the page leaves such a figure out."""


@styled
def empty(text: str) -> Figure:
    """A figure with only a text, since a figure that a rule declares must exist."""
    figure, ((_, axes, _),) = panels([[""]], 0.6)
    axes.set_axis_off()
    axes.text(0, 0.5, text, color=QUIET, va="center", gid=EMPTY)
    return figure


def describe(artist: Artist, text: str = "", series: str = "") -> None:
    """Attach a text and a series to an artist, which `svg` writes into the document.

    Args:
        artist: any artist of the figure.
        text: lines that are shown when the pointer is on it; a `<title>`, which browsers show without a script.
        series: name of the artists that are shown and hidden together; an attribute `data-series`.
    """
    artist.set_gid(f"description:{quote(series, safe='')}:{quote(text, safe='')}")


def _group(match: re.Match[str]) -> str:
    series, text = map(unquote, match.groups())
    group = f"<g data-series={quoteattr(series)}>" if series else "<g>"
    return group + (f"<title>{escape(text)}</title>" if text else "")


def svg(figure: Figure) -> str:
    """The figure as an SVG document without a date, with the descriptions of its artists."""
    document = _saved(figure, format="svg", metadata={"Date": None, "Creator": None}).decode()
    return re.sub(r'<g id="description:([^":]*):([^":]*)">', _group, document)


def png(figure: Figure) -> bytes:
    """The figure on white at 200 dots per inch, in 256 colours, which takes a third of the bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(_saved(figure, format="png", dpi=200, facecolor="white"))) as image:
        out = io.BytesIO()
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, format="png", dpi=(200, 200))
    return out.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF page of its size, with embedded fonts and without a date."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every table of every font
    return _saved(figure, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


@styled
def _saved(figure: Figure, **options: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, **options)
    return out.getvalue()


def contents(figure: Figure) -> dict[str, bytes]:
    """Suffix -> content of the figure's file."""
    return {"svg": svg(figure).encode(), "png": png(figure), "pdf": pdf(figure)}


def save(figure: Figure, stem: Path) -> None:
    """Write STEM.svg, STEM.png and STEM.pdf."""
    for suffix, content in contents(figure).items():
        with replacing(stem.with_name(f"{stem.name}.{suffix}"), "wb") as file:
            file.write(content)
