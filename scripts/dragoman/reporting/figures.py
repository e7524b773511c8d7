"""Figures as matplotlib draws them, the same bytes for the same numbers: SVG for the page, PNG for slides, PDF for
papers.

Names stand beside what they name, so there is no legend to look up and no meaning in colour alone.
"""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape, quoteattr

from dragoman.storage import replacing

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design"; their yellow and black are left out, since each vanishes on one of
# the two grounds (light, dark) that the page has
PALETTE = ("#0072b2", "#d1491b", "#009e73", "#b8508a", "#b98600", "#7a52b3")
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""The palette starts again with the next of these, so that the 7th curve differs from the 1st."""
INK, QUIET, RULE, GROUND = "#222222", "#6b6b6b", "#cccccc", "#ffffff"
THEMED = {INK: "ink", QUIET: "quiet", RULE: "rule", GROUND: "ground"} | {
    colour: f"c{number}" for number, colour in enumerate(PALETTE, 1)
}
"""Colour -> the page's variable in its place, light or dark (page.css)."""
SUFFIXES = ("svg", "png", "pdf")
WIDTH = 9.0
"""Inches at 100 dots: 900 pixels, the width of the page's column."""
DIGIT = 0.075
"""Inches that a letter of 9.5 points takes, roughly: enough to keep room for names."""

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


def look(number: int) -> dict[str, Any]:
    """Colour and dashes of the `number`-th thing drawn, counted from 0."""
    return {
        "color": PALETTE[number % len(PALETTE)],
        "linestyle": DASHES[number // len(PALETTE) % len(DASHES)],
    }


EMPTY = "empty"
"""Of the text in a figure without numbers; the page leaves such a figure out."""


def empty(text: str) -> Figure:
    """A figure that says why there is nothing to see: a workflow's figure must exist to be declared."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6))
        figure.text(0.02, 0.5, text, color=QUIET, va="center", gid=EMPTY)
    return figure


def tell(artist: Artist, text: str = "", series: str = "") -> None:
    """Say what an artist shows; only the SVG has a place for it.

    Args:
        text: what it says when it is pointed at, in lines; a `<title>`, which browsers show without a script.
        series: a name shared by all that is shown, hidden and highlighted together; an attribute `data-series`.
    """
    artist.set_gid(f"tell:{quote(series, safe='')}:{quote(text, safe='')}")


def _told(match: re.Match[str]) -> str:
    series, text = map(unquote, match.groups())
    group = f"<g data-series={quoteattr(series)}>" if series else "<g>"
    return group + (f"<title>{escape(text)}</title>" if text else "")


def svg(figure: Figure) -> str:
    """The figure as an SVG document without a date in it, with what `tell` said."""
    document = _saved(figure, format="svg", metadata={"Date": None, "Creator": None}).decode()
    return re.sub(r'<g id="tell:([^":]*):([^":]*)">', _told, document)


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


def _saved(figure: Figure, **options: Any) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context(STYLE):
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
