"""TER (Snover et al. 2006): edits per word of the reference, moves of phrases among them, as sacrebleu counts them.

Words are what blanks part. Chinese and Japanese have none, so that a sentence would be one word: for these languages
sacrebleu's `normalized` and `asian_support` are on, which make every Chinese character a word of its own (and a run of
kana one). Korean has blanks, and sacrebleu has no rule for its letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.languages import CHINESE, JAPANESE
from dragoman.metrics import Counts, MetricError, Score, languages_of, require, unspaced
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics import TER

BETTER = "lower"
DIGITS = 1
NEEDS = frozenset({"references"})


def label(**options: Any) -> str:
    """`TER`, with `cased` where case counts."""
    return "TER (cased)" if options.get("case_sensitive") else "TER"


def metric(
    pair: str,
    *,
    normalized: bool | None = None,
    no_punct: bool = False,
    asian_support: bool | None = None,
    case_sensitive: bool = False,
) -> TER:
    """sacrebleu's metric.

    Raises:
        MetricError: an option is neither true nor false, or does nothing by itself.
    """
    from sacrebleu.metrics import TER

    unspaced_script = languages_of(pair)[1].script in CHINESE | JAPANESE
    if normalized is None:
        normalized = unspaced_script
    if asian_support is None:
        asian_support = unspaced_script and (normalized or no_punct)
    options = {"normalized": normalized, "asian_support": asian_support}
    options |= {"no_punct": no_punct, "case_sensitive": case_sensitive}
    for name, value in options.items():
        if not isinstance(value, bool):
            raise MetricError(f"{name} is true or false, not {value!r}")
    if asian_support and not normalized and not no_punct:
        raise MetricError(
            f"asian_support=true does nothing in {pair} without normalized=true or no_punct=true; write "
            "ter:normalized=true,asian_support=true"
        )
    return TER(**options)


def counts(
    hypotheses: list[str], references: list[list[str]], sources: list[str], pair: str, **options: bool | None
) -> Counts:
    """sacrebleu's statistics of each sentence, [sentences, 2]: edits, and words of the reference. Options as for
    `compute`."""
    import numpy as np

    counter = metric(pair, **options)
    table = np.asarray(counter._extract_corpus_statistics(hypotheses, references), dtype=np.float64)
    return Counts(table, f"TER|{counter.get_signature()}")


def score(sums: np.ndarray) -> np.ndarray:
    """TER of what `counts` gives: as sacrebleu has it, 0 without edits or words, and 100 for edits without a word."""
    import numpy as np

    edits, words = sums[..., 0], sums[..., 1]
    return 100 * np.where(words > 0, edits / np.where(words > 0, words, 1.0), edits > 0)


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    normalized: bool | None = None,
    no_punct: bool = False,
    asian_support: bool | None = None,
    case_sensitive: bool = False,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Corpus TER in percent with a 95 % bootstrap interval, and the TER of each sentence.

    Args:
        normalized: part punctuation from words and decode entities first; None is true for Chinese and Japanese.
        no_punct: leave punctuation out.
        asian_support: with these two, also part Chinese characters and leave out their punctuation; None is true for
            Chinese and Japanese.
        case_sensitive: compare with case.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    require(hypotheses, references)
    counter = metric(
        pair, normalized=normalized, no_punct=no_punct, asian_support=asian_support, case_sensitive=case_sensitive
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
    parted = counter.normalized and counter.asian_support and languages_of(pair)[1].script in CHINESE | JAPANESE
    note = "" if parted else unspaced(pair, "a stretch of text between blanks counts as one word")
    return Score(result.score, low, high, f"TER|{counter.get_signature()}", len(hypotheses), segments, note)
