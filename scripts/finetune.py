#!/usr/bin/env python3
"""Fine-tune a foundation model for one tuning of one experiment. Continues where an earlier attempt stopped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dragoman import command, corpora, instructions, models, prompts, registry
from dragoman.checks import options_of
from dragoman.configfile import load_config
from dragoman.imports import code
from dragoman.methods import ParallelText
from dragoman.plan import Plan, TuningRun
from dragoman.prompts import chat, habits
from dragoman.storage import building, digest, read_manifest, write_json
from dragoman.training import launch


def read(folder: Path, pair: str, limit: int | None, units: Sequence[str] = ()) -> ParallelText:
    """Training text of a prepared corpus."""
    table = corpora.load(folder, "train").slice(0, limit)
    return ParallelText(pair, *(table[name].to_pylist() for name in ("source", "target", "alignment")), units)


def tune(plan: Plan, run: TuningRun) -> None:
    """Examples from the corpora, weights from the foundation model, result into the run's folder."""
    from dragoman.training import loop, losses  # they bring torch, which --help need not wait for

    experiment = plan.experiment(run.experiment)
    tuning = experiment.tunings[run.tuning]
    before = plan.model_before(run)
    made_from = {"model": digest(read_manifest(before)["files"])}
    texts = []
    for pair, folder in zip(plan.train_pairs(run), plan.train_corpora(run), strict=True):
        texts.append(read(folder, pair, plan.train_limit(run), experiment.asked))
        made_from[pair] = read_manifest(folder)["files"]["train.parquet"]["sha256"]
    mixed = plan.mixed_corpus(run)
    if mixed:
        made_from["instructions"] = read_manifest(mixed)["files"]["train.parquet"]["sha256"]

    spec = plan.tuning_spec(run)
    models.use_threads(plan.config.threads)
    tokenizer = models.load_tokenizer(before)
    method = registry.module_of("method", tuning.method)
    options = options_of(tuning)
    prompt = plan.prompt_of(experiment, tuning)
    habits.warn(plan, experiment.model, prompt)
    prompt = chat.rendered(prompt, tokenizer)
    if mixed and tuning.mix:
        texts.append(read(mixed, instructions.PAIR, tuning.mix.limit))
    made = method.examples(texts, prompt, tokenizer, options)
    positions = models.positions(models.described(before))
    examples = loop.drop_long(made, min(tuning.training.max_length, positions or tuning.training.max_length))
    made_with = models.made_with(tuning.training.precision)
    fingerprint = code("finetune", *plan.tuning_code(run.experiment, run.tuning))
    work = plan.work_folder("finetune", [vars(run), spec, made_from, made_with, fingerprint])
    fitted = loop.fit_in_memory(
        lambda: models.load(before),
        tokenizer,
        examples,
        tuning.training,
        seed=run.seed,
        work=work,
        label=f"{run.experiment}/{run.tuning}/{run.scope} seed {run.seed}",
        loss=losses.of_method(method, options),
        tensorboard=plan.tensorboard_folder(plan.tuning_folder(run)),
    )
    if fitted is None:  # one of several processes, and not the one that writes
        return
    facts = {
        "run": vars(run),
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
    with building(plan.tuning_folder(run), facts) as place:
        fitted.model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        models.quicken(tokenizer, place)
        write_json(place / "curve.json", fitted.curve)
    write_json(plan.timing_file(run), fitted.timing | {"examples": len(examples), "threads": plan.config.threads})
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
    launch.together(plan.experiment(run.experiment).tunings[run.tuning].training.devices)
    tune(plan, run)


if __name__ == "__main__":
    command.run(main)
