"""Checks on every line of parallel text, in a fixed order; the first that fails names the reason.

Text is taken as it is: leading and trailing blanks are gone before it comes here, nothing else is changed (but that a
configuration may cut long sources), and Unicode is not normalised. What is dropped from training and validation is only
counted in a test set, which must stay comparable with published numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b

from dragoman.config import Limits
from dragoman.languages.units import Unit, joined, units

RATIO_FROM = 20
"""Length the longer side must have before the sides are compared: "Oui." may well be three words elsewhere."""
DENSE = (
    ("[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]", 3.5),  # Han
    ("[\u3041-\u3096\u30a1-\u30ff\uff66-\uff9f]", 2.0),  # kana
    ("[\uac00-\ud7a3]", 2.5),  # Hangul
)
"""How many letters of an alphabet one such character stands for. The Universal Declaration of Human Rights
(unicode.org/udhr), 10,210 characters in English, gives 3.9 for Chinese, 2.8 for Korean and, with 3.5 for the Chinese
characters in Japanese, 2.0 for kana; all other characters count as one. Chinese is 3.3 in IWSLT 2017, 3.4 in FLORES and
3.6 in WMT 2022; kana are 2.1 in IWSLT 2017."""
_DENSE = [(re.compile(characters), letters) for characters, letters in DENSE]
_EAST = re.compile("[\u3005-\U0010ffff]")

# C0, DEL and C1: tabs and line ends would break a table, the others are broken text. U+0085 (next line) is the
# exception: it occurs within real sentences, as U+2028 and U+2029 do, and nothing here takes it for a line end.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x84\x86-\x9f]")


def empty_side(source: str, target: str, limits: Limits) -> bool:
    """A sentence without translation, or the other way round."""
    return not source or not target


def control_characters(source: str, target: str, limits: Limits) -> bool:
    """A tab, a line end or another control character within a side."""
    return _CONTROL.search(source) is not None or _CONTROL.search(target) is not None


def too_long(source: str, target: str, limits: Limits) -> bool:
    """More words or more characters than the configuration allows."""
    return any(len(side) > limits.max_characters or len(side.split()) > limits.max_words for side in (source, target))


def length_ratio(source: str, target: str, limits: Limits) -> bool:
    """One side is so much longer that it cannot be the translation of the other."""
    if limits.max_ratio is None:
        return False
    shorter, longer = sorted((length(source), length(target)))
    return longer >= RATIO_FROM and longer >= limits.max_ratio * shorter


def length(text: str) -> float:
    """Characters, where those of Chinese, Japanese and Korean count for as many letters as they stand for."""
    if text.isascii() or not _EAST.search(text):
        return len(text)
    return len(text) + sum((letters - 1) * len(pattern.findall(text)) for pattern, letters in _DENSE)


def beginning(source: str, limits: Limits, unit: Unit = "word") -> str:
    """The first words (or characters) of a source that is longer than the configuration wants it, else the source."""
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
    """The sentences of one split, as 16-byte digests: ten million take less memory than their text would."""

    def __init__(self) -> None:
        self.sources: set[bytes] = set()
        self.targets: set[bytes] = set()

    def add(self, source: str, target: str) -> None:
        """Remember both sides."""
        self.sources.add(_digest(source))
        self.targets.add(_digest(target))

    def holds_side(self, source: str, target: str) -> bool:
        """Whether either side occurs here on its own side: one known half is enough to know the answer."""
        return _digest(source) in self.sources or _digest(target) in self.targets


class Checker:
    """All checks over the splits of one pair, which must come in the order test, validation, train."""

    def __init__(self, limits: Limits, checks: Mapping[str, Check] | None = None) -> None:
        self.limits, self.checks = limits, CHECKS if checks is None else checks
        self._pairs: dict[str, set[bytes]] = {"train": set(), "test": set()}
        self._test, self._validation = Seen(), Seen()

    def reason(self, split: str, source: str, target: str) -> str | None:
        """Why a line should not be used, or None.

        Repeated pairs are legitimate in validation and test sets; a test set's are counted, for the report.
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
