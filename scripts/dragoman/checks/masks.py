"""Checks that a model accepts our attention masks, if a part of the experiment needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dragoman import models, registry
from dragoman.config import Config, Experiment, LocalModel, SimultaneousDecoder
from dragoman.configfile import KeyPath, Problem
from dragoman.decoding.options import Turns
from dragoman.storage import read_json


def needed(experiment: Experiment) -> Iterator[tuple[KeyPath, Any]]:
    """Keys of an experiment that need an attention mask, with their values: methods that hide source tokens, rows with
    several examples, and decoders in which each row reads at its own pace."""
    for name, tuning in experiment.tunings.items():
        if tuning.method in registry.REGISTRY["method"] and hasattr(
            registry.module_of("method", tuning.method), "alibi"
        ):
            yield ("tunings", name, "method"), tuning.method
        if tuning.training.packing is not None:
            yield ("tunings", name, "training", "packing"), tuning.training.packing
    for name, system in experiment.systems.items():
        if isinstance(system.decoder, SimultaneousDecoder | Turns):
            yield ("systems", name, "decoder", "name"), system.decoder.name


def problems_of(config: Config, at: KeyPath, experiment: Experiment) -> Iterator[Problem]:
    """Checks that the experiment's model, if its config.json is on this machine, accepts the masks that are needed."""
    model = config.models.get(experiment.model)
    path = Path(model.path) / "config.json" if isinstance(model, LocalModel) else None
    if path is not None and path.is_file() and any(needed(experiment)):
        for keys, text, value in refused(read_json(path), experiment):
            yield Problem((*at, *keys), text, value)


def refused(described: Mapping[str, Any], experiment: Experiment) -> Iterator[tuple[KeyPath, str, Any]]:
    """Keys of an experiment for which a model does not work, each with the reason and its value.

    Args:
        described: the content of the model's config.json.
        experiment: an experiment with that model.
    """
    if why := models.unmaskable(described):
        for keys, value in needed(experiment):
            yield keys, f"{why}, and this needs one; use another model, or whole sentences without packing", value
