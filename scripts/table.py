#!/usr/bin/env python3
"""Write an experiment's scores as CSV (full precision), Markdown, LaTeX and HTML, or the cost of all trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.configfile import load_config
from dragoman.metrics import score_cache
from dragoman.plan import Plan
from dragoman.reporting import table_files, timings
from dragoman.results import records
from dragoman.storage import replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write EXPERIMENT.csv, .md, .tex and .html, or the tables of training-cost."""
    example = (
        "python scripts/table.py --experiment sft-llama --records results/records.jsonl --out-dir results/tables\n"
        "  python scripts/table.py --training-cost --out-dir results/tables"
    )
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--experiment", help="its name in the configuration")
    choice.add_argument("--training-cost", action="store_true", help="seconds, speed and memory of every training")
    parser.add_argument("--records", type=Path, help="JSON Lines of records, for --experiment")
    parser.add_argument("--results", type=Path, help="folder with timings/ (default: the configuration's)")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder for the table")
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    score_cache.use(plan.score_cache)
    if given.training_cost:
        for suffix, content in timings.files(timings.read(plan)).items():
            with replacing(given.out_dir / f"{timings.NAME}.{suffix}") as file:
                file.write(content)
    elif given.records is None:
        parser.error("--experiment needs --records")
    else:
        plan.experiment(given.experiment)  # refuses an unknown name before the records are read
        table_files.save(plan, given.experiment, records.read(given.records), given.out_dir)


if __name__ == "__main__":
    command.run(main)
