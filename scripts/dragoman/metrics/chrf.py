"""chrF (Popović 2015): character n-gram F-score as sacrebleu computes it, in percent; chrF++ with `word_order=2`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dragoman.metrics import Counts, MetricError, Score, require, unspaced
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics import CHRF

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})

BETA = 2.0
"""The weight of recall relative to precision."""

_COUNTED_AT_ONCE = 5000
"""Number of sentences whose n-grams are in memory at once."""


def label(**options: Any) -> str:
    """`chrF`, or `chrF++` if word pairs count too."""
    return "chrF" + "+" * int(options.get("word_order", 0))


def metric(*, word_order: int = 0, lowercase: bool = False) -> CHRF:
    """sacrebleu's metric.

    Raises:
        MetricError: an option has an invalid value.
    """
    from sacrebleu.metrics import CHRF

    if type(word_order) is not int or not 0 <= word_order <= 4:
        raise MetricError(f"word_order is a number from 0 (chrF) to 4, usually 2 (chrF++), not {word_order!r}")
    if not isinstance(lowercase, bool):
        raise MetricError(f"lowercase is true or false, not {lowercase!r}")
    return CHRF(word_order=word_order, lowercase=lowercase)


def statistics(counter: CHRF, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """sacrebleu's statistics of each sentence, [sentences, 3 x orders]: number of n-grams of the hypothesis, of the
    reference and of their overlap, for each order. If there are several references, the first one with the best score
    counts.
    """
    import numpy as np

    tables = [_against(counter, hypotheses, reference) for reference in references]
    counter.num_refs = len(references)  # sacrebleu's signature contains it
    if len(tables) == 1:
        return tables[0]
    scores = [[counter._compute_f_score(each) for each in table.tolist()] for table in tables]
    return np.stack(tables, axis=1)[np.arange(len(hypotheses)), np.argmax(scores, axis=0)]


def _against(counter: CHRF, hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    import numpy as np

    from dragoman.metrics.ngrams import counts

    parts = []
    for start in range(0, len(hypotheses), _COUNTED_AT_ONCE):
        lines = [*hypotheses[start : start + _COUNTED_AT_ONCE], *references[start : start + _COUNTED_AT_ONCE]]
        lines = [counter._preprocess_segment(line) for line in lines]
        units: list[Any] = ["".join(line.split()) for line in lines]
        letters = np.frombuffer("".join(units).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
        tables = [counts(letters, np.array([*map(len, units)]), counter.char_order)]
        if counter.word_order:
            known: dict[str, int] = {}
            units = [counter._remove_punctuation(line) for line in lines]
            words = np.array([known.setdefault(word, len(known)) for line in units for word in line], dtype=np.int64)
            tables.append(counts(words, np.array([*map(len, units)]), counter.word_order))
        parts.append(np.concatenate(tables, axis=1))
    table = np.concatenate(parts)
    table[..., 0] *= table[..., 1] > 0  # sacrebleu sets the hypothesis's count to 0 if the reference has no such n-gram
    return table.reshape(len(table), -1)


def counts(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    word_order: int = 0,
    lowercase: bool = False,
) -> Counts:
    """`statistics` of each sentence; arguments as in `compute`."""
    counter = metric(word_order=word_order, lowercase=lowercase)
    return Counts(statistics(counter, hypotheses, references), f"chrF|{counter.get_signature()}")


def score(sums: np.ndarray) -> np.ndarray:
    """chrF2 in percent, from sums of `counts`, [..., 3 x orders]."""
    import numpy as np

    hypothesis, reference, both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    counted = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = (counted * both / np.maximum(hypothesis, 1)).sum(axis=-1) / orders
    recall = (counted * both / np.maximum(reference, 1)).sum(axis=-1) / orders
    weighted = BETA**2 * precision + recall
    return 100 * (1 + BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)


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
        word_order: largest order of word n-grams, which count in addition to characters: 0 is chrF, 2 is chrF++
            (Popović 2017).
        lowercase: ignore case.
        bootstrap: number of resamples; 0: no interval.
    """
    require(hypotheses, references)
    counter = metric(word_order=word_order, lowercase=lowercase)
    table = statistics(counter, hypotheses, references)
    result = counter._compute_score_from_stats(table.sum(axis=0).tolist())
    low = high = None
    if bootstrap:
        counter.n_bootstrap, counter.seed = bootstrap, str(SEED)
        low, high = interval([counter._compute_f_score(sums.tolist()) for sums in resampled_sums(table, bootstrap)])
    segments = tuple(map(counter._compute_f_score, table.tolist()))
    note = unspaced(pair, "what is counted as a word is a stretch of text between blanks") if word_order else ""
    signature = f"{result.name}|{counter.get_signature()}"
    return Score(result.score, low, high, signature, len(hypotheses), segments, note)
