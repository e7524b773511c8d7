"""Scores of sums: a metric has counts for each sentence, and its score is a function of their sums.

The value, its interval, the values of sentences, and all tests of a difference (`significance.py`) follow from the
metric's functions `counts` and `score`: each adds up the counts of some sentences and scores the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.metrics import Counts, MetricError, NoValueError, Score
from dragoman.metrics.bootstrap import RESAMPLES, drawn, interval, resampled_sums

if TYPE_CHECKING:  # it takes long to import
    import numpy as np

ScoreOfSums = Callable[["np.ndarray"], "np.ndarray"]
"""[..., k] sums -> [...] scores."""


def mean(sums: np.ndarray) -> np.ndarray:
    """The `score` of a metric that is a mean: the first of [..., 2] sums, divided by the second; NaN if both are 0."""
    return sums[..., 0] / sums[..., 1]


def table_of(values: Sequence[float | None]) -> np.ndarray:
    """The counts of a mean, [sentences, 2]: the value of each sentence, and 1; both are 0 if the sentence has no value.

    Raises:
        NoValueError: no sentence has a value.
        MetricError: a value is not finite.
    """
    import numpy as np

    counted = np.asarray([value is not None for value in values], dtype=np.float64)
    numbers = np.asarray([0.0 if value is None else value for value in values], dtype=np.float64)
    if not counted.any():
        raise NoValueError("no sentence has a value, so there is no mean")
    if not (finite := np.isfinite(numbers)).all():
        raise MetricError(f"sentence {int(np.argmin(finite)) + 1}: the value is not finite")
    return np.stack([numbers, counted], axis=1)


def values_of(compute: Callable[..., Score]) -> Callable[..., Counts]:
    """The `counts` of a metric that is the mean of the values per sentence that its `compute` gives."""

    def counts(*texts: Any, **options: Any) -> Counts:
        result = compute(*texts, **options, bootstrap=0)
        assert result.segments is not None
        return Counts(table_of(result.segments), result.signature, result.note)

    return counts


def of_sums(name: str, score: ScoreOfSums) -> ScoreOfSums:
    """A metric's `score` that gives NaN without a warning for sums without a score (0 / 0).

    Raises:
        MetricError: raised by the returned function if the metric does not give one score for each row of sums.
    """
    import numpy as np

    def scores(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(score(sums), dtype=np.float64)
        if values.shape != sums.shape[:-1]:
            raise MetricError(
                f"{name}: `score` gives {list(values.shape)} numbers for sums {list(sums.shape)}; it has to work along "
                "the last axis, as in sums[..., 0] / sums[..., 1]"
            )
        return values

    return scores


def scored(name: str, counted: Counts, score: ScoreOfSums, bootstrap: int = RESAMPLES) -> Score:
    """The score of all sentences with a 95 % bootstrap interval, and the score of each sentence by itself.

    Args:
        name: name of the metric in errors.
        counted: the result of the metric's `counts`.
        score: the metric's `score`.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        NoValueError: the sums of all sentences have no score (0 / 0).
        MetricError: their score is infinite.
    """
    import numpy as np

    scores, table = of_sums(name, score), counted.table
    value = float(scores(table.sum(axis=0)))
    if np.isnan(value):
        raise NoValueError(f"{name} has no value for these sentences (0 / 0)")
    if np.isinf(value):
        raise MetricError(f"{name}: the score of all sentences is {value}, so there is nothing to report")
    low = high = None
    if bootstrap:
        samples = scores(np.stack(list(resampled_sums(table, bootstrap))))
        low, high = interval(samples[~np.isnan(samples)].tolist())
    segments = tuple(float(each) if np.isfinite(each) else None for each in scores(table))
    return Score(value, low, high, counted.signature + drawn(bootstrap), len(table), segments, counted.note)
