#!/usr/bin/env python3
"""Write an experiment's scores, or the cost of all trainings, as CSV (full precision), Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command, records
from dragoman.configfile import load_config
from dragoman.metrics import score_cache
from dragoman.plan import Plan
from dragoman.reporting import timings
from dragoman.reporting.markup import latex, markdown
from dragoman.reporting.sheets import sheets
from dragoman.storage import replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write EXPERIMENT.csv, .md and .tex, or those of training-cost."""
    example = (
        "python scripts/table.py --experiment sft-llama --records results/records.jsonl --out-dir results/tables\n"
        "  python scripts/table.py --training-cost --out-dir results/tables"
    )
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--experiment", help="its name in the configuration")
    what.add_argument("--training-cost", action="store_true", help="seconds, speed and memory of every training")
    parser.add_argument("--records", type=Path, help="JSON Lines of records, for --experiment")
    parser.add_argument("--results", type=Path, help="folder with timings/ (default: the configuration's)")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder for the table")
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    score_cache.use(plan.score_cache)
    if given.training_cost:
        taken = timings.read(plan)
        costs = timings.costs(taken)
        name = timings.NAME
        contents = {"csv": timings.csv(taken), "md": timings.markdown(costs), "tex": timings.latex(costs)}
    elif given.records is None:
        parser.error("--experiment needs --records")
    else:
        plan.experiment(given.experiment)  # an unknown one is named before anything is read
        laid, numbers = sheets(plan, given.experiment, records.read(given.records))
        name, contents = given.experiment, {"csv": numbers}
        contents |= {"md": "\n".join(map(markdown, laid)), "tex": "\n".join(map(latex, laid))}
    for suffix, content in contents.items():
        with replacing(given.out_dir / f"{name}.{suffix}") as file:
            file.write(content)


if __name__ == "__main__":
    command.run(main)
