"""Checks that need more than one key: names that must exist, pairs that a corpus must have, files that must exist."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import registry
from dragoman.checks import claims, corpora, masks, systems, tunings
from dragoman.checks.names import into_each, named, page_pairs, pair_in
from dragoman.checks.tunings import options_of, twins
from dragoman.config import Config, Experiment, Prompt
from dragoman.configfile import ConfigError, KeyPath, Problem, known_models, prompts

__all__ = ["into_each", "options_of", "page_pairs", "problems_of", "twins"]


def problems_of(config: Config) -> Iterator[Problem]:
    """Every mistake that involves more than one part of a configuration."""
    try:
        known_prompts = prompts(config.prompts)
    except ConfigError as error:
        yield Problem((), str(error))
        return
    for name, corpus in config.corpora.items():
        yield from corpora.problems_of(config, ("corpora", name), corpus)
    for name, model in config.models.items():
        yield from corpora.problems_of_model(config, ("models", name), model)
    for name, experiment in config.experiments.items():
        yield from _experiment(config, ("experiments", name), experiment, known_prompts)
    yield from claims.problems_of(config)


def _experiment(
    config: Config, at: KeyPath, experiment: Experiment, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    if experiment.model not in config.models:  # a model of the hub that is known by name has become one of them
        text = registry.unknown("model", experiment.model, config.models, known_models(), "config/models.yaml")
        yield Problem((*at, "model"), text, experiment.model)
    yield from named("prompt", (*at, "prompt"), experiment.prompt, known_prompts)
    for index, metric in enumerate(experiment.metrics):
        yield from systems.problems_of_metric((*at, "metrics", index), metric, experiment)
    for key, data in (("train", experiment.train), ("test", experiment.test)):
        if data is None:
            continue
        yield from named("corpus", (*at, key, "corpus"), data.corpus, config.corpora)
        if (corpus := config.corpora.get(data.corpus)) is not None:
            for index, pair in enumerate(data.pairs):
                split = "train" if key == "train" else experiment.test.split
                yield from pair_in((*at, key, "pairs"), index, config.corpora, data.corpus, pair, split)
                if pair in data.pairs[:index]:
                    yield Problem((*at, key, "pairs", index), "is listed twice; remove one", pair)
            if corpus.provider == "demo" and corpus.task != experiment.task:
                text = f"this corpus is for {corpus.task}, but the experiment's task is {experiment.task}"
                yield Problem((*at, key, "corpus"), text, data.corpus)
    yield from masks.problems_of(config, at, experiment)
    for name in experiment.tunings:
        yield from tunings.problems_of(config, (*at, "tunings", name), experiment, name, known_prompts)
    for name in experiment.systems:
        yield from systems.problems_of(config, (*at, "systems", name), experiment, name, known_prompts)
    if experiment.divergence is not None:
        yield from tunings.problems_of_twin((*at, "divergence", "twin"), experiment, experiment.divergence.twin)
    if experiment.instructions is not None:
        yield from systems.problems_of_instructions((*at, "instructions"), experiment, experiment.instructions)
