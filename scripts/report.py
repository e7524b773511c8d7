#!/usr/bin/env python3
"""Write the report: one self-contained HTML page of a configuration's results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.configfile import load_config
from dragoman.metrics import score_cache
from dragoman.plan import Plan
from dragoman.reporting.page import render
from dragoman.results import records
from dragoman.storage import replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write the page, with the files that table.py and plot.py have written."""
    parser = command.parser(
        __doc__ or "", "python scripts/report.py --config config/config.yaml --out results/report/index.html"
    )
    command.add_config(parser)
    parser.add_argument("--results", type=Path, help="folder with the results (default: the configuration's)")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    score_cache.use(plan.score_cache)
    path = plan.results / "records.jsonl"
    page = render(plan, records.read(path) if path.is_file() else [])
    with replacing(given.out) as file:
        file.write(page)


if __name__ == "__main__":
    command.run(main)
