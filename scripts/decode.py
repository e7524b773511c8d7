#!/usr/bin/env python3
"""Translate a test set with one system of one experiment. Goes on where an earlier attempt stopped."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import command, corpora, decoding, models, registry, shots
from dragoman.configfile import load_config
from dragoman.imports import code
from dragoman.plan import DecodeRun, Plan
from dragoman.storage import digest, read_manifest, sha256


def decode(plan: Plan, run: DecodeRun) -> None:
    """Hypotheses for every sentence of the test set, in its order."""
    experiment = plan.experiment(run.experiment)
    table = corpora.load(plan.corpus_folder(experiment.test.corpus, run.pair), experiment.test.split)
    rows = table.slice(0, experiment.test.limit).to_pylist()
    items = [decoding.Item(row["id"], row["source"], row["target"], row["alignment"]) for row in rows]

    spec, model = plan.decode_spec(run), plan.model_behind(run)
    files = digest(read_manifest(model)["files"]) if model else ""
    if model:
        models.use_threads(plan.config.threads)
    prompt = shots.asked(plan, run)
    context = decoding.Context(model, run.pair, prompt)
    options = plan.decoder(run)
    decoder = registry.module_of("decoder", options.name).Decoder(context, options)
    fingerprint = code("decode", ("decoder", options.name), ("task", experiment.task))
    prior = [sha256(path) for path in plan.prior_files(run)]
    depends = [vars(run), spec, prompt.model_dump(mode="json"), fingerprint, models.made_with() if model else {}, prior]
    key = decoding.journal_key(depends, items, files)
    journal = decoding.Journal(plan.results / ".work" / f"decode-{key}.jsonl", key)
    label = f"{run.experiment}/{run.system}/{run.pair} seed {run.seed}"
    result = decoding.run(items, decoder.batches(items), decoder.decode, journal, label)
    journal.close()
    parse = registry.module_of("task", experiment.task).parse
    for row in result:
        if (answer := parse(row["hypothesis"])) != row["hypothesis"]:
            row |= {"written": row["hypothesis"], "hypothesis": answer}
    decoding.write(plan.decode_folder(run) / "hypotheses.jsonl", result)
    journal.path.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/decode.py --config config/config.yaml --experiment sft-llama --system tuned --pair en-fr"
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--pair", required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    run = plan.decode_run(arguments.experiment, arguments.system, arguments.pair, arguments.seed)
    decode(plan, run)


if __name__ == "__main__":
    command.run(main)
