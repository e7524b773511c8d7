"""TER (Snover et al. 2006): number of edits per word of the reference, including moves of phrases, as in sacrebleu.

Words are separated by blanks. Chinese and Japanese have no blanks, so a sentence would be one word. For these
languages, sacrebleu's options `normalized` and `asian_support` are on, which make every Chinese character a word (and a
run of kana one word). Korean has blanks, and sacrebleu has no rule for its letters.
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
    """`TER`, or `TER (cased)` if case counts."""
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
        MetricError: an option is neither true nor false, or has no effect without another one.
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
    """sacrebleu's statistics of each sentence, [sentences, 2]: number of edits, and of words of the reference. Options
    are as in `compute`."""
    import numpy as np

    counter = metric(pair, **options)
    table = np.asarray(counter._extract_corpus_statistics(hypotheses, references), dtype=np.float64)
    return Counts(table, f"TER|{counter.get_signature()}")


def score(sums: np.ndarray) -> np.ndarray:
    """TER in percent, from sums of `counts`. As in sacrebleu, without words it is 0, or 100 if there are edits."""
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
        normalized: separate punctuation from words and decode entities first; None: for Chinese and Japanese only.
        no_punct: remove punctuation.
        asian_support: extend these two options to Chinese characters and their punctuation; None: for Chinese and
            Japanese only.
        case_sensitive: respect case.
        bootstrap: number of resamples; 0: no interval.
    """
    require(hypotheses, references)
    counter = metric(
        pair, normalized=normalized, no_punct=no_punct, asian_support=asian_support, case_sensitive=case_sensitive
    )
    # private functions of sacrebleu give the sentence statistics; its version is pinned, and a test compares results
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
