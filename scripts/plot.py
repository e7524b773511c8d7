#!/usr/bin/env python3
"""Draw one figure of an experiment as SVG, PNG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command, registry
from dragoman.configfile import load_config
from dragoman.metrics import score_cache
from dragoman.plan import Plan
from dragoman.reporting import figure_kinds, figures
from dragoman.results import records


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and write EXPERIMENT-FIGURE.svg, .png and .pdf."""
    example = (
        "python scripts/plot.py --experiment sft-llama --figure loss --records results/records.jsonl"
        " --out-dir results/figures\n\nfigures:\n  "
    ) + "\n  ".join(f"{name:<8}  {kind.title.lower()}" for name, kind in figure_kinds.FIGURES.items())
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--experiment", required=True, help="its name in the configuration")
    parser.add_argument("--figure", required=True, help="name of the figure; see below")
    parser.add_argument("--records", type=Path, required=True, help="JSON Lines of records")
    parser.add_argument("--results", type=Path, help="folder with tunings/ and decodes/ (default: the configuration's)")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder for the figure")
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    score_cache.use(plan.score_cache)
    if given.figure not in (own := figure_kinds.figures_of(plan, given.experiment)):
        raise ValueError(f"{given.experiment}: {registry.unknown('figure', given.figure, own)}")
    kind = figure_kinds.FIGURES[given.figure]
    figure = kind.draw(plan, given.experiment, records.read(given.records))
    figures.save(figure or figures.empty(kind.absent), given.out_dir / f"{given.experiment}-{given.figure}")


if __name__ == "__main__":
    command.run(main)
