"""What is read and written one by one: words, or characters where a language writes no blanks between words.

Training, masks, decoders, word alignments and latency all count these, each side of a pair in the unit of its language
unless an experiment's `unit` says otherwise.

A word is what `str.split` finds: any white space of Unicode ends it, the no-break spaces U+00A0 and U+202F among them,
and a zero-width space does not. A character is one code point that is not white space, so Latin letters, digits and
punctuation inside Chinese text count one by one, as in the unit `char` of SimulEval. White space is never counted. Read
or written unit by unit, a text has one blank wherever it had white space, and none at its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from dragoman.languages import read_pair

Unit = Literal["word", "character"]


class Units(NamedTuple):
    """The units of both sides of a pair."""

    source: Unit
    target: Unit


WORDS = Units("word", "word")


def of_pair(pair: str, asked: Sequence[str] = ()) -> Units:
    """The units of a pair.

    Args:
        pair: languages, like `en-zh` or `en-zh_TW`.
        asked: `word`, `character` or `auto` for source and target; nothing is `auto` for both. `auto` follows the
            language.
    """
    both: list[Unit] = []
    for language, unit in zip(read_pair(pair), asked or ("auto", "auto"), strict=True):
        by_language: Unit = "word" if language.spaced else "character"
        both.append(by_language if unit == "auto" else unit)  # type: ignore[arg-type]
    return Units(*both)


def units(text: str, unit: Unit) -> list[str]:
    """The words of a text, or its characters, with a blank before each character that white space comes before.

    `joined` makes the text of them again, with single blanks.
    """
    words = text.split()
    if unit == "word":
        return words
    characters: list[str] = []
    for word in words:
        first, *others = word
        characters += [f" {first}" if characters else first, *others]
    return characters


def joined(parts: Sequence[str], unit: Unit) -> str:
    """The text of successive units, blanks between words and none at the ends."""
    return " ".join(parts) if unit == "word" else "".join(parts).strip()
