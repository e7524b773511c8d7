"""chrF (Popović 2015): character n-gram F-score as sacrebleu computes it, in percent; chrF++ with `word_order=2`."""

from __future__ import annotations

from typing import Any

from dragoman.metrics import MetricError, Score, require
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})


def label(**options: Any) -> str:
    """`chrF`, or `chrF++` when word pairs count too."""
    return "chrF" + "+" * int(options.get("word_order", 0))


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    word_order: int = 0,
    lowercase: bool = False,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Corpus chrF2 with a 95 % bootstrap interval, and the chrF2 of each sentence.

    Args:
        word_order: word n-grams that count beside characters: 0 is chrF, 2 is chrF++ (Popović 2017).
        lowercase: compare without case.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    from sacrebleu.metrics import CHRF

    require(hypotheses, references)
    if not isinstance(word_order, int) or not 0 <= word_order <= 4:
        raise MetricError(f"word_order is a number from 0 (chrF) to 4, usually 2 (chrF++), not {word_order!r}")
    metric = CHRF(word_order=word_order, lowercase=lowercase)
    # sacrebleu keeps the sentence statistics to itself; the pinned version and a test for equality stand guard
    statistics = metric._extract_corpus_statistics(hypotheses, references)
    result = metric._aggregate_and_compute(statistics)
    low = high = None
    if bootstrap:
        metric.n_bootstrap, metric.seed = bootstrap, str(SEED)
        samples = resampled_sums(statistics, bootstrap)
        low, high = interval([metric._compute_f_score(s.tolist()) for s in samples])
    segments = tuple(metric._compute_f_score(s) for s in statistics)
    return Score(result.score, low, high, f"{result.name}|{metric.get_signature()}", len(hypotheses), segments)
