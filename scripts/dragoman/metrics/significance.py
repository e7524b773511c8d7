"""Is a difference between two systems more than chance? Paired bootstrap and approximate randomisation.

Both tests work on a metric's own `counts` and `score` (`sums.py`), so that one code serves corpus scores (BLEU, chrF,
TER) and means of values per sentence (LAAL, operations, off-target, a neural metric):

    paired bootstrap            Koehn (2004): draw the sentences anew with replacement, the same ones for both systems
    approximate randomisation   Riezler & Maxwell (2005): swap the two outputs of sentences at random

Draws, seeds and two-sided p-values are those of sacrebleu's `PairedTest`; scores of resamples are computed for all
of them at once. One-sided p-values count ties against the difference, and 1 is added to either count, so that p is
never 0 (Phipson & Smyth 2010). A draw in which no sentence of a system has a value, as of a latency where hypotheses
are empty, has no score: intervals are over the others, and in p-values it counts against the difference.
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
    """A metric without `counts`, so that nothing is known that could be added up over other sentences."""


TRIALS = 10_000
"""Random swaps; sacrebleu's number."""
TIE = 1e-9
"""Scores that differ by less are equal: the same sums in another order differ in their last bits."""

_SWAPPED_AT_ONCE = 5_000_000
"""Flags held in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What a metric adds up over sentences, and how it makes a score of the sums."""

    table: np.ndarray
    """[sentences, k] float64."""
    score: ScoreOfSums
    """From `of_sums`."""

    @property
    def value(self) -> float:
        """The score of all sentences."""
        return float(self.score(self.table.sum(axis=0)))

    def of(self, sentences: Sequence[int]) -> Statistics:
        """The same of some of the sentences, by number."""
        return Statistics(self.table[np.asarray(sentences, dtype=np.int64)], self.score)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system against another: `difference` is system minus other, the mean over seeds where there are several."""

    difference: float
    low: float
    high: float
    """95 % interval by paired bootstrap over the sentences."""
    p: float
    """Two-sided."""
    above: float
    """One-sided p-value of "not above"; small where the system is above the other."""
    below: float
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
    """Statistics of a registered metric; arguments as for `score`.

    Raises:
        UntestableError: the metric has no `counts`.
        MetricError: it cannot be computed.
    """
    name, _ = parse(spec)
    if not has_counts(name):
        raise UntestableError(f"{name} has no `counts` of sentences, so differences of it cannot be tested")
    table = counts(spec, hypotheses, references, sources, pair, columns, **options).table
    return Statistics(table, of_sums(spec, registry.module_of("metric", name).score))


def resampled(system: Statistics, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """[resamples] scores of bootstrap samples. Systems of as many sentences get the same draws, so they are paired."""
    return system.score(np.stack(list(resampled_sums(system.table, resamples, seed))))


def swapped(
    system: Sequence[Statistics], against: Sequence[Statistics], trials: int = TRIALS, seed: int = SEED
) -> np.ndarray:
    """[trials] differences of two systems whose outputs were swapped at random, sentence by sentence.

    Each holds one item per training seed; the same sentences are swapped at every seed, and differences are averaged.
    """
    _require_paired(system, against)
    sentences = len(system[0].table)
    generator = np.random.default_rng(seed)
    chunk = 32 * max(1, _SWAPPED_AT_ONCE // sentences // 32)  # numpy draws 32 flags at a time and drops the rest
    found = []
    for start in range(0, trials, chunk):
        keep = generator.integers(2, size=(min(chunk, trials - start), sentences), dtype=bool).astype(np.float64)
        differences = []
        for one, other in zip(system, against, strict=True):
            first = keep @ (other.table - one.table) + one.table.sum(axis=0)
            second = one.table.sum(axis=0) + other.table.sum(axis=0) - first
            differences.append(one.score(second) - one.score(first))
        found.append(np.mean(differences, axis=0))
    return np.concatenate(found)


def bounds(samples: np.ndarray) -> tuple[float, float]:
    """95 % interval of [resamples] values, of those that are numbers.

    Raises:
        MetricError: none is.
    """
    if not len(known := samples[~np.isnan(samples)]):
        raise MetricError(f"none of {len(samples)} resamples has a sentence with a value, so there is no interval")
    return interval(known.tolist())


def one_sided(observed: float, chance: np.ndarray) -> tuple[float, float]:
    """p-values of "not above 0" and "not below 0", from values `chance` that a statistic takes where only chance acts.

    Ties count against the difference, and so does what has no value (NaN).
    """
    above = int(np.sum(~(chance < observed - TIE)))
    below = int(np.sum(~(chance > observed + TIE)))
    return (above + 1) / (len(chance) + 1), (below + 1) / (len(chance) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step by step (Holm 1979), in the order given."""
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
    """Two systems on the same sentences, one item per training seed; with one, p is that of `sacrebleu --paired-ar`.

    Raises:
        MetricError: the two do not run in step.
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
