"""Policies: how many source words have been read when target word t is written.

A policy is one small function from the number of source words, the number of target words T and, where it needs one,
a word alignment, to the schedule g(1), ..., g(T + 1); word T + 1 is the end of the sentence. Schedules never decrease
and never exceed the source. A new policy is its options, its function, and a line in `POLICIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from dragoman.config import Strict

Schedule = np.ndarray
"""int64 [T + 1]: source words read before target word t = 1, ..., T + 1 is written."""
Link = tuple[int, int]
"""A source word and a target word that translate each other, counted from 0 as in Pharaoh files ("0-0 1-2")."""


class WaitK(Strict):
    """Read k words, then write and read one word in turn (Ma et al. 2019, arXiv 1810.08398)."""

    name: Literal["wait-k"]
    k: PositiveInt
    """Source words read before the first target word."""


class WaitKStride(Strict):
    """Read k words, then write and read `stride` words in turn (Zeng et al. 2021, arXiv 2106.04833)."""

    name: Literal["wait-k-stride"]
    k: PositiveInt
    """Source words read before the first target word."""
    stride: PositiveInt
    """Words of each later turn; 1 is wait-k."""


class Alignment(Strict):
    """Read as little as the word alignment allows. For training and analysis: no decoder knows the alignment."""

    name: Literal["alignment"]


Policy = Annotated[WaitK | WaitKStride | Alignment, Field(discriminator="name")]


def wait_k(policy: WaitK, source: int, target: int, alignment: Sequence[Link]) -> Schedule:
    """g(t) = min(k + t - 1, source)."""
    return np.minimum(policy.k + np.arange(target + 1), source)


def wait_k_stride(policy: WaitKStride, source: int, target: int, alignment: Sequence[Link]) -> Schedule:
    """g(t) = min(k + n * floor((t - 1) / n), source) with n = stride."""
    return np.minimum(policy.k + np.arange(target + 1) // policy.stride * policy.stride, source)


def aligned(policy: Alignment, source: int, target: int, alignment: Sequence[Link]) -> Schedule:
    """g(t) = the last source word aligned to any of the target words 1..t, at least 1; all before the sentence ends.

    Raises:
        ValueError: a link names a word that is not there.
    """
    needed = np.full(target + 1, min(1, source))
    for s, t in alignment:
        if not (0 <= s < source and 0 <= t < target):
            raise ValueError(f"alignment {s}-{t} is outside a source of {source} and a target of {target} words")
        needed[t] = max(needed[t], s + 1)
    needed[target] = source
    return np.maximum.accumulate(needed)


POLICIES: dict[str, Callable[..., Schedule]] = {
    "wait-k": wait_k,
    "wait-k-stride": wait_k_stride,
    "alignment": aligned,
}


def schedule(policy: Policy, source: int, target: int, alignment: Sequence[Link] = ()) -> Schedule:
    """The schedule of one sentence pair.

    Args:
        policy: one of the policies above.
        source: number of source words.
        target: number of target words, T.
        alignment: links between the two; only `alignment` uses them.

    Returns:
        g(1), ..., g(T + 1).
    """
    return POLICIES[policy.name](policy, source, target, alignment)


def links(pharaoh: str) -> list[Link]:
    """The links of a line like "0-0 1-2"; an empty line has none.

    Raises:
        ValueError: the line is not in Pharaoh format.
    """
    found = []
    for item in pharaoh.split():
        source, dash, target = item.partition("-")
        if not (dash and source.isdecimal() and target.isdecimal()):
            raise ValueError(f"a word alignment is like '0-0 1-2', not {pharaoh!r}")
        found.append((int(source), int(target)))
    return found
