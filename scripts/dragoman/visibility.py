"""What a query may see: one integer per token says how many source tokens are visible to it.

A sequence is [before][source][between][target][end]: instructions, the source sentence, the response mark, the
translation, the end-of-sequence token. Every token sees what precedes it, except that a token after the source, which
is fed in to predict a token of target word t, sees the source words read by then, g(t), and no more (SimulMask, arXiv
2405.10443). So the mask of a sequence is a vector `visible` [length], and everything else is a line of arithmetic on
it, the same for numpy arrays, torch tensors and the index tensors of FlexAttention:

    before the source      0
    source                 1, 2, ..., S
    after the source       source tokens of the first g(t) words
    last token             S: it predicts nothing

Several examples may stand in one row, one after the other: then another integer per token says which, `documents`, and
none sees another's tokens.

Two ways to fill it. `exact` mirrors inference: a token is computed with the source that had been read when the token
after it was written. `official` is the mask that the paper's authors published (github.com/OSU-STARLAB/Simul-LLM,
examples/simulmask): every token of target word t sees g(t + 1) source words, so all but the last token of a word see
source that had not been read when they were fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dragoman.spelling import Spelled

if TYPE_CHECKING:
    import torch

Mode = Literal["exact", "official"]

# ------------------------------------------------------------------------------------------- what follows from a vector


def edges(visible: torch.Tensor, documents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First token, first source token, and first token after the source, of the document that each token belongs to.

    Args:
        visible: int64 [batch, length].
        documents: int64 [batch, length], which example of the batch each token is part of, from 1; 0 on padding. The
            tokens of an example stand together. A mask of real tokens is one document a row.

    Returns:
        Three arrays [batch, length]. The last two are beyond the row where a document has no source.
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
    """Whether query i sees key j, elementwise; `visible` is that of query i, [start, end) the source."""
    return (j <= i) & ((j < start + visible) | (j >= end))


def position(j: Any, visible: Any, start: Any, end: Any) -> Any:
    """Where query i finds key j when hidden source tokens take no room: j - hidden_i * [j is past the source].

    Modified ALiBi adds m_h times this to the scores of head h (arXiv 2405.10443; it differs from the distance to the
    query by a constant, which the softmax cancels). At inference nothing is hidden and keys stand side by side.
    """
    return j - (end - start - visible) * (j >= end)


def mask_mod(
    visible: torch.Tensor, documents: torch.Tensor, window: int | None = None, hidden_counts: bool = False
) -> Any:
    """FlexAttention's mask function: (batch, head, query, key) -> is it seen.

    Args:
        visible, documents: as for `edges`.
        window: keys that a query sees at most, its own among them.
        hidden_counts: whether hidden tokens take room in the window.
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
    """Which word each token of one side belongs to, in many examples; arrays are flat, example after example. A word is
    a unit of `units.py`."""

    word: np.ndarray
    """[tokens of all examples]: 1, ..., W in order; W + 1 after the last word of a target."""
    tokens: np.ndarray
    """[examples]: tokens of the side."""
    count: np.ndarray
    """[examples]: words, W."""


def _firsts(lengths: np.ndarray) -> np.ndarray:
    """Where each of several runs of such lengths begins when they are laid one after the other."""
    return np.cumsum(lengths) - lengths


def _counting(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ..., length - 1 for every length, flat."""
    return np.arange(lengths.sum()) - np.repeat(_firsts(lengths), lengths)


def fill(
    before: np.ndarray, source: Words, between: np.ndarray, target: Words, schedules: Sequence[np.ndarray], mode: Mode
) -> list[np.ndarray]:
    """The vector `visible` of every example, whose target is followed by an end-of-sequence token.

    Args:
        before: [examples], tokens before the source.
        source: tokens of the source.
        between: [examples], tokens between the source and the target.
        target: tokens of the target.
        schedules: g(1), ..., g(T + 1) of each example.
        mode: `exact` or `official`, see above.

    Returns:
        One int64 array [length] per example.

    Raises:
        ValueError: a schedule has another length than the target, or reads more than the source.
    """
    for number, (schedule, count) in enumerate(zip(schedules, target.count.tolist(), strict=True)):
        if len(schedule) != count + 1:
            raise ValueError(f"the schedule of example {number} has {len(schedule)} steps for {count} target words")
    # All examples are computed at once: arrays are flat, example after example, and an index into one of them is the
    # start of an example plus a number within it. A name in the plural has one number for each example.
    steps = target.count + 1  # of each schedule
    read = np.concatenate(schedules) if schedules else np.zeros(0, dtype=np.int64)
    if (read > np.repeat(source.count, steps)).any():
        raise ValueError("a schedule reads more words than the source has")
    size = source.tokens

    # ends[w] is how many source tokens the words 0..w have; it counts on from one example to the next, so what comes
    # before an example is subtracted. shown[t] is how many source tokens can be seen when target word t is written.
    slots = source.count + 1  # word 0 has no tokens: its slot is what ends before word 1
    bins = np.repeat(_firsts(slots), size) + source.word
    ends = np.cumsum(np.bincount(bins, minlength=slots.sum()))
    shown = ends[np.repeat(_firsts(slots), steps) + read] - np.repeat(_firsts(size), steps)

    # the target word that each token after the source is part of: the mark counts to word 1, the end is word T + 1
    after = between + target.tokens + 1
    which = np.repeat(np.arange(len(before)), after)
    part = np.ones(after.sum(), dtype=np.int64)
    step = _counting(after)
    in_target = (step >= between[which]) & (step < after[which] - 1)
    part[in_target] = target.word
    final = np.cumsum(after) - 1
    part[final] = steps
    if mode == "exact":
        # a token is fed to predict the one that follows, so it sees what has been read when that one is written
        due = np.concatenate([part[1:], [1]])  # the last entry is overwritten below
    else:
        # every token of a word sees what has been read when the next word is written
        due = np.minimum(part + in_target, steps[which])
    response = shown[_firsts(steps)[which] + due - 1]
    response[final] = size  # the end token predicts nothing

    length = before + size + after
    visible = np.zeros(length.sum(), dtype=np.int64)
    start = _firsts(length) + before
    visible[np.repeat(start, size) + _counting(size)] = _counting(size) + 1
    visible[np.repeat(start + size, after) + step] = response
    return np.split(visible, np.cumsum(length)[:-1])


def vectors(examples: Sequence[Spelled], schedules: Sequence[np.ndarray], mode: Mode = "exact") -> list[list[int]]:
    """The vector of every sentence pair, token for token that of its `ids`.

    Args:
        examples: sentence pairs in tokens.
        schedules: g(1), ..., g(T + 1) of each, in its units.
        mode: `exact` or `official`.

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
