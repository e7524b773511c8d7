"""Files inside the page: links with the file's content (data URLs)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

KINDS = {
    "csv": "text/csv;charset=utf-8",
    "md": "text/markdown;charset=utf-8",
    "tex": "application/x-tex;charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
}


@dataclass(frozen=True)
class Download:
    """A file inside the page."""

    name: str
    kind: str
    link: str


def download(name: str, content: str | bytes) -> Download:
    """A file as a link with its content; the suffix of its name gives its type.

    Raises:
        KeyError: the suffix is none of `KINDS`.
    """
    data = content.encode() if isinstance(content, str) else content
    kind = name.rpartition(".")[2]
    return Download(name, kind, f"data:{KINDS[kind]};base64,{base64.b64encode(data).decode()}")
