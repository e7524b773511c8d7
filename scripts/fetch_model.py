#!/usr/bin/env python3
"""Bring a foundation model into the results: from the Hugging Face hub, at a revision, or from a local folder."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from dragoman import command, hub, models
from dragoman.checks import masks
from dragoman.config import HubModel, LocalModel
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.plan.inputs import CHECKPOINT
from dragoman.storage import building

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def parameters_in(folder: Path) -> int:
    """Number of weights in a checkpoint folder, from the headers of its files.

    Raises:
        ValueError: there are no safetensors weights.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ValueError(f"{folder} has no *.safetensors weights; other formats can run code when they are read")
    count = 0
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path} is no whole safetensors file ({error}); fetch or save it again") from None
    return count


def check_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint, unless its answers could not end or its ids have no weights: such a one is refused
    before anything is trained.

    Raises:
        ValueError: that, or a tokenizer or configuration that cannot be read.
    """
    tokenizer = models.load_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer in {folder} has no end-of-sequence token, so no answer could end; name one as `eos_token` "
            "in its tokenizer_config.json"
        )
    known = models.entries(folder)
    if (
        known
        and (beyond := max(tokenizer.vocab_size - 1, tokenizer.eos_token_id, tokenizer.bos_token_id or 0)) >= known
    ):
        raise ValueError(
            f"the tokenizer in {folder} has a token {beyond}, but the model's vocabulary ends at {known - 1}; take the "
            "tokenizer and the config.json of one model"
        )
    return tokenizer


def check_masks(plan: Plan, name: str, folder: Path) -> None:
    """Refuse, before anything is trained, a model that takes no mask of ours where an experiment needs one.

    Raises:
        ValueError: that, or a configuration that cannot be read.
    """
    described = models.described(folder).to_dict()
    for experiment_name, experiment in plan.config.experiments.items():
        for keys, text, _ in masks.refused(described, experiment) if experiment.model == name else ():
            raise ValueError(f"experiments.{experiment_name}.{'.'.join(map(str, keys))}: {text} (its model is {name})")


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system allows it, since nobody changes what we downloaded; else a copy."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def bring(plan: Plan, name: str, spec: HubModel | LocalModel) -> None:
    """Put the files of a checkpoint into the results, so that everything after reads one place."""
    facts: dict[str, object] = {"name": name, "spec": plan.model_spec(name)}
    if isinstance(spec, HubModel):
        source = plan.results / "downloads" / "models" / name
        facts["commit"] = hub.fetch("model", spec.id, spec.revision, hub.MODEL_FILES, source)["commit"]
    else:
        source = Path(spec.path)
    facts["parameters"] = parameters_in(source)
    tokenizer = check_tokenizer(source)
    check_masks(plan, name, source)
    with building(plan.model_folder(name), facts) as place:
        for path in sorted(source.iterdir()):
            if path.suffix in CHECKPOINT and path.name != "manifest.json":
                # a folder of the user's is copied: he may train on in it
                (link_or_copy if isinstance(spec, HubModel) else shutil.copyfile)(path, place / path.name)
        models.quicken(tokenizer, place)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/fetch_model.py --config my.yaml --model falcon-rw-1b"
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--model", required=True, help="a name under `models:`")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    spec = plan.model(arguments.model)
    if not isinstance(spec, HubModel | LocalModel):
        raise ValueError(f"{arguments.model} is made from scratch; scripts/pretrain.py trains it")
    bring(plan, arguments.model, spec)


if __name__ == "__main__":
    command.run(main)
