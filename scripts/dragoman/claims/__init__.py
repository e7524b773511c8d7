"""What the papers claim, as statements that results can bear out or not: `config/claims.yaml` and its evaluation.

A claim names an experiment and systems by roles, which a configuration gives (`roles.py`). It is tested on every
experiment that has its role.

A claim compares a system's score with a threshold, `factor` times another system's score plus `by`, at each setting and
language pair that it speaks of. Each such comparison is tested on the test sentences that both systems have:

- plain differences (factor 1, by 0, no matched latency) by approximate randomisation, all others by paired bootstrap of
  the margin by which the threshold is passed (`metrics/significance.py`);
- with several training seeds, the margin is the mean over seeds, and decides nothing unless every seed is on its side;
- agreement of a model with its twin has no values per sentence: there, a sign test over pairs and seeds.

The comparisons of one claim are put together so that nothing is gained by their number: of those that must `every` one
hold, the weakest counts (an intersection-union test); of those of which `any` is enough, p-values are multiplied by
their number (Bonferroni). One against is enough for an `every` to fail, so there the same holds the other way round.
"""

from __future__ import annotations

from dragoman.claims.evaluation import evaluate
from dragoman.claims.outcomes import (
    ALPHA,
    NEAR,
    OUTCOMES,
    Evidence,
    Outcome,
    Result,
    any_of,
    by_id,
    counts,
    every,
    read,
    read_if_there,
    sign_test,
    verdict_of,
)
from dragoman.claims.results import NotRun, Results
from dragoman.claims.roles import refused
from dragoman.claims.statements import FILE, Claim, compared, load

__all__ = [
    "ALPHA",
    "FILE",
    "NEAR",
    "OUTCOMES",
    "Claim",
    "Evidence",
    "NotRun",
    "Outcome",
    "Result",
    "Results",
    "any_of",
    "by_id",
    "compared",
    "counts",
    "evaluate",
    "every",
    "load",
    "read",
    "read_if_there",
    "refused",
    "sign_test",
    "verdict_of",
]
