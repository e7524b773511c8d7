#!/usr/bin/env python3
"""Let one system's model answer general instructions (other tasks than translation), in AlpacaEval's format."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import command, decoding, instructions, models
from dragoman.configfile import load_config
from dragoman.plan import AnswerRun, Plan
from dragoman.storage import digest, read_manifest, write_json


def answer(run: AnswerRun) -> None:
    """Write a list of objects with instruction, output, generator and dataset, in the order of the instructions."""
    from dragoman.decoding import offline  # imported here, since it imports torch, which --help does not need

    asked, model = run.instructed, run.model.folder
    questions = instructions.questions(command.located(asked.path))[: asked.limit]
    items = [decoding.Item(i, instructions.asked(row["instruction"]), "") for i, row in enumerate(questions)]
    models.use_threads(run.plan.config.threads)
    context = decoding.Context(model, instructions.PAIR, instructions.PROMPT)
    decoder = offline.Decoder(context, run.decoder)
    files = digest(read_manifest(model)["files"])
    key = decoding.journal_key([run.names, run.spec, run.code, models.made_with()], items, files)
    journal = decoding.Journal(run.plan.results / ".work" / f"answer-{key}.jsonl", key)
    rows = decoding.run(items, decoder.batches(items), decoder.decode, journal, run.label)
    journal.close()
    answers = [{"output": row["hypothesis"], "generator": run.place.as_posix()} for row in rows]
    write_json(run.answers, [question | own for question, own in zip(questions, answers, strict=True)])
    journal.path.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/answer.py --config config/smoke.yaml --experiment langaware --system ours"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "system")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    answer(plan.answer_run(arguments.experiment, arguments.system, arguments.seed))


if __name__ == "__main__":
    command.run(main)
