"""Models that no mask of ours can be given to, and what in an experiment needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dragoman import models, registry
from dragoman.config import Config, ConversationDecoder, Experiment, LocalModel, SimultaneousDecoder
from dragoman.configfile import KeyPath, Problem
from dragoman.storage import read_json


def needed(experiment: Experiment) -> Iterator[tuple[KeyPath, Any]]:
    """Keys of an experiment, with their values, that a mask follows from: methods that hide the source, rows of several
    examples, decoders whose rows read at their own pace."""
    for name, tuning in experiment.tunings.items():
        if tuning.method in registry.REGISTRY["method"] and hasattr(
            registry.module_of("method", tuning.method), "alibi"
        ):
            yield ("tunings", name, "method"), tuning.method
        if tuning.training.packing is not None:
            yield ("tunings", name, "training", "packing"), tuning.training.packing
    for name, system in experiment.systems.items():
        if isinstance(system.decoder, SimultaneousDecoder | ConversationDecoder):
            yield ("systems", name, "decoder", "name"), system.decoder.name


def problems_of(config: Config, at: KeyPath, experiment: Experiment) -> Iterator[Problem]:
    """Whether the experiment's model, where its configuration is at hand, takes the masks that the experiment needs."""
    model = config.models.get(experiment.model)
    path = Path(model.path) / "config.json" if isinstance(model, LocalModel) else None
    if path is not None and path.is_file() and any(needed(experiment)):
        for keys, text, value in refused(read_json(path), experiment):
            yield Problem((*at, *keys), text, value)


def refused(described: Mapping[str, Any], experiment: Experiment) -> Iterator[tuple[KeyPath, str, Any]]:
    """Keys of an experiment that a model cannot serve, each with the reason and its value.

    Args:
        described: what the model's config.json holds.
        experiment: of that model.
    """
    if why := models.unmaskable(described):
        for keys, value in needed(experiment):
            yield keys, f"{why}, and this needs one; take another model, or whole sentences without packing", value
