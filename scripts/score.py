#!/usr/bin/env python3
"""Score translations: text of any system, hypotheses of a run, or simultaneous logs. Prints one record per line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dragoman import registry
from dragoman.command import add_config, parser, run
from dragoman.metrics import MetricError, parse, score_cache
from dragoman.metrics.bootstrap import RESAMPLES
from dragoman.metrics.log_units import SOURCES, UNITS
from dragoman.metrics.scoring import score_files, score_hypotheses
from dragoman.results import records
from dragoman.storage import replacing

LATENCY = [name for name, place in registry.REGISTRY["metric"].items() if place.startswith("dragoman.metrics.latency:")]

SENTENCES = "also print the value of each sentence: a line of JSON with `sentence` (its line in the file) and `value`"


def text(arguments: argparse.Namespace) -> None:
    """Score plain text files. Only records are written to standard output."""
    given = {} if arguments.bootstrap is None else {"bootstrap": arguments.bootstrap}
    options = {parse(metric)[0]: dict(given) for metric in arguments.metric}
    score_cache.use(arguments.keep)
    if arguments.tokenize:
        bleus = [own for name, own in map(parse, arguments.metric) if name == "bleu"]
        if all("tokenize" in own for own in bleus):
            why = "each bleu in --metric has its own" if bleus else "--metric has no bleu"
            raise MetricError(f"--tokenize is for BLEU, but {why}; add bleu without options to --metric, or remove it")
        options["bleu"]["tokenize"] = arguments.tokenize
    scored = score_files(
        arguments.hypothesis,
        arguments.reference,
        arguments.source,
        arguments.pair,
        arguments.metric,
        options,
        sentences=arguments.sentences,
    )
    for record in scored:
        sys.stdout.write(record.line() + "\n")


def instances(arguments: argparse.Namespace) -> None:
    """Score the latency of simultaneous translations. Only records are written to standard output."""
    from dragoman.metrics.instances import score_logs  # imports numpy, which scores of texts do not need

    results = score_logs(
        arguments.log,
        arguments.metric,
        unit=arguments.unit,
        computation_aware=arguments.computation_aware,
        use_references=arguments.reference_length,
        source_type=arguments.source_type,
        pair=arguments.pair,
        bootstrap=arguments.bootstrap,
        sentences=arguments.sentences,
    )
    for record in results:
        sys.stdout.write(record.line() + "\n")


def talks(arguments: argparse.Namespace) -> None:
    """Score simultaneous translations of whole talks, sentence by sentence of a reference."""
    from dragoman.metrics.talks import score_talks

    scored = score_talks(
        arguments.log,
        arguments.segments,
        arguments.reference,
        arguments.pair,
        arguments.metric,
        computation_aware=arguments.computation_aware,
        bootstrap=arguments.bootstrap,
    )
    for record in scored:
        sys.stdout.write(record.line() + "\n")


def hypotheses(arguments: argparse.Namespace) -> None:
    """Score the hypotheses of a system of a configuration."""
    from dragoman.configfile import load_config
    from dragoman.plan import Plan

    plan = Plan(load_config(arguments.config))
    experiment = plan.experiment(arguments.experiment)
    if arguments.system not in experiment.systems:
        raise registry.UnknownNameError(registry.unknown("system", arguments.system, experiment.systems))
    place = {
        "paper": experiment.paper,
        "experiment": arguments.experiment,
        "system": arguments.system,
        "pair": arguments.pair,
        "seed": arguments.seed,
    }
    options = plan.metric_options(arguments.experiment)
    score_cache.use(plan.score_cache)
    records.write(arguments.out, score_hypotheses(arguments.hypotheses, place, experiment.metrics, options))


def requisites(arguments: argparse.Namespace) -> None:
    """Fetch or load the files and models of an experiment's metrics, and write a list of them."""
    from dragoman.configfile import load_config
    from dragoman.plan import Plan

    needed = [find() for find in Plan(load_config(arguments.config)).requisites(arguments.experiment)]
    with replacing(arguments.out) as file:
        file.writelines(f"{line}\n" for line in needed)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and score."""
    known = ", ".join(registry.names("metric"))
    example = "python scripts/score.py text --hypothesis out.txt --reference ref.txt --pair en-fr --metric bleu chrf"
    top = parser("Score translations and print one record (a line of JSON) per number.", example)
    commands = top.add_subparsers(dest="command", required=True)

    plain = commands.add_parser("text", help="plain text files, one sentence per line, also .gz")
    plain.add_argument("--hypothesis", type=Path, nargs="+", required=True, help="translations, one system per file")
    plain.add_argument("--reference", type=Path, nargs="+", default=[], help="one or more human translations")
    plain.add_argument("--source", type=Path, help="source sentences, for metrics that need them")
    plain.add_argument("--pair", required=True, help="source and target language, like en-fr or eng_Latn-zho_Hans")
    plain.add_argument(
        "--metric",
        nargs="+",
        default=["bleu", "chrf"],
        help=f"one or more of {known}; options follow a colon: chrf:word_order=2",
    )
    plain.add_argument("--tokenize", help="BLEU's tokenizer (default: depends on the target language)")
    plain.add_argument(
        "--bootstrap", type=int, help=f"number of resamples for intervals (default: {RESAMPLES}); 0: no intervals"
    )
    plain.add_argument(
        "--keep",
        type=Path,
        help="folder that stores the sentence scores of neural metrics, so that they are computed only once",
    )
    plain.add_argument("--sentences", action="store_true", help=SENTENCES)
    plain.set_defaults(do=text)

    timed = commands.add_parser("instances", help="latency of simultaneous translations: SimulEval's instances.log")
    timed.add_argument("log", type=Path, nargs="+", help="JSON Lines with delays, one system per file, also .gz")
    timed.add_argument(
        "--metric",
        nargs="+",
        default=LATENCY,
        help=f"one or more of {', '.join(LATENCY)} (default: all); options follow a colon: al:computation_aware=true",
    )
    timed.add_argument("--unit", choices=UNITS, default="word", help="unit that has a delay (default: word)")
    timed.add_argument(
        "--computation-aware", action="store_true", help="use elapsed times instead of delays (speech only)"
    )
    timed.add_argument(
        "--no-reference-length",
        dest="reference_length",
        action="store_false",
        help="compute AL, LAAL, AP and YAAL relative to the length of the hypothesis",
    )
    timed.add_argument(
        "--source-type",
        choices=sorted(SOURCES),
        help="text: delays in words; speech: delays in milliseconds (default: detected from the log)",
    )
    timed.add_argument("--pair", default="", help="source and target language, like en-fr, for the records")
    timed.add_argument(
        "--bootstrap", type=int, default=RESAMPLES, help="number of resamples for intervals; 0: no intervals"
    )
    timed.add_argument("--sentences", action="store_true", help=SENTENCES)
    timed.set_defaults(do=instances)

    long = commands.add_parser("talks", help="simultaneous translations of whole talks: a log with a line per talk")
    long.add_argument("log", type=Path, help="SimulEval's instances.log; delays in milliseconds")
    long.add_argument(
        "--segments", type=Path, required=True, help="YAML or JSON: wav, offset and duration of every sentence"
    )
    long.add_argument("--reference", type=Path, required=True, help="translations, one sentence per line")
    long.add_argument("--pair", required=True, help="source and target language, like en-de")
    long.add_argument(
        "--metric",
        nargs="+",
        default=["bleu", "yaal"],
        help="metrics of text and reference; yaal is LongYAAL here, and laal is StreamLAAL (default: bleu yaal)",
    )
    long.add_argument("--computation-aware", action="store_true", help="use elapsed times instead of delays")
    long.add_argument(
        "--bootstrap", type=int, default=RESAMPLES, help="number of resamples for intervals; 0: no intervals"
    )
    long.set_defaults(do=talks)

    decoded = commands.add_parser("hypotheses", help="hypotheses of the workflow")
    add_config(decoded)
    decoded.add_argument("--experiment", required=True)
    decoded.add_argument("--system", required=True)
    decoded.add_argument("--pair", required=True)
    decoded.add_argument("--seed", type=int, required=True)
    decoded.add_argument("--hypotheses", type=Path, required=True, help="JSON Lines file of a decoding")
    decoded.add_argument("--out", type=Path, required=True, help="JSON Lines file for the records")
    decoded.set_defaults(do=hypotheses)

    needed = commands.add_parser("requisites", help="download or load the files and models of an experiment's metrics")
    add_config(needed)
    needed.add_argument("--experiment", required=True)
    needed.add_argument("--out", type=Path, required=True, help="file for the list of these, one per line")
    needed.set_defaults(do=requisites)

    arguments = top.parse_args(argv)
    arguments.do(arguments)


if __name__ == "__main__":
    run(main)
