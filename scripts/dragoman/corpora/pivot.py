"""Pivot corpora: two pairs of another corpus are joined on the lines of a shared language. en-ko and en-zh give ko-zh.

Two lines are identical if their words are; blanks between words may differ. If a line occurs several times, its first
occurrences are joined with each other, then its second ones, and so on, so that every line is used once. Lines have the
order of the pair with the alphabetically first language, so both directions have the same lines in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman import corpora
from dragoman.config import PivotCorpus
from dragoman.corpora import Row
from dragoman.languages import split_pair
from dragoman.storage import read_manifest


def fetch(corpus: PivotCorpus, pair: str, folder: Path) -> None:
    """Does nothing: the other corpus is prepared before this one."""


def read(corpus: PivotCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The rows of one split. `folder` holds the prepared pairs of the other corpus."""
    texts = [corpora.load(folder / each, split).to_pylist() for each in corpus.bases(pair)]
    if len(texts) == 1:
        yield from (Row(row["source"], row["target"], row["alignment"]) for row in texts[0])
        return
    first, second = (_numbered(rows) for rows in texts)
    turned = split_pair(pair) != tuple(sorted(split_pair(pair)))
    for line, translation in first.items():
        if line in second:
            sides = (translation, second[line])
            yield Row(*(reversed(sides) if turned else sides))


def describe(corpus: PivotCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The shared language, and the hashes of the prepared text from which the pair is made."""
    files = {}
    for each in corpus.bases(pair):
        made = read_manifest(folder / each)["files"]
        files |= {f"{each}/{name}": file["sha256"] for name, file in made.items() if name.endswith(".parquet")}
    return {"through": corpus.through, "files": files}


def _numbered(rows: list[dict[str, str]]) -> dict[tuple[str, int], str]:
    """(line in the shared language, number of its earlier occurrences) -> its translation, in order."""
    seen = Counter[str]()
    translations = {}
    for row in rows:
        line = " ".join(row["source"].split())
        translations[line, seen[line]] = row["target"]
        seen[line] += 1
    return translations
