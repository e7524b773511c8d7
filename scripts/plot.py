#!/usr/bin/env python3
"""Draw an experiment's figures as SVG and PNG: its scores per pair, and the loss of its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command, records
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.reporting.curves import loss_curves
from dragoman.reporting.dots import scores
from dragoman.reporting.figures import save
from dragoman.reporting.gather import layout_from, tuning_curves
from dragoman.reporting.tables import cells


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write EXPERIMENT-scores and EXPERIMENT-loss as .svg and .png."""
    example = (
        "python scripts/plot.py --config C --experiment E --records results/records.jsonl --out-dir results/figures"
    )
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--records", type=Path, required=True, help="JSON Lines of records")
    parser.add_argument("--results", type=Path, help="folder with tunings/ (default: the configuration's)")
    parser.add_argument("--out-dir", type=Path, required=True)
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    layout = layout_from(plan, given.experiment)
    frame = cells(records.read(given.records), layout)
    save(scores(frame), given.out_dir / f"{given.experiment}-scores")
    save(loss_curves(tuning_curves(plan, given.experiment)), given.out_dir / f"{given.experiment}-loss")


if __name__ == "__main__":
    command.run(main)
