#!/usr/bin/env python3
"""Check a configuration without Snakemake. Prints one line per mistake: file, line, key, value, and allowed values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dragoman import command
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.prompts import habits


def beginnings(plan: Plan) -> Iterator[str]:
    """Remarks on the first tokens of the prompts of each model that is not from scratch."""
    for model in plan.models_used:
        remarks = habits.remarks(model)
        yield from (remark.line for remark in remarks)
        set_by_hand = [name for name, prompt in model.prompts.items() if prompt.bos != "auto"]
        if set_by_hand and not remarks and model.config.source != "scratch":
            names = ", ".join(set_by_hand)
            yield f"prompt {names}: whether `bos` fits the tokenizer of {model.name} is seen when that is fetched"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/validate.py config/config.yaml")
    parser.add_argument("config", type=Path, nargs="+", metavar="CONFIG")
    for path in parser.parse_args(argv).config:
        plan = Plan(load_config(path))
        tunings, decodes = len(plan.tuning_runs), len(plan.decode_runs)
        experiments = ", ".join(plan.config.experiments)
        print(f"{path}: fine. Experiments: {experiments}. Fine-tunings: {tunings}, decodings: {decodes}.")
        print("".join(f"{line}\n" for line in beginnings(plan)), end="")


if __name__ == "__main__":
    command.run(main)
