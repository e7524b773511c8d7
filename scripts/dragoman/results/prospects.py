"""Which published scores a configuration can give a verdict on, as far as shows before anything runs."""

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
    """A published score, and whether some configuration can give a verdict on it."""

    published: Published
    reason: str
    """Why none can; empty where one can."""


def promised(plan: Plan, paper: str, names: Container[str]) -> Iterator[Record]:
    """A record for every number that a configuration makes for a paper, as it will be but for its value.

    Args:
        names: of the metrics that count.
    """
    for run in plan.decode_runs:
        experiment = plan.experiment(run.experiment)
        if experiment.paper != paper:
            continue
        for setting in plan.system(run).decoder.settings:
            for metric in experiment.metrics:
                if metrics.parse(metric)[0] not in names:
                    continue
                facts = (experiment.paper, run.experiment, run.system, run.pair, setting, run.seed, metric)
                options = metrics.unwritten(metric, plan.metric_options(run.experiment))
                yield Record(*facts, 0.0, None, None, signature(metric, run.pair, tuple(options.items())), 1)


@cache
def signature(metric: str, pair: str, options: Sequence[tuple[str, str]]) -> str:
    """The signature that a metric will have, as far as it shows before there is a text: of a network, its model.

    Where the metric cannot be tried here, the reason stands for it.
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
    """Every published score of a paper, in the order of its table.

    Args:
        plans: of the configurations that count; of several with the number, the nearest to a verdict.
        folder: with the tables of numbers and `comparison.yaml`.
    """
    known = comparable.load(folder)
    scores = [number for number in published.load(paper, folder) if number.quantity == "score"]
    names = {number.metric for number in scores}
    found: dict[tuple[str, ...], list[str]] = {}
    for plan in plans:
        for verdict in judge(plan, promised(plan, paper, names), folder):
            if verdict.published.paper == paper and verdict.experiment:
                stopped = verdict.verdict in ("not comparable", "not run")
                found.setdefault(_identity(verdict.published), []).append(verdict.reason if stopped else "")
    made = []
    for number in scores:
        reasons = found.get(_identity(number))
        made.append(Prospect(number, min(reasons, key=_nearness) if reasons else beyond(number, known)))
    return made


def beyond(number: Published, known: Comparison) -> str:
    """Why no configuration makes a number, as far as the data say."""
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
"""How near a reason is to a verdict, the nearest first."""


def _nearness(reason: str) -> int:
    kinds = [place for place, kind in enumerate(ORDER) if reason.startswith(kind)]
    return -1 if not reason else kinds[0] if kinds else len(ORDER)
