#!/usr/bin/env python3
"""Test the papers' claims on the results of a configuration; writes one JSON object per line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dragoman import claims, command
from dragoman.configfile import ConfigError, load_config
from dragoman.metrics import score_cache
from dragoman.plan import Plan
from dragoman.results import records
from dragoman.storage import canonical, replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line, evaluate the claims and write them."""
    parser = command.parser(
        __doc__ or "", "python scripts/claims.py --config config/config.yaml --out results/claims.jsonl"
    )
    command.add_config(parser)
    parser.add_argument("--claims", type=Path, default=claims.FILE, help="file of claims (default: config/claims.yaml)")
    parser.add_argument("--results", type=Path, help="folder with the results (default: the configuration's)")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file to write")
    given = parser.parse_args(argv)
    plan = Plan(load_config(given.config))
    plan.results = given.results or plan.results
    score_cache.use(plan.score_cache)
    tested = claims.load(given.claims)
    if refused := list(claims.refused(tested, plan.config)):
        raise ConfigError(
            "\n".join(f"{given.claims}: {text} ({experiment}, {name})" for experiment, name, text in refused)
        )
    path = plan.results / "records.jsonl"
    scores = records.read(path) if path.is_file() else []
    verdicts = claims.evaluate([claim for claim in tested if not claim.timed], plan, scores)
    timed_verdicts = claims.evaluate([claim for claim in tested if claim.timed], plan)
    for out, results in ((given.out, verdicts), (plan.timed_claims, timed_verdicts)):
        with replacing(out) as file:
            for result in results:
                file.write(canonical(asdict(result)) + "\n")
    for result in verdicts + timed_verdicts:
        p = "" if result.p is None else f", p = {result.p:.4f}"
        near = f", near to {' and '.join(result.near)}" if result.near else ""
        logging.info("%-9s  %s%s%s%s", result.verdict, result.id, p, near, f" ({result.note})" if result.note else "")


if __name__ == "__main__":
    command.run(main)
