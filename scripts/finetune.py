#!/usr/bin/env python3
"""Fine-tune a foundation model for one tuning of one experiment. Continues where an earlier attempt stopped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dragoman import command, corpora, models, prompts, registry
from dragoman.checks import options_of
from dragoman.configfile import load_config
from dragoman.methods import ParallelText
from dragoman.models import saving
from dragoman.plan import Plan, TuningRun
from dragoman.prompts import chat, habits
from dragoman.storage import building, digest, read_manifest, write_json
from dragoman.training import launch


def read(folder: Path, pair: str, limit: int | None, units: Sequence[str] = ()) -> ParallelText:
    """Training text of a prepared corpus."""
    table = corpora.load(folder, "train").slice(0, limit)
    return ParallelText(pair, *(table[name].to_pylist() for name in ("source", "target", "alignment")), units)


def tune(run: TuningRun) -> None:
    """Fine-tune the model that the run starts from, and write the result into the run's folder."""
    from dragoman.training import loop, losses  # imported here, since they import torch, which --help does not need

    plan, experiment, tuning, before = run.plan, run.experiment_config, run.tuning_config, run.start.folder
    made_from = {"model": digest(read_manifest(before)["files"])}
    texts = []
    for text in run.texts:
        texts.append(read(text.folder, text.pair, run.limit, experiment.asked))
        made_from[text.pair] = read_manifest(text.folder)["files"]["train.parquet"]["sha256"]
    if run.instructions:
        made_from["instructions"] = read_manifest(run.instructions.folder)["files"]["train.parquet"]["sha256"]

    spec = run.spec
    models.use_threads(plan.config.threads)
    tokenizer = models.load_tokenizer(before)
    method = registry.module_of("method", tuning.method)
    options = options_of(tuning)
    habits.warn(run.foundation, run.prompt)
    prompt = chat.rendered(run.prompt, tokenizer)
    if run.instructions and tuning.mix:
        texts.append(read(run.instructions.folder, run.instructions.pair, tuning.mix.limit))
    made = method.examples(texts, prompt, tokenizer, options)
    described = models.described(before)
    positions = models.positions(described)
    examples = loop.drop_long(made, min(tuning.training.max_length, positions or tuning.training.max_length))
    made_with = models.made_with(tuning.training.precision, described.get_text_config().hidden_size)
    work = plan.work_folder("finetune", [run.names, spec, made_from, made_with, run.code])
    fitted = loop.fit_in_memory(
        lambda: models.load(before),
        tokenizer,
        examples,
        tuning.training,
        seed=run.seed,
        work=work,
        label=run.label,
        loss=losses.of_method(method, options),
        tensorboard=plan.tensorboard_folder(run.folder),
    )
    if fitted is None:  # another one of several processes writes the model
        return
    facts = {
        "run": run.names,
        "prompt": {
            "begins": tokenizer.convert_ids_to_tokens(prompts.opening(prompt, tokenizer)),
            "ends": tokenizer.convert_ids_to_tokens(prompts.end(prompt, tokenizer)),
        },
        "spec": spec,
        "made_from": made_from,
        "made_with": made_with,
        "parameters": fitted.model.num_parameters(),
        "examples": {"made": len(made), "kept": len(examples)},
    }
    prompts.set_end(prompt, tokenizer, fitted.model)
    with building(run.folder, facts) as place:
        saving.save(fitted.model, tokenizer, place)
        models.quicken(tokenizer, place)
        write_json(place / "curve.json", fitted.curve)
    write_json(run.timing, fitted.timing | {"examples": len(examples), "threads": plan.config.threads})
    shutil.rmtree(work, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/finetune.py --config config/config.yaml --experiment sft-llama --tuning sft --seed 1"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "tuning")
    parser.add_argument("--scope", default="all", help="a pair, if the tuning is per pair (default: all)")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    run = plan.tuning_run(arguments.experiment, arguments.tuning, arguments.scope, arguments.seed)
    launch.together(run.tuning_config.training.devices)
    tune(run)


if __name__ == "__main__":
    command.run(main)
