#!/usr/bin/env python3
"""Train the tokenizer and the weights of a foundation model from scratch, on pages made from a corpus."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence

from dragoman import command, corpora, models, pages
from dragoman.config import ScratchModel
from dragoman.configfile import load_config
from dragoman.imports import code
from dragoman.models import saving
from dragoman.plan import Foundation, Plan
from dragoman.storage import building, read_manifest, write_json
from dragoman.training import launch

SAMPLE = 40
"""Number of sample pages in the model's folder, for reading."""


def pretrain(foundation: Foundation, spec: ScratchModel) -> None:
    """Train tokenizer and weights on pages made from the model's corpus."""
    from dragoman.training import loop  # imported here, since it imports torch, which --help does not need

    plan, name = foundation.plan, foundation.name
    models.use_threads(plan.config.threads)
    text, made_from = {}, {}
    for source in foundation.texts:
        table = corpora.load(source.folder, "train")
        rows = list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
        text[source.corpus, source.pair] = rows
        made_from[f"{source.corpus}/{source.pair}"] = read_manifest(source.folder)["files"]["train.parquet"]["sha256"]
    own = {pair: text[spec.text.corpus, pair] for pair in foundation.pairs}
    tasks = [[row for pair in task.pairs for row in text[task.corpus, pair]] for task in spec.text.tasks]
    web = pages.make(spec.text, own, tasks)
    tokenizer = models.train_tokenizer(web, spec.vocabulary)
    model = models.build(spec, tokenizer)
    facts = {"name": name, "spec": foundation.spec, "made_from": made_from, "parameters": model.num_parameters()}
    curve: list[dict[str, float]] = []
    made_with = models.made_with(spec.pretraining.precision, spec.width) if spec.pretraining else models.made_with()
    facts["made_with"] = made_with
    work = plan.work_folder("pretrain", [name, foundation.spec, made_from, made_with, code("pretrain")])
    if spec.pretraining is not None:
        examples = loop.drop_long(pages.examples(web, tokenizer), spec.pretraining.max_length)
        facts["examples"] = {"made": len(web), "kept": len(examples)}
        fitted = loop.fit_in_memory(
            lambda: models.build(spec, tokenizer),
            tokenizer,
            examples,
            spec.pretraining,
            seed=spec.seed,
            work=work,
            label=f"pre-training {name}",
            tensorboard=plan.tensorboard_folder(foundation.folder),
        )
        if fitted is None:  # another one of several processes writes the model
            return
        model, curve = fitted.model, fitted.curve
    with building(foundation.folder, facts) as place:
        saving.save(model, tokenizer, place)
        write_json(place / "curve.json", curve)
        sample = random.Random(0).sample(web, min(SAMPLE, len(web)))
        (place / "pages.txt").write_text("\n\n".join(sample) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/pretrain.py --config config/config.yaml --model llama-demo")
    command.add_config(parser)
    parser.add_argument("--model", required=True, help="a name under `models:`")
    arguments = parser.parse_args(argv)
    foundation = Plan(load_config(arguments.config)).model(arguments.model)
    spec = foundation.config
    if not isinstance(spec, ScratchModel):
        raise ValueError(f"{arguments.model} is not a model from scratch; use scripts/fetch_model.py")
    launch.together(spec.pretraining.devices if spec.pretraining else 1)
    pretrain(foundation, spec)


if __name__ == "__main__":
    command.run(main)
