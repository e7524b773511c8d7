"""The page on which a translation can be watched: one HTML file that loads nothing from elsewhere. It shares the styles
of the report."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from dragoman.reporting.html import script_digest, template

HERE = Path(__file__).parent
SCRIPT = (HERE / "watch.js").read_text(encoding="utf-8")
SECURITY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script_digest(SCRIPT)}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy header: only `watch.js` runs, and it can send requests only to its own server."""


def render() -> str:
    """The page."""
    styles = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "watch.css"))
    return template("watch.html.j2").render(styles=Markup(styles), script=Markup(SCRIPT))
