"""Confidence intervals by bootstrap: sentences are resampled with replacement, each resample is scored, and the
interval is the middle 95 % of the scores.

The method is Koehn's (2004, "Statistical Significance Tests for Machine Translation Evaluation"), with the random
generator, seed and percentiles of sacrebleu, so that the bounds are equal. A resample is scored from sums of statistics
per sentence. The sums of all resamples are one matrix product, so the statistics are not copied for each resample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dragoman.metrics import MetricError

if TYPE_CHECKING:  # without intervals nothing here needs it, and it takes long to import
    import numpy as np

RESAMPLES = 1000
SEED = 12345
"""sacrebleu's default seed. The environment variable SACREBLEU_SEED has no effect here, so that results do not depend
on the environment."""

_DRAWN_AT_ONCE = 2_000_000
"""Number of indices in memory at once; 1000 resamples of 100,000 sentences would take 800 MB."""


def resampled_sums(statistics: Sequence[Sequence[float]], resamples: int, seed: int = SEED) -> Iterator[np.ndarray]:
    """Yield the summed statistics of each resample, float64 [k].

    Integer statistics are summed exactly. sacrebleu adds in float32, so scores agree to about 1e-5.

    Args:
        statistics: [sentences, k].
        resamples: number of resamples.
        seed: of the random generator.

    Raises:
        MetricError: `resamples` is not an integer, or is negative.
    """
    import numpy as np

    if type(resamples) is not int:
        raise MetricError(f"bootstrap is a number of resamples from 0, not {resamples!r}")
    if resamples < 0:
        raise MetricError(f"the number of resamples cannot be negative: {resamples}")
    table = np.asarray(statistics, dtype=np.float64)
    sentences = len(table)
    generator = np.random.default_rng(seed)
    chunk = max(1, _DRAWN_AT_ONCE // sentences)
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = generator.choice(sentences, size=(rows, sentences), replace=True)
        drawn += np.arange(rows)[:, None] * sentences  # one `bincount` counts for all resamples of this chunk
        times = np.bincount(drawn.ravel(), minlength=rows * sentences).reshape(rows, sentences)
        yield from times @ table


def of_mean(values: Sequence[float], resamples: int, seed: int = SEED) -> tuple[float | None, float | None]:
    """95 % interval of the mean of values [sentences]; None if `resamples` is 0."""
    if not resamples:
        return None, None
    sums = resampled_sums([[value] for value in values], resamples, seed)
    return interval([float(total[0]) / len(values) for total in sums])


def drawn(resamples: int, seed: int = SEED) -> str:
    """The part of a signature about the bootstrap; empty if `resamples` is 0."""
    return f"|bs:{resamples}|seed:{seed}" if resamples else ""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of the middle 95 % of resampled values: 1/40 of the values is removed at each end, as in sacrebleu."""
    ordered = sorted(values)
    cut = len(ordered) // 40
    return ordered[cut], ordered[len(ordered) - cut - 1]
