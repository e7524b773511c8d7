"""How sure a corpus score is: resample the sentences with replacement, score each resample, take the middle 95 %.

This is the bootstrap of Koehn (2004, "Statistical Significance Tests for Machine Translation Evaluation"), with the
generator, the seed and the percentiles of sacrebleu, so that our bounds are sacrebleu's. A resample is scored from
sums of per-sentence statistics, and those sums are one matrix product instead of a thousand copies of the statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dragoman.metrics import MetricError

if TYPE_CHECKING:  # without intervals nothing here needs it, and it takes long to import
    import numpy as np

RESAMPLES = 1000
SEED = 12345
"""What sacrebleu takes unless SACREBLEU_SEED says otherwise: a table must not depend on somebody's environment."""

_DRAWN_AT_ONCE = 2_000_000
"""Indices held in memory; 1000 resamples of 100,000 sentences at once would be 800 MB."""


def resampled_sums(statistics: Sequence[Sequence[float]], resamples: int, seed: int = SEED) -> Iterator[np.ndarray]:
    """Yield the summed statistics of each resample, [k] in float64, from `statistics`, [sentences, k].

    Integer statistics are summed exactly, where sacrebleu adds in float32; scores agree to about 1e-5.

    Raises:
        MetricError: no number of resamples, or a negative one.
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
        drawn += np.arange(rows)[:, None] * sentences
        times = np.bincount(drawn.ravel(), minlength=rows * sentences).reshape(rows, sentences)
        yield from times @ table


def of_mean(values: Sequence[float], resamples: int, seed: int = SEED) -> tuple[float | None, float | None]:
    """95 % interval of the mean of one value per sentence; none without resamples."""
    if not resamples:
        return None, None
    sums = resampled_sums([[value] for value in values], resamples, seed)
    return interval([float(total[0]) / len(values) for total in sums])


def drawn(resamples: int, seed: int = SEED) -> str:
    """How an interval came about, as signatures say it; nothing without resamples."""
    return f"|bs:{resamples}|seed:{seed}" if resamples else ""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of the middle 95 % of resampled values: 1/40 is cut off at each end, as sacrebleu does."""
    ordered = sorted(values)
    cut = len(ordered) // 40
    return ordered[cut], ordered[len(ordered) - cut - 1]
