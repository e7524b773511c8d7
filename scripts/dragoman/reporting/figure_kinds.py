"""Every kind of figure by name: its title and caption, the experiments that have it, and the function that draws it.

Snakemake needs the names before any job, so they depend on the plan alone, and large libraries are imported only when a
figure is drawn. A new kind of figure needs a module that makes a matplotlib figure, and an entry in `FIGURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.checks import twins
from dragoman.config import NoPrior, OfflineDecoder, PrefilledDecoder, SimultaneousDecoder
from dragoman.decoding.options import Turns
from dragoman.languages.units import of_pair
from dragoman.metrics import parse

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from dragoman.plan import Plan
    from dragoman.results.records import Record

LATENCY = ("laal", "yaal", "al", "dal", "atd", "ap")
"""Latency metrics; curves are drawn against the first of them that an experiment has."""
COST = "gflops"


@dataclass(frozen=True)
class Kind:
    """A kind of figure."""

    title: str
    caption: str
    absent: str
    """Text of the figure's file if there are no numbers to draw."""
    wanted: Callable[[Plan, str], bool]
    """Whether an experiment has this figure."""
    draw: Callable[[Plan, str, Sequence[Record]], Figure | None]
    """Returns None if there are no numbers to draw."""


def qualities(metrics: Sequence[str]) -> list[str]:
    """The metrics that are not metrics of latency or cost, without duplicates."""
    return [spec for spec in dict.fromkeys(metrics) if parse(spec)[0] not in (*LATENCY, COST)]


def lag(metrics: Sequence[str]) -> str | None:
    """The latency metric that an experiment's curves are drawn against; None if it has none."""
    specs = {parse(spec)[0]: spec for spec in reversed(metrics)}
    return next((specs[name] for name in LATENCY if name in specs), None)


def swept(plan: Plan, experiment: str) -> set[str]:
    """Keys of an experiment's systems whose decoder or tuning can have several settings."""
    plan.experiment(experiment)
    spec = plan.config.experiments[experiment]
    return {
        key
        for key, system in spec.systems.items()
        if isinstance(system.decoder, SimultaneousDecoder | Turns)
        or (system.tuning is not None and spec.tunings[system.tuning].sweep is not None)
    }


def twin_system(plan: Plan, experiment: str) -> str | None:
    """Key of the system that decodes with the fine-tuned twin, without a prior; None if there is none."""
    spec = plan.experiment(experiment)
    for key, system in spec.systems.items():
        alone = isinstance(system.decoder, OfflineDecoder) and not isinstance(system.decoder, PrefilledDecoder)
        if alone and system.tuning in twins(spec):
            return key
    return None


def _prefilled(plan: Plan, experiment: str) -> dict[str, bool]:
    """Key of each system with the prefilled decoder -> whether it has a prior."""
    systems = plan.experiment(experiment).systems
    decoders = {key: each.decoder for key, each in systems.items() if isinstance(each.decoder, PrefilledDecoder)}
    return {key: not isinstance(decoder.prior, NoPrior) for key, decoder in decoders.items()}


def has_twin(plan: Plan, experiment: str) -> bool:
    """Whether an experiment has scores relative to a fine-tuned twin's."""
    return any(_prefilled(plan, experiment).values()) and bool(twin_system(plan, experiment))


def _measures(plan: Plan, experiment: str, metric: str) -> bool:
    return metric in (parse(spec)[0] for spec in plan.experiment(experiment).metrics)


def _wants_latency(plan: Plan, experiment: str) -> bool:
    metrics = plan.experiment(experiment).metrics
    return bool(lag(metrics) and qualities(metrics) and swept(plan, experiment))


def _wants_ablation(plan: Plan, experiment: str) -> bool:
    """Whether the experiment has a swept tuning and no latency metric."""
    tunings = plan.config.experiments[experiment].tunings.values()
    return any(tuning.sweep for tuning in tunings) and not lag(plan.experiment(experiment).metrics)


def _draw_ablation(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import ablation, gather

    layout, frame = gather.cells_of(plan, experiment, records)
    return ablation.curves(frame, layout, qualities(layout.metrics), swept(plan, experiment))


def _wants_scores(plan: Plan, experiment: str) -> bool:
    """False if there is a figure of curves, which shows the same numbers and more."""
    curved = _wants_latency(plan, experiment) or _wants_ablation(plan, experiment)
    return bool(qualities(plan.experiment(experiment).metrics)) and not curved


def _draw_scores(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import arrange, dot_plots, gather

    layout, frame = gather.cells_of(plan, experiment, records)
    shown = layout.blocks if layout.blocks and len(layout.pairs) > arrange.MANY else layout.pairs
    frame = frame[frame["metric"].isin(qualities(layout.metrics)) & frame["pair"].isin([*shown])]
    return dot_plots.scores(frame) if frame["value"].notna().any() else None


def _draw_loss(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import curves, gather

    curves_of = gather.tuning_curves(plan, experiment)
    families = gather.families(plan.config.experiments[experiment], {label: tuning for label, tuning, _ in curves_of})
    shown = [(label, points) for label, _, points in curves_of]
    return curves.loss_curves(shown, families, gather.BASELINES)


def _draw_latency(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import gather, latency

    layout, frame = gather.cells_of(plan, experiment, records)
    against = lag(layout.metrics)
    assert against is not None  # the experiment would not have this figure
    counted = {pair: of_pair(pair, plan.experiment(experiment).asked).source for pair in layout.pairs}
    return latency.trade_off(frame, layout, qualities(layout.metrics), against, swept(plan, experiment), counted)


def _draw_cost(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import boxes, curves, gather

    samples = gather.cost_samples(plan, experiment)
    layout = gather.layout_from(plan, experiment)
    looks = curves.curved_and_level(layout, swept(plan, experiment) or layout.systems)
    colours = {label: looks[key]["color"] for key, label in layout.systems.items()}
    return boxes.boxes(samples, "GFLOPs per sentence", colours) if samples else None


def _draw_relative(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import gather, prior_tokens, relative

    systems = _prefilled(plan, experiment)
    twin, layout = relative.layout_of(plan, experiment)
    bare = next((key for key, has in systems.items() if not has), None)
    names = {key: layout.systems[key] for key, has in systems.items() if has}
    whole = gather.labels(plan.config.experiments[experiment])[twin]
    return prior_tokens.relative(relative.cells(plan, experiment, records), layout, whole, bare, names)


def _draw_divergence(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import prior_tokens
    from dragoman.storage import read_jsonl

    files = [path for path in inputs(plan, experiment, "divergence") if path.is_file()]
    return prior_tokens.positions([row for path in files for row in read_jsonl(path)])


def _draw_languages(plan: Plan, experiment: str, records: Sequence[Record]) -> Figure | None:
    from dragoman.reporting import language_map

    panels = language_map.decoded_shares(plan, experiment)
    return language_map.heat_maps(panels) if panels else None


FIGURES = {
    "latency": Kind(
        "Quality against latency",
        "Quality against latency in source words (or characters): further left is earlier, higher is better. A line "
        "connects the settings of one system; the number at a point is its setting. Thin bars: 95 % intervals of both "
        "numbers over the test sentences (with several seeds: mean ± standard deviation; a mean over pairs of one seed "
        "has none). Grey: baselines, dashed if they read the whole sentence before they write. Systems tuned by "
        "one method share a colour.",
        "Nothing was scored here.",
        _wants_latency,
        _draw_latency,
    ),
    "relative": Kind(
        "Scores relative to the fine-tuned twin",
        "The foundation model's score, in per cent of its fine-tuned twin's, against the number of given tokens; one "
        "line for each source of these tokens, starting at the score without given tokens. Thin bars: the 95 % "
        "interval of the ratio, by paired bootstrap (with several seeds: mean ± standard deviation).",
        "Nothing was scored here.",
        has_twin,
        _draw_relative,
    ),
    "divergence": Kind(
        "Foundation model and fine-tuned twin, position by position",
        "Agreement: how often the twin's most likely token is among the foundation model's most likely tokens (top 1, "
        "top 5). Divergence: the Kullback-Leibler divergence of both distributions. Both at each position of the "
        "answer. On the twin's text, both models read the twin's answer; otherwise each reads its own answer after the "
        "given tokens of the twin's. Bands: 95 % intervals over the answers. Positions that less than a quarter of the "
        "answers reach are left out.",
        "Nothing was compared here.",
        lambda plan, experiment: plan.experiment(experiment).divergence is not None,
        _draw_divergence,
    ),
    "scores": Kind(
        "Scores",
        "Scores by language pair, or, with many pairs, means over trained pairs and over zero-shot pairs. The line is "
        "the 95 % interval (with several seeds: mean ± standard deviation); the best value of a panel is coloured.",
        "Nothing was scored here.",
        _wants_scores,
        _draw_scores,
    ),
    "ablation": Kind(
        "Effect of the setting",
        "Scores against the swept setting, as means over trained pairs and over zero-shot pairs, if there are both. "
        "With several seeds, a thin bar is ± one standard deviation. Dashed: systems without this setting.",
        "Nothing was scored here.",
        _wants_ablation,
        _draw_ablation,
    ),
    "languages": Kind(
        "Target language and language of the answer",
        "Per cent of the answers for each target language (rows) in each language (columns), according to the "
        "identifier of the off-target ratio: zero-shot pairs if there are any, else all pairs; one panel for each "
        "tuning. Green: the target language. Other: empty, or none of these languages.",
        "Nothing was decoded here.",
        lambda plan, experiment: _measures(plan, experiment, "offtarget"),
        _draw_languages,
    ),
    "cost": Kind(
        "Cost of translating",
        "Cost of translating one sentence, over all sentences, pairs and settings. A box holds the middle half; the "
        "number is the median; whiskers end at the outermost sentence within one and a half times the box's length.",
        "No decoding counted its operations.",
        lambda plan, experiment: _measures(plan, experiment, COST),
        _draw_cost,
    ),
    "loss": Kind(
        "Training loss",
        "Training loss of the fine-tunings; seeds of one tuning share a name and a colour.",
        "Nothing was trained here.",
        lambda plan, experiment: bool(plan.tunings_of(experiment)),
        _draw_loss,
    ),
}


def figures_of(plan: Plan, experiment: str) -> list[str]:
    """Names of an experiment's figures, in the order of the page; they do not depend on results."""
    return [name for name, kind in FIGURES.items() if kind.wanted(plan, experiment)]


def inputs(plan: Plan, experiment: str, name: str) -> list[Path]:
    """Files that a figure is drawn from, in addition to the records."""
    if name == "loss":
        return [trained.manifest for trained in plan.tunings_of(experiment).values()]
    if name in ("cost", "languages", "relative"):
        return [run.hypotheses for run in plan.decode_runs if run.experiment == experiment]
    if name == "divergence":
        return [run.file for run in plan.divergence_runs if run.experiment == experiment]
    return []
