#!/usr/bin/env python3
"""Compare the next-token distributions of a foundation model and its fine-tuned twin, with and without prior tokens."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dragoman import command, corpora, decoding, models
from dragoman.configfile import load_config
from dragoman.plan import DivergenceRun, Plan
from dragoman.prompts import chat

log = logging.getLogger(__name__)


def diverge(run: DivergenceRun) -> None:
    """Write a row per number of prior tokens, reading and position, and a row for all positions (`position` null).

    Priors are the first n tokens of the twin's own answer. If its whole answer is shorter, the sentence is left out for
    this n; if all of them are, or the models have no position in common, so is the row.
    """
    from dragoman.decoding import offline  # imported here, since it imports torch, which --help does not need
    from dragoman.metrics import divergence

    experiment = run.experiment_config
    spec = experiment.divergence
    assert spec is not None  # otherwise the plan would not have this run
    models.use_threads(run.plan.config.threads)
    table = corpora.load(run.test.folder, experiment.test.split)
    rows = table.slice(0, min(spec.sentences, experiment.test.limit or spec.sentences)).to_pylist()
    items = [decoding.Item(row["id"], row["source"], row["target"]) for row in rows]
    folders = run.foundation.folder, run.twin.folder
    prompt, options = chat.for_model(run.prompt, folders[0]), run.decoder
    foundation, twin = (offline.Decoder(decoding.Context(folder, run.pair, prompt), options) for folder in folders)
    if twin.tokenizer.get_vocab() != foundation.tokenizer.get_vocab():
        raise ValueError(
            f"the tokenizers in {folders[0]} and {folders[1]} differ, so probabilities of their ids cannot be compared"
        )
    prompts = foundation.prompts(items)
    bare = divergence.answers(foundation, twin, prompts)
    along = divergence.traced(foundation.model, twin.model, bare, "teacher", batch_size=spec.batch_size)
    made = []
    for n in spec.n:
        # both models read the same text with any n, so a longer prior only leaves out the first positions
        teacher = [divergence.Trace(*(column[n:] for column in trace)) for trace in along if len(trace.rank) > n]
        answers = divergence.after_prior(foundation, bare, n) if n else bare
        free = divergence.traced(foundation.model, twin.model, answers, "free", batch_size=spec.batch_size)
        for reading, traces in (("teacher", teacher), ("free", free)):
            if not any(len(trace.rank) for trace in traces):
                log.info("n = %d, reading %s: no position to compare; left out", n, reading)
                continue
            means = [{"position": None} | divergence.summary(traces), *divergence.by_position(traces)]
            made += [{"n": n, "reading": reading, "sentences": len(answers)} | row for row in means]
    decoding.write(run.file, made)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/diverge.py --config config/config.yaml --experiment pretty --pair en-fr"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "pair")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    diverge(plan.divergence_run(arguments.experiment, arguments.pair, arguments.seed))


if __name__ == "__main__":
    command.run(main)
