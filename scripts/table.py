#!/usr/bin/env python3
"""Write an experiment's table as CSV (full precision), Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command, records
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.reporting.arrange import lay_out
from dragoman.reporting.gather import layout_from
from dragoman.reporting.markup import latex, markdown
from dragoman.reporting.tables import cells, csv
from dragoman.storage import replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write EXPERIMENT.csv, .md and .tex."""
    example = (
        "python scripts/table.py --records results/records.jsonl --config C --experiment E --out-dir results/tables"
    )
    parser = command.parser(__doc__ or "", example)
    parser.add_argument("--records", type=Path, required=True, help="JSON Lines of records")
    command.add_config(parser)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--out-dir", type=Path, required=True)
    given = parser.parse_args(argv)
    layout = layout_from(Plan(load_config(given.config)), given.experiment)
    frame = cells(records.read(given.records), layout)
    table = lay_out(frame, layout)
    for suffix, content in (("csv", csv(frame)), ("md", markdown(table)), ("tex", latex(table))):
        with replacing(given.out_dir / f"{given.experiment}.{suffix}") as file:
            file.write(content)


if __name__ == "__main__":
    command.run(main)
