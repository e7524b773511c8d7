"""Claims and published numbers as rows of the page's tables, and as files to download."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from dragoman import claims
from dragoman.metrics import presentation
from dragoman.reporting import tables
from dragoman.reporting.downloads import Download, table_downloads
from dragoman.results import verdicts


@dataclass(frozen=True)
class EvidenceRow:
    """One comparison of a claim, as text."""

    place: str
    value: str
    against: str
    """The other system's score; empty if the claim compares with a number."""
    threshold: str
    margin: str
    spread: str
    p: str


@dataclass(frozen=True)
class ClaimRow:
    """A claim and its verdict, as text."""

    result: claims.Result
    experiment: str
    """The experiment it was tested on; empty if it was tested on one experiment only."""
    metric: str
    weakest: str
    """The comparison with the smallest margin, in a line; empty if there is none."""
    published: str
    """The paper's own numbers, from `published_line`."""
    note: str
    p: str
    evidence: list[EvidenceRow]


@dataclass(frozen=True)
class PublishedRow:
    """A published number and ours, as text."""

    system: str
    setting: str
    pair: str
    metric: str
    published: str
    ours: str
    difference: str
    tolerance: str
    verdict: str
    reason: str
    origin: str


def probability(p: float | None) -> str:
    """A p-value with three decimals: `0.012`, `< 0.001`; empty for None."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def claim_row(result: claims.Result, several: bool = False) -> ClaimRow:
    """A claim and its evidence as text.

    Args:
        result: the verdict on the claim.
        several: whether the claim was tested on other experiments, too.
    """
    rows = evidence_rows(result.metric, result.evidence)
    near = f"near its threshold: {result.verdict}, almost {' or '.join(result.near)}" if result.near else ""
    return ClaimRow(
        result,
        result.experiment if several else "",
        presentation(result.metric).label,
        smallest_margin(rows, result.evidence),
        published_line(result),
        "; ".join(filter(None, (near, result.note))),
        probability(result.p),
        rows,
    )


def claim_rows(results: Sequence[claims.Result]) -> list[ClaimRow]:
    """All claims as text, in the same order."""
    by_id = claims.by_id(results)
    return [claim_row(result, len(by_id[result.id]) > 1) for result in results]


def evidence_rows(metric: str, evidence: Sequence[claims.Evidence]) -> list[EvidenceRow]:
    """Comparisons as text, with the metric's number of decimals, and at least three significant digits."""
    look = presentation(metric)
    largest = max((abs(each.value) for each in evidence), default=0.0)
    # a number x has floor(log10 x) + 1 digits before the point, so 2 - floor(log10 x) decimals give three digits
    digits = max(look.digits, 2 - math.floor(math.log10(largest))) if largest else look.digits

    def signed(value: float) -> str:
        return f"{value:+.{digits}f}".replace("-", "−")

    rows = []
    for each in evidence:
        bounds = f" [{signed(each.low)}, {signed(each.high)}]" if each.low is not None and each.high is not None else ""
        rows.append(
            EvidenceRow(
                place=", ".join(filter(None, (each.pair, each.setting))),
                value=f"{each.value:.{digits}f}",
                against="" if each.against is None else f"{each.against:.{digits}f}",
                threshold=f"{each.threshold:.{digits}f}",
                margin=signed(each.margin) + bounds,
                spread="" if each.spread is None else f"{each.spread:.{digits}f}",
                p=probability(each.p),
            )
        )
    return rows


def smallest_margin(rows: Sequence[EvidenceRow], evidence: Sequence[claims.Evidence]) -> str:
    """The comparison with the smallest margin, in a line; empty if there is none."""
    if not rows:
        return ""
    row = rows[min(range(len(rows)), key=lambda number: evidence[number].margin)]
    return f"{row.place}: {row.value}, threshold {row.threshold}, margin {row.margin}"


def published_line(result: claims.Result) -> str:
    """The number of the paper's comparisons that are as claimed, and the one with the smallest margin; empty if it
    printed no such numbers."""
    if not result.published:
        return ""
    as_claimed = sum(each.margin > 0 for each in result.published)
    line = smallest_margin(evidence_rows(result.metric, result.published), result.published)
    return f"{as_claimed} of {len(result.published)} as claimed; {line}"


def published_rows(judged: Sequence[verdicts.Verdict], experiment: str, labels: dict[str, str]) -> list[PublishedRow]:
    """The paper's numbers for which an experiment has a number.

    Args:
        judged: verdicts on published numbers.
        experiment: the experiment.
        labels: role of a system -> its name.
    """
    rows = []
    for verdict in judged:
        number = verdict.published
        if verdict.experiment != experiment or verdict.value is None:
            continue
        look = presentation(number.metric)
        ours = f"{verdict.value:.{look.digits}f}"
        if verdict.low is not None and verdict.high is not None:
            ours += f" [{verdict.low:.{look.digits}f}, {verdict.high:.{look.digits}f}]"
        elif verdict.spread is not None:
            ours += f" ± {verdict.spread:.{look.digits}f}"
        rows.append(
            PublishedRow(
                system=labels.get(number.system, number.system),
                setting=number.setting,
                pair=number.pair,
                metric=look.label,
                published=f"{number.value:g}" + (f" ± {number.error:g}" if number.error else ""),
                ours=ours,
                difference=f"{verdict.difference:+.{look.digits}f}".replace("-", "−"),
                tolerance="" if number.tolerance is None else f"{number.tolerance:g}",
                verdict=verdict.verdict,
                reason=verdict.reason if verdict.verdict == "not comparable" else "",
                origin=", ".join(filter(None, (number.version, number.model))),
            )
        )
    return rows


def claims_csv(results: Sequence[claims.Result]) -> str:
    """One row per comparison, or one row for a claim without comparisons, with all digits."""
    facts = ("id", "paper", "statement", "experiment", "metric", "comparison", "verdict", "p", "p_holm", "test", "note")
    rows = []
    for result in results:
        start = {name: getattr(result, name) for name in facts} | {"near": " ".join(result.near)}
        compared = [{f"evidence_{key}": v for key, v in asdict(each).items()} for each in result.evidence]
        rows += [start | own for own in compared or [{}]]
    return tables.csv(pd.DataFrame(rows))


def published_csv(judged: Sequence[verdicts.Verdict]) -> str:
    """One row per published number and our number."""
    rows = []
    for verdict in judged:
        ours = {name: getattr(verdict, name) for name in ("experiment", "value", "low", "high", "spread", "difference")}
        ours = {f"our_{name}": value for name, value in ours.items()}
        rows.append(asdict(verdict.published) | ours | {"verdict": verdict.verdict, "verdict_reason": verdict.reason})
    return tables.csv(pd.DataFrame(rows))


def claims_downloads(results: Sequence[claims.Result], name: str = "claims") -> list[Download]:
    """All claims as CSV, Markdown and LaTeX; empty if there are none."""
    header = ("Claim", "Experiment", "Statement", "Verdict", "p", "p (Holm)", "Smallest margin")
    rows = []
    for row in claim_rows(results):
        own = row.result
        facts = (own.id, own.experiment, own.statement, own.verdict)
        rows.append((*facts, row.p, probability(own.p_holm), row.weakest))
    columns = r"@{}llp{0.3\linewidth}lllp{0.25\linewidth}@{}"
    return table_downloads(name, "The papers' claims", header, rows, columns, claims_csv(results))


def published_downloads(name: str, title: str, rows: Sequence[PublishedRow]) -> list[Download]:
    """An experiment's numbers next to the paper's, as CSV, Markdown and LaTeX; empty if there are none."""
    header = ("System", "Setting", "Pair", "Metric", "Published", "Ours", "Difference", "Verdict")
    cells = [(r.system, r.setting, r.pair, r.metric, r.published, r.ours, r.difference, r.verdict) for r in rows]
    return table_downloads(f"{name}-published", title, header, cells, "@{}llllrrrl@{}")
