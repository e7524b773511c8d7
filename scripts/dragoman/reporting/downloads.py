"""Files inside the page: links with the file's content (data URLs)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dragoman.reporting import tables
from dragoman.reporting.markup import latex_rows, markdown_rows

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


def table_downloads(
    stem: str, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], columns: str, csv: str = ""
) -> list[Download]:
    """A table of text as CSV, Markdown and LaTeX; empty if it has no rows.

    Args:
        stem: name of the files without suffix.
        title: its title.
        header: [columns] titles.
        rows: [rows][columns] cells.
        columns: column specification of `tabular`.
        csv: content of the CSV file; empty: the same cells.
    """
    if not rows:
        return []
    return [
        download(f"{stem}.csv", csv or tables.csv(pd.DataFrame(rows, columns=header))),
        download(f"{stem}.md", markdown_rows(title, header, rows)),
        download(f"{stem}.tex", latex_rows(title, header, rows, columns)),
    ]
