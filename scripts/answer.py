#!/usr/bin/env python3
"""Let one system's model answer general instructions (other tasks than translation), in AlpacaEval's format."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import command, decoding, instructions, models
from dragoman.configfile import load_config
from dragoman.imports import code
from dragoman.plan import DecodeRun, Plan
from dragoman.storage import digest, read_manifest, write_json


def answer(plan: Plan, run: DecodeRun) -> None:
    """A list of instruction, output, generator and dataset, in the order of the file."""
    from dragoman.decoding import offline  # imported here, since it imports torch, which --help does not need

    asked, spec = plan.instructed(run), plan.answer_spec(run)
    questions = instructions.questions(command.located(asked.path))[: asked.limit]
    items = [decoding.Item(i, instructions.asked(row["instruction"]), "") for i, row in enumerate(questions)]
    model = plan.model_behind(run)
    assert model is not None  # checked when the configuration was read
    models.use_threads(plan.config.threads)
    context = decoding.Context(model, run.pair, instructions.PROMPT)
    decoder = offline.Decoder(context, plan.answer_decoder(run))
    files = digest(read_manifest(model)["files"])
    key = decoding.journal_key([vars(run), spec, code("answer"), models.made_with()], items, files)
    journal = decoding.Journal(plan.results / ".work" / f"answer-{key}.jsonl", key)
    label = f"{run.experiment}/{run.system} seed {run.seed}"
    rows = decoding.run(items, decoder.batches(items), decoder.decode, journal, label)
    journal.close()
    generator = f"{run.experiment}/{run.system}/seed-{run.seed}"
    answers = [{"output": row["hypothesis"], "generator": generator} for row in rows]
    write_json(plan.answers_file(run), [question | own for question, own in zip(questions, answers, strict=True)])
    journal.path.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/answer.py --config config/smoke.yaml --experiment langaware --system ours"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "system")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    answer(plan, plan.answer_run(arguments.experiment, arguments.system, arguments.seed))


if __name__ == "__main__":
    command.run(main)
