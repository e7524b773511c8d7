"""Tagging: share of words with the right tag, or the score of XGLUE's official script for its POS task.

An answer is a list of tags, separated by blanks, one for each tag of the reference. A missing tag is wrong, so that an
answer that ends early gains nothing. Further tags are ignored.

The official script (evaluation/xglue_evaluate.py at e417c4c) applies seqeval's chunk precision to plain tags, after
filling short answers with "O". With `of=chunk`, the same is computed here, with all its consequences: adjacent words
with the same tag count as one chunk, unless the tag begins with S; the first letter of a tag is not compared; and
missing tags are no errors, so an answer with three right tags out of six scores 100.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from dragoman.metrics import Counts, MetricError, NoValueError

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})


def label(**options: Any) -> str:
    """`Tag accuracy`, or `XGLUE chunk precision`."""
    return "XGLUE chunk precision" if options.get("of") == "chunk" else "Tag accuracy"


def counts(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    of: Literal["token", "chunk"] = "token",
) -> Counts:
    """Number of right tags and of words of each sentence, [sentences, 2]; or of right and of all chunks.

    Args:
        of: `token` is accuracy, `chunk` is the score of the official script.

    Raises:
        MetricError: there are several references, or a reference has no tags.
        NoValueError: of chunks: no answer has a tag.
    """
    if of not in ("token", "chunk"):
        raise MetricError(f"tags are scored of=token or of=chunk, not {of!r}")
    if len(references) != 1:
        raise MetricError(f"tags are compared with one reference, not {len(references)}")
    gold = [line.split() for line in references[0]]
    if empty := [number for number, tags in enumerate(gold, 1) if not tags]:
        raise MetricError(f"reference {empty[0]} has no tags")
    answers = [line.split()[: len(tags)] for line, tags in zip(hypotheses, gold, strict=True)]
    both = [*zip(answers, gold, strict=True)]
    if of == "token":
        right = [sum(a == b for a, b in zip(answer, tags, strict=False)) for answer, tags in both]
        return Counts(np.column_stack([right, [*map(len, gold)]]), "accuracy|missing:wrong")
    answered = chunks([[*answer, *["O"] * (len(tags) - len(answer))] for answer, tags in both])
    if not answered:
        raise NoValueError("no answer has a tag, so there is no precision")
    right = _by_sentence(chunks(gold) & answered, gold)
    return Counts(np.column_stack([right, _by_sentence(answered, gold)]), "XGLUE-POS|seqeval chunks")


def score(sums: np.ndarray) -> np.ndarray:
    """Percentage of right tags (or chunks), from sums of `counts`. Every word has the same weight."""
    return 100 * sums[..., 0] / sums[..., 1]


def _by_sentence(spans: Iterable[tuple[str, int, int]], sentences: Sequence[Sequence[str]]) -> list[int]:
    """Number of chunks that begin in each sentence."""
    ends = list(accumulate(len(sentence) + 1 for sentence in sentences))
    begun = [0] * len(ends)
    for _, start, _ in spans:
        begun[bisect_right(ends, start)] += 1
    return begun


def chunks(sentences: Iterable[Sequence[str]]) -> set[tuple[str, int, int]]:
    """The chunks that seqeval finds in plain tags: (tag without its first letter, first position, last position).

    seqeval reads the first letter as B, I, O, E or S of a chunking scheme, or as an unknown letter.
    """
    flat = [tag for sentence in sentences for tag in (*sentence, "O")]
    result, before, kind_before, start = set(), "O", "", 0
    for position, tag in enumerate([*flat, "O"]):
        letter, kind = tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"
        changes = kind != kind_before
        if before in "ES" or (before in "BI" and letter in "BSO") or (before not in "O." and changes):
            result.add((kind_before, start, position - 1))
        if letter in "BS" or (before in "ESO" and letter in "EI") or (letter not in "O." and changes):
            start = position
        before, kind_before = letter, kind
    return result
