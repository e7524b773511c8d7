"""What one key alone cannot tell: names that must exist, pairs a corpus must have, files that must be there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dragoman import metrics, registry, sweeps
from dragoman.config import (
    Config,
    ConversationDecoder,
    Corpus,
    DictionaryDecoder,
    Experiment,
    FilesCorpus,
    FixedPrior,
    HubCorpus,
    Instructed,
    InstructionsCorpus,
    LocalModel,
    Model,
    Pages,
    PrefilledDecoder,
    Prompt,
    PseudoPrior,
    RandomPrior,
    RefinedPrior,
    SacrebleuCorpus,
    ScratchModel,
    SftPrior,
    Shots,
    SimultaneousDecoder,
    System,
    Tuning,
)
from dragoman.configfile import ConfigError, KeyPath, Problem, problems_in, prompts
from dragoman.instructions import questions
from dragoman.languages import reverse, split_pair
from dragoman.prompts import render
from dragoman.storage import read_json

NO_FILE = "no such file (paths count from the working directory)"
DEMO_LANGUAGES = ("en", "fr", "de", "nl", "it", "ro")
MODEL_FREE = ("copy", "dictionary")
"""Decoders that use no model."""
SINGLE = (*MODEL_FREE, "offline", "contrastive")
"""Decoders that give one answer to a sentence, under one setting."""


def pairs_of(corpus: Corpus) -> set[str]:
    """Every pair a corpus can serve."""
    if corpus.provider == "demo":
        return {f"{source}-{target}" for source, target in permutations(DEMO_LANGUAGES, 2)}
    if corpus.provider == "files":
        return {name for pair in corpus.pairs for name in (pair, reverse(pair))}
    if corpus.provider == "instructions":
        return set()
    return set(corpus.pairs)


def page_pairs(pages: Pages, corpus: Corpus) -> list[str]:
    """Pairs whose training text becomes pages: those named or every two languages, in the direction the corpus has."""
    pairs = pages.pairs or ["-".join(both) for both in combinations(sorted(set(pages.languages or ())), 2)]
    return [
        pair if pair in pairs_of(corpus) or reverse(pair) not in pairs_of(corpus) else reverse(pair) for pair in pairs
    ]


def has_split(corpus: Corpus, pair: str, split: str) -> bool:
    """Whether the configuration gives that split any sentences."""
    if corpus.provider == "demo":
        return getattr(corpus, split) > 0
    if corpus.provider == "files":
        return getattr(corpus.pairs.get(pair) or corpus.pairs[reverse(pair)], split) is not None
    if corpus.provider == "hub":
        return split in corpus.files
    if corpus.provider == "ud":
        return True
    return bool(getattr(corpus, split))


def has_alibi(model: Model) -> bool | None:
    """Whether a model's positions are ALiBi; None when that is not known before it is fetched."""
    if model.source == "scratch":
        return model.architecture == "falcon-alibi"
    if model.source == "local":
        config = Path(model.path) / "config.json"
        return bool(read_json(config).get("alibi")) if config.is_file() else None
    return model.alibi


def problems_of(config: Config) -> Iterator[Problem]:
    """Every mistake that only shows when the parts of a configuration are seen together."""
    try:
        known_prompts = prompts(config.prompts)
    except ConfigError as error:
        yield Problem((), str(error))
        return
    for name, corpus in config.corpora.items():
        if isinstance(corpus, FilesCorpus):
            yield from _missing_files(("corpora", name), corpus)
        elif isinstance(corpus, HubCorpus):
            yield from _patterns(("corpora", name), corpus)
        elif isinstance(corpus, SacrebleuCorpus):
            yield from _test_sets(("corpora", name), corpus)
        elif isinstance(corpus, InstructionsCorpus) and corpus.path and not Path(corpus.path).is_file():
            yield Problem(("corpora", name, "path"), NO_FILE, corpus.path)
    for name, model in config.models.items():
        at: KeyPath = ("models", name)
        if isinstance(model, ScratchModel):
            yield from _pages(config, (*at, "text"), model.text)
        elif isinstance(model, LocalModel) and not (Path(model.path) / "config.json").is_file():
            yield Problem((*at, "path"), "no config.json there; give a folder in Hugging Face format", model.path)
    for name, experiment in config.experiments.items():
        yield from _experiment(config, ("experiments", name), experiment, known_prompts)


def _named(kind: str, at: KeyPath, name: str | None, allowed: Any) -> Iterator[Problem]:
    if name is not None and name not in allowed:
        yield Problem(at, registry.unknown(kind, name, allowed), name)


def _missing_files(at: KeyPath, corpus: FilesCorpus) -> Iterator[Problem]:
    for pair, splits in corpus.pairs.items():
        for split in ("train", "validation", "test"):
            for key in ("path", "source", "target"):
                path = getattr(getattr(splits, split) or object(), key, None)
                if path and not Path(path).is_file():
                    yield Problem((*at, "pairs", pair, split, key), NO_FILE, path)


def _patterns(at: KeyPath, corpus: HubCorpus) -> Iterator[Problem]:
    for split, pattern in corpus.files.items():
        for holder in re.findall(r"{(.*?)}", pattern):
            yield from _named("placeholder", (*at, "files", split), holder, ("source", "target", "config"))
        for pair in corpus.pairs if "{config}" in pattern else ():
            if pair not in corpus.configs and reverse(pair) not in corpus.configs:
                yield Problem((*at, "configs"), f"`files` names {{config}}, and {pair} has none here", corpus.configs)


def _test_sets(at: KeyPath, corpus: SacrebleuCorpus) -> Iterator[Problem]:
    from sacrebleu.dataset import DATASETS

    for split in ("train", "validation", "test"):
        for index, name in enumerate(getattr(corpus, split)):
            yield from _named("test set", (*at, split, index), name, DATASETS)
    for index, name in enumerate(corpus.turned):
        own = [*corpus.train, *corpus.validation, *corpus.test]
        yield from _named("set of this corpus", (*at, "turned", index), name, own)


def _pages(config: Config, at: KeyPath, pages: Pages) -> Iterator[Problem]:
    yield from _named("corpus", (*at, "corpus"), pages.corpus, config.corpora)
    if (corpus := config.corpora.get(pages.corpus)) is None:
        return
    if pages.languages and len(set(pages.languages)) < len(pages.languages):
        yield Problem((*at, "languages"), "a language stands twice", pages.languages)
    pairs = page_pairs(pages, corpus)
    if len({frozenset(split_pair(pair)) for pair in pairs}) < len(pairs):
        yield Problem((*at, "pairs"), "a pair stands twice (its reverse is the same text)", pages.pairs)
    for pair in pairs:
        yield from _pair(at, "pairs" if pages.pairs else "languages", corpus, pages.corpus, pair, "train")
    for number, task in enumerate(pages.tasks):
        here: KeyPath = (*at, "tasks", number)
        yield from _named("corpus", (*here, "corpus"), task.corpus, config.corpora)
        for index, pair in enumerate(task.pairs if task.corpus in config.corpora else ()):
            yield from _pair((*here, "pairs"), index, config.corpora[task.corpus], task.corpus, pair, "train")


def _pair(at: KeyPath, key: str | int, corpus: Corpus, name: str, pair: str, split: str) -> Iterator[Problem]:
    if pair not in pairs_of(corpus):
        yield Problem(
            (*at, key), f"corpus {name!r} has no such pair; " + registry.unknown("pair", pair, pairs_of(corpus)), pair
        )
    elif not has_split(corpus, pair, split):
        yield Problem((*at, key), f"corpus {name!r} has no {split} split for {pair}; give it one", pair)


def _experiment(
    config: Config, at: KeyPath, experiment: Experiment, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    yield from _named("model", (*at, "model"), experiment.model, config.models)
    yield from _named("prompt", (*at, "prompt"), experiment.prompt, known_prompts)
    for index, metric in enumerate(experiment.metrics):
        yield from _metric((*at, "metrics", index), metric, experiment.test.pairs)
        measured = (getattr(system.decoder, "monolingual", False) for system in experiment.systems.values())
        if metric.partition(":")[0] == "bits" and not any(measured):
            text = "no system measures them; give those of interest the decoder {name: offline, monolingual: true}"
            yield Problem((*at, "metrics", index), text, metric)
    for key, data in (("train", experiment.train), ("test", experiment.test)):
        if data is None:
            continue
        yield from _named("corpus", (*at, key, "corpus"), data.corpus, config.corpora)
        if (corpus := config.corpora.get(data.corpus)) is not None:
            for index, pair in enumerate(data.pairs):
                split = "train" if key == "train" else experiment.test.split
                yield from _pair((*at, key, "pairs"), index, corpus, data.corpus, pair, split)
                if pair in data.pairs[:index]:
                    yield Problem((*at, key, "pairs", index), "stands twice; remove one", pair)
            if corpus.provider == "demo" and corpus.task != experiment.task:
                text = f"this corpus is for {corpus.task}, and the experiment's task is {experiment.task}"
                yield Problem((*at, key, "corpus"), text, data.corpus)
    for name, tuning in experiment.tunings.items():
        used = {system.tuning for system in experiment.systems.values()} | twins(experiment)
        if name not in used | {other.start for other in experiment.tunings.values()}:
            yield Problem((*at, "tunings", name), "no system uses this tuning, so it would never be trained")
        if tuning.sweep is None:
            yield from _tuning(config, (*at, "tunings", name), experiment, tuning, known_prompts)
        else:
            yield from _sweep(config, (*at, "tunings", name), experiment, tuning, known_prompts)
        yield from _start((*at, "tunings", name, "start"), experiment, name)
    for name, system in experiment.systems.items():
        here: KeyPath = (*at, "systems", name)
        yield from _named("tuning", (*here, "tuning"), system.tuning, experiment.tunings)
        yield from _named("prompt", (*here, "prompt"), system.prompt, known_prompts)
        yield from _prompts(here, experiment, system, known_prompts)
        if system.shots is not None:
            yield from _shots(config, (*here, "shots"), experiment, system.shots)
        yield from _decoder(here, experiment, system.decoder, system.tuning)
        if isinstance(system.decoder, PrefilledDecoder):
            yield from _prior(config, (*here, "decoder", "prior"), experiment, name, system.decoder.prior)
    if experiment.divergence is not None:
        yield from _twin((*at, "divergence", "twin"), experiment, experiment.divergence.twin)
    if experiment.instructions is not None:
        yield from _instructed((*at, "instructions"), experiment, experiment.instructions)


def _instructed(at: KeyPath, experiment: Experiment, spec: Instructed) -> Iterator[Problem]:
    """Instructions that can be read, and systems that are one model each."""
    try:
        questions(Path(spec.path))
    except ValueError as error:
        yield Problem((*at, "path"), str(error), spec.path)
    for index, name in enumerate(spec.systems):
        yield from _named("system", (*at, "systems", index), name, experiment.systems)
        if (system := experiment.systems.get(name)) is None:
            continue
        tuning = experiment.tunings.get(system.tuning or "")
        if system.decoder.name in MODEL_FREE or (tuning and (tuning.per_pair or tuning.sweep)):
            text = "instructions are answered by one model: no decoder without any, no model per pair, no sweep"
            yield Problem((*at, "systems", index), text, name)


def twins(experiment: Experiment) -> set[str]:
    """Tunings that the foundation model is compared with or given the first tokens of."""
    decoders = [system.decoder for system in experiment.systems.values()]
    priors = [decoder.prior for decoder in decoders if isinstance(decoder, PrefilledDecoder)]
    compared = {experiment.divergence.twin} if experiment.divergence else set()
    return compared | {prior.twin for prior in priors if isinstance(prior, SftPrior)}


def _twin(at: KeyPath, experiment: Experiment, name: str) -> Iterator[Problem]:
    yield from _named("tuning", at, name, experiment.tunings)
    tuning = experiment.tunings.get(name)
    if tuning is not None and tuning.sweep is not None:
        yield Problem(at, "this tuning is swept, and a twin is one model; name one without a sweep", name)


def _prior(config: Config, at: KeyPath, experiment: Experiment, own: str, prior: Any) -> Iterator[Problem]:
    """Whether what a prior is made of is there, for every pair of the test."""
    pairs = experiment.test.pairs
    targets = {split_pair(pair)[1] for pair in pairs}
    if isinstance(prior, SftPrior):
        yield from _twin((*at, "twin"), experiment, prior.twin)
    if isinstance(prior, FixedPrior):
        for language in sorted(targets):
            yield from _named("language", (*at, "texts"), language, prior.texts)
    if isinstance(prior, RefinedPrior):
        yield from _refined(config, at, experiment, own, prior)
    if not isinstance(prior, PseudoPrior | RandomPrior):
        return
    for key, path in prior.files.items():
        if not Path(path).is_file():
            yield Problem((*at, "files", key), "no such file", path)
    languages = targets if prior.corpus else set(prior.files)
    if isinstance(prior, RandomPrior) and prior.kind == "wrong-language":
        for pair in pairs:
            if not languages - {*split_pair(pair)}:
                text = f"no language besides those of {pair} among the {'test targets' if prior.corpus else 'files'}"
                yield Problem((*at, "corpus" if prior.corpus else "files"), f"{text}; add one", sorted(languages))
    elif not prior.corpus:
        wanted, kind = (pairs, "pair") if isinstance(prior, PseudoPrior) else (sorted(targets), "language")
        for key in wanted:
            yield from _named(kind, (*at, "files"), key, prior.files)
    if prior.corpus is not None:
        yield from _named("corpus", (*at, "corpus"), prior.corpus, config.corpora)
        if (corpus := config.corpora.get(prior.corpus)) is not None:
            for pair in pairs:
                yield from _pair(at, "corpus", corpus, prior.corpus, pair, "train")


def _refined(config: Config, at: KeyPath, experiment: Experiment, own: str, prior: RefinedPrior) -> Iterator[Problem]:
    yield from _named("system", (*at, "system"), prior.system, experiment.systems.keys() - {own})
    other = experiment.systems.get(prior.system or "")
    tuning = experiment.tunings.get(other.tuning or "") if other else None
    if other and (other.decoder.name not in SINGLE or (tuning and tuning.sweep)):
        text = "a refined prior is one answer to a sentence; name a system without settings or prior tokens"
        yield Problem((*at, "system"), text, prior.system)
    for pair in experiment.test.pairs if prior.hypotheses else ():
        path = str(prior.hypotheses).replace("{pair}", pair)
        if not Path(path).is_file():
            yield Problem((*at, "hypotheses"), "no such file", path)
            return
    if prior.model is not None:
        fitting = {name: model for name, model in config.models.items() if model.source != "scratch"}
        yield from _named("model from the hub or a folder", (*at, "model"), prior.model, fitting)
        spoken = {code for pair in experiment.test.pairs for code in split_pair(pair)}
        for code in sorted(spoken if prior.codes else ()):
            yield from _named("language", (*at, "codes"), code, prior.codes)


def _prompts(at: KeyPath, experiment: Experiment, system: System, known: dict[str, Prompt]) -> Iterator[Problem]:
    """Prompts by target language, and names for every language that a prompt is to name."""
    for language, name in system.prompt_by_target.items():
        yield from _named("prompt", (*at, "prompt_by_target", language), name, known)
        if language not in {split_pair(pair)[1] for pair in experiment.test.pairs}:
            yield Problem((*at, "prompt_by_target", language), "no test pair has this target language", name)
    tuning = experiment.tunings.get(system.tuning or "")
    usual = system.prompt or (tuning and tuning.prompt) or experiment.prompt
    for pair in experiment.test.pairs:
        target = split_pair(pair)[1]
        key = ("prompt_by_target", target) if target in system.prompt_by_target else ("prompt",)
        yield from _language_names((*at, *key), known, system.prompt_by_target.get(target, usual), pair)


def _language_names(at: KeyPath, known: dict[str, Prompt], name: str, pair: str) -> Iterator[Problem]:
    if name in known:
        try:
            render(known[name], pair, "", "")
        except ValueError as error:
            yield Problem(at, f"{pair}: {error}", name)


def _shots(config: Config, at: KeyPath, experiment: Experiment, shots: Shots) -> Iterator[Problem]:
    yield from _named("corpus", (*at, "corpus"), shots.corpus, config.corpora)
    name = shots.corpus or experiment.test.corpus
    if (corpus := config.corpora.get(name)) is not None:
        key = "corpus" if shots.corpus else "split"
        for pair in experiment.test.pairs:
            yield from _pair(at, key, corpus, name, pair, shots.split)
    if shots.corpus in (None, experiment.test.corpus) and shots.split == experiment.test.split:
        yield Problem((*at, "split"), "demonstrations would be of the very text that is tested on", shots.split)


def _metric(at: KeyPath, spec: str, pairs: Iterable[str]) -> Iterator[Problem]:
    try:
        name, options = metrics.parse(spec)
    except metrics.MetricError as error:
        yield Problem(at, str(error), spec)
        return
    yield from _named("metric", at, name, registry.REGISTRY["metric"])
    if name in registry.REGISTRY["metric"] and options:
        try:  # a value that the metric refuses is refused here, not after all the training
            module = registry.module_of("metric", name)
            if check := getattr(module, "check", None):
                check(**options)
                return
            columns = {"delays": [[1]], "gflops": [1.0], "nats": [1.0]}
            text = "a" if metrics.columns_of(name) else getattr(module, "TRIAL", "one two three four")
            for pair in pairs:
                metrics.score(spec, [text], [[text]] if text else [], [text], pair, columns)
        except metrics.MetricError as error:
            yield Problem(at, str(error), spec)


def _decoder(at: KeyPath, experiment: Experiment, decoder: Any, tuning: str | None) -> Iterator[Problem]:
    if decoder.name in MODEL_FREE and tuning is not None:
        yield Problem((*at, "tuning"), f"the decoder {decoder.name!r} uses no model; leave the tuning out", tuning)
    used = experiment.tunings.get(tuning or "")
    if used is not None and used.method in registry.REGISTRY["method"]:
        yield from _fits((*at, "decoder"), decoder, used)
    elif isinstance(decoder, ConversationDecoder):
        yield Problem((*at, "decoder", "name"), "only a model tuned by `method: converse` takes turns", decoder.name)
    if used is not None and (sweep := used.sweep) and (points := getattr(decoder, sweep.axis, None)):
        missing = [value for value in sweep.values if value not in map(str, points)]
        if missing:
            text = f"the tuning is swept over {sweep.axis}, and the decoder lacks {', '.join(missing)}"
            yield Problem((*at, "decoder", sweep.axis), text, points)
    if getattr(decoder, "engine", "") == "vllm" and find_spec("vllm") is None:
        text = "vllm is not installed; make an environment around it that has our packages, too, or leave `engine` out"
        yield Problem((*at, "decoder", "engine"), text, "vllm")
    if isinstance(decoder, DictionaryDecoder):
        for pair in experiment.test.pairs:
            yield from _named("pair", (*at, "decoder", "files"), pair, decoder.files)
        for pair, path in decoder.files.items():
            if not Path(path).is_file():
                yield Problem((*at, "decoder", "files", pair), "no such file", path)


def _fits(at: KeyPath, decoder: Any, tuning: Tuning) -> Iterator[Problem]:
    """Whether a decoder does what a tuned model was trained for."""
    method = registry.module_of("method", tuning.method)
    if getattr(method, "CONVERSES", False) != isinstance(decoder, ConversationDecoder):
        text = f"models of the method {tuning.method!r} are decoded "
        text += "by `conversation`" if not isinstance(decoder, ConversationDecoder) else "otherwise: they take no turns"
        yield Problem((*at, "name"), text, decoder.name)
    if isinstance(decoder, SimultaneousDecoder):
        trained = tuning.options.get("positions", "plain")
        if (trained == "group") != (decoder.positions == "group"):
            text = f"the tuning counts positions {trained!r}; `group` must stand in both or in neither"
            yield Problem((*at, "positions"), text, decoder.positions)


def _sweep(
    config: Config, at: KeyPath, experiment: Experiment, tuning: Tuning, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    assert tuning.sweep is not None
    here: KeyPath = (*at, "sweep", "values")
    for value, given in tuning.sweep.values.items():
        if not re.fullmatch(r"[\w.+-]+", value):
            yield Problem(here, "a setting is one word: letters, digits and . + - _", value)
        try:
            each = sweeps.at(tuning, value)
        except ValidationError as error:
            yield Problem(here, f"{tuning.sweep.key}: {error.errors()[0]['msg']}", given)
            return
        except (KeyError, IndexError, TypeError, ValueError):
            text = "this tuning has no such key; write the keys that lead to it with dots, as in options.alpha"
            yield Problem((*at, "sweep", "key"), text, tuning.sweep.key)
            return
        yield from (
            replace(problem, path=here) if problem.path[: len(at)] == at else problem
            for problem in _tuning(config, at, experiment, each, known_prompts)
        )


def _start(at: KeyPath, experiment: Experiment, name: str) -> Iterator[Problem]:
    """A tuning that goes on from another: it must be there, come to an end, and be trained on the same pairs."""
    tuning = experiment.tunings[name]
    if tuning.start is None:
        return
    yield from _named("tuning", at, tuning.start, experiment.tunings)
    start = experiment.tunings.get(tuning.start)
    if start is None:
        return
    seen, step = [name], tuning.start
    while step in experiment.tunings and step not in seen:
        seen.append(step)
        step = experiment.tunings[step].start or ""
    if step in seen:
        yield Problem(at, f"tunings go on from each other in a circle: {' -> '.join([*seen, step])}", tuning.start)
    if start.per_pair and not tuning.per_pair:
        yield Problem(at, f"{tuning.start!r} is one model per pair, so this tuning must be, too", tuning.start)
    if start.sweep and (tuning.sweep is None or list(tuning.sweep.values) != list(start.sweep.values)):
        yield Problem(at, f"{tuning.start!r} is swept; sweep this tuning over the same settings", tuning.start)


def _tuning(
    config: Config, at: KeyPath, experiment: Experiment, tuning: Tuning, known_prompts: dict[str, Prompt]
) -> Iterator[Problem]:
    if experiment.train is None:
        yield Problem((*at[:2], "train"), "this key is required: there are tunings, but nothing to train them on")
    elif tuning.per_pair and (missing := set(experiment.test.pairs) - set(tuning.pairs or experiment.train.pairs)):
        where = "pairs lack" if tuning.pairs else "train.pairs lacks"
        text = f"per_pair: true leaves no model for the test pairs {', '.join(sorted(missing))}, which {where}"
        yield Problem((*at, "per_pair"), text, tuning.per_pair)
    name = experiment.train.corpus if experiment.train else ""
    if tuning.pairs is not None and (corpus := config.corpora.get(name)) is not None:
        for index, pair in enumerate(tuning.pairs):
            yield from _pair((*at, "pairs"), index, corpus, name, pair, "train")
            if pair in tuning.pairs[:index]:
                yield Problem((*at, "pairs", index), "stands twice; remove one", pair)
    yield from _named("prompt", (*at, "prompt"), tuning.prompt, known_prompts)
    yield from _named("method", (*at, "method"), tuning.method, registry.REGISTRY["method"])
    if tuning.mix is not None:
        fitting = [name for name, corpus in config.corpora.items() if isinstance(corpus, InstructionsCorpus)]
        yield from _named("corpus of instructions", (*at, "mix", "corpus"), tuning.mix.corpus, fitting)
        if tuning.method != "sft":
            text = "only `method: sft` can learn from instructions, too; write a tuning of that and `start` from it"
            yield Problem((*at, "mix"), text, tuning.method)
    if tuning.method not in registry.REGISTRY["method"]:
        return
    method = registry.module_of("method", tuning.method)
    try:
        options = method.Options.model_validate(tuning.options)
    except ValidationError as error:
        yield from problems_in(error, tuning.options, method.Options, (*at, "options"))
        return
    if experiment.train is not None:
        yield from _trainable(at, tuning, method, options, experiment, known_prompts)
    model = config.models.get(experiment.model)
    wanted = method.alibi(options) if hasattr(method, "alibi") else None
    if model is not None and wanted is not None and has_alibi(model) is (not wanted):
        kinds = ("rotary", "ALiBi") if wanted else ("ALiBi", "rotary")
        fitting = sorted(name for name, other in config.models.items() if has_alibi(other) is wanted)
        text = f"these options of {tuning.method!r} need {kinds[1]} positions, and {experiment.model!r} has {kinds[0]}"
        yield Problem((*at, "options"), f"{text} ones (others: {', '.join(fitting) or 'none here'})", tuning.options)


def _trainable(
    at: KeyPath, tuning: Tuning, method: Any, options: Any, experiment: Experiment, known: dict[str, Prompt]
) -> Iterator[Problem]:
    """Whether the training pairs are such as the prompt can name and the method can use."""
    assert experiment.train is not None
    pairs, name = tuning.pairs or experiment.train.pairs, tuning.prompt or experiment.prompt
    unnamed = [problem for pair in pairs for problem in _language_names((*at, "prompt"), known, name, pair)]
    yield from unnamed
    if name not in known or unnamed or not hasattr(method, "check"):
        return
    for scope in [[pair] for pair in pairs] if tuning.per_pair else [pairs]:
        try:
            method.check(scope, known[name], options)
        except ValueError as error:
            yield Problem((*at, "per_pair" if tuning.per_pair else "options"), str(error))
            return


def options_of(tuning: Tuning) -> Any:
    """A tuning's options as its method's own typed model."""
    return registry.module_of("method", tuning.method).Options.model_validate(dict[str, Any](tuning.options))
