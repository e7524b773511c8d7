#!/usr/bin/env python3
"""Measure, side by side in one run, what this project calls fast. Nothing in the tests depends on these times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dragoman import command, models, registry
from dragoman.benchmarks import decoding, divergence, scale, scoring, text, training, vocabulary, workflow

BENCHMARKS = {
    "corpora": text.corpora,
    "align": text.align,
    "visibility": text.visibility,
    "train": training.train,
    "masked": training.masked,
    "stage2": training.stage2,
    "packing": training.packing,
    "optimizer": training.optimizer,
    "decode": decoding.decode,
    "simultaneous": decoding.simultaneous_decoding,
    "scores": text.scores,
    "commands": scoring.commands,
    "divergence": divergence.divergence,
    "vocabulary": vocabulary.vocabulary,
    "workflow": workflow.workflow,
}
SCALE = {
    "finetuning-1b": scale.finetuning,
    "simultaneous-1b": scale.simultaneous,
    "prefilling-7b": scale.prefilling,
}
"""At the papers' sizes, on a GPU; so these are to be asked for."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/bench.py train decode --threads 2")
    parser.add_argument(
        "benchmark", nargs="*", default=list(BENCHMARKS), help=f"which (all but {', '.join(SCALE)}, which need a GPU)"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tiny", action="store_true", help="small models in those that need a GPU, to see them run")
    arguments = parser.parse_args(argv)
    known = BENCHMARKS | {name: partial(work, arguments.tiny) for name, work in SCALE.items()}
    if unknown := set(arguments.benchmark) - set(known):
        raise ValueError(registry.unknown("benchmark", unknown.pop(), known))
    for name in arguments.benchmark:
        if name in SCALE and not arguments.tiny and models.device() == "cpu":
            raise ValueError(f"{name} is for a GPU, and there is none; --tiny tries small models")
    models.use_threads(arguments.threads)
    print("| what | how | done | seconds | per second |\n| --- | --- | ---: | ---: | ---: |")
    for name in arguments.benchmark:
        for t in known[name]():
            print(
                f"| {t.what} | {t.how} | {t.count:,} {t.unit} | {t.seconds:.1f} | {t.count / t.seconds:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    command.run(main)
