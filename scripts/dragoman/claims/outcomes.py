"""Verdicts on claims: how p-values are combined, how they decide a verdict, and the file that holds the verdicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from dragoman import registry
from dragoman.text import objects

ALPHA = 0.05
"""Two-sided significance level."""
NEAR = 0.25
"""A verdict is near another verdict if the claim would get the other one with all margins larger, or all smaller, by
this share of half the width of their intervals; in a sign test, with one success more or one fewer."""

Outcome = Literal["holds", "fails", "undecided", "not run"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison: a pair, or several averaged, at a setting or latency."""

    pair: str
    setting: str
    value: float
    """Score of the system: the mean over seeds, and over pairs or settings if the claim averages them."""
    against: float | None
    """Score of the other system; None: the threshold is a constant."""
    threshold: float
    margin: float
    """By how much the score passes the threshold, in the direction of the claim."""
    low: float | None
    high: float | None
    """95 % interval of the margin, by bootstrap over the test sentences."""
    spread: float | None
    """Standard deviation (n - 1) of the margin over the seeds."""
    p: float | None
    """Two-sided."""
    n: int
    """Number of sentences; 0 for published numbers."""
    seeds: int


@dataclass(frozen=True, slots=True)
class Result:
    """A claim with its verdict and the evidence."""

    id: str
    paper: str | None
    statement: str
    source: str
    experiment: str
    metric: str
    comparison: str
    """The comparison in short: `sm-norec-mod > causal-rec - 2`."""
    verdict: Outcome
    p: float | None
    """Two-sided p-value of the verdict, not corrected for the number of claims."""
    p_holm: float | None
    """The p-value after Holm's correction (1979) for the number of claims tested."""
    evidence: list[Evidence]
    test: str
    note: str
    """The reason if the claim was not run or is undecided, and the parts of the claim that were not tested."""
    near: list[Outcome] = field(default_factory=list)
    """Other verdicts that are near (`NEAR`)."""
    published: list[Evidence] = field(default_factory=list)
    """The same comparisons with the paper's own numbers, if it printed them."""


def every(sides: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """p-values of "not all hold" and "none fails", from both p-values of each comparison: the largest p-value counts
    for the first (intersection-union test), the smallest times the number of comparisons for the second (Bonferroni).
    """
    return max(holds for holds, _ in sides), min(1.0, len(sides) * min(fails for _, fails in sides))


def any_of(sides: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """p-values of "none holds" and "not all fail", from both p-values of each comparison: the reverse of `every`."""
    holds, fails = every([(fails, holds) for holds, fails in sides])
    return fails, holds


def verdict_of(sides: tuple[float, float]) -> tuple[Outcome, float]:
    """Verdict and two-sided p-value from the p-values of "does not hold" and "does not fail"."""
    holds, fails = sides
    p = min(1.0, 2 * min(sides))
    return ("undecided" if p >= ALPHA else "holds" if holds < fails else "fails"), p


def sign_test(successes: int, trials: int) -> tuple[float, float]:
    """One-sided p-values of "successes are at most half" and "successes are at least half" (binomial, p = 1/2)."""
    tail = [math.comb(trials, each) / 2**trials for each in range(trials + 1)]
    return sum(tail[successes:]), sum(tail[: successes + 1])


def instead_of(outcome: Outcome, shifted: Iterable[Outcome]) -> list[Outcome]:
    """The verdicts under shifted margins that differ from `outcome`, each once."""
    return [each for each in dict.fromkeys(shifted) if each != outcome]


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """Number of claims with each verdict, in the order of `OUTCOMES`."""
    tally = Counter(result.verdict for result in results)
    return {outcome: tally[outcome] for outcome in OUTCOMES}


def by_id(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Claim -> its results, one for each experiment in which it was tested."""
    by_claim: dict[str, list[Result]] = {}
    for result in results:
        by_claim.setdefault(result.id, []).append(result)
    return by_claim


def read(path: Path) -> list[Result]:
    """The results of a `claims.jsonl`.

    Raises:
        ValueError: a line is not a result; the message names file and line.
    """
    verdicts = []
    for line, row in objects(Path(path)):
        try:
            lists = {key: [Evidence(**each) for each in row.get(key, [])] for key in ("evidence", "published")}
            verdicts.append(Result(**row | lists))
            if verdicts[-1].verdict not in OUTCOMES:
                raise ValueError(registry.unknown("verdict", str(verdicts[-1].verdict), OUTCOMES))
        except (TypeError, ValueError) as error:
            text = f"{path}:{line}: no verdict on a claim as this version writes it ({error})"
            raise ValueError(f"{text}; run its configuration again") from None
    return verdicts


def read_if_there(path: Path) -> list[Result]:
    """As `read`; an empty list if the file does not exist."""
    return read(path) if path.is_file() else []
