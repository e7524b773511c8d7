"""The page's first screen: for each paper one sentence, one small figure, and the number of claims by verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from dragoman import claims
from dragoman.claims import Evidence, Outcome, Result
from dragoman.config import Experiment
from dragoman.metrics import presentation
from dragoman.plan import Plan
from dragoman.reporting import figure_kinds, gather, tables, worlds
from dragoman.reporting.evidence import evidence_rows
from dragoman.reporting.examples import visible
from dragoman.results import comparable
from dragoman.results.records import Record

ROWS = 6
"""Maximum number of rows of a small figure."""
WORDS: Mapping[Outcome, str] = {
    "holds": "holds in this run",
    "fails": "fails in this run",
    "undecided": "is undecided in this run",
    "not run": "was not tested in this run",
}
NO_PAPER = Experiment.model_fields["paper"].default
"""The `paper` of experiments that reproduce no paper."""


@dataclass(frozen=True)
class Mark:
    """One row of a small figure. Positions are per cent of its width; None if there is no such number."""

    label: str
    value: str
    against: str
    at: float
    other: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    reached: bool = True
    """Whether the value is on the claimed side of the threshold."""


@dataclass(frozen=True)
class Drawing:
    """A small figure: the scores of a system and of the system that it is compared with."""

    metric: str
    system: str
    against: str
    """The other system; empty if there is none."""
    marks: list[Mark]
    left_out: int
    """Comparisons that are not drawn."""


@dataclass(frozen=True)
class Summary:
    """A paper on the first screen, or an experiment that reproduces no paper."""

    title: str
    sentence: str
    drawing: Drawing | None
    counts: dict[str, dict[Outcome, int]] = field(default_factory=dict)
    """This run or other world -> verdict -> number of the paper's claims; empty if it has no claims."""


def summaries(
    plan: Plan, records: Sequence[Record], tested: Sequence[Result], others: Mapping[str, Sequence[Result]]
) -> list[Summary]:
    """The papers of a configuration in its order, then its experiments that reproduce no paper.

    Args:
        plan: plan of the configuration.
        records: scores of this run.
        tested: verdicts on claims in this run, without claims about training time.
        others: other world -> verdicts on the same claims there.
    """
    named = [experiment.paper for experiment in plan.config.experiments.values()] + [r.paper for r in tested]
    papers = [paper for paper in dict.fromkeys(named) if paper not in (None, NO_PAPER)]
    of_papers = [_paper(plan, paper, records, [r for r in tested if r.paper == paper], others) for paper in papers]
    if own := [result for result in tested if result.paper is None]:
        of_papers.append(_claims(plan, "Claims of no paper", own, others))
    free = [name for name, experiment in plan.config.experiments.items() if experiment.paper == NO_PAPER]
    return of_papers + [_experiment(plan, name, records) for name in free]


def _paper(
    plan: Plan,
    paper: str,
    records: Sequence[Record],
    results: Sequence[Result],
    others: Mapping[str, Sequence[Result]],
) -> Summary:
    known = comparable.load().papers
    title = visible(known[paper].title if paper in known else paper)
    if results and (summary := _claims(plan, title, results, others)).drawing:
        return summary
    experiments = (name for name, each in plan.config.experiments.items() if each.paper == paper)
    best = next((_experiment(plan, name, records) for name in experiments), None)
    drawing = best.drawing if best else None  # no claim has a comparison, so the best systems are drawn
    if results:
        return replace(summary, drawing=drawing)
    return Summary(title, f"No claim of this paper was tested. {best.sentence if best else ''}".strip(), drawing)


def _claims(plan: Plan, title: str, results: Sequence[Result], others: Mapping[str, Sequence[Result]]) -> Summary:
    """The summary of the first claim that was tested. It is the paper's main claim, unless that was not tested."""
    shown = next((result for result in results if result.verdict != "not run"), results[0])
    counts = {worlds.HERE: claims.counts(results)}
    for name, there in others.items():
        verdicts = Counter(entry.verdict for row in worlds.rows(results, {name: there}) for entry in row.cells[1])
        counts[name] = {outcome: verdicts[outcome] for outcome in claims.OUTCOMES}
    experiment = plan.config.experiments.get(shown.experiment)
    names = gather.roles(experiment) if experiment else {}
    return Summary(title, sentence(shown, names), _drawing(shown, names), counts)


def sentence(result: Result, names: Mapping[str, str]) -> str:
    """A claim, its verdict, and the numbers of its decisive comparison.

    Args:
        result: the verdict on the claim.
        names: role of a system -> its name.
    """
    start = f"“{result.statement.rstrip('.')}” {WORDS[result.verdict]}"
    evidence = decisive(result)
    if evidence is None:
        return f"{start}: {result.note}." if result.note else f"{start}."
    system, relation, other = claims.compared(result.comparison)
    (row,) = evidence_rows(result.metric, [evidence])
    metric = presentation(result.metric).label
    text = f"{start}: {names.get(system, system)} has {metric} {row.value}"
    if evidence.against is not None:
        before = names.get(other, other)
        text += f", {before if before != names.get(system, system) else 'before'} {row.against}"
    if evidence.threshold != evidence.against:
        text += f", and the claim needs {'more' if relation == '>' else 'less'} than {row.threshold}"
    several = f", the closest of {len(result.evidence)} comparisons" if len(result.evidence) > 1 else ""
    return f"{text} ({place(evidence)}{several})."


def decisive(result: Result) -> Evidence | None:
    """The comparison that is closest to another verdict; None if there are no comparisons.

    If a claim holds, comparisons that miss the threshold are ignored, since one setting can be enough; if it fails,
    those that reach it.
    """
    sign = {"holds": 1, "fails": -1}.get(result.verdict, 0)
    deciding = [each for each in result.evidence if each.margin * sign > 0]
    return min(deciding or result.evidence, key=lambda each: each.margin, default=None)


def place(evidence: Evidence) -> str:
    """Pair and setting of a comparison; of more than two pairs, their number."""
    pairs = evidence.pair.removeprefix("mean of ").split(", ")
    shown = f"mean of {len(pairs)} pairs" if len(pairs) > 2 else evidence.pair
    return ", ".join(filter(None, (shown, evidence.setting)))


def _drawing(result: Result, names: Mapping[str, str]) -> Drawing | None:
    if not result.evidence:
        return None
    system, relation, other = claims.compared(result.comparison)
    closest = sorted(range(len(result.evidence)), key=lambda number: result.evidence[number].margin)[:ROWS]
    shown = [result.evidence[number] for number in sorted(closest)]
    texts = evidence_rows(result.metric, shown)
    sign = 1 if relation == ">" else -1
    numbers = [
        (e.value, e.against, _own(e), *(None if b is None else e.threshold + sign * b for b in (e.low, e.high)))
        for e in shown
    ]
    marks = [
        Mark(place(each), text.value, text.against, *places, reached=each.margin > 0)
        for each, text, places in zip(shown, texts, _placed(numbers), strict=True)
    ]
    against = "" if shown[0].against is None else names.get(other, other)
    return Drawing(
        presentation(result.metric).label,
        names.get(system, system),
        against,
        marks,
        len(result.evidence) - len(shown),
    )


def _own(evidence: Evidence) -> float | None:
    """The threshold; None if it is the other system's score."""
    return None if evidence.threshold == evidence.against else evidence.threshold


def _placed(rows: Sequence[Sequence[float | None]]) -> Iterator[list[float | None]]:
    """[rows][numbers] Positions in per cent of a width: the smallest number of all rows is at 4, the largest at 96."""
    known = [number for row in rows for number in row if number is not None]
    low, high = min(known), max(known)
    scale = 92 / (high - low or 1)
    for row in rows:
        yield [None if number is None else round(4 + scale * (number - low), 2) for number in row]


def _experiment(plan: Plan, name: str, records: Sequence[Record]) -> Summary:
    """The best system of an experiment in its first quality metric, as mean over its pairs."""
    layout, frame = gather.cells_of(plan, name, records)
    title = layout.title or name
    metric = next((m for m in figure_kinds.qualities(layout.metrics) if presentation(m).better), None)
    pair = tables.MEAN if len(layout.pairs) > 1 else layout.pairs[0]
    frame = frame[(frame["metric"] == metric) & (frame["pair"] == pair) & frame["value"].notna()]
    if metric is None or frame.empty:
        return Summary(title, "Nothing was scored in this experiment.", None)
    look = presentation(metric)
    frame = frame.sort_values("value", ascending=look.better == "lower", kind="stable")
    best = frame.iloc[0]
    where = f"mean of {len(layout.pairs)} pairs" if pair == tables.MEAN else pair
    count = f"the best of {len(frame)} rows of its table" if len(frame) > 1 else "the only row of its table"
    text = f"{visible(best['label'])} has {look.label} {best['value']:.{look.digits}f} ({where}), {count}."
    return Summary(title, text, _ranked(frame.head(ROWS), look.label, look.digits, len(frame)))


def _ranked(frame: pd.DataFrame, metric: str, digits: int, rows: int) -> Drawing:
    own = [*frame.itertuples()]
    bounds = [[None if number != number else number for number in (row.low, row.high)] for row in own]  # NaN is None
    placed = _placed([(row.value, *ends) for row, ends in zip(own, bounds, strict=True)])
    marks = [
        Mark(row.label, f"{row.value:.{digits}f}", "", at, low=low, high=high)
        for row, (at, low, high) in zip(own, placed, strict=True)
    ]
    return Drawing(metric, "", "", marks, rows - len(own))
