"""The files of an experiment's tables: CSV, Markdown, LaTeX, and the HTML that the page embeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dragoman.plan import Plan
from dragoman.reporting import arrange, figure_kinds, gather, instructed, relative, tables
from dragoman.reporting.html import template
from dragoman.reporting.markup import latex, markdown
from dragoman.results.records import Record
from dragoman.storage import replacing

SUFFIXES = ("csv", "md", "tex", "html")


def tables_of(plan: Plan, experiment: str, records: Sequence[Record]) -> tuple[list[arrange.Table], str]:
    """An experiment's tables in the order of the page, and its cells as CSV, in which ratios are further metrics."""
    layout, frame = gather.cells_of(plan, experiment, records)
    laid = arrange.tables_of(frame, layout)
    if figure_kinds.has_twin(plan, experiment):
        ratios = relative.cells(plan, experiment, records)
        if ratios["value"].notna().any():
            laid.append(relative.table(plan, experiment, ratios))
            frame = pd.concat([frame, ratios.assign(metric=ratios["metric"] + ", % of the twin's")])
    laid += instructed.judgements(plan, experiment, records)
    return laid, tables.csv(frame)


def save(plan: Plan, experiment: str, records: Sequence[Record], folder: Path) -> None:
    """Write FOLDER/EXPERIMENT.csv, .md, .tex and .html."""
    laid, numbers = tables_of(plan, experiment, records)
    page = template("table_files.html.j2").render(tables=laid, assumed=arrange.ASSUMED)
    contents = (numbers, "\n".join(map(markdown, laid)), "\n".join(map(latex, laid)), page)
    for suffix, content in zip(SUFFIXES, contents, strict=True):
        with replacing(folder / f"{experiment}.{suffix}") as file:
            file.write(content)
