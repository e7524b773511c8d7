#!/usr/bin/env python3
"""Make a foundation model: fetch it, or take a folder, or train tokenizer and weights from scratch."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from dragoman import command, corpora, hub
from dragoman.config import HubModel, LocalModel, ScratchModel
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.storage import building, read_manifest, write_json

SAMPLE = 40
"""Pages shown in the model's folder, for the eye."""


def from_scratch(plan: Plan, name: str, spec: ScratchModel, folder: Path) -> None:
    """Train tokenizer and weights on pages made of the model's corpus."""
    from dragoman import models, pages, training

    models.use_threads(plan.config.threads)
    text, made_from = {}, {}
    for pair, source in zip(plan.page_pairs(spec.text), plan.page_corpora(spec), strict=True):
        table = corpora.load(source, "train")
        text[pair] = list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
        made_from[pair] = read_manifest(source)["files"]["train.parquet"]["sha256"]
    web = pages.make(spec.text, text)
    tokenizer = models.train_tokenizer(web, spec.vocabulary)
    model = models.build(spec, tokenizer)
    facts = {"name": name, "spec": plan.model_spec(name), "made_from": made_from, "parameters": model.num_parameters()}
    curve: list[dict[str, float]] = []
    work = plan.work_folder("pretrain", [plan.model_spec(name), made_from])
    if spec.pretraining is not None:
        examples = training.drop_long(pages.examples(web, tokenizer), spec.pretraining.max_length)
        facts["examples"] = {"made": len(web), "kept": len(examples)}
        model, curve = training.fit(
            model, tokenizer, examples, spec.pretraining, seed=spec.seed, work=work, label=f"pre-training {name}"
        )
    with building(folder, facts) as place:
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        write_json(place / "curve.json", curve)
        sample = random.Random(0).sample(web, min(SAMPLE, len(web)))
        (place / "pages.txt").write_text("\n\n".join(sample) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)


def from_folder(plan: Plan, name: str, source: Path, folder: Path, facts: dict[str, object]) -> None:
    """Copy a checkpoint into the results, so that everything after reads one place; hard links where possible."""
    from safetensors import safe_open

    parameters = 0
    for path in sorted(source.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a mapping
                size = 1
                for length in file.get_slice(key).get_shape():
                    size *= length
                parameters += size
    with building(folder, {"name": name, "spec": plan.model_spec(name), "parameters": parameters, **facts}) as place:
        for path in sorted(source.iterdir()):
            if path.is_file() and path.suffix in {".json", ".safetensors", ".model", ".txt", ".jinja"}:
                shutil.copyfile(path, place / path.name)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/pretrain.py --config config/config.yaml --model llama-demo")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--model", required=True, help="a name under `models:`")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    name, folder = arguments.model, plan.model_folder(arguments.model)
    match spec := plan.model(name):
        case ScratchModel():
            from_scratch(plan, name, spec, folder)
        case LocalModel():
            from_folder(plan, name, Path(spec.path), folder, {})
        case HubModel():
            fetched = plan.results / "downloads" / "models" / name
            facts = hub.fetch("model", spec.id, spec.revision, hub.MODEL_FILES, fetched)
            from_folder(plan, name, fetched, folder, {"commit": facts["commit"]})


if __name__ == "__main__":
    command.run(main)
