"""Attention masks of simultaneous translation: an integer per token, the number of source tokens that it may attend to.

A sequence is [before][source][between][target][end]: instructions, the source sentence, the response mark, the
translation, the end-of-sequence token. A token attends to all earlier tokens, with one exception: a token after the
source, whose prediction belongs to target word t, attends only to the source words read by then, g(t) (SimulMask, arXiv
2405.10443). So a vector `visible`, [length], describes the mask of a sequence, and masks and positions are simple
functions of it, the same for numpy arrays, torch tensors and the index tensors of FlexAttention:

    before the source      0
    source                 1, 2, ..., S
    after the source       source tokens of the first g(t) words
    last token             S, since it predicts nothing

A row may hold several examples, one after the other. A second integer per token, `documents`, is the number of its
example, and tokens attend only to tokens of their own example.

There are two modes. `exact` is the same as in decoding: a token is computed with the source that had been read when the
next token was written. `official` is the mask that the paper's authors published (github.com/OSU-STARLAB/Simul-LLM,
examples/simulmask): every token of target word t attends to g(t + 1) source words, so every token of a word except the
last attends to source words that had not been read yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dragoman.languages.spelling import Spelled

if TYPE_CHECKING:
    import torch

Mode = Literal["exact", "official"]

# ------------------------------------------------------------------------------------------- what follows from a vector


def edges(visible: torch.Tensor, documents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each token, the first token, the first source token, and the first token after the source, of its document.

    Args:
        visible: int64 [batch, length].
        documents: int64 [batch, length], the number of each token's example, from 1; 0 on padding. The tokens of an
            example are contiguous. An ordinary attention mask means one document per row.

    Returns:
        Three arrays [batch, length]. If a document has no source, the last two are beyond the end of the row.
    """
    import torch

    length = visible.shape[1]
    index = torch.arange(length, device=visible.device).expand_as(visible)
    count = int(documents.max()) + 1

    def of(values: torch.Tensor, how: str, otherwise: int) -> torch.Tensor:
        each = values.new_full((len(values), count), otherwise)
        return each.scatter_reduce(1, documents, values, how).gather(1, documents)

    start = of(index.masked_fill(visible == 0, length), "amin", length)
    return of(index, "amin", length), start, start + of(visible, "amax", 0)


def sees(i: Any, j: Any, visible: Any, start: Any, end: Any) -> Any:
    """Whether query i attends to key j, elementwise.

    Args:
        i, j: places in the row.
        visible: number of source tokens that query i attends to.
        start, end: the source of the query's document is [start, end).
    """
    return (j <= i) & ((j < start + visible) | (j >= end))


def position(j: Any, visible: Any, start: Any, end: Any) -> Any:
    """Position of key j for query i if hidden source tokens do not count: j - hidden_i * [j is after the source].

    Modified ALiBi adds m_h times this position to the scores of head h (arXiv 2405.10443). It differs from the distance
    to the query by a constant, which cancels in the softmax. In decoding the hidden tokens do not exist yet, so keys
    have these positions without any correction. Arguments are as in `sees`.
    """
    return j - (end - start - visible) * (j >= end)


def mask_mod(
    visible: torch.Tensor, documents: torch.Tensor, window: int | None = None, hidden_counts: bool = False
) -> Any:
    """FlexAttention's mask function: (batch, head, query, key) -> whether the query attends to the key.

    Args:
        visible, documents: as in `edges`.
        window: largest number of keys that a query attends to, including its own; None: no limit.
        hidden_counts: whether hidden tokens count for the window.
    """
    _, start, end = edges(visible, documents)

    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return sees(i, j, visible[b, i], start[b, i], end[b, i]) & (documents[b, i] == documents[b, j])

    def near(b: Any, h: Any, i: Any, j: Any) -> Any:
        source = visible[b, i], start[b, i], end[b, i]
        distance = i - j if hidden_counts else position(i, *source) - position(j, *source)
        return seen(b, h, i, j) & (distance < window)

    return seen if window is None else near


# ----------------------------------------------------------------------------------------------- how a vector is filled


class Words(NamedTuple):
    """The word of each token of one side, for many examples; the arrays of all examples are concatenated. A word is a
    unit of `units.py`."""

    word: np.ndarray
    """[tokens of all examples] Number of the token's word, from 1 to W; W + 1 after the last word of a target."""
    tokens: np.ndarray
    """[examples] Number of tokens of the side."""
    count: np.ndarray
    """[examples] Number of words, W."""


def _firsts(lengths: np.ndarray) -> np.ndarray:
    """Start of each part in a concatenation of parts with these lengths: `[2, 3, 1]` gives `[0, 2, 5]`."""
    return np.cumsum(lengths) - lengths


def _counting(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ..., length - 1 for each length, concatenated: `[2, 3]` gives `[0, 1, 0, 1, 2]`."""
    return np.arange(lengths.sum()) - np.repeat(_firsts(lengths), lengths)


def fill(
    before: np.ndarray, source: Words, between: np.ndarray, target: Words, schedules: Sequence[np.ndarray], mode: Mode
) -> list[np.ndarray]:
    """The vector `visible` of every example. An end-of-sequence token follows every target.

    All examples are computed together, as flat arrays: `_firsts` gives the start of an example in such an array.

    Args:
        before: [examples] Number of tokens before the source.
        source: tokens of the source.
        between: [examples] Number of tokens between the source and the target.
        target: tokens of the target.
        schedules: g(1), ..., g(T + 1) of each example, in source words.
        mode: `exact` or `official`, see above.

    Returns:
        One int64 array [length] per example.

    Raises:
        ValueError: a schedule has another length than the target, or reads more than the source.
    """
    for number, (schedule, count) in enumerate(zip(schedules, target.count.tolist(), strict=True)):
        if len(schedule) != count + 1:
            raise ValueError(f"the schedule of example {number} has {len(schedule)} steps for {count} target words")
    turns = target.count + 1  # [examples] T + 1, the length of a schedule
    read = np.concatenate(schedules) if schedules else np.zeros(0, dtype=np.int64)
    if (read > np.repeat(source.count, turns)).any():
        raise ValueError("a schedule reads more words than the source has")
    size = source.tokens

    # `ends`: W + 1 entries per example, the number of source tokens in words 1..w for w = 0..W. The cumulative sum runs
    # over all examples, so `shown` subtracts the tokens of earlier examples. `shown` is each g(t) in tokens.
    steps = source.count + 1
    bins = np.repeat(_firsts(steps), size) + source.word
    ends = np.cumsum(np.bincount(bins, minlength=steps.sum()))
    shown = ends[np.repeat(_firsts(steps), turns) + read] - np.repeat(_firsts(size), turns)

    # `part`: the target word of each token after the source. The mark counts as word 1, since its last token predicts
    # word 1; the end-of-sequence token counts as word T + 1.
    after = between + target.tokens + 1  # [examples] tokens after the source
    which = np.repeat(np.arange(len(before)), after)  # [tokens after the source] number of the example
    part = np.ones(after.sum(), dtype=np.int64)
    step = _counting(after)  # [tokens after the source] place after the source
    in_target = (step >= between[which]) & (step < after[which] - 1)
    part[in_target] = target.word
    final = np.cumsum(after) - 1  # [examples] the end-of-sequence tokens
    part[final] = turns
    # `due`: the word t whose g(t) a token gets.
    if mode == "exact":
        # the word of the next token, which this token predicts; for end-of-sequence tokens, see `final` below
        due = np.concatenate([part[1:], [1]])
    else:
        due = np.minimum(part + in_target, turns[which])  # the next word, for every token of a word
    response = shown[_firsts(turns)[which] + due - 1]
    response[final] = size  # the end-of-sequence token predicts nothing

    length = before + size + after
    visible = np.zeros(length.sum(), dtype=np.int64)  # 0 before the source
    start = _firsts(length) + before  # [examples] first source token
    visible[np.repeat(start, size) + _counting(size)] = _counting(size) + 1
    visible[np.repeat(start + size, after) + step] = response
    return np.split(visible, np.cumsum(length)[:-1])


def vectors(examples: Sequence[Spelled], schedules: Sequence[np.ndarray], mode: Mode = "exact") -> list[list[int]]:
    """The vector `visible` of every sentence pair, one integer for each of its `ids`.

    Args:
        examples: sentence pairs in tokens.
        schedules: g(1), ..., g(T + 1) of each pair, in source units.
        mode: `exact` or `official`, see above.

    Raises:
        ValueError: a schedule does not fit its sentence pair.
    """
    flat = chain.from_iterable
    sizes = [[len(unit) for unit in each.source.source] for each in examples]
    counts = np.array([len(each) for each in sizes], dtype=np.int64)
    numbers = _counting(counts) + 1
    spread = np.fromiter(flat(sizes), dtype=np.int64, count=counts.sum())
    source = Words(np.repeat(numbers, spread), np.array([sum(each) for each in sizes], dtype=np.int64), counts)
    tokens = np.array([len(each.number) for each in examples], dtype=np.int64)
    word = np.fromiter(flat(each.number for each in examples), dtype=np.int64, count=tokens.sum())
    target = Words(word, tokens, np.array([each.count for each in examples], dtype=np.int64))
    before = np.array([len(each.source.instruction) for each in examples], dtype=np.int64)
    between = np.array([len(each.source.mark) for each in examples], dtype=np.int64)
    return [row.tolist() for row in fill(before, source, between, target, schedules, mode)] if examples else []
