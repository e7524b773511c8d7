"""Is a difference between two systems more than chance? Paired bootstrap and approximate randomisation.

Both tests work on what a metric sums over sentences, so one code serves corpus scores (BLEU, chrF, TER) and means of
values per sentence (LAAL, operations, off-target, a neural metric):

    paired bootstrap            Koehn (2004): draw the sentences anew with replacement, the same ones for both systems
    approximate randomisation   Riezler & Maxwell (2005): swap the two outputs of sentences at random

Draws, seeds and two-sided p-values are those of sacrebleu's `PairedTest`; scores of resamples are computed for all
of them at once. One-sided p-values count ties against the difference, and 1 is added to either count, so that p is
never 0 (Phipson & Smyth 2010). A draw in which no sentence of a system has a value, as of a latency where hypotheses
are empty, has no score: intervals are over the others, and in p-values it counts against the difference.
"""

from __future__ import annotations

import statistics as moments
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dragoman.metrics import MetricError, bits, bleu, chrf, parse, score, tags, ter
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums


class UntestableError(MetricError):
    """A metric whose sums over sentences are not known, so that sentences cannot be drawn anew."""


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
    score: Callable[[np.ndarray], np.ndarray]
    """[..., k] sums -> [...] scores."""

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


def means(values: Sequence[float | None]) -> Statistics:
    """Statistics of a metric that is the mean of values per sentence; None where a sentence has no value.

    Raises:
        MetricError: no sentence has a value, or one is not finite.
    """
    counted = np.asarray([value is not None for value in values], dtype=np.float64)
    numbers = np.asarray([0.0 if value is None else value for value in values], dtype=np.float64)
    if not counted.any():
        raise MetricError("no sentence has a value, so there is no mean")
    if not np.isfinite(numbers).all():
        raise MetricError(f"sentence {int(np.argmin(np.isfinite(numbers))) + 1}: the value is not finite")
    return Statistics(np.stack([numbers, counted], axis=1), _mean)


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
        UntestableError: the metric has neither sums nor a value per sentence.
        MetricError: it cannot be computed.
    """
    name, written = parse(spec)
    result = score(spec, hypotheses, references, sources, pair, columns, **options, bootstrap=0)
    if name == "bits":
        return Statistics(bits.sums(references, (columns or {})["nats"]), _mean)
    if name in ("bleu", "chrf", "ter"):
        given = {key: value for key, value in (written | options).items() if key != "bootstrap"}
        if name == "chrf":
            return Statistics(chrf.statistics(chrf.metric(**given), hypotheses, references).astype(np.float64), _chrf)
        metric, total = (bleu.metric, _bleu) if name == "bleu" else (ter.metric, _ter)
        found = metric(pair, **given)._extract_corpus_statistics(hypotheses, references)
        return Statistics(np.asarray(found, np.float64), total)
    if name == "tags":  # words count alike, not sentences
        rows = [[line.split() for line in side] for side in (hypotheses, references[0])]
        of = (options | written).get("of", "token")
        return Statistics(np.asarray(tags.counts(*rows, of), np.float64), _percent)
    if result.segments is None:
        raise UntestableError(f"{spec} has no value per sentence, so differences of it cannot be tested")
    if len(result.segments) != len(hypotheses):
        raise MetricError(f"{spec}: {len(result.segments)} values for {len(hypotheses)} sentences")
    return means(result.segments)


def _percent(sums: np.ndarray) -> np.ndarray:
    return 100 * _mean(sums)


def _mean(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a draw none of whose sentences has a value has no mean: it is NaN
        return sums[..., 0] / sums[..., 1]


def _bleu(sums: np.ndarray) -> np.ndarray:
    """BLEU of [..., 2 + 2 x orders]: lengths of hypotheses and references, matching and all n-grams of each order."""
    orders = (sums.shape[-1] - 2) // 2
    written, wanted = sums[..., 0], sums[..., 1]
    correct, total = sums[..., 2 : 2 + orders], sums[..., 2 + orders :]
    smoothing = 2.0 ** np.cumsum(correct == 0, axis=-1)
    defined = (correct > 0).any(axis=-1) & (total > 0).all(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(np.where(correct > 0, correct, 1 / smoothing) / total).mean(axis=-1)
        brevity = np.where(written < wanted, 1 - wanted / written, 0.0)
        return np.where(defined, 100 * np.exp(brevity + logarithm), 0.0)


def _chrf(sums: np.ndarray, beta: float = 2.0) -> np.ndarray:
    """chrF of [..., 3 x orders]: n-grams of the hypotheses, of the references, and in both."""
    hypothesis, reference, both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    counted = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = (counted * both / np.maximum(hypothesis, 1)).sum(axis=-1) / orders
    recall = (counted * both / np.maximum(reference, 1)).sum(axis=-1) / orders
    weighted = beta**2 * precision + recall
    return 100 * (1 + beta**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)


def _ter(sums: np.ndarray) -> np.ndarray:
    """TER of [..., 2]: edits, and words of the reference."""
    edits, words = sums[..., 0], sums[..., 1]
    return 100 * np.where(words > 0, edits / np.where(words > 0, words, 1.0), edits > 0)


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


def paired_bootstrap(
    system: Sequence[Statistics], against: Sequence[Statistics], resamples: int = RESAMPLES, seed: int = SEED
) -> Comparison:
    """Two systems on the same sentences, one item per training seed; with one, p is that of `sacrebleu --paired-bs`.

    Raises:
        MetricError: the two do not run in step.
    """
    differences, samples = _differences(system, against, resamples, seed)
    observed = moments.fmean(differences)
    sizes = np.abs(samples)
    # sacrebleu's, that is Moses': how far the size of the difference strays from its own mean
    p = (int(np.sum(~(sizes - np.nanmean(sizes) <= abs(observed)))) + 1) / (resamples + 1)
    sides = one_sided(observed, samples - observed)
    return _comparison(differences, samples, p, sides, len(system[0].table), f"paired-bootstrap|bs:{resamples}|{seed}")


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
    p = (int(np.sum(~(np.abs(chance) <= abs(observed) + TIE))) + 1) / (trials + 1)
    signature = f"approximate-randomisation|ar:{trials}|bs:{resamples}|{seed}"
    return _comparison(differences, samples, p, one_sided(observed, chance), len(system[0].table), signature)


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


def _comparison(
    differences: Sequence[float],
    samples: np.ndarray,
    p: float,
    sides: tuple[float, float],
    n: int,
    signature: str,
) -> Comparison:
    low, high = bounds(samples)
    spread = moments.stdev(differences) if len(differences) > 1 else None
    test, _, seed = signature.rpartition("|")
    return Comparison(
        moments.fmean(differences), low, high, p, *sides, n, len(differences), spread, f"{test}|seed:{seed}"
    )
