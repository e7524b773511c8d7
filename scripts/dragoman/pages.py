"""A small "web" to pre-train on, made of parallel text: pages, and never an instruction.

Three kinds of pages, in shares the configuration sets: lines of one language; a sentence and its translation, the
languages in random order; the same, each line headed by its language's name. So a model learns the languages, how to
translate between them, and what they are called, but not to obey. Pages of other tasks may lie among them: a source and
its answer.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from dragoman.config import Pages
from dragoman.languages import NAMES, split_pair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LINES_OF_ONE_LANGUAGE = (2, 3)
"""How many sentences a page of one language holds."""


Rows = Sequence[tuple[str, str]]


def make(pages: Pages, text: Mapping[str, Rows], tasks: Sequence[Rows] = ()) -> list[str]:
    """`pages.count` pages drawn from `text`: for every pair its (source, target) sentences.

    Rows are taken in shuffled order, one after the other, so that none comes a second time before all came once.

    Args:
        tasks: rows of each of `pages.tasks`. Where there are none, the pages are what they would be without that key.

    Raises:
        ValueError: a pair or a task has no text.
    """
    empty = sorted(pair for pair, rows in text.items() if not rows)
    empty += [task.corpus for task, rows in zip(pages.tasks, tasks, strict=True) if not rows]
    if empty:
        raise ValueError(f"no training text to make pages of for {', '.join(empty)}")
    rng = random.Random(f"pages-{pages.seed}")
    decks = {pair: _Deck(rows, rng) for pair, rows in text.items()}
    pairs = sorted(decks)
    others, shares = [_Deck(rows, rng) for rows in tasks], [*accumulate(task.share for task in pages.tasks)]
    made = []
    for _ in range(pages.count):
        task = bisect(shares, rng.random()) if shares else 0
        if task < len(shares):
            made.append("\n".join(others[task].draw()))
            continue
        pair = rng.choice(pairs)
        side = rng.randrange(2)
        kind = rng.random()
        if kind < pages.monolingual:
            count = rng.choice(LINES_OF_ONE_LANGUAGE)
            made.append("\n".join(decks[pair].draw()[side] for _ in range(count)))
            continue
        row, languages = decks[pair].draw(), split_pair(pair)
        order = (side, 1 - side)
        if kind < pages.monolingual + pages.bilingual:
            made.append("\n".join(row[i] for i in order))
        else:
            made.append("\n".join(f"{NAMES[languages[i]]}: {row[i]}" for i in order))
    return made


class _Deck:
    """Rows in shuffled order, shuffled anew whenever they are used up."""

    def __init__(self, rows: Rows, rng: random.Random) -> None:
        self.rows, self.rng, self.order = rows, rng, list[int]()

    def draw(self) -> tuple[str, str]:
        if not self.order:
            self.order = list(range(len(self.rows)))
            self.rng.shuffle(self.order)
        return self.rows[self.order.pop()]


def examples(pages: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[dict[str, list[int]]]:
    """Training examples of pages: every token is predicted, the page's end too."""
    made = []
    for ids in tokenizer(list(pages), add_special_tokens=False)["input_ids"]:
        ids = [*ids, tokenizer.eos_token_id]
        made.append({"input_ids": ids, "labels": ids})
    return made
