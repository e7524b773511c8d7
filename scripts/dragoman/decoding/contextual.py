"""Offline decoding of talks, sentence by sentence: the sentences before, with their translations, begin the prompt.

They have the form of demonstrations (`prompts.shots`). Sentences of one talk are decoded one after the other, since
each needs the translations before it; several talks are decoded together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from dragoman.config import ContextualDecoder
from dragoman.decoding import Context, Item, Row, by_length, offline
from dragoman.prompts import cut, joined, render
from dragoman.text import lines


class Decoder(offline.Decoder):
    """A loaded model that translates the sentences of a talk in their order."""

    options: ContextualDecoder

    def __init__(self, context: Context, options: ContextualDecoder) -> None:
        super().__init__(context, options)
        self.talks = None if options.talks is None else list(lines(Path(options.talks)))
        self.translated: defaultdict[str, dict[int, tuple[str, str]]] = defaultdict(dict)
        """Talk -> number of a sentence -> the sentence and its translation. It outlasts a batch that has to be divided
        because the GPU's memory is too small."""

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Whole talks, those with about as many sentences together."""
        talks = self._by_talk(items)
        groups = by_length([len(each) for each in talks], self.options.batch_size)
        return [[index for number in group for index in talks[number]] for group in groups]

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """As `offline.Decoder.decode`. The items are sentences of one or several talks, in the order of each talk."""
        rows: dict[int, list[Row]] = {}
        for turn in zip_longest(*self._by_talk(items)):
            now = [index for index in turn if index is not None]
            for index, row in zip(now, super().decode([items[index] for index in now]), strict=True):
                item = items[index]
                translation = row[0]["hypothesis"] if self.options.earlier == "own" else item.reference
                self.translated[self._talk(item)][item.id] = (item.source, translation)
                rows[index] = row
        return [rows[index] for index in range(len(items))]

    def _by_talk(self, items: Sequence[Item]) -> list[list[int]]:
        """Indices of the sentences of each talk."""
        talks: defaultdict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(items):
            talks[self._talk(item)].append(index)
        return list(talks.values())

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """[items] Token ids of the prompt, with as many earlier sentences as the model has positions for."""
        return [self._prompt(item) for item in items]

    def _prompt(self, item: Item) -> list[int]:
        before = self.translated[self._talk(item)]
        numbers = sorted(number for number in before if number < item.id)[-self.options.window :]
        while True:
            ids = self._after([before[number] for number in numbers], item.source)
            if not numbers or self._room(len(ids)) == self.options.max_new_tokens:
                return ids
            del numbers[0]

    def _after(self, earlier: Sequence[tuple[str, str]], source: str) -> list[int]:
        """Token ids of the prompt for a sentence, after translated ones."""
        prompt, pair = self.context.prompt, self.context.pair
        columns = []
        for each in earlier:
            columns += [("instruction", text) for _, text in render(prompt, pair, *each)]
            columns.append(("instruction", "\n"))
        columns += [(role, text) for role, text in render(prompt, pair, source, "") if role != "target"]
        (pieces,) = cut(columns, self.tokenizer, 1, prompt)
        return joined(pieces)

    def _talk(self, item: Item) -> str:
        if self.talks is None:
            return ""
        if item.id >= len(self.talks):
            raise ValueError(
                f"{self.options.talks} has {len(self.talks)} lines, but the test set has a line {item.id + 1}; write "
                "the name of a talk for every line"
            )
        return self.talks[item.id]
