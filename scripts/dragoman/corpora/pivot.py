"""Two pairs of another corpus joined on the lines of a language they share: of en-ko and en-zh the pair ko-zh.

Lines count as identical where their words are: blanks between words may differ. A line that occurs several times is
joined occurrence by occurrence, the first with the first, so that no line is used twice. The order is that of the pair
of the alphabetically first language, so both directions hold the same lines in one order.
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
    """Nothing to fetch: the other corpus is prepared before this one."""


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
    """The hashes of the prepared text that the pair is made of."""
    files = {}
    for each in corpus.bases(pair):
        made = read_manifest(folder / each)["files"]
        files |= {f"{each}/{name}": file["sha256"] for name, file in made.items() if name.endswith(".parquet")}
    return {"through": corpus.through, "files": files}


def _numbered(rows: list[dict[str, str]]) -> dict[tuple[str, int], str]:
    """(shared line, how often it occurred before) -> its translation, in order."""
    seen = Counter[str]()
    found = {}
    for row in rows:
        line = " ".join(row["source"].split())
        found[line, seen[line]] = row["target"]
        seen[line] += 1
    return found
