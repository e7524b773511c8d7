"""Tests of whether a difference between two systems is more than chance.

Both tests use a metric's `counts` and `score` (`sums.py`), so they work for corpus scores (BLEU, chrF, TER) and for
means of values per sentence (LAAL, operations, off-target, neural metrics):

    paired bootstrap            Koehn (2004): draw sentences with replacement, the same sentences for both systems
    approximate randomisation   Riezler & Maxwell (2005): swap the two outputs of randomly chosen sentences

Draws, seeds and two-sided p-values equal the ones of sacrebleu's `PairedTest`; the scores of all resamples are computed
together. One-sided p-values count ties against the difference. 1 is added to numerator and denominator, so that p is
never 0 (Phipson & Smyth 2010). A resample has no score if no sentence in it has a value (for example LAAL, if all its
hypotheses are empty). Such resamples are left out of intervals, and in p-values they count against the difference.
"""

from __future__ import annotations

import statistics as moments
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dragoman import registry
from dragoman.metrics import MetricError, counts, has_counts, parse
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums
from dragoman.metrics.sums import ScoreOfSums, of_sums


class UntestableError(MetricError):
    """The metric has no `counts`, so it cannot be computed for resampled sentences."""


TRIALS = 10_000
"""Number of random swaps, as in sacrebleu."""
TIE = 1e-9
"""Scores that differ by less count as equal, since the order of a sum changes its last bits."""

_SWAPPED_AT_ONCE = 5_000_000
"""Number of swap flags (trials x sentences) in memory at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Counts of a metric per sentence, and the function that computes the score from their sums."""

    table: np.ndarray
    """float64 [sentences, k] Counts."""
    score: ScoreOfSums
    """float64 [..., k] sums of counts -> [...] scores, from `of_sums`."""

    @property
    def value(self) -> float:
        """The score of all sentences."""
        return float(self.score(self.table.sum(axis=0)))

    def of(self, sentences: Sequence[int]) -> Statistics:
        """Statistics of some of the sentences, given by their numbers."""
        return Statistics(self.table[np.asarray(sentences, dtype=np.int64)], self.score)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a system with another one. `difference` is system minus other, averaged over training seeds."""

    difference: float
    low: float
    high: float
    """95 % interval by paired bootstrap over the sentences."""
    p: float
    """Two-sided p-value."""
    above: float
    """One-sided p-value of "not above"; small if the system is above the other."""
    below: float
    """One-sided p-value of "not below"."""
    n: int
    """Number of sentences."""
    seeds: int
    spread: float | None
    """Standard deviation (n - 1) of the difference over the seeds; None with one seed."""
    signature: str


def statistics(
    spec: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str],
    pair: str,
    columns: Mapping[str, Sequence[Any]] | None = None,
    **options: Any,
) -> Statistics:
    """Statistics of a registered metric; arguments as in `metrics.score`.

    Raises:
        UntestableError: the metric has no `counts`.
        MetricError: the metric cannot be computed.
    """
    name, _ = parse(spec)
    if not has_counts(name):
        raise UntestableError(f"{name} has no `counts` of sentences, so differences of it cannot be tested")
    table = counts(spec, hypotheses, references, sources, pair, columns, **options).table
    return Statistics(table, of_sums(spec, registry.module_of("metric", name).score))


def resampled(system: Statistics, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Scores [resamples] of bootstrap samples. Systems with the same number of sentences get the same draws, so their
    scores are paired."""
    return system.score(np.stack(list(resampled_sums(system.table, resamples, seed))))


def swapped(
    system: Sequence[Statistics], against: Sequence[Statistics], trials: int = TRIALS, seed: int = SEED
) -> np.ndarray:
    """Differences [trials] of two systems after the outputs of randomly chosen sentences were swapped.

    Args:
        system, against: statistics of both systems, one item per training seed. The same sentences are swapped at
            every seed, and the differences are averaged over seeds.
        trials: number of random swaps.
        seed: of the random generator.

    Raises:
        MetricError: the systems have different seeds, sentences or counts.
    """
    _require_paired(system, against)
    sentences = len(system[0].table)
    generator = np.random.default_rng(seed)
    chunk = 32 * max(1, _SWAPPED_AT_ONCE // sentences // 32)  # numpy draws 32 flags at a time and drops the rest
    chunks = []
    for start in range(0, trials, chunk):
        keep = generator.integers(2, size=(min(chunk, trials - start), sentences), dtype=bool).astype(np.float64)
        differences = []
        for one, other in zip(system, against, strict=True):
            first = keep @ (other.table - one.table) + one.table.sum(axis=0)
            second = one.table.sum(axis=0) + other.table.sum(axis=0) - first
            differences.append(one.score(second) - one.score(first))
        chunks.append(np.mean(differences, axis=0))
    return np.concatenate(chunks)


def bounds(samples: np.ndarray) -> tuple[float, float]:
    """95 % interval of values [resamples], without those that are NaN.

    Raises:
        MetricError: all values are NaN.
    """
    if not len(known := samples[~np.isnan(samples)]):
        raise MetricError(f"none of {len(samples)} resamples has a sentence with a value, so there is no interval")
    return interval(known.tolist())


def one_sided(observed: float, chance: np.ndarray) -> tuple[float, float]:
    """p-values of "not above 0" and "not below 0".

    Args:
        observed: the difference.
        chance: [trials] differences under chance alone. Ties and NaN count against the observed difference.
    """
    above = int(np.sum(~(chance < observed - TIE)))
    below = int(np.sum(~(chance > observed + TIE)))
    return (above + 1) / (len(chance) + 1), (below + 1) / (len(chance) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method (1979), in the order given."""
    corrected, so_far = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = so_far
    return corrected


def randomisation(
    system: Sequence[Statistics],
    against: Sequence[Statistics],
    trials: int = TRIALS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Compares two systems on the same sentences by approximate randomisation.

    Args:
        system, against: statistics of both systems, one item per training seed. With one seed, p equals the p-value of
            `sacrebleu --paired-ar`.
        trials: number of random swaps.
        resamples: number of bootstrap samples for the interval.
        seed: of both.

    Raises:
        MetricError: the systems have different seeds, sentences or counts.
    """
    differences, samples = _differences(system, against, resamples, seed)
    observed, chance = moments.fmean(differences), swapped(system, against, trials, seed)
    low, high = bounds(samples)
    above, below = one_sided(observed, chance)
    return Comparison(
        difference=observed,
        low=low,
        high=high,
        p=(int(np.sum(~(np.abs(chance) <= abs(observed) + TIE))) + 1) / (trials + 1),
        above=above,
        below=below,
        n=len(system[0].table),
        seeds=len(differences),
        spread=moments.stdev(differences) if len(differences) > 1 else None,
        signature=f"approximate-randomisation|ar:{trials}|bs:{resamples}|seed:{seed}",
    )


def _require_paired(system: Sequence[Statistics], against: Sequence[Statistics]) -> None:
    if not system or len(system) != len(against):
        raise MetricError(f"{len(system)} seeds of one system, but {len(against)} of the other")
    shapes = {each.table.shape for each in (*system, *against)}
    if len(shapes) > 1:
        raise MetricError(f"outputs of different sentences or metrics cannot be paired: {sorted(shapes)}")


def _differences(
    system: Sequence[Statistics], against: Sequence[Statistics], resamples: int, seed: int
) -> tuple[list[float], np.ndarray]:
    _require_paired(system, against)
    both = list(zip(system, against, strict=True))
    samples = [resampled(one, resamples, seed) - resampled(other, resamples, seed) for one, other in both]
    return [one.value - other.value for one, other in both], np.mean(samples, axis=0)
