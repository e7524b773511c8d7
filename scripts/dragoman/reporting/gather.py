"""Facts about a run for tables, figures and the page, read from its plan and its results folder. Facts of files that do
not exist yet are marked as missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from dragoman.config import Experiment, Model, Training
from dragoman.config.sweeps import joined, split
from dragoman.languages import NAMES, split_pair
from dragoman.metrics import parse
from dragoman.plan import DecodeRun, Plan
from dragoman.prompts import habits
from dragoman.reporting import tables
from dragoman.reporting.examples import Example, Output, Row, choose, visible
from dragoman.reporting.tables import Layout, named, natural
from dragoman.results.records import Record
from dragoman.storage import MANIFEST, read_json, read_jsonl

UNTUNED = "untuned"
BASELINES = frozenset({"sft", UNTUNED})
"""Families of baseline systems."""
SPLITS = ("train", "validation", "test")
MANY = 12
"""Maximum number of loss curves with names of their own."""
EXAMPLES = 60
"""Maximum number of example sentences of an experiment."""
IDENTIFYING = ("identifier", "languages", "model", "empty")
"""Options of the off-target ratio on which the identified language of a line depends."""


@dataclass(frozen=True)
class ModelFacts:
    """A foundation model."""

    name: str
    detail: str
    parameters: int | None
    """Number of weights; None: not made yet."""
    curve: list[tuple[int, float]]
    """Loss of the pre-training, as from `curve`."""
    prompts: list[habits.Remark] = field(default_factory=list)
    """Remarks on the beginnings of its prompts; none for models from scratch."""


@dataclass(frozen=True)
class SplitFacts:
    """Numbers of lines of one split of one pair: read, kept, and dropped by reason."""

    read: int
    kept: int
    dropped: dict[str, int]
    suspect: dict[str, int]
    """Reason -> test lines that would have been dropped from another split; no line of a test set is dropped."""


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
    """Rows and columns of an experiment's table, from its configuration."""
    spec = plan.experiment(experiment)
    seeds: dict[str, list[int]] = {}
    settings: dict[str, list[str]] = {}
    for run in plan.decode_runs:
        if run.experiment == experiment and run.seed not in seeds.setdefault(run.base, []):
            seeds[run.base].append(run.seed)
    for name, system in spec.systems.items():
        base, own = split(name)
        settings.setdefault(base, []).extend(joined(own, point) for point in system.decoder.settings)
    written = plan.config.experiments[experiment]
    names = labels(written)
    return Layout(
        experiment=experiment,
        systems=names,
        pairs=tuple(spec.test.pairs),
        metrics=tuple(dict.fromkeys(spec.metrics)),
        seeds={key: tuple(numbers) for key, numbers in seeds.items()},
        settings={key: tuple(points) for key, points in settings.items()},
        title=visible(spec.title),
        blocks=blocks(spec),
        assumptions={visible(name): visible(text) for name, text in spec.assumptions.items()},
        variants={names[key]: visible(s.variant) for key, s in written.systems.items() if s.variant},
        families=families(written, {key: system.tuning for key, system in written.systems.items()}) | policies(written),
        baselines=BASELINES,
    )


def cells_of(plan: Plan, experiment: str, records: Iterable[Record]) -> tuple[Layout, pd.DataFrame]:
    """An experiment's layout and its cells (`reporting.tables.cells`)."""
    layout = layout_from(plan, experiment)
    return layout, tables.cells(records, layout)


def families(experiment: Experiment, tunings: Mapping[str, str | None]) -> dict[str, str]:
    """System (or curve) -> family, which has one hue in figures: the method of its tuning.

    Baselines are the untuned model and ordinary fine-tuning. If there are only baselines, each tuning is a family.

    Args:
        tunings: system (or curve) -> its tuning; None for the untuned model.
    """
    methods = {key: experiment.tunings[tuning].method if tuning else UNTUNED for key, tuning in tunings.items()}
    if set(methods.values()) <= BASELINES:
        return {key: f"tuning {tuning}" if tuning else f"system {key}" for key, tuning in tunings.items()}
    return methods


def policies(experiment: Experiment) -> dict[str, str]:
    """System -> its policy, for systems with another policy than wait-k. They are families of their own, since they are
    compared with wait-k on the same model."""
    given = {key: getattr(system.decoder, "policy", None) for key, system in experiment.systems.items()}
    return {key: f"policy {policy.name}" for key, policy in given.items() if policy is not None}


def blocks(experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """Test pairs that were trained on (`supervised`) and the others (`zero-shot`); empty if there are not both."""
    if experiment.train is None:
        return {}
    trained = set(experiment.train.pairs)
    supervised = tuple(pair for pair in experiment.test.pairs if pair in trained)
    zero_shot = tuple(pair for pair in experiment.test.pairs if pair not in trained)
    return {"supervised": supervised, "zero-shot": zero_shot} if supervised and zero_shot else {}


def labels(experiment: Experiment) -> dict[str, str]:
    """Key -> name in tables, for each system of an experiment in a configuration.

    If two systems have the same label, their keys are added, so that their rows do not merge.
    """
    given = {key: visible(system.label or key) for key, system in experiment.systems.items()}
    names = list(given.values())
    return {key: f"{name} ({key})" if names.count(name) > 1 else name for key, name in given.items()}


def roles(experiment: Experiment) -> dict[str, str]:
    """Role -> name in tables of the system that has it, or its key if there is no such system."""
    names = labels(experiment)
    return {role: names.get(key, key) for role, key in experiment.roles.items()}


def manifest(folder: Path) -> dict[str, Any] | None:
    """A folder's manifest; None if there is none."""
    path = folder / MANIFEST
    return read_json(path) if path.is_file() else None


def curve(folder: Path) -> list[tuple[int, float]]:
    """(optimizer step, loss in nats per token) of a training; empty if it has no log."""
    whole, log = folder / "curve.json", folder / "log.jsonl"
    if whole.is_file():
        rows = json.loads(whole.read_text(encoding="utf-8"))
    else:
        rows = read_jsonl(log) if log.is_file() else []
    return [(int(row["step"]), float(row["loss"])) for row in rows if row.get("loss") is not None]


def tuning_curves(plan: Plan, experiment: str) -> list[tuple[str, str, list[tuple[int, float]]]]:
    """(label, tuning, curve) of every fine-tuning of an experiment. Seeds share a label; with more than `MANY` labels,
    the pairs and settings of a tuning do, too."""
    runs = plan.tunings_of(experiment)
    names = []
    for run in runs:
        label = named(run.base, run.setting)
        names.append(label if run.scope == "all" else f"{label}, {run.scope}")
    tunings = [run.base for run in runs]
    if len(set(names)) > MANY:
        names = tunings
    curves = [curve(trained.folder) for trained in runs.values()]
    return list(zip(names, tunings, curves, strict=True))


def model_facts(plan: Plan) -> list[ModelFacts]:
    """Every foundation model in use."""
    facts = []
    for model in plan.models_used:
        made = manifest(model.folder) or {}
        prompts = habits.remarks(model) if made else []
        detail = "; ".join(filter(None, [describe(model.config), made.get("weights"), made.get("licence")]))
        facts.append(ModelFacts(model.name, detail, made.get("parameters"), curve(model.folder), prompts))
    return facts


def describe(model: Model) -> str:
    """A model in one line."""
    if model.source == "hub":
        return f"{model.id} at revision {model.revision}"
    if model.source == "local":
        return f"checkpoint folder {model.path}"
    if model.source in ("gguf", "package"):
        place = ", ".join(model.packages) if model.source == "package" else model.id or "this machine"
        return f"GGUF file {PurePosixPath(model.files[0]).name} from {place}"
    size = f"{model.layers} layers of width {model.width}, {model.heads} heads, {model.vocabulary:,} tokens"
    steps = model.pretraining
    trained = "random weights"
    if steps is not None:
        trained = f"pre-trained for {much(steps)} of {steps.batch_size} pages"
    return f"{model.architecture} from scratch: {size}; {trained}"


def much(training: Training) -> str:
    """Length of a training: `250 steps`, `1 epoch`."""
    if training.steps:
        return f"{training.steps:,} step{'s' * (training.steps != 1)}"
    return f"{training.epochs:g} epoch{'s' * (training.epochs != 1)}"


def corpus_facts(plan: Plan) -> list[CorpusFacts]:
    """Every corpus and pair in use, with the numbers of kept and dropped lines from its manifest."""
    facts = []
    for text in plan.texts_used:
        place, made = (text.corpus, text.pair, text.config.provider), manifest(text.folder)
        if made is None:
            facts.append(CorpusFacts(*place, missing=True))
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
        facts.append(CorpusFacts(*place, splits, made.get("warning", "")))
    return facts


def decoded(plan: Plan, experiment: str) -> dict[str, list[Output]]:
    """Pair -> outputs of an experiment's systems at their settings, with the first seed of each system."""
    spec = plan.experiment(experiment)
    names = labels(plan.config.experiments[experiment])
    first: dict[tuple[str, str], DecodeRun] = {}
    for run in plan.decode_runs:
        if run.experiment == experiment:
            first.setdefault((run.pair, run.system), run)
    outputs: dict[str, list[Output]] = {}
    for pair in spec.test.pairs:
        for run in first.values():
            if run.pair != pair or not run.hypotheses.is_file():
                continue
            settings: dict[str, list[Row]] = {}
            for row in read_jsonl(run.hypotheses):
                settings.setdefault(joined(run.setting, str(row.get("setting", ""))), []).append(row)
            for setting in sorted(settings, key=natural):
                outputs.setdefault(pair, []).append(Output(names[run.base], setting, settings[setting]))
    return outputs


def examples(plan: Plan, experiment: str) -> tuple[int, list[Example]]:
    """Number of an experiment's test sentences, and its examples. All settings of a system except the first are folded;
    systems differ most at the first setting, since it waits least."""
    outputs = decoded(plan, experiment)
    first: dict[str, str] = {}
    for output in sorted(chain(*outputs.values()), key=lambda output: natural(output.setting)):
        first.setdefault(output.system, output.setting)
    spec = plan.experiment(experiment)
    identifying = identifier(plan, experiment) if any(parse(each)[0] == "offtarget" for each in spec.metrics) else None
    for pair, own in outputs.items():
        outputs[pair] = [
            replace(each, folded=each.setting != first[each.system], astray=_astray(each.rows, pair, identifying))
            for each in own
        ]
    total = sum(len({row["id"] for output in own for row in output.rows}) for own in outputs.values())
    return total, choose(outputs, EXAMPLES, spec.asked)


def identifier(plan: Plan, experiment: str) -> dict[str, Any]:
    """Options of `metrics.offtarget.answered` from the first off-target ratio of an experiment."""
    spec = plan.experiment(experiment)
    options = next((own for name, own in map(parse, spec.metrics) if name == "offtarget"), {})
    return plan.metric_options(experiment)["offtarget"] | {k: v for k, v in options.items() if k in IDENTIFYING}


def _astray(rows: Sequence[Row], pair: str, identifying: Mapping[str, Any] | None) -> list[str]:
    """[rows] Name of the language of each hypothesis that is not in the target language, "" for the others; empty if
    `identifying` is None."""
    if identifying is None:
        return []
    from dragoman.metrics.offtarget import answered

    source, target = split_pair(pair)
    came = answered([row["hypothesis"] for row in rows], source, target, **identifying)
    return ["" if code in (target, "") else NAMES.get(code, "another language") for code in came]


def cost_samples(plan: Plan, experiment: str) -> dict[str, list[float]]:
    """System -> GFLOPs of every sentence, over all settings and pairs, with the first seed.

    Systems whose decoder counts no operations (copies, dictionaries) are left out.
    """
    samples: dict[str, list[float]] = {label: [] for label in labels(plan.config.experiments[experiment]).values()}
    for output in chain(*decoded(plan, experiment).values()):
        samples[output.system] += [float(row["gflops"]) for row in output.rows if row.get("gflops") is not None]
    return {label: costs for label, costs in samples.items() if costs}


def facts_of(plan: Plan, name: str) -> list[tuple[str, str]]:
    """(term, description) of an experiment's parts: model, prompt, text, tunings and seeds."""
    experiment: Experiment = plan.config.experiments[name]
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
        if tuning.start:
            detail += f", continued from {tuning.start}"
        if sweep := tuning.sweep:
            detail += f"; one for each {sweep.axis} = {', '.join(sweep.values)}"
            values = ", ".join(map(str, sweep.values.values()))
            detail += "" if values == ", ".join(sweep.values) else f" ({sweep.key} = {values})"
        facts.append((f"Tuning {key}", detail))
    facts.append(("Seeds", ", ".join(map(str, plan.seeds(experiment)))))
    return facts
