"""What becomes of claims: p-values put together, verdicts, and the file that holds them."""

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
"""Two-sided level."""
NEAR = 0.25
"""A verdict is near its threshold where it would be another one if every margin of the claim were larger, or smaller,
by this share of half the width of its interval; in a sign test, if one comparison more, or one fewer, succeeded."""

Outcome = Literal["holds", "fails", "undecided", "not run"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison: a pair, or several averaged, at a setting or latency."""

    pair: str
    setting: str
    value: float
    """The system's score, the mean over seeds and over what is averaged."""
    against: float | None
    """The other system's."""
    threshold: float
    margin: float
    """By how much the threshold is passed, in the direction claimed."""
    low: float | None
    high: float | None
    """95 % interval of the margin, by bootstrap over the test sentences."""
    spread: float | None
    """Standard deviation (n - 1) of the margin over the seeds."""
    p: float | None
    """Two-sided."""
    n: int
    """Number of sentences; 0 of published numbers."""
    seeds: int


@dataclass(frozen=True, slots=True)
class Result:
    """A claim and what became of it."""

    id: str
    paper: str | None
    statement: str
    source: str
    experiment: str
    metric: str
    comparison: str
    """What was compared: `sm-norec-mod > causal-rec - 2`."""
    verdict: Outcome
    p: float | None
    """Two-sided, of the verdict; not corrected for the number of claims."""
    p_holm: float | None
    """Corrected (Holm 1979) for the number of claims tested."""
    evidence: list[Evidence]
    test: str
    note: str
    """Why it was not run or could not be decided, or what of it was not tested."""
    near: list[Outcome] = field(default_factory=list)
    """The verdicts that it is near to (`NEAR`)."""
    published: list[Evidence] = field(default_factory=list)
    """The same comparisons of the paper's own numbers, where it printed them."""


def every(sides: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """p-values of "not all hold" and "none fails" from those of each comparison."""
    return max(holds for holds, _ in sides), min(1.0, len(sides) * min(fails for _, fails in sides))


def any_of(sides: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """p-values of "none holds" and "not all fail" from those of each comparison."""
    holds, fails = every([(fails, holds) for holds, fails in sides])
    return fails, holds


def verdict_of(sides: tuple[float, float]) -> tuple[Outcome, float]:
    """Verdict and two-sided p-value from the p-values of "does not hold" and "does not fail"."""
    holds, fails = sides
    p = min(1.0, 2 * min(sides))
    return ("undecided" if p >= ALPHA else "holds" if holds < fails else "fails"), p


def sign_test(successes: int, trials: int) -> tuple[float, float]:
    """One-sided p-values of "no more often than not" and "no less often than not"."""
    tail = [math.comb(trials, each) / 2**trials for each in range(trials + 1)]
    return sum(tail[successes:]), sum(tail[: successes + 1])


def instead_of(outcome: Outcome, shifted: Iterable[Outcome]) -> list[Outcome]:
    """The verdicts, each once, that a shifted claim came to instead of `outcome`."""
    return [each for each in dict.fromkeys(shifted) if each != outcome]


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """How many claims came to each verdict, all verdicts in order."""
    tally = Counter(result.verdict for result in results)
    return {outcome: tally[outcome] for outcome in OUTCOMES}


def by_id(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each claim, one for each experiment that it was tested on."""
    by_claim: dict[str, list[Result]] = {}
    for result in results:
        by_claim.setdefault(result.id, []).append(result)
    return by_claim


def read(path: Path) -> list[Result]:
    """The results of a `claims.jsonl`.

    Raises:
        ValueError: a line is no such result; the message has file and line.
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
    """The same; none where there is no such file."""
    return read(path) if path.is_file() else []
