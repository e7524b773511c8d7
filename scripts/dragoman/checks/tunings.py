"""Checks of tunings: methods and their options, training text, the tuning to continue from, sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import regex
from pydantic import ValidationError

from dragoman import models, registry
from dragoman.checks.corpora import unaligned
from dragoman.checks.names import languages_in, named, pair_in, template_in
from dragoman.config import (
    Config,
    Experiment,
    InstructionsCorpus,
    Model,
    PrefilledDecoder,
    Prompt,
    SftPrior,
    SimultaneousDecoder,
    Tuning,
    sweeps,
)
from dragoman.configfile import KeyPath, Problem, problems_in
from dragoman.decoding.options import Turns
from dragoman.languages.units import of_pair
from dragoman.methods import packs
from dragoman.storage import read_json

UNLIKE_OTHERS = ("group", "none")
"""Positions of a tuning with which no decoder agrees that has plain ones. `modified` does: once the whole source has
been read, no position is left out."""


def problems_of(
    config: Config, at: KeyPath, experiment: Experiment, name: str, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    """Mistakes of one tuning of an experiment."""
    tuning = experiment.tunings[name]
    used = {system.tuning for system in experiment.systems.values()} | twins(experiment)
    if name not in used | {other.start for other in experiment.tunings.values()}:
        yield Problem(at, "no system uses this tuning, so it would never be trained")
    check = _tuning if tuning.sweep is None else _sweep
    yield from check(config, at, experiment, tuning, known_prompts)
    yield from _start((*at, "start"), experiment, name)


def _tuning(
    config: Config, at: KeyPath, experiment: Experiment, tuning: Tuning, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    if experiment.train is None:
        yield Problem((*at[:2], "train"), "this key is required, since the experiment has tunings")
    elif tuning.per_pair and (missing := set(experiment.test.pairs) - set(tuning.pairs or experiment.train.pairs)):
        where = "pairs lack" if tuning.pairs else "train.pairs lacks"
        text = f"per_pair: true gives no model for the test pairs {', '.join(sorted(missing))}, which {where}"
        yield Problem((*at, "per_pair"), text, tuning.per_pair)
    name = experiment.train.corpus if experiment.train else ""
    for index, pair in enumerate(tuning.pairs or ()):
        yield from pair_in((*at, "pairs"), index, config.corpora, name, pair, "train")
        if pair in (tuning.pairs or [])[:index]:
            yield Problem((*at, "pairs", index), "is listed twice; remove one", pair)
    yield from named("prompt", (*at, "prompt"), tuning.prompt, known_prompts)
    yield from named("method", (*at, "method"), tuning.method, registry.REGISTRY["method"])
    if tuning.mix is not None:
        fitting = [name for name, corpus in config.corpora.items() if isinstance(corpus, InstructionsCorpus)]
        yield from named("corpus of instructions", (*at, "mix", "corpus"), tuning.mix.corpus, fitting)
        mixing = [name for name in registry.names("method") if getattr(registry.module_of("method", name), "MIXES", 0)]
        if tuning.method not in mixing:
            text = f"only these methods can also train on instructions: {', '.join(mixing)}"
            yield Problem((*at, "mix"), f"{text}; add a tuning with one of them and `start` from it", tuning.method)
    if tuning.method not in registry.REGISTRY["method"]:
        return
    method = registry.module_of("method", tuning.method)
    try:
        options = method.Options.model_validate(tuning.options)
    except ValidationError as error:
        yield from problems_in(error, tuning.options, method.Options, (*at, "options"))
        return
    if experiment.train is not None:
        yield from _trainable(config, at, tuning, method, options, experiment, known_prompts)
    prompt, turns = known_prompts.get(tuning.prompt or experiment.prompt), hasattr(method, "CONVERSES")
    model = config.models.get(experiment.model)
    yield from template_in((*at, "prompt"), prompt, model, {f"the turns of `method: {tuning.method}`": turns})
    for key in ("gradient_checkpointing", "compile"):
        if getattr(options, "kernel", None) == "flex" and getattr(tuning.training, key):
            text = "does not work with FlexAttention, which is not part of the layers; set `kernel: sdpa`"
            yield Problem((*at, "training", key), text, True)
    if tuning.training.packing is not None and not packs(method):
        text = f"the loss of {tuning.method!r} calls the model itself, so the examples of a row would attend to each "
        text += "other; remove `packing`, or give the loss an argument `forward` (CONTRIBUTING.md)"
        yield Problem((*at, "training", "packing"), text, tuning.training.packing)
    wanted = method.alibi(options) if hasattr(method, "alibi") else None
    if model is not None and wanted is not None and has_alibi(model) is (not wanted):
        kinds = ("rotary", "ALiBi") if wanted else ("ALiBi", "rotary")
        fitting = sorted(name for name, other in config.models.items() if has_alibi(other) is wanted)
        text = f"these options of {tuning.method!r} need {kinds[1]} positions, but {experiment.model!r} has {kinds[0]}"
        text += f" positions (models with {kinds[1]} positions: {', '.join(fitting) or 'none'})"
        yield Problem((*at, "options"), text, tuning.options)


def _trainable(
    config: Config,
    at: KeyPath,
    tuning: Tuning,
    method: Any,
    options: Any,
    experiment: Experiment,
    known: dict[str, Prompt],
) -> Iterator[Problem]:
    """Checks that the prompt has names for the languages of the training pairs, and that the method can use the
    pairs."""
    assert experiment.train is not None
    pairs, name = tuning.pairs or experiment.train.pairs, tuning.prompt or experiment.prompt
    unnamed = [problem for pair in pairs for problem in languages_in((*at, "prompt"), known, name, pair)]
    yield from unnamed
    if getattr(options, "aligned", False):
        if text := unaligned(config, experiment.train.corpus, pairs, f"{tuning.method!r} needs word alignments here"):
            yield Problem((*at, "method"), text, tuning.method)
        for pair in pairs:
            if (counted := of_pair(pair)) != of_pair(pair, experiment.asked):
                text = f"{tuning.method!r} uses word alignments here, which link {counted.source}s to "
                text += f"{counted.target}s for {pair}; remove `unit`, or use another policy"
                yield Problem((*at[:2], "unit"), text, " and ".join(experiment.asked))
                break
    if name not in known or unnamed or not hasattr(method, "check"):
        return
    if tuning.mix is not None and hasattr(method, "check_mixed"):
        try:
            method.check_mixed(known[name], options)
        except ValueError as error:
            yield Problem((*at, "mix"), str(error))
    for scope in [[pair] for pair in pairs] if tuning.per_pair else [pairs]:
        try:
            method.check(scope, known[name], options)
        except ValueError as error:
            yield Problem((*at, "per_pair" if tuning.per_pair else "options"), str(error))
            return


def has_alibi(model: Model) -> bool | None:
    """Whether a model has ALiBi positions; None if that is not known before the model is downloaded."""
    if model.source == "scratch":
        return model.architecture == "falcon-alibi"
    if model.source == "local":
        config = Path(model.path) / "config.json"
        known = read_json(config) if config.is_file() else None
        return None if known is None else bool(known.get("alibi") or known.get("model_type") in models.OWN_ATTENTION)
    if model.source == "hub":
        return model.alibi
    return False  # only BLOOM's GGUF files have ALiBi; for these, take the weights from the hub


def options_of(tuning: Tuning) -> Any:
    """A tuning's options as its method's own typed model."""
    return registry.module_of("method", tuning.method).Options.model_validate(dict[str, Any](tuning.options))


def _sweep(
    config: Config, at: KeyPath, experiment: Experiment, tuning: Tuning, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    assert tuning.sweep is not None
    here: KeyPath = (*at, "sweep", "values")
    for value, given in tuning.sweep.values.items():
        if not regex.fullmatch(r"[\p{L}\p{M}\p{N}_.+-]+", value):
            yield Problem(here, "a setting must be one word of letters, digits and . + - _", value)
        try:
            each = sweeps.at(tuning, value)
        except ValidationError as error:
            item = error.errors()[0]
            text = f"{tuning.sweep.key}: {item['msg']}"
            if isinstance(given, bool) and item["type"] in ("literal_error", "string_type"):
                text += "; YAML reads on, off, yes and no as true and false, so put such a word in quotes"
            yield Problem(here, text, given)
            return
        except (KeyError, IndexError, TypeError, ValueError):
            text = "this tuning has no such key; write nested keys with dots, as in options.alpha"
            yield Problem((*at, "sweep", "key"), text, tuning.sweep.key)
            return
        yield from (
            replace(problem, path=here) if problem.path[: len(at)] == at else problem
            for problem in _tuning(config, at, experiment, each, known_prompts)
        )


def _start(at: KeyPath, experiment: Experiment, name: str) -> Iterator[Problem]:
    """Checks `start`: the other tuning must exist, the chain must end, and both must be per pair and swept alike."""
    tuning = experiment.tunings[name]
    if tuning.start is None:
        return
    yield from named("tuning", at, tuning.start, experiment.tunings)
    start = experiment.tunings.get(tuning.start)
    if start is None:
        return
    seen, step = [name], tuning.start
    while step in experiment.tunings and step not in seen:
        seen.append(step)
        step = experiment.tunings[step].start or ""
    if step in seen:
        yield Problem(at, f"tunings start from each other in a circle: {' -> '.join([*seen, step])}", tuning.start)
    if start.per_pair and not tuning.per_pair:
        yield Problem(at, f"{tuning.start!r} has `per_pair: true`, so this tuning needs it, too", tuning.start)
    if start.sweep and (tuning.sweep is None or list(tuning.sweep.values) != list(start.sweep.values)):
        yield Problem(at, f"{tuning.start!r} is swept; sweep this tuning over the same settings", tuning.start)


def twins(experiment: Experiment) -> set[str]:
    """Tunings that the foundation model is compared with, or whose first tokens it is given."""
    decoders = [system.decoder for system in experiment.systems.values()]
    priors = [decoder.prior for decoder in decoders if isinstance(decoder, PrefilledDecoder)]
    compared = {experiment.divergence.twin} if experiment.divergence else set()
    return compared | {prior.twin for prior in priors if isinstance(prior, SftPrior)}


def problems_of_twin(at: KeyPath, experiment: Experiment, name: str) -> Iterator[Problem]:
    """Mistakes in naming the tuning that the foundation model is compared with."""
    yield from named("tuning", at, name, experiment.tunings)
    tuning = experiment.tunings.get(name)
    if tuning is not None and tuning.sweep is not None:
        yield Problem(at, "this tuning is swept, but a twin must be one model; name a tuning without a sweep", name)
    elif tuning is not None and (trained := tuning.options.get("positions")) in UNLIKE_OTHERS:
        text = f"{_own_positions(trained)}, but a twin reads and writes with plain ones; name another tuning"
        yield Problem(at, text, name)


def each_of(tuning: Tuning) -> Iterator[Tuning]:
    """The tuning, or what it is at each value of its sweep; values that `_sweep` refuses are left out."""
    for value in tuning.sweep.values if tuning.sweep else ():
        with suppress(KeyError, IndexError, TypeError, ValueError):  # a ValidationError is a ValueError
            yield sweeps.at(tuning, value)
    if tuning.sweep is None:
        yield tuning


def fits(at: KeyPath, decoder: Any, tuning: Tuning) -> Iterator[Problem]:
    """Checks that a decoder fits the method of a tuned model."""
    method = registry.module_of("method", tuning.method)
    wanted = getattr(method, "CONVERSES", None)
    if wanted != (decoder.name if isinstance(decoder, Turns) else None):
        text = f"models of the method {tuning.method!r} are decoded with "
        text += f"`{wanted}`" if wanted else "another decoder, since they are not trained on turns"
        yield Problem((*at, "name"), text, decoder.name)
    trained = tuning.options.get("positions", "plain")
    wanted = trained if trained in UNLIKE_OTHERS else "plain"
    if not isinstance(decoder, SimultaneousDecoder):
        if wanted != "plain" and decoder.USES_MODEL:
            text = f"{_own_positions(wanted)}, which only `simultaneous` and `streaming` have, and this decoder has "
            yield Problem((*at, "name"), f"{text}plain ones; decode with one of these, or train `plain`", decoder.name)
        return
    if decoder.positions != wanted:
        differing = decoder.positions if wanted == "plain" else wanted
        text = f"the tuning has positions {trained!r}; set `positions: {differing}` in both or in neither"
        yield Problem((*at, "positions"), text, decoder.positions)
    if decoder.origin != (given := tuning.options.get("origin", 0)):
        text = f"the tuning has `origin: {given}`; set the same number in both"
        yield Problem((*at, "origin"), text, decoder.origin)


def _own_positions(positions: str) -> str:
    return "the tuning has " + ("no positions (`positions: none`)" if positions == "none" else "`positions: group`")
