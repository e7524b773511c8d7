#!/usr/bin/env python3
"""Check a configuration without Snakemake: every mistake in one line (file, line, key, value, what is allowed)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.configfile import load_config
from dragoman.plan import Plan


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/validate.py config/config.yaml")
    parser.add_argument("config", type=Path, nargs="+", metavar="CONFIG")
    for path in parser.parse_args(argv).config:
        plan = Plan(load_config(path))
        tunings, decodes = len(list(plan.tuning_runs)), len(list(plan.decode_runs))
        experiments = ", ".join(plan.config.experiments)
        print(f"{path}: fine. Experiments: {experiments}. Fine-tunings: {tunings}, decodings: {decodes}.")


if __name__ == "__main__":
    command.run(main)
