"""HTML from the templates in this folder, with all values escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape


def whole_pairs(text: str) -> Markup:
    """`text`, escaped, with language pairs in elements that are not broken at their hyphen."""
    return Markup(re.sub(r"\b[a-z]{2}-[a-z]{2}\b", r'<span class="pair">\g<0></span>', str(escape(text))))


def script_digest(script: str) -> str:
    """The SHA-256 of a script as a Content-Security-Policy writes it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def template(name: str) -> jinja2.Template:
    """A template by its file name; rendering without one of its variables is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["whole_pairs"] = whole_pairs
    return environment.get_template(name)
