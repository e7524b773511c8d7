"""TER (Snover et al. 2006): edits per word of the reference, moves of phrases among them, as sacrebleu counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.metrics import MetricError, Score, require
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

if TYPE_CHECKING:
    from sacrebleu.metrics import TER

BETTER = "lower"
DIGITS = 1
NEEDS = frozenset({"references"})


def label(**options: Any) -> str:
    """`TER`, with `cased` where case counts."""
    return "TER (cased)" if options.get("case_sensitive") else "TER"


def metric(**options: Any) -> TER:
    """sacrebleu's metric.

    Raises:
        MetricError: an option is neither true nor false.
    """
    from sacrebleu.metrics import TER

    for name, value in options.items():
        if not isinstance(value, bool):
            raise MetricError(f"{name} is true or false, not {value!r}")
    return TER(**options)


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    normalized: bool = False,
    no_punct: bool = False,
    asian_support: bool = False,
    case_sensitive: bool = False,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Corpus TER in percent with a 95 % bootstrap interval, and the TER of each sentence.

    Args:
        normalized: tokenise punctuation and decode entities first.
        no_punct: leave punctuation out.
        asian_support: with these two, treat Chinese, Japanese and Korean characters, too.
        case_sensitive: compare with case.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    require(hypotheses, references)
    counter = metric(
        normalized=normalized, no_punct=no_punct, asian_support=asian_support, case_sensitive=case_sensitive
    )
    # sacrebleu keeps the sentence statistics to itself; the pinned version and a test for equality stand guard
    statistics = counter._extract_corpus_statistics(hypotheses, references)
    result = counter._aggregate_and_compute(statistics)
    low = high = None
    if bootstrap:
        counter.n_bootstrap, counter.seed = bootstrap, str(SEED)
        samples = resampled_sums(statistics, bootstrap)
        low, high = interval([counter._compute_score_from_stats(s.tolist()).score for s in samples])
    segments = tuple(counter._compute_score_from_stats(s).score for s in statistics)
    return Score(result.score, low, high, f"TER|{counter.get_signature()}", len(hypotheses), segments)
