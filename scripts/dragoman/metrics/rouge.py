"""ROUGE (Lin 2004): overlap of a summary with its reference, as F1 of words, word pairs or the longest common
subsequence.

Values equal Google's `rouge-score` 0.1.2 without stemming (a test compares them), except for words with other letters
than a to z: that package drops these letters, so that "été" becomes "t" and a Russian text has no words. Here a word is
a run of letters, marks and digits of any script. In languages without blanks between words, every character is a word,
since there is no word segmentation here. The multilingual fork of XL-Sum segments and stems words, so its values
differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from dragoman import registry
from dragoman.languages import Language
from dragoman.languages.words import RUN, folded
from dragoman.metrics import MetricError, Score, languages_of, require, unspaced
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean
from dragoman.metrics.sums import mean, values_of

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})

KINDS = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}


def label(**options: Any) -> str:
    """`ROUGE-L`, or the kind in `of`."""
    return KINDS.get(str(options.get("of", "rougeL")), "ROUGE")


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    of: Literal["rouge1", "rouge2", "rougeL"] = "rougeL",
    bootstrap: int = RESAMPLES,
) -> Score:
    """Mean F1 over sentences in percent with a 95 % bootstrap interval, and the F1 of each sentence. If there are
    several references, the reference with the highest F1 counts.

    Args:
        of: `rouge1` compares words, `rouge2` word pairs, `rougeL` the longest common subsequence.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        MetricError: `of` has another value, or lists differ in length.
    """
    require(hypotheses, references)
    if of not in KINDS:
        raise MetricError(registry.unknown("kind of ROUGE", str(of), KINDS))
    language = languages_of(pair)[1]
    answers = [words(line, language) for line in hypotheses]
    wanted = [[words(line, language) for line in lines] for lines in zip(*references, strict=True)]
    values = [
        100 * max(f1(of, answer, reference) for reference in own) for answer, own in zip(answers, wanted, strict=True)
    ]
    low, high = of_mean(values, bootstrap)
    tokens = "unicode-words" if language.spaced else "characters"
    signature = f"{KINDS[of]}|f1|nrefs:{len(references)}|case:lower|tok:{tokens}|stem:no{drawn(bootstrap)}"
    note = unspaced(pair, "each character counts as one")
    return Score(sum(values) / len(values), low, high, signature, len(values), tuple(values), note)


counts, score = values_of(compute), mean


def words(text: str, language: Language) -> list[str]:
    """Lower-case words of a text: runs of letters, marks and digits; single characters if the language has no blanks
    between words."""
    runs = RUN.findall(folded(text))
    return runs if language.spaced else [letter for run in runs for letter in run]


def f1(of: str, answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of two lists of words; 0 if they have nothing in common."""
    if of == "rougeL":
        common, written, wanted = longest(answer, reference), len(answer), len(reference)
    else:
        own, other = (_grams(side, int(of[-1])) for side in (answer, reference))
        common, written, wanted = (own & other).total(), own.total(), other.total()
    return 2 * common / (written + wanted) if common else 0.0


def _grams(side: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(side[i : i + n]) for i in range(len(side) - n + 1))


def longest(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = row
        row = [0]
        for place, other in enumerate(b, 1):
            row.append(before[place - 1] + 1 if word == other else max(row[-1], before[place]))
    return row[-1]
