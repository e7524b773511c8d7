"""Cost of inference: GFLOPs (10^9 floating-point operations) per sentence, which `decoding/cost.py` counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from dragoman.metrics import MetricError, Score, require
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean
from dragoman.metrics.sums import mean, values_of

BETTER = "lower"
DIGITS = 2
NEEDS = frozenset({"gflops"})


def label(**options: Any) -> str:
    """The metric's name in tables."""
    return "GFLOPs"


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    gflops: list[float],
    bootstrap: int = RESAMPLES,
) -> Score:
    """Mean over sentences with a 95 % bootstrap interval, and the value of each sentence.

    Args:
        gflops: [sentences] GFLOPs of each sentence.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        MetricError: a number of operations is negative or not finite.
    """
    require(hypotheses, references)
    values = np.asarray(gflops, dtype=np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise MetricError(
            f"sentence {int(np.argmin(np.isfinite(values) & (values >= 0))) + 1}: no number of operations"
        )
    low, high = of_mean(values.tolist(), bootstrap)
    signature = f"GFLOPs|mean|counted:matrices,attention{drawn(bootstrap)}"
    return Score(float(values.mean()), low, high, signature, len(values), tuple(values.tolist()))


counts, score = values_of(compute), mean
