"""Read what a run left in its results folder. What is not there is reported as missing; nothing is made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.config import Experiment, Model, Training
from dragoman.plan import DecodeRun, Plan
from dragoman.reporting.curves import read_log
from dragoman.reporting.examples import Example, Row, choose, visible
from dragoman.reporting.tables import Layout, natural
from dragoman.storage import MANIFEST, read_jsonl

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class ModelFacts:
    """A foundation model."""

    name: str
    detail: str
    parameters: int | None
    """None: not made yet."""
    curve: list[tuple[int, float]]


@dataclass(frozen=True)
class SplitFacts:
    """One split of one pair: lines read, lines kept, why the others were dropped."""

    read: int
    kept: int
    dropped: dict[str, int]
    suspect: dict[str, int]
    """Test lines that would have been dropped from any other split; a test set is never cut."""


@dataclass(frozen=True)
class CorpusFacts:
    """One pair of a corpus."""

    corpus: str
    pair: str
    provider: str
    splits: dict[str, SplitFacts] = field(default_factory=dict)
    warning: str = ""
    missing: bool = False


def layout_from(plan: Plan, experiment: str) -> Layout:
    """Rows and columns that a configuration promises for an experiment."""
    spec = plan.experiment(experiment)
    seeds: dict[str, list[int]] = {}
    for run in plan.decode_runs:
        if run.experiment == experiment and run.seed not in seeds.setdefault(run.system, []):
            seeds[run.system].append(run.seed)
    return Layout(
        experiment=experiment,
        systems=labels(spec),
        pairs=tuple(spec.test.pairs),
        metrics=tuple(dict.fromkeys(spec.metrics)),
        seeds={key: tuple(found) for key, found in seeds.items()},
        title=visible(spec.title),
    )


def labels(experiment: Experiment) -> dict[str, str]:
    """How an experiment's systems are named. Two systems with one label get their keys added: rows must not merge."""
    found = {key: visible(system.label or key) for key, system in experiment.systems.items()}
    names = list(found.values())
    return {key: f"{name} ({key})" if names.count(name) > 1 else name for key, name in found.items()}


def manifest(folder: Path) -> dict[str, Any] | None:
    """A folder's manifest, or None where there is none."""
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def curve(folder: Path) -> list[tuple[int, float]]:
    """The loss curve of a training; no points where it kept none."""
    for name in ("curve.json", "log.jsonl"):
        if (folder / name).is_file():
            return read_log(folder / name)
    return []


def tuning_curves(plan: Plan, experiment: str) -> list[tuple[str, list[tuple[int, float]]]]:
    """(label, curve) of every fine-tuning of an experiment; seeds of one tuning share a label."""
    found = []
    for run in plan.tuning_runs:
        if run.experiment == experiment:
            label = run.tuning if run.scope == "all" else f"{run.tuning}, {run.scope}"
            found.append((label, curve(plan.tuning_folder(run))))
    return found


def model_facts(plan: Plan) -> list[ModelFacts]:
    """Every foundation model in use."""
    facts = []
    for name in plan.models_used():
        folder = plan.model_folder(name)
        made = manifest(folder) or {}
        facts.append(ModelFacts(name, describe(plan.config.models[name]), made.get("parameters"), curve(folder)))
    return facts


def describe(model: Model) -> str:
    """A model in one line."""
    if model.source == "hub":
        return f"{model.id} at revision {model.revision}"
    if model.source == "local":
        return f"checkpoint folder {model.path}"
    size = f"{model.layers} layers of width {model.width}, {model.heads} heads, {model.vocabulary:,} tokens"
    steps = model.pretraining
    trained = "random weights"
    if steps is not None:
        trained = f"pre-trained for {much(steps)} of {steps.batch_size} pages"
    return f"{model.architecture} from scratch: {size}; {trained}"


def much(training: Training) -> str:
    """How long a training is: `250 steps`, `1 epoch`."""
    if training.steps:
        return f"{training.steps:,} step{'s' * (training.steps != 1)}"
    return f"{training.epochs:g} epoch{'s' * (training.epochs != 1)}"


def corpus_facts(plan: Plan) -> list[CorpusFacts]:
    """Every corpus and pair in use, with what its manifest says about lines kept and dropped."""
    facts = []
    for corpus, pair in plan.corpora_used():
        provider = plan.config.corpora[corpus].provider
        made = manifest(plan.corpus_folder(corpus, pair))
        if made is None:
            facts.append(CorpusFacts(corpus, pair, provider, missing=True))
            continue
        splits = {
            name: SplitFacts(
                split.get("rows_in", 0),
                split.get("rows_kept", 0),
                {reason: count for reason, count in sorted(split.get("dropped", {}).items()) if count},
                {reason: count for reason, count in sorted(split.get("warnings", {}).items()) if count},
            )
            for name in SPLITS
            if (split := made.get("splits", {}).get(name))
        }
        facts.append(CorpusFacts(corpus, pair, provider, splits, made.get("warning", "")))
    return facts


def decoded(plan: Plan, experiment: str) -> dict[str, list[tuple[str, list[Row]]]]:
    """Pair -> [(system, rows)] of an experiment, one entry for each setting; of several seeds the first."""
    spec = plan.experiment(experiment)
    found: dict[str, list[tuple[str, list[Row]]]] = {}
    for pair in spec.test.pairs:
        for run in _first_seeds(plan, experiment, pair):
            path = plan.decode_folder(run) / "hypotheses.jsonl"
            if not path.is_file():
                continue
            settings: dict[str, list[Row]] = {}
            for row in read_jsonl(path):
                settings.setdefault(str(row.get("setting", "")), []).append(row)
            label = labels(spec)[run.system]
            for setting in sorted(settings, key=natural):
                name = f"{label}, {setting}" if setting else label
                found.setdefault(pair, []).append((name, settings[setting]))
    return found


def _first_seeds(plan: Plan, experiment: str, pair: str) -> Iterator[DecodeRun]:
    seen = set()
    for run in plan.decode_runs:
        if (run.experiment, run.pair) == (experiment, pair) and run.system not in seen:
            seen.add(run.system)
            yield run


def examples(plan: Plan, experiment: str, wanted: int = 20) -> list[Example]:
    """Sentences of an experiment to look at."""
    return choose(decoded(plan, experiment), wanted)


def facts_of(plan: Plan, name: str) -> list[tuple[str, str]]:
    """What an experiment is, as (term, description)."""
    experiment: Experiment = plan.experiment(name)
    facts = [("Paper", experiment.paper), ("Model", experiment.model), ("Prompt", experiment.prompt)]
    if experiment.train:
        limit = f", first {experiment.train.limit:,} sentences each" if experiment.train.limit else ""
        facts.append(("Trained on", f"{experiment.train.corpus}: {', '.join(experiment.train.pairs)}{limit}"))
    test = experiment.test
    limit = f", first {test.limit:,} sentences each" if test.limit else ""
    facts.append(("Tested on", f"{test.corpus} {test.split}: {', '.join(test.pairs)}{limit}"))
    for key, tuning in experiment.tunings.items():
        scope = "one model for each pair" if tuning.per_pair else "one model for all pairs"
        detail = f"{tuning.method}, {much(tuning.training)} of {tuning.training.batch_size} examples, {scope}"
        facts.append((f"Tuning {key}", detail))
    facts.append(("Seeds", ", ".join(map(str, plan.seeds(experiment)))))
    return facts
