#!/usr/bin/env python3
"""Translate a test set with one system of one experiment. Continues where an earlier attempt stopped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dragoman import command, corpora, decoding, models, registry
from dragoman.configfile import load_config
from dragoman.plan import DecodeRun, Plan
from dragoman.prompts import habits, shots
from dragoman.storage import digest, read_manifest, replacing, sha256


def decode(run: DecodeRun, out: Path, shard: int = 1, shards: int = 1) -> None:
    """Write hypotheses for the sentences of the test set, or of one shard of it, in their order."""
    experiment = run.experiment_config
    table = corpora.load(run.test.folder, experiment.test.split)
    rows = table.slice(0, experiment.test.limit).to_pylist()
    items = [
        decoding.Item(row["id"], row["source"], row["target"], row["alignment"], rows[number - 1]["target"])
        for number, row in enumerate(rows)
    ]
    first, last = (len(items) * number // shards for number in (shard - 1, shard))
    items = items[first:last]
    if not items and shards > 1:  # more shards than sentences: the model is not needed
        decoding.write(out, [])
        return

    model = run.model and run.model.folder
    files = digest(read_manifest(model)["files"]) if model else ""
    if model:
        models.use_threads(run.plan.config.threads)
        habits.warn(run.foundation, run.prompt)
    prompt = shots.asked(run)
    context = decoding.Context(model, run.pair, prompt, experiment.asked)
    options = run.decoder
    decoder = registry.module_of("decoder", options.name).Decoder(context, options)
    read = [sha256(path) for path in run.decoder_files]
    made_with = models.made_with() if model else {}
    depends = [run.names, run.spec, prompt.model_dump(mode="json"), run.code, made_with, read]
    key = decoding.journal_key(depends, items, files)
    journal = decoding.Journal(run.plan.results / ".work" / f"decode-{key}.jsonl", key)
    result = decoding.run(items, decoder.batches(items), decoder.decode, journal, run.label)
    journal.close()
    parse = registry.module_of("task", experiment.task).parse
    for row in result:
        if (answer := parse(row["hypothesis"])) != row["hypothesis"]:
            row |= {"written": row["hypothesis"], "hypothesis": answer}
    decoding.write(out, result)
    journal.path.unlink(missing_ok=True)


def gather(paths: Sequence[Path], out: Path) -> None:
    """Concatenate the shards of a decoding."""
    with replacing(out, "wb") as file:
        for path in paths:
            with open(path, "rb") as part:
                shutil.copyfileobj(part, file)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/decode.py --config config/config.yaml --experiment sft-llama --system tuned --pair en-fr"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "system", "pair")
    parser.add_argument("--shard", type=int, metavar="N", help="decode only the Nth part of the test set")
    parser.add_argument("--of", type=int, default=1, metavar="M", help="number of parts")
    parser.add_argument("--gather", type=Path, nargs="+", metavar="PART", help="join these decoded parts")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    run = plan.decode_run(arguments.experiment, arguments.system, arguments.pair, arguments.seed)
    if arguments.gather:
        gather(arguments.gather, run.hypotheses)
    elif arguments.shard is None:
        decode(run, run.hypotheses)
    elif 1 <= arguments.shard <= arguments.of:
        name = f"shard-{arguments.shard}-of-{arguments.of}.jsonl"
        decode(run, run.folder / name, arguments.shard, arguments.of)
    else:
        raise ValueError(f"--shard must be a number from 1 to {arguments.of} (--of), not {arguments.shard}")


if __name__ == "__main__":
    command.run(main)
