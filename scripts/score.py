#!/usr/bin/env python3
"""Score translations: plain text files of any system, or the hypotheses of a run. Records go out, one a line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dragoman import records, registry
from dragoman.command import add_config, parser, run
from dragoman.metrics.bootstrap import RESAMPLES
from dragoman.metrics.scoring import score_files, score_hypotheses


def text(arguments: argparse.Namespace) -> None:
    """Score plain text files; records go to standard output and nothing else does."""
    options = {name: {"bootstrap": arguments.bootstrap} for name in ("bleu", "chrf")}
    if arguments.tokenize:
        options["bleu"]["tokenize"] = arguments.tokenize
    found = score_files(
        arguments.hypothesis, arguments.reference, arguments.source, arguments.pair, arguments.metric, options
    )
    for record in found:
        sys.stdout.write(record.line() + "\n")


def hypotheses(arguments: argparse.Namespace) -> None:
    """Score what a system of a configuration wrote."""
    from dragoman.configfile import load_config

    config = load_config(arguments.config)
    if arguments.experiment not in config.experiments:
        raise KeyError(registry.unknown("experiment", arguments.experiment, config.experiments))
    experiment = config.experiments[arguments.experiment]
    if arguments.system not in experiment.systems:
        raise KeyError(registry.unknown("system", arguments.system, experiment.systems))
    place = {
        "paper": experiment.paper,
        "experiment": arguments.experiment,
        "system": arguments.system,
        "pair": arguments.pair,
        "seed": arguments.seed,
    }
    records.write(arguments.out, score_hypotheses(arguments.hypotheses, place, experiment.metrics))


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and score."""
    known = ", ".join(registry.names("metric"))
    example = "python scripts/score.py text --hypothesis out.txt --reference ref.txt --pair en-fr --metric bleu chrf"
    top = parser("Score translations and print one record (a line of JSON) per number.", example)
    commands = top.add_subparsers(dest="command", required=True)

    plain = commands.add_parser("text", help="plain text files, one sentence a line, also .gz")
    plain.add_argument("--hypothesis", type=Path, nargs="+", required=True, help="translations, one system a file")
    plain.add_argument("--reference", type=Path, nargs="+", default=[], help="one or more human translations")
    plain.add_argument("--source", type=Path, help="the original sentences, for metrics that read them")
    plain.add_argument("--pair", required=True, help="source and target language, like en-fr")
    plain.add_argument(
        "--metric", nargs="+", default=["bleu", "chrf"], help=f"of {known}; options after a colon: chrf:word_order=2"
    )
    plain.add_argument("--tokenize", help="BLEU's tokenizer (default: by target language, else 13a)")
    plain.add_argument(
        "--bootstrap",
        type=int,
        default=RESAMPLES,
        help="resamples behind the interval of BLEU and chrF; 0: no interval",
    )
    plain.set_defaults(do=text)

    decoded = commands.add_parser("hypotheses", help="hypotheses that the workflow decoded")
    add_config(decoded)
    decoded.add_argument("--experiment", required=True)
    decoded.add_argument("--system", required=True)
    decoded.add_argument("--pair", required=True)
    decoded.add_argument("--seed", type=int, required=True)
    decoded.add_argument("--hypotheses", type=Path, required=True, help="JSON Lines that the decoding wrote")
    decoded.add_argument("--out", type=Path, required=True, help="records, as JSON Lines")
    decoded.set_defaults(do=hypotheses)

    arguments = top.parse_args(argv)
    arguments.do(arguments)


if __name__ == "__main__":
    run(main)
