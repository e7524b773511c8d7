"""The page on which a translation can be watched: one HTML file that loads nothing from elsewhere. It shares the styles
of the report."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from dragoman.reporting.html import template

HERE = Path(__file__).parent
SCRIPT = (HERE / "watch.js").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
SECURITY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy header: only `watch.js` runs, and it can send requests only to its own server."""


def render() -> str:
    """The page."""
    styles = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "watch.css"))
    return template("watch.html.j2").render(styles=Markup(styles), script=Markup(SCRIPT))
