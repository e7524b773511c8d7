"""Checks of systems and their metrics: decoders, priors, prompts, demonstrations, metrics, instructions."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dragoman import metrics, registry
from dragoman.checks.corpora import unaligned
from dragoman.checks.names import into_each, languages_in, named, pair_in, template_in
from dragoman.checks.tunings import UNLIKE_OTHERS, each_of, fits, has_alibi, problems_of_twin
from dragoman.command import located
from dragoman.config import (
    Config,
    ContextualDecoder,
    DictionaryDecoder,
    Experiment,
    FixedPrior,
    Guided,
    Instructed,
    PrefilledDecoder,
    Prompt,
    PseudoPrior,
    RandomPrior,
    RefinedPrior,
    SftPrior,
    Shots,
    System,
)
from dragoman.configfile import ConfigError, KeyPath, Problem
from dragoman.decoding.options import Turns
from dragoman.instructions import questions
from dragoman.languages import split_pair
from dragoman.languages.dictionaries import read_dictionary
from dragoman.languages.units import of_pair
from dragoman.metrics.log_units import UNITS
from dragoman.text import TextError

CHECKED_ROWS = 20_000
"""Number of rows of a dictionary that are checked when a configuration is read."""


def problems_of(
    config: Config, at: KeyPath, experiment: Experiment, name: str, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    """Mistakes of one system of an experiment."""
    system = experiment.systems[name]
    yield from named("tuning", (*at, "tuning"), system.tuning, experiment.tunings)
    yield from named("prompt", (*at, "prompt"), system.prompt, known_prompts)
    yield from _prompts(config, at, experiment, system, known_prompts)
    if system.shots is not None:
        yield from _shots(config, (*at, "shots"), experiment, system.shots)
    yield from _decoder(at, experiment, system.decoder, system.tuning)
    if system.tuning is None:
        yield from _untuned(config, (*at, "decoder", "positions"), experiment, system.decoder)
    if isinstance(system.decoder, PrefilledDecoder):
        yield from _prior(config, (*at, "decoder", "prior"), experiment, name, system.decoder.prior)
    if isinstance(system.decoder, Guided):
        yield from _texts(config, (*at, "decoder"), experiment, system.decoder)


def _texts(config: Config, at: KeyPath, experiment: Experiment, decoder: Guided) -> Iterator[Problem]:
    """Checks that there is text of every language of the test pairs."""
    for language in sorted({code for pair in experiment.test.pairs for code in split_pair(pair)}):
        yield from named("language", (*at, "files"), language, decoder.files or {language})
    for language, path in decoder.files.items():
        if not Path(path).is_file():
            yield Problem((*at, "files", language), "no such file", path)
    yield from named("corpus", (*at, "corpus"), decoder.corpus, config.corpora)
    if decoder.corpus in config.corpora:
        for language, pair in into_each(experiment, config.corpora, decoder.corpus).items():
            if pair is None:
                text = f"has no training text in {language!r} for any training or test pair; give `files` instead"
                yield Problem((*at, "corpus"), text, decoder.corpus)


def _decoder(at: KeyPath, experiment: Experiment, decoder: Any, tuning: str | None) -> Iterator[Problem]:
    if not decoder.USES_MODEL and tuning is not None:
        yield Problem((*at, "tuning"), f"the decoder {decoder.name!r} uses no model; remove the tuning", tuning)
    used = experiment.tunings.get(tuning or "")
    if used is not None and used.method in registry.REGISTRY["method"]:
        found = (list(fits((*at, "decoder"), decoder, each)) for each in each_of(used))
        yield from next(filter(None, found), [])  # of a sweep, the first value that does not fit
    elif isinstance(decoder, Turns):
        known = {name: registry.module_of("method", name) for name in registry.names("method")}
        methods = {getattr(module, "CONVERSES", None): name for name, module in known.items()}
        text = f"needs a tuning with `method: {methods[decoder.name]}`, which trains turns"
        yield Problem((*at, "decoder", "name"), text, decoder.name)
    if used is not None and (sweep := used.sweep) and (points := decoder.values_of(sweep.axis)):
        missing = [value for value in sweep.values if value not in map(str, points)]
        if missing:
            text = f"the tuning is swept over {sweep.axis}, but the decoder lacks {', '.join(missing)}; add them"
            yield Problem((*at, "decoder", sweep.axis), text, points)
    for pair in experiment.test.pairs if getattr(decoder, "legacy", False) else ():
        if "character" in of_pair(pair, experiment.asked):
            text = f"the published code divides text at blanks only, but {pair} is read or written by characters"
            yield Problem((*at, "decoder", "legacy"), f"{text}; remove this key", True)
            break
    if getattr(decoder, "engine", "") == "vllm" and find_spec("vllm") is None:
        text = "vllm is not installed; create an environment with vllm and the packages of dragoman, or remove `engine`"
        yield Problem((*at, "decoder", "engine"), text, "vllm")
    if isinstance(decoder, DictionaryDecoder):
        for pair in experiment.test.pairs:
            yield from named("pair", (*at, "decoder", "files"), pair, decoder.files)
        for pair, path in decoder.files.items():
            yield from _dictionary((*at, "decoder", "files", pair), path, pair)
    if isinstance(decoder, ContextualDecoder) and decoder.talks:
        for pair in experiment.test.pairs:
            if not Path(path := decoder.talks.replace("{pair}", pair)).is_file():
                text = f"{path}: no such file; write the name of each sentence's talk into it, line by line"
                yield Problem((*at, "decoder", "talks"), text, decoder.talks)


def _untuned(config: Config, at: KeyPath, experiment: Experiment, decoder: Any) -> Iterator[Problem]:
    """Checks that a foundation model is decoded with the positions that it was trained with, where we train it."""
    model, positions = config.models.get(experiment.model), getattr(decoder, "positions", "plain")
    if model is None or model.source != "scratch" or positions not in UNLIKE_OTHERS:
        return
    if positions == "none" or not has_alibi(model):
        text = "a foundation model is trained with plain positions; remove this key, or give the system a tuning with "
        yield Problem(at, f"{text}`positions: {positions}`", positions)


def _dictionary(at: KeyPath, path: str, pair: str) -> Iterator[Problem]:
    """Checks that a dictionary exists, and that its first rows can be read."""
    if not Path(path).is_file():
        yield Problem(at, "no such file", path)
        return
    try:
        read_dictionary(Path(path), pair, CHECKED_ROWS)
    except TextError as error:
        yield Problem(at, str(error), path)


def _prior(config: Config, at: KeyPath, experiment: Experiment, own: str, prior: Any) -> Iterator[Problem]:
    """Checks that a prior has its files, corpus or systems, for every test pair."""
    pairs = experiment.test.pairs
    targets = {split_pair(pair)[1] for pair in pairs}
    if isinstance(prior, SftPrior):
        yield from problems_of_twin((*at, "twin"), experiment, prior.twin)
    if isinstance(prior, FixedPrior):
        for language in sorted(targets):
            yield from named("language", (*at, "texts"), language, prior.texts)
        for pair in pairs if prior.sources else ():
            yield from named("language", (*at, "sources"), split_pair(pair)[0], prior.sources)
    if isinstance(prior, RefinedPrior):
        yield from _refined(config, at, experiment, own, prior)
    if not isinstance(prior, PseudoPrior | RandomPrior):
        return
    for key, path in prior.files.items():
        if isinstance(prior, PseudoPrior):
            yield from _dictionary((*at, "files", key), path, key)
        elif not Path(path).is_file():
            yield Problem((*at, "files", key), "no such file", path)
    languages = targets if prior.corpus else set(prior.files)
    if isinstance(prior, RandomPrior) and prior.kind == "wrong-language":
        for pair in pairs:
            if not languages - {*split_pair(pair)}:
                text = f"the {'test targets' if prior.corpus else 'files'} have no language other than those of {pair}"
                yield Problem((*at, "corpus" if prior.corpus else "files"), f"{text}; add one", sorted(languages))
    elif not prior.corpus:
        wanted, kind = (pairs, "pair") if isinstance(prior, PseudoPrior) else (sorted(targets), "language")
        for key in wanted:
            yield from named(kind, (*at, "files"), key, prior.files)
    if prior.corpus is not None:
        yield from named("corpus", (*at, "corpus"), prior.corpus, config.corpora)
        for pair in pairs:
            yield from pair_in(at, "corpus", config.corpora, prior.corpus, pair, "train")
        use = "the dictionary is made of word alignments"
        if isinstance(prior, PseudoPrior) and (text := unaligned(config, prior.corpus, pairs, use)):
            yield Problem((*at, "corpus"), f"{text}, or write `files` with dictionaries", prior.corpus)


def _refined(config: Config, at: KeyPath, experiment: Experiment, own: str, prior: RefinedPrior) -> Iterator[Problem]:
    yield from named("system", (*at, "system"), prior.system, experiment.systems.keys() - {own})
    other = experiment.systems.get(prior.system or "")
    tuning = experiment.tunings.get(other.tuning or "") if other else None
    if other and (other.decoder.settings != [""] or (tuning and tuning.sweep)):
        text = "a refined prior needs one answer per sentence; name a system without several settings or prior tokens"
        yield Problem((*at, "system"), text, prior.system)
    for pair in experiment.test.pairs if prior.hypotheses else ():
        path = str(prior.hypotheses).replace("{pair}", pair)
        if not Path(path).is_file():
            yield Problem((*at, "hypotheses"), "no such file", path)
            return
    if prior.model is not None:
        fitting = {name: model for name, model in config.models.items() if model.source != "scratch"}
        yield from named("model from the hub or a folder", (*at, "model"), prior.model, fitting)
        spoken = {code for pair in experiment.test.pairs for code in split_pair(pair)}
        for code in sorted(spoken if prior.codes else ()):
            yield from named("language", (*at, "codes"), code, prior.codes)


def _prompts(
    config: Config, at: KeyPath, experiment: Experiment, system: System, known: dict[str, Prompt]
) -> Iterator[Problem]:
    """Checks prompts by target language, names of every language that a prompt needs, and chat templates."""
    for language, name in system.prompt_by_target.items():
        yield from named("prompt", (*at, "prompt_by_target", language), name, known)
        if language not in {split_pair(pair)[1] for pair in experiment.test.pairs}:
            yield Problem((*at, "prompt_by_target", language), "no test pair has this target language", name)
    tuning = experiment.tunings.get(system.tuning or "")
    usual = system.prompt or (tuning and tuning.prompt) or experiment.prompt
    for pair in experiment.test.pairs:
        target = split_pair(pair)[1]
        key = ("prompt_by_target", target) if target in system.prompt_by_target else ("prompt",)
        name = system.prompt_by_target.get(target, usual)
        yield from languages_in((*at, *key), known, name, pair)
        obstacles = {
            "demonstrations (`shots`)": system.shots is not None,
            "earlier sentences (`contextual`)": isinstance(system.decoder, ContextualDecoder),
            "the decoder's `legacy` mark": getattr(system.decoder, "legacy", False),
            f"the turns of `{system.decoder.name}`": isinstance(system.decoder, Turns),
        }
        if system.decoder.USES_MODEL:
            model = config.models.get(experiment.model)
            yield from template_in((*at, *key), known.get(name), model, obstacles)


def _shots(config: Config, at: KeyPath, experiment: Experiment, shots: Shots) -> Iterator[Problem]:
    yield from named("corpus", (*at, "corpus"), shots.corpus, config.corpora)
    name = shots.corpus or experiment.test.corpus
    for pair in experiment.test.pairs:
        yield from pair_in(at, "corpus" if shots.corpus else "split", config.corpora, name, pair, shots.split)
    if shots.corpus in (None, experiment.test.corpus) and shots.split == experiment.test.split:
        yield Problem((*at, "split"), "demonstrations would come from the test text; use another split", shots.split)


def problems_of_instructions(at: KeyPath, experiment: Experiment, spec: Instructed) -> Iterator[Problem]:
    """Checks that instructions can be read, and that each system has exactly one model."""
    try:
        questions(located(spec.path))
    except ValueError as error:
        yield Problem((*at, "path"), str(error), spec.path)
    for index, name in enumerate(spec.systems):
        yield from named("system", (*at, "systems", index), name, experiment.systems)
        if (system := experiment.systems.get(name)) is None:
            continue
        tuning = experiment.tunings.get(system.tuning or "")
        if not system.decoder.USES_MODEL or (tuning and (tuning.per_pair or tuning.sweep)):
            text = "instructions need a system with exactly one model: a decoder with a model, no `per_pair`, no sweep"
            yield Problem((*at, "systems", index), text, name)


def _counted_alike(at: KeyPath, spec: str, options: dict[str, Any], experiment: Experiment) -> Iterator[Problem]:
    """Checks that a latency metric uses the units in which delays are written."""
    for pair in experiment.test.pairs:
        source, target = of_pair(pair, experiment.asked)
        for key, unit in (("unit", target), ("source_unit", source)):
            if (given := UNITS.get(options.get(key, ""))) not in (None, unit):
                text = f"{pair} has a delay for each {target} of the target, in {source}s of the source, but not for "
                yield Problem(at, f"{text}each {given}; remove `{key}`, or set `unit` of the experiment", spec)
                return


def _claimed(at: KeyPath, spec: str) -> Iterator[Problem]:
    """Checks that no claim uses this metric, which has no significance test."""
    from dragoman.claims import statements  # imported here to avoid a cycle: claims import plans

    try:
        statements.load()
    except ConfigError as error:
        yield Problem(at, str(error), spec)


def problems_of_metric(at: KeyPath, spec: str, experiment: Experiment) -> Iterator[Problem]:
    """Mistakes of one metric of an experiment."""
    measured = (getattr(system.decoder, "monolingual", False) for system in experiment.systems.values())
    if spec.partition(":")[0] == "bits" and not any(measured):
        text = "no system computes this; give a system the decoder {name: offline, monolingual: true}"
        yield Problem(at, text, spec)
    try:
        name, options = metrics.parse(spec)
    except metrics.MetricError as error:
        yield Problem(at, str(error), spec)
        return
    yield from named("metric", at, name, registry.REGISTRY["metric"])
    if name not in registry.REGISTRY["metric"]:
        return
    if not metrics.has_counts(name):
        yield from _claimed(at, spec)
    if "delays" in metrics.columns_of(name):
        yield from _counted_alike(at, spec, options, experiment)
    if options:
        try:  # so that a bad value is reported now, and not after the training
            if check := getattr(registry.module_of("metric", name), "check", None):
                check(experiment.test.pairs, **options)
                return
            for pair in experiment.test.pairs:
                metrics.trial(spec, pair)
        except metrics.NoValueError:
            return  # the trial text has no value, but the options are valid
        except metrics.MetricError as error:
            yield Problem(at, str(error), spec)
