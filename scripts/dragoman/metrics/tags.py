"""Tagging: the share of words with the right tag; and the number that XGLUE's official script prints for its POS task.

An answer is tags with blanks between them, one for each of the reference. A tag that is missing is wrong, so that an
answer that ends early gains nothing; tags beyond the reference's last are left out.

The official script (evaluation/xglue_evaluate.py at e417c4c) calls the chunk precision of seqeval on plain tags, after
filling up short answers with "O". Asked for with `of=chunk`, it is computed here as that library does, with all that
follows: neighbours with one tag count as one, unless the tag begins with S; the first letter of a tag is not compared;
and what was left out is no error, so that an answer of three right tags out of six scores 100.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from dragoman.metrics import Counts, MetricError

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
    """Right tags and words of each sentence, [sentences, 2]; or right chunks and chunks found.

    Args:
        of: `token` is accuracy, `chunk` what the official script prints.

    Raises:
        MetricError: there are several references, or one without tags, or no answer has any tag to be precise about.
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
    found = chunks([[*answer, *["O"] * (len(tags) - len(answer))] for answer, tags in both])
    if not found:
        raise MetricError("no answer has a tag, so there is no precision")
    right = _by_sentence(chunks(gold) & found, gold)
    return Counts(np.column_stack([right, _by_sentence(found, gold)]), "XGLUE-POS|seqeval chunks")


def score(sums: np.ndarray) -> np.ndarray:
    """Per cent of what `counts` gives; all words count alike, not all sentences."""
    return 100 * sums[..., 0] / sums[..., 1]


def _by_sentence(found: Iterable[tuple[str, int, int]], sentences: Sequence[Sequence[str]]) -> list[int]:
    """How many of the chunks begin in each sentence."""
    ends = list(accumulate(len(sentence) + 1 for sentence in sentences))
    begun = [0] * len(ends)
    for _, start, _ in found:
        begun[bisect_right(ends, start)] += 1
    return begun


def chunks(sentences: Iterable[Sequence[str]]) -> set[tuple[str, int, int]]:
    """What seqeval takes for chunks in plain tags: (tag without its first letter, first and last position).

    That letter is read as B, I, O, E or S of a chunking scheme, or as something unknown.
    """
    flat = [tag for sentence in sentences for tag in (*sentence, "O")]
    found, before, kind_before, start = set(), "O", "", 0
    for position, tag in enumerate([*flat, "O"]):
        letter, kind = tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"
        changes = kind != kind_before
        if before in "ES" or (before in "BI" and letter in "BSO") or (before not in "O." and changes):
            found.add((kind_before, start, position - 1))
        if letter in "BS" or (before in "ESO" and letter in "EI") or (letter not in "O." and changes):
            start = position
        before, kind_before = letter, kind
    return found
