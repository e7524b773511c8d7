"""Claims of the papers (`config/claims.yaml`), and how they are tested against results.

A claim names the roles of an experiment and of its systems; a configuration says which experiment and systems have
these roles (`roles.py`). The claim is tested in every experiment with its role.

A claim compares a system's score with a threshold, `factor` times another system's score plus `by`, at each of its
settings and language pairs. Each comparison is tested on the test sentences that both systems share:

- Plain differences (factor 1, by 0, no matched latency) are tested by approximate randomisation. All others are tested
  by paired bootstrap of the margin by which the score passes the threshold (`metrics/significance.py`).
- With several training seeds, the margin is the mean over seeds. If the seeds disagree in sign, p is 1.
- Agreement of a model with its twin has no values per sentence, so it is tested by a sign test over pairs and seeds.

The comparisons of a claim are combined so that a larger number of them makes no verdict easier to reach. If `every`
comparison must hold, the largest p-value counts (intersection-union test). If `any` is enough, the smallest p-value
counts, multiplied by the number of comparisons (Bonferroni). For the verdict that the claim fails, the two rules are
exchanged, since one failing comparison is enough for `every` to fail.
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
