"""Language confusion (Marchisio et al. 2024, arXiv 2406.20052): share of answers without lines, or words, of a wrong
language.

    LPR, of=line   line pass rate: percent of the answers of which all lines are in the target language
    WPR, of=word   word pass rate: among the answers that pass LPR, percent of the answers without an English word

As in the authors' code (github.com/for-ai/language-confusion, compute_metrics.py at 0cfdbb4), ASCII punctuation is
deleted, lines with fewer than 5 words are ignored, and an answer with no other lines is not counted. fastText chooses
among all its languages, and a language with a probability of at most 0.3 counts as wrong. An English word is a
lower-case word of the authors' list with more than 3 letters. WPR is for languages in other scripts than Latin, since
in Latin script an English word may also be a word of the target language. For other languages WPR has no value, and
both rates have no value if no answer is counted (the authors' code gives 100 percent in this case).

There are two differences from the authors' code. Words of Chinese and Japanese are single characters here, while the
authors use jieba and MeCab: in 90 groups of about 100 answers each, from their ten systems, this changes LPR by 1.3 and
0.7 points on average, and by at most 8. The default model is lid.176.ftz, which needs no network; the authors' model is
`model=lid.176.bin`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dragoman import registry, text
from dragoman.known_files import KnownFile, fetched
from dragoman.languages import UNSPACED, identify
from dragoman.metrics import MetricError, NoValueError, Score, languages_of, require
from dragoman.metrics.bootstrap import RESAMPLES, drawn, interval, resampled_sums
from dragoman.metrics.sums import mean, values_of
from dragoman.storage import sha256

BETTER = "higher"
DIGITS = 1
NEEDS: frozenset[str] = frozenset()

KINDS = {"line": "LPR", "word": "WPR"}
WORDS = 5
"""Lines with fewer words are ignored."""
LEAST = 0.3
"""A language counts as wrong if its probability is at most this."""
DICTIONARY = KnownFile(
    "language-confusion-words",
    "https://raw.githubusercontent.com/for-ai/language-confusion/0cfdbb4a64502648938c456b2fa9689968f22298/words",
    "1ec8230beef2a7c955742b089fc3cea2833866cf5482bf018d7c4124eef104bd",
)
"""The authors' list of English words, one a line."""

_PUNCTUATION = str.maketrans({**dict.fromkeys(string.punctuation), "—": " ", "،": None})
_WORD_OR_CHARACTER = re.compile(r"[A-Za-z0-9]+|\S")


class Passed(NamedTuple):
    """Whether an answer has no wrong lines, and no English words; None: it is not counted."""

    lines: bool | None
    words: bool | None


def label(**options: Any) -> str:
    """`LPR` or `WPR`."""
    return KINDS.get(str(options.get("of", "line")), "Language confusion")


def check(
    pairs: Iterable[str] = (),
    *,
    of: Any = "line",
    identifier: Any = "fasttext",
    model: Any = None,
    words: Any = None,
    bootstrap: Any = RESAMPLES,
    **others: Any,
) -> None:
    """Refuse invalid options, without loading or fetching a large model.

    Raises:
        MetricError: an option is unknown, or has an invalid value.
    """
    for option in others:
        known = ["of", "identifier", "model", "words", "bootstrap"]
        raise MetricError(registry.unknown("option of confusion", option, known))
    if of not in KINDS:
        raise MetricError(registry.unknown("kind of language confusion", str(of), KINDS))
    if words is not None and of == "line":
        raise MetricError("words= is a list of English words, which only of=word reads; leave one of them out")
    if words is not None and not Path(str(words)).is_file():
        raise MetricError(f"no file {words!r}; name a list of English words, one a line, or leave words= out")
    if isinstance(bootstrap, bool) or not isinstance(bootstrap, int) or bootstrap < 0:
        raise MetricError(f"bootstrap is a number of resamples from 0, not {bootstrap!r}")
    identify.check(identifier, model)
    for pair in pairs:
        identify.require_known(identifier, model, {languages_of(pair)[1].code})


def requisites(
    pairs: Iterable[str],
    *,
    of: str = "line",
    identifier: str = "fasttext",
    model: str | None = None,
    words: str | None = None,
    **others: Any,
) -> list[Callable[[], str]]:
    """The identifier's model if it must be fetched, and the list of English words if a target language needs it."""
    needed = identify.requisites(identifier, model)
    if of == "word" and words is None and any(languages_of(pair)[1].script != "Latn" for pair in pairs):
        needed.append(lambda: f"the list of English words {fetched(DICTIONARY)}, sha256:{DICTIONARY.sha256}")
    return needed


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    of: str = "line",
    identifier: str = "fasttext",
    model: str | None = None,
    words: str | None = None,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Pass rate in percent with a 95 % bootstrap interval. The value of a sentence is 0 or 100, or None if it is not
    counted.

    Args:
        of: `line` or `word`.
        identifier, model: as in the off-target ratio.
        words: a list of English words, one per line; None: the authors' list, which is fetched.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        NoValueError: WPR for a language in Latin script, or no answer is counted.
    """
    require(hypotheses, references)
    check(of=of, identifier=identifier, model=model, words=words, bootstrap=bootstrap)
    wanted = languages_of(pair)[1]
    target = wanted.code
    chosen = identify.identifier(identifier, None, model)
    chosen.require(target)
    path, english = None, frozenset[str]()
    if of == "word":
        if wanted.script == "Latn":
            text = f"{target} is written in Latin letters, in which English words cannot be told from its own"
            raise NoValueError(f"WPR has no value: {text}")
        path = fetched(DICTIONARY) if words is None else Path(words)
        english = english_words(path)

    def counted(answers: Sequence[str]) -> list[bool | None]:
        return [each.lines if of == "line" else each.words for each in passed(answers, target, chosen, english)]

    values = counted(hypotheses)
    statistics = [(float(bool(each)), float(each is not None)) for each in values]
    good, all_ = map(sum, zip(*statistics, strict=True))
    if not all_:
        why = f"no line has {WORDS} words" if of == "line" else f"no hypothesis with a line of {WORDS} words passes LPR"
        raise NoValueError(f"{KINDS[of]} has no value: {why}")
    low = high = None
    if bootstrap:
        low, high = interval([100 * float(a / b) for a, b in resampled_sums(statistics, bootstrap) if b])
    notes = [f"{int(all_)} of {len(values)} hypotheses counted"] if all_ < len(values) else []
    floor = [each for reference in references for each in counted(reference) if each is not None]
    notes += [f"references: {100 * sum(floor) / len(floor):.1f} %"] if floor else []
    tokens = "characters" if target in UNSPACED else "blanks"
    signature = f"{KINDS[of]}|{chosen.signature}|least:{LEAST}|words:{WORDS}|tok:{tokens}"
    if path is not None:
        signature += f"|dictionary:{path.name}({sha256(path)[:12]})"
    segments = tuple(None if each is None else 100.0 * each for each in values)
    return Score(
        100 * good / all_, low, high, f"{signature}{drawn(bootstrap)}", len(values), segments, "; ".join(notes)
    )


counts, score = values_of(compute), mean


def passed(
    answers: Iterable[str], target: str, identifier: identify.Identifier, english: frozenset[str]
) -> list[Passed]:
    """Whether each answer passes by lines and by words.

    Args:
        answers: the answers; each may have several lines.
        target: code of the target language.
        identifier: identifies the language of each line.
        english: lower-case words that count as English.
    """
    results = []
    for answer in answers:
        lines = answer.strip().translate(_PUNCTUATION).split("\n")
        parts = [(line, tokens) for line in lines if len(tokens := _tokens(line, target)) >= WORDS]
        if not parts:
            results.append(Passed(None, None))
            continue
        languages = identifier.first([line for line, _ in parts])
        right = all(language == target and chance > LEAST for language, chance in languages)
        foreign = any(token in english for _, tokens in parts for token in tokens)
        results.append(Passed(right, not foreign if right else None))
    return results


def _tokens(line: str, language: str) -> list[str]:
    return _WORD_OR_CHARACTER.findall(line) if language in UNSPACED else line.split()


@cache
def english_words(path: Path) -> frozenset[str]:
    """The lower-case words of a list, one a line, with more than 3 letters."""
    return frozenset(word for line in text.lines(path) if (word := line.strip()).islower() and len(word) > 3)
