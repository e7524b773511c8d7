"""Translation without a model: the floors that any trained system must leave behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dragoman.config import CopyDecoder, DictionaryDecoder
from dragoman.decoding import Context, Item, Row
from dragoman.languages import split_pair
from dragoman.text import lines

WORD = re.compile(r"\w+(?:['’]\w+)*")


def read_dictionary(path: Path, pair: str) -> dict[str, str]:
    """First translation of every source word in a two-column .tsv (also .gz), keys in lower case.

    A first line that holds the two language codes is a header.

    Raises:
        ValueError: a line has not two columns; the message names it.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(lines(path), 1):
        word, _, translation = line.partition("\t")
        if not word or not translation:
            raise ValueError(f"{path}:{number}: expected a word, a tab and its translation, found {line!r}")
        if number > 1 or (word, translation) != split_pair(pair):
            found.setdefault(word.lower(), translation)
    return found


class Decoder:
    """Copies the source, or replaces each of its words by a dictionary's first translation."""

    def __init__(self, context: Context, options: CopyDecoder | DictionaryDecoder) -> None:
        self.words: dict[str, str] = {}
        if isinstance(options, DictionaryDecoder):
            self.words = read_dictionary(Path(options.files[context.pair]), context.pair)

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Everything at once."""
        return [list(range(len(items)))]

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item."""
        return [[{"hypothesis": WORD.sub(self._translated, item.source)}] for item in items]

    def _translated(self, match: re.Match[str]) -> str:
        word = match.group()
        translation = self.words.get(word.lower(), word)
        return translation.capitalize() if word[0].isupper() and translation.islower() else translation
