"""Checks of every line of parallel text, in a fixed order. The first check that fails gives the reason.

Before these checks, blanks at both ends of a text are removed, and long sources are shortened if the configuration says
so. Nothing else is changed, and Unicode is not normalised. Lines that fail are dropped from training and validation
sets. In a test set they are only counted, since a test set must stay comparable with published numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b

from dragoman.config import Limits
from dragoman.languages.units import Unit, joined, units

RATIO_FROM = 20
"""Sides are compared in length only if the longer one has this many characters, since the ratio of very short sentences
varies widely."""
DENSE = (
    ("[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]", 3.5),  # Han
    ("[\u3041-\u3096\u30a1-\u30ff\uff66-\uff9f]", 2.0),  # kana
    ("[\uac00-\ud7a3]", 2.5),  # Hangul
)
"""(characters, number of letters of an alphabet that one of them stands for). The Universal Declaration of Human Rights
(unicode.org/udhr), 10,210 characters in English, gives 3.9 for Chinese, 2.8 for Korean and, with 3.5 for the Chinese
characters in Japanese, 2.0 for kana; all other characters count as one. Chinese is 3.3 in IWSLT 2017, 3.4 in FLORES and
3.6 in WMT 2022; kana are 2.1 in IWSLT 2017."""
_DENSE = [(re.compile(characters), letters) for characters, letters in DENSE]
_EAST = re.compile("[\u3005-\U0010ffff]")

# C0, DEL and C1: tabs and line ends would break a table, and the others are signs of broken text. U+0085 (next line) is
# allowed: it occurs inside real sentences, as U+2028 and U+2029 do, and no reader here treats it as a line end.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x84\x86-\x9f]")


def empty_side(source: str, target: str, limits: Limits) -> bool:
    """Whether a side is empty."""
    return not source or not target


def control_characters(source: str, target: str, limits: Limits) -> bool:
    """Whether a side contains a tab, a line end or another control character."""
    return _CONTROL.search(source) is not None or _CONTROL.search(target) is not None


def too_long(source: str, target: str, limits: Limits) -> bool:
    """Whether a side has more words or more characters than the configuration allows."""
    return any(len(side) > limits.max_characters or len(side.split()) > limits.max_words for side in (source, target))


def length_ratio(source: str, target: str, limits: Limits) -> bool:
    """Whether one side is so much longer that it can hardly be a translation of the other."""
    if limits.max_ratio is None:
        return False
    shorter, longer = sorted((length(source), length(target)))
    return longer >= RATIO_FROM and longer >= limits.max_ratio * shorter


def length(text: str) -> float:
    """Number of characters; Chinese, Japanese and Korean characters count as several letters (see `DENSE`)."""
    if text.isascii() or not _EAST.search(text):
        return len(text)
    return len(text) + sum((letters - 1) * len(pattern.findall(text)) for pattern, letters in _DENSE)


def beginning(source: str, limits: Limits, unit: Unit = "word") -> str:
    """The source, shortened to the number of words (or characters) that the configuration allows."""
    if limits.source_words is None or len(words := units(source, unit)) <= limits.source_words:
        return source
    return joined(words[: limits.source_words], unit)


Check = Callable[[str, str, Limits], bool]

CHECKS: dict[str, Check] = {
    "empty-side": empty_side,
    "control-characters": control_characters,
    "too-long": too_long,
    "length-ratio": length_ratio,
}


class Seen:
    """The sentences of one split, as 16-byte digests, which take less memory than the text."""

    def __init__(self) -> None:
        self.sources: set[bytes] = set()
        self.targets: set[bytes] = set()

    def add(self, source: str, target: str) -> None:
        """Add both sides of a sentence pair."""
        self.sources.add(_digest(source))
        self.targets.add(_digest(target))

    def holds_side(self, source: str, target: str) -> bool:
        """Whether the split contains this source or this target. One of them is enough, since training on either half
        of a test pair makes the test easier."""
        return _digest(source) in self.sources or _digest(target) in self.targets


class Checker:
    """All checks on the splits of one pair. Splits must be checked in the order test, validation, train, since lines of
    later splits are compared with earlier ones."""

    def __init__(self, limits: Limits, checks: Mapping[str, Check] | None = None) -> None:
        self.limits, self.checks = limits, CHECKS if checks is None else checks
        self._pairs: dict[str, set[bytes]] = {"train": set(), "test": set()}
        self._test, self._validation = Seen(), Seen()

    def reason(self, split: str, source: str, target: str) -> str | None:
        """Why a line should not be used; None if it can be used.

        Repeated sentence pairs are legitimate in validation and test sets. In a test set they are counted for the
        report.
        """
        dropped_for = next((name for name, check in self.checks.items() if check(source, target, self.limits)), None)
        if dropped_for is None and split in self._pairs:
            pair = _digest(f"{source}\n{target}")
            dropped_for = "duplicate" if pair in self._pairs[split] else None
            self._pairs[split].add(pair)
        if self.limits.overlap == "source":
            target = source
        if split == "test":
            self._test.add(source, target)
        elif dropped_for is None and self.limits.overlap != "keep":
            if self._test.holds_side(source, target):
                dropped_for = "in-test"
            elif split == "train" and self._validation.holds_side(source, target):
                dropped_for = "in-validation"
            elif split == "validation":
                self._validation.add(source, target)
        return dropped_for


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
