"""Every figure by name: what it shows, which experiments have it, how it is drawn.

Snakemake asks for names before any job, so a plan alone must tell them, and nothing heavy is imported until a figure is
drawn. Another figure is a module that turns numbers into a matplotlib figure, and one entry of `FIGURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman import registry
from dragoman.config import ConversationDecoder, SimultaneousDecoder
from dragoman.metrics import parse

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from dragoman.plan import Plan
    from dragoman.records import Record

LATENCY = ("laal", "al", "dal", "atd", "ap")
"""Metrics of lag, the one that curves are drawn against first."""
COST = "gflops"


@dataclass(frozen=True)
class Kind:
    """A figure that experiments may have."""

    title: str
    caption: str
    absent: str
    """What to say where there is nothing to draw yet."""
    wanted: Callable[[Plan, str], bool]
    """Whether an experiment has it."""
    draw: Callable[[Plan, str, Sequence[Record]], Figure | None]
    """None where there is nothing to draw."""


def qualities(metrics: Sequence[str]) -> list[str]:
    """Those of an experiment's metrics that measure neither lag nor cost."""
    return [spec for spec in dict.fromkeys(metrics) if parse(spec)[0] not in (*LATENCY, COST)]


def lag(metrics: Sequence[str]) -> str | None:
    """The metric that an experiment's curves are drawn against, if it has one."""
    found = {parse(spec)[0]: spec for spec in reversed(metrics)}
    return next((found[name] for name in LATENCY if name in found), None)


def swept(plan: Plan, experiment: str) -> set[str]:
    """Systems of an experiment, by key, that have several settings or could have."""
    plan.experiment(experiment)
    spec = plan.config.experiments[experiment]
    return {
        key
        for key, system in spec.systems.items()
        if isinstance(system.decoder, SimultaneousDecoder | ConversationDecoder)
        or (system.tuning is not None and spec.tunings[system.tuning].sweep is not None)
    }


def _wants_latency(plan: Plan, experiment: str) -> bool:
    metrics = plan.experiment(experiment).metrics
    return bool(lag(metrics) and qualities(metrics) and swept(plan, experiment))


def _wants_scores(plan: Plan, experiment: str) -> bool:
    """The curves against latency show the same numbers and more."""
    return bool(qualities(plan.experiment(experiment).metrics)) and not _wants_latency(plan, experiment)


def _draw_scores(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import dots, gather, tables

    layout = gather.layout_from(plan, experiment)
    frame = tables.cells(records, layout)
    frame = frame[frame["metric"].isin(qualities(layout.metrics))]
    return dots.scores(frame) if frame["value"].notna().any() else None


def _draw_loss(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import curves, gather

    found = gather.tuning_curves(plan, experiment)
    return curves.loss_curves(found) if any(points for _, points in found) else None


def _draw_latency(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import gather, latency, tables

    layout = gather.layout_from(plan, experiment)
    against = lag(layout.metrics)
    assert against is not None  # the experiment would not have this figure
    frame = tables.cells(records, layout)
    return latency.trade_off(frame, layout, qualities(layout.metrics), against, swept(plan, experiment))


def _draw_cost(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import boxes, figures, gather

    samples = gather.cost_samples(plan, experiment)
    names, curved = gather.labels(plan.config.experiments[experiment]), swept(plan, experiment)
    order = [*(key for key in names if key in curved), *(key for key in names if key not in curved)]
    colours = {names[key]: figures.look(place)["color"] for place, key in enumerate(order)}
    if curved:  # as the curves against latency have it
        colours |= {names[key]: figures.QUIET for key in names if key not in curved}
    return boxes.boxes(samples, "GFLOPs per sentence", colours) if samples else None


FIGURES = {
    "latency": Kind(
        "Quality against latency",
        "Quality against latency in source words: further left is sooner, higher is better. A line joins the settings "
        "of one system; the number at a point is its setting. Thin bars: 95 % intervals of both numbers over the test "
        "sentences (with several seeds: mean ± standard deviation; a mean over pairs of one seed has none). Dashed and "
        "grey: systems that read the whole sentence before they write.",
        "Nothing was scored here.",
        _wants_latency,
        _draw_latency,
    ),
    "scores": Kind(
        "Scores",
        "Scores by language pair. The line is the 95 % interval (with several seeds: mean ± standard deviation); "
        "colour marks the best of its panel.",
        "Nothing was scored here.",
        _wants_scores,
        _draw_scores,
    ),
    "cost": Kind(
        "Cost of translating",
        "What translating a sentence costs, over all sentences, pairs and settings. A box holds the middle half, the "
        "number is the median; whiskers reach the last sentence within one and a half times the box's length.",
        "No decoding counted its operations.",
        lambda plan, experiment: any(parse(spec)[0] == COST for spec in plan.experiment(experiment).metrics),
        _draw_cost,
    ),
    "loss": Kind(
        "Training loss",
        "Training loss of the fine-tunings; one colour, one tuning.",
        "Nothing was trained here.",
        lambda plan, experiment: any(run.experiment == experiment for run in plan.tuning_runs),
        _draw_loss,
    ),
}


def figures_of(plan: Plan, experiment: str) -> list[str]:
    """Names of the figures an experiment has, in the order they are shown; no look at results."""
    return [name for name, kind in FIGURES.items() if kind.wanted(plan, experiment)]


def inputs(plan: Plan, experiment: str, name: str) -> list[Path]:
    """Files that a figure is drawn from, beside the records."""
    if name == "loss":
        return plan.experiment_manifests(experiment)
    if name == "cost":
        runs = [run for run in plan.decode_runs if run.experiment == experiment]
        return [plan.decode_folder(run) / "hypotheses.jsonl" for run in runs]
    return []


def kind(name: str) -> Kind:
    """A figure by name; an unknown one is an error that names the nearest."""
    if name not in FIGURES:
        raise KeyError(registry.unknown("figure", name, FIGURES))
    return FIGURES[name]
