#!/usr/bin/env python3
"""Measure the speed of the faster and the plain variant of each step in one run. No test depends on these times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dragoman import command, models, registry
from dragoman.benchmarks import decoding, divergence, scale, scoring, text, training, trl_training, vocabulary, workflow

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
"""Benchmarks at the papers' sizes. They need a GPU, so they only run if they are named."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/bench.py train decode --threads 2")
    parser.add_argument(
        "benchmark",
        nargs="*",
        default=list(BENCHMARKS),
        help=f"names of benchmarks (default: all except {', '.join(SCALE)}, which need a GPU, and trl, which needs "
        "`make env-trl`)",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, help="for `trl`: the model, a folder in Hugging Face format")
    parser.add_argument("--text", type=Path, help="for `trl`: a TSV file of sentence pairs (default: embedded grammar)")
    parser.add_argument("--tiny", action="store_true", help="use small models in benchmarks that need a GPU")
    arguments = parser.parse_args(argv)
    known = BENCHMARKS | {name: partial(work, arguments.tiny) for name, work in SCALE.items()}
    known["trl"] = partial(trl_training.compare, arguments.checkpoint, arguments.text, arguments.threads)
    if unknown := set(arguments.benchmark) - set(known):
        raise ValueError(registry.unknown("benchmark", unknown.pop(), known))
    if "trl" in arguments.benchmark and arguments.checkpoint is None:
        raise ValueError("trl needs --checkpoint, a model's folder, like results/real-smollm2-embedded/models/base")
    for name in arguments.benchmark:
        if name in SCALE and not arguments.tiny and models.device() == "cpu":
            raise ValueError(f"{name} needs a GPU, but this machine has none; use --tiny for small models")
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
