"""Decoders without a model: copying, and translation with a dictionary, as lower bounds for trained systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman.config import CopyDecoder, DictionaryDecoder
from dragoman.decoding import Context, Item, Row
from dragoman.languages.dictionaries import Dictionary, read_dictionary
from dragoman.languages.words import parted


class Decoder:
    """Copies the source, or replaces each of its words by a dictionary's first translation."""

    def __init__(self, context: Context, options: CopyDecoder | DictionaryDecoder) -> None:
        self.words: Dictionary | None = None
        if isinstance(options, DictionaryDecoder):
            self.words = read_dictionary(Path(options.files[context.pair]), context.pair)

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Everything at once."""
        return [list(range(len(items)))]

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item."""
        return [[{"hypothesis": self._written(item.source)}] for item in items]

    def _written(self, source: str) -> str:
        if self.words is None:
            return source
        written, end, last, translated = "", 0, "", False
        for entry in self.words.cut(source):
            word, between = source[entry.start : entry.end], source[end : entry.start]
            own = self.words.get(entry.key, word)
            if word[0].isupper() and own.islower() and entry.key in self.words:
                own = own.capitalize()
            # blanks between words follow the target language instead of the source language
            if last and not between.strip():
                if not between and (translated or entry.key in self.words) and parted(last, own):
                    between = " "
                elif translated and entry.key in self.words and not parted(last, own):
                    between = ""
            written += between + own
            end, last, translated = entry.end, own, entry.key in self.words
        return written + source[end:]
