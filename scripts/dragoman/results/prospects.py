"""Predicts, before anything runs, which published scores a configuration can get a verdict on."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dragoman import metrics, registry
from dragoman.metrics import MetricError
from dragoman.metrics.neural import Network
from dragoman.plan import Plan
from dragoman.results import comparable, published
from dragoman.results.comparable import Comparison
from dragoman.results.published import Published
from dragoman.results.records import Record
from dragoman.results.verdicts import judge


@dataclass(frozen=True, slots=True)
class Prospect:
    """A published score, and whether a configuration can get a verdict on it."""

    published: Published
    reason: str
    """Why no configuration can; empty if one can."""


def promised(plan: Plan, paper: str, names: Container[str]) -> Iterator[Record]:
    """Records of all numbers that a configuration will compute for a paper, with 0 as their value.

    Args:
        plan: the plan of the configuration.
        paper: name of the paper.
        names: only numbers of these metrics.
    """
    for run in plan.decode_runs:
        experiment = run.experiment_config
        if experiment.paper != paper:
            continue
        for setting in run.system_config.decoder.settings:
            for metric in experiment.metrics:
                if metrics.parse(metric)[0] not in names:
                    continue
                facts = (experiment.paper, run.experiment, run.system, run.pair, setting, run.seed, metric)
                options = metrics.unwritten(metric, plan.metric_options(run.experiment))
                yield Record(*facts, 0.0, None, None, signature(metric, run.pair, tuple(options.items())), 1)


@cache
def signature(metric: str, pair: str, options: Sequence[tuple[str, str]]) -> str:
    """The signature that a metric will have, as far as it is known before there is a text; for networks, the model.

    If the metric cannot be tried on this machine, the reason replaces the signature.
    """
    name, written = metrics.parse(metric)
    module = registry.module_of("metric", name)
    if isinstance(module, Network):
        return f"{module.title}|model:{written.get('model', module.MODEL)}|nrefs:{int('references' in module.NEEDS)}"
    try:
        if own := getattr(module, "signature", None):  # of a metric that would have to fetch a model
            return own(pair, **dict(options), **written)
        return metrics.trial(metric, pair, **dict(options)).signature
    except MetricError as error:
        return f"{metric} cannot be tried here ({error})"


def prospects(plans: Sequence[Plan], paper: str, folder: Path = comparable.FOLDER) -> list[Prospect]:
    """All published scores of a paper, in the order of its table.

    Args:
        plans: plans of the configurations. If several compute a score, the one nearest to a verdict counts.
        paper: name of the paper.
        folder: the folder with the tables of published numbers and `comparison.yaml`.
    """
    known = comparable.load(folder)
    scores = [number for number in published.load(paper, folder) if number.quantity == "score"]
    names = {number.metric for number in scores}
    by_number: dict[tuple[str, ...], list[str]] = {}
    for plan in plans:
        for verdict in judge(plan, promised(plan, paper, names), folder):
            if verdict.published.paper == paper and verdict.experiment:
                stopped = verdict.verdict in ("not comparable", "not run")
                by_number.setdefault(_identity(verdict.published), []).append(verdict.reason if stopped else "")
    made = []
    for number in scores:
        reasons = by_number.get(_identity(number))
        made.append(Prospect(number, min(reasons, key=_nearness) if reasons else beyond(number, known)))
    return made


def beyond(number: Published, known: Comparison) -> str:
    """Why no configuration computes a number, according to `comparison.yaml`."""
    paper = known.papers.get(number.paper)
    for each in paper.unreachable if paper else ():
        if each.system in (None, number.system) and each.metric in (None, number.metric):
            return f"nobody can: {each.why}"
    tested = known.tested(number.paper, number.version, number.table, number.pair)
    if tested is not None and tested.why:
        return f"nobody can: its test set is {tested.why}"
    if number.tolerance is None:
        return f"no tolerance: {number.reason}"
    return "no configuration makes such a number"


def _identity(number: Published) -> tuple[str, ...]:
    return tuple(str(getattr(number, name)) for name in published.IDENTITY)


ORDER = ("no tolerance", "other signature", "other data", "other model", "embedded world")
"""Beginnings of reasons, sorted by how near they are to a verdict; the nearest comes first."""


def _nearness(reason: str) -> int:
    kinds = [place for place, kind in enumerate(ORDER) if reason.startswith(kind)]
    return -1 if not reason else kinds[0] if kinds else len(ORDER)
