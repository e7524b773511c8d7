"""Word alignments of text that comes without any: the model of fast_align, in both directions, then made one.

Dyer, Chahuneau, Smith 2013 (https://aclanthology.org/N13-1073; github.com/clab/fast_align with its recommended options
`-d -o -v`): IBM Model 2 in which a target word keeps near the diagonal. Target word j of n is made by no source word
with probability p0 t(word | nothing), and by source word i of m with probability

    (1 - p0) exp(-lambda |i/m - j/n|) / Z_j  t(word | source word i)

t has a Dirichlet prior (mean field), and lambda follows the gradient of the likelihood. The same is done with the sides
exchanged; the two are joined by grow-diag-final-and (Koehn et al. 2005), in the order of fast_align's `atools`.

Words are the units of `units.py`: characters where a language writes no blanks.

Two things differ from the published code. Words are compared in lower case and without punctuation around them, as
words here are divided by white space alone. The gradient of lambda is the true one: there, a position is counted from 0
in one of its two terms and the lengths are exchanged in the other.

Every (source word, target word) of a sentence pair is a cell. Cells are kept in a temporary file, four bytes each, and
worked on a chunk at a time; memory holds the different pairs of words, some 32 bytes each (2 GB for IWSLT 2017).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import IO, NamedTuple

import numpy as np

from dragoman import words
from dragoman.units import WORDS, Units, units

PASSES = 5
"""Of the text, in each direction; the last one only aligns."""
NOTHING = 0.08
"""p0: how often a word is made by no word of the other side."""
TENSION = 4.0
"""lambda to begin with. It moves `TENSION_STEPS` times after each pass but the first, within `TENSION_RANGE`."""
TENSION_STEPS, TENSION_RATE, TENSION_RANGE = 8, 20.0, (0.1, 14.0)
ALPHA = 0.01
"""Of the Dirichlet prior."""
CELLS = 4_000_000
"""Cells worked on at once."""
SMALLEST = 1e-37
"""The least t that float32 holds with all its digits."""

Shape = tuple[int, int]


def align(sources: Sequence[str], targets: Sequence[str], counted: Units = WORDS) -> list[str]:
    """Alignments of the units of each sentence pair, like "0-0 1-2"; "" where a side has none.

    A pair that would get no link gets its likeliest one: methods that go by alignments need some. The same text gets
    the same alignments; those of a pair depend on all others.
    """
    found = [""] * len(sources)
    with tempfile.TemporaryFile() as file:
        text = _Text(sources, targets, file, counted)
        if not text.chunks:
            return found
        directions = [_Direction(text, given) for given in (1, 2)]
        for chunk in text.chunks:
            ids = text.ids(chunk)
            for block, forward, backward in zip(chunk.blocks, *(d.best(chunk, ids) for d in directions), strict=True):
                for row, pair in enumerate(block.rows.tolist()):
                    links = joined(*(np.argwhere(way.links[row]).tolist() for way in (forward, backward)))
                    links = links or [divmod(int(forward.likeliest[row]), block.shape[1])]
                    found[pair] = " ".join(f"{i}-{j}" for i, j in links)
    return found


def joined(forward: Sequence[Sequence[int]], backward: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Links of two directions made one by grow-diag-final-and, in order.

    What both have is taken. Links of either one that touch a taken one, also diagonally, are added as long as they
    give a word its first link; then those that link two words without any.
    """
    ours, theirs = ({(i, j) for i, j in links} for links in (forward, backward))
    taken = ours & theirs
    left, right = {i for i, _ in taken}, {j for _, j in taken}

    def take(i: int, j: int) -> None:
        taken.add((i, j))
        left.add(i)
        right.add(j)

    waiting = sorted((ours | theirs) - taken)
    while waiting:
        rest = []
        for i, j in waiting:
            touching = any((i + di, j + dj) in taken for di in (-1, 0, 1) for dj in (-1, 0, 1))
            if touching and not (i in left and j in right):
                take(i, j)
            else:
                rest.append((i, j))
        if len(rest) == len(waiting):
            break
        waiting = rest
    for links in (ours, theirs):
        for i, j in sorted(links):
            if i not in left and j not in right:
                take(i, j)
    return sorted(taken)


def folded(word: str) -> str:
    """A word as it is compared, without the signs around it; itself if it has no letter or digit."""
    return words.folded(words.solid(word)) or word


class _Numbers(dict[str, int]):
    """A number for every word, the same for words that are compared as equal."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        self[word] = self.known.setdefault(folded(word), len(self.known))
        return self[word]


class _Block(NamedTuple):
    """Sentence pairs of one shape: m source and n target words."""

    shape: Shape
    rows: np.ndarray
    """[pairs] Their numbers."""
    words: tuple[np.ndarray, np.ndarray]
    """[pairs, m] and [pairs, n] numbers of their words."""


class _Chunk(NamedTuple):
    """Blocks that are worked on together; their cells, [pairs, m, n] of each in turn, are `start` to `end`."""

    blocks: list[_Block]
    start: int
    end: int


class _Text:
    """A parallel text in cells, each of them the number of its pair of words."""

    def __init__(self, sources: Sequence[str], targets: Sequence[str], file: IO[bytes], counted: Units = WORDS) -> None:
        flat, lengths, self.vocabulary = [], [], []
        for side, unit in zip((sources, targets), counted, strict=True):
            numbers = _Numbers()
            lines = [[numbers[word.strip()] for word in units(line, unit)] for line in side]
            lengths.append(np.array([len(line) for line in lines], dtype=np.int64))
            flat.append(np.array([word for line in lines for word in line], dtype=np.int32))
            self.vocabulary.append(len(numbers.known))
        self.chunks = list(_chunks(flat, lengths))
        self.file = file
        keys, sizes = np.zeros(0, dtype=np.int64), []
        with tempfile.TemporaryFile() as aside:
            for chunk in self.chunks:
                here, ids = np.unique(self._keys(chunk), return_inverse=True)
                here.tofile(aside)
                ids.astype(np.int32).tofile(file)
                keys = np.sort(np.concatenate([keys, here]))  # np.union1d takes a hundred times as long
                keys = keys[np.append(True, keys[1:] != keys[:-1])]
                sizes.append(len(here))
            aside.seek(0)
            for chunk, size in zip(self.chunks, sizes, strict=True):
                numbers_here = keys.searchsorted(np.fromfile(aside, np.int64, size)).astype(np.int32)
                ids = numbers_here[self.ids(chunk)]
                file.seek(chunk.start * ids.itemsize)
                ids.tofile(file)
        width = max(1, self.vocabulary[1])
        self.pairs = [(keys // width).astype(np.int32), (keys % width).astype(np.int32)]
        """Twice [pairs of words] the source words and the target words that occur together."""

    def _keys(self, chunk: _Chunk) -> np.ndarray:
        words = (block.words for block in chunk.blocks)
        keys = (source[:, :, None] * np.int64(self.vocabulary[1]) + target[:, None, :] for source, target in words)
        return np.concatenate([each.ravel() for each in keys])

    def ids(self, chunk: _Chunk) -> np.ndarray:
        """[cells of the chunk] Their pairs of words, places in `pairs`."""
        self.file.seek(chunk.start * np.dtype(np.int32).itemsize)
        return np.fromfile(self.file, np.int32, chunk.end - chunk.start).astype(np.intp)


def _chunks(flat: Sequence[np.ndarray], lengths: Sequence[np.ndarray]) -> Iterator[_Chunk]:
    """The sentence pairs with words on both sides, sorted by shape."""
    first = [np.cumsum(side) - side for side in lengths]
    order = np.lexsort((lengths[1], lengths[0]))
    order = order[(lengths[0][order] > 0) & (lengths[1][order] > 0)]
    blocks: list[_Block] = []
    start = end = 0
    for (m, n), group in groupby(order.tolist(), key=lambda row: (int(lengths[0][row]), int(lengths[1][row]))):
        rows, most = np.array(list(group)), max(1, CELLS // (m * n))
        for part in np.split(rows, range(most, len(rows), most)):
            words = tuple(flat[s][first[s][part][:, None] + np.arange(size)] for s, size in enumerate((m, n)))
            blocks.append(_Block((m, n), part, words))
            end += len(part) * m * n
            if end - start >= CELLS:
                yield _Chunk(blocks, start, end)
                blocks, start = [], end
    if blocks:
        yield _Chunk(blocks, start, end)


class _Best(NamedTuple):
    """What a direction makes of a block."""

    links: np.ndarray
    """[pairs, m, n] Which word, if any, is likeliest to have made each word of the other side."""
    likeliest: np.ndarray
    """[pairs] The cell of the greatest weight, counted row by row."""


class _Direction:
    """Probabilities of the words of one side given those of the other, fitted to a text."""

    def __init__(self, text: _Text, given: int) -> None:
        """`given`: the axis of a block's cells [pairs, m, n] that makes the words of the other: 1 or 2."""
        self.text, self.given = text, given
        self.makers, self.made = text.pairs[given - 1], 2 - given
        self.table = np.ones(len(self.makers), dtype=np.float32)
        """[pairs of words] t, but for a factor that all words have in the first pass."""
        self.of_nothing = np.ones(text.vocabulary[self.made])
        self.tension = TENSION
        for number in range(PASSES - 1):
            self._learn(follow=number > 0)

    def _prior(self, shape: Shape, tension: float) -> tuple[np.ndarray, np.ndarray]:
        """exp(-lambda d) / Z and -d, [m, n] each."""
        feature = -np.abs(np.arange(1, shape[0] + 1)[:, None] / shape[0] - np.arange(1, shape[1] + 1) / shape[1])
        odds = np.exp(tension * feature)
        return odds / odds.sum(self.given - 1, keepdims=True), feature

    def _weights(self, chunk: _Chunk, ids: np.ndarray) -> Iterator[tuple[_Block, slice, np.ndarray, np.ndarray]]:
        """Each block, its cells in the chunk, their weights [pairs, m, n], and those of no word [pairs, words made]."""
        weights, at = self.table[ids], 0
        for block in chunk.blocks:
            size = len(block.rows) * block.shape[0] * block.shape[1]
            here = slice(at, at + size)
            prior, _ = self._prior(block.shape, self.tension)
            cells = weights[here].reshape(-1, *block.shape) * ((1 - NOTHING) * prior)
            yield block, here, cells, NOTHING * self.of_nothing[block.words[self.made]]
            at += size

    def _learn(self, follow: bool) -> None:
        """One pass of expectation and maximisation."""
        counts, nothing = np.zeros(len(self.makers)), np.full(len(self.of_nothing), ALPHA)
        expected: dict[Shape, np.ndarray] = {}
        for chunk in self.text.chunks:
            ids = self.text.ids(chunk)
            for block, here, cells, none in self._weights(chunk, ids):
                total = cells.sum(self.given) + none
                cells /= np.expand_dims(total, self.given)
                np.add.at(counts, ids[here], cells.ravel())
                np.add.at(nothing, block.words[self.made].ravel(), (none / total).ravel())
                expected[block.shape] = expected.get(block.shape, 0) + cells.sum(0)
        if follow:
            self._follow(expected)
        parts = [slice(start, start + CELLS) for start in range(0, len(counts), CELLS)]
        totals = np.zeros(self.text.vocabulary[self.given - 1])
        for part in parts:
            counts[part] += ALPHA
            totals += np.bincount(self.makers[part], counts[part], len(totals))
        totals = digamma(totals.clip(ALPHA))  # a word that never had a sentence on the other side makes nothing
        for part in parts:
            self.table[part] = np.exp(digamma(counts[part]) - totals[self.makers[part]]).clip(SMALLEST)
        self.of_nothing = np.exp(digamma(nothing) - digamma(nothing.sum()))

    def _follow(self, expected: dict[Shape, np.ndarray]) -> None:
        """Move lambda along the gradient of the expected log-likelihood, per word."""
        words = sum(cells.sum() for cells in expected.values())
        for _ in range(TENSION_STEPS):
            slope = 0.0
            for shape, cells in expected.items():
                prior, feature = self._prior(shape, self.tension)
                axis = self.given - 1
                slope += (cells * feature).sum() - (cells.sum(axis) * (prior * feature).sum(axis)).sum()
            self.tension = float(np.clip(self.tension + TENSION_RATE * slope / words, *TENSION_RANGE))

    def best(self, chunk: _Chunk, ids: np.ndarray) -> Iterator[_Best]:
        """The links of each block."""
        for block, _, cells, none in self._weights(chunk, ids):
            first = np.expand_dims(cells.argmax(self.given), self.given)
            likely = np.take_along_axis(cells, first, self.given) > np.expand_dims(none, self.given)
            links = np.zeros(cells.shape, dtype=bool)
            np.put_along_axis(links, first, likely, self.given)
            yield _Best(links, cells.reshape(len(block.rows), -1).argmax(1))


def digamma(x: np.ndarray) -> np.ndarray:
    """Derivative of log gamma for positive x, to about 1e-9: recurrence up to 6 and more, then Stirling's series."""
    below = np.zeros_like(x)
    for step in range(6):
        below += 1 / (x + step)
    y = x + 6
    z = 1 / (y * y)
    return np.log(y) - 0.5 / y - z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z / 240))) - below
