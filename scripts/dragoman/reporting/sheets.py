"""An experiment's tables, and all its numbers as CSV: the same on the page and in files."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dragoman.plan import Plan
from dragoman.records import Record
from dragoman.reporting import arrange, gallery, gather, instructed, relative, tables


def sheets(plan: Plan, experiment: str, records: Sequence[Record]) -> tuple[list[arrange.Table], str]:
    """Its tables in the order they are shown, and its cells as CSV, where ratios stand as metrics of their own."""
    layout = gather.layout_from(plan, experiment)
    frame = tables.cells(records, layout)
    laid = arrange.tables_of(frame, layout)
    if gallery.has_twin(plan, experiment):
        ratios = relative.cells(plan, experiment, records)
        if ratios["value"].notna().any():
            laid.append(relative.table(plan, experiment, ratios))
            frame = pd.concat([frame, ratios.assign(metric=ratios["metric"] + ", % of the twin's")])
    laid += instructed.judgements(plan, experiment, records)
    return laid, tables.csv(frame)
