#!/usr/bin/env python3
"""Write an experiment's scores as CSV (full precision), Markdown and LaTeX; or what all trainings took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command, records
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.reporting import timings
from dragoman.reporting.arrange import tables_of
from dragoman.reporting.gather import layout_from
from dragoman.reporting.instructed import judgements
from dragoman.reporting.markup import latex, markdown
from dragoman.reporting.tables import cells, csv
from dragoman.storage import replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write EXPERIMENT.csv, .md and .tex, or training-cost.csv and .md."""
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
    parser.add_argument("--out-dir", type=Path, required=True, help="folder that the table is written to")
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    if given.training_cost:
        taken = timings.read(plan)
        name, contents = timings.NAME, {"csv": timings.csv(taken), "md": timings.markdown(timings.costs(taken))}
    elif given.records is None:
        parser.error("--experiment needs --records")
    else:
        layout = layout_from(plan, given.experiment)
        found = records.read(given.records)
        frame = cells(found, layout)
        laid = [*tables_of(frame, layout), *judgements(plan, given.experiment, found)]
        name, contents = given.experiment, {"csv": csv(frame)}
        contents |= {"md": "\n".join(map(markdown, laid)), "tex": "\n".join(map(latex, laid))}
    for suffix, content in contents.items():
        with replacing(given.out_dir / f"{name}.{suffix}") as file:
            file.write(content)


if __name__ == "__main__":
    command.run(main)
