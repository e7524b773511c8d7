"""Bilingual dictionaries: files of words and their translations, and how they cut a text into their entries.

A file has a row per entry: the source word, a tab, its translation, and perhaps a tab and a score. There may be blanks
instead of tabs, as in the dictionaries of MUSE and the lexical tables of Moses. Of several translations of a word the
one with the highest score counts; without scores, the first. Empty rows, rows that begin with `#` and a first row that
names the columns are passed over.

A .tei file is a dictionary of FreeDict. Every spelling of an entry is a word, and its translations are those of its
senses, without scores.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dragoman.languages import NAMES, split_pair
from dragoman.languages.words import UNIT, folded
from dragoman.text import TextError, lines, open_bytes

log = logging.getLogger(__name__)

TARGET_FIRST = (".f2e", ".e2f", ".f2n", ".n2f")
"""How Moses names lexical tables, p(target | source). Their first word is the target word: train-model.perl,
`get_lexical`, at moses-smt/mosesdecoder."""
NOTHING = {"NULL", "<eps>"}
"""What Moses and fast_align write in a lexical table for no word."""
HEADS = ({"source", "src", "word"}, {"target", "tgt", "trg", "translation"})


class Entry(NamedTuple):
    """A word of a text: as a dictionary has it, and its place in the text."""

    key: str
    start: int
    end: int


class Dictionary(dict[str, str]):
    """Translations by source word or phrase, folded, in the order given; of a word given twice the first counts."""

    def __init__(self, entries: Iterable[tuple[str, str]], language: str = "") -> None:
        super().__init__()
        self.language = language
        for word, translation in entries:
            self.setdefault(folded(word, language), translation)
        self.places = {word: place for place, word in enumerate(self, 1)}
        """Place of each word, from 1."""
        self.longest = max((len(UNIT.findall(word)) for word in self), default=1)
        """Units of the longest entry."""

    def cut(self, text: str) -> Iterator[Entry]:
        """The words of a text from left to right: the longest entry that begins there, else one unit."""
        places = [unit.span() for unit in UNIT.finditer(text)]
        at = 0
        while at < len(places):
            for size in range(min(self.longest, len(places) - at), 0, -1):
                start, end = places[at][0], places[at + size - 1][1]
                key = folded(text[start:end], self.language)
                if key in self or size == 1:
                    yield Entry(key, start, end)
                    at += size
                    break


def read_dictionary(path: Path, pair: str, most: int | None = None) -> Dictionary:
    """The dictionary in a file, also .gz; `most`: only look at that many rows.

    A row with an empty cell, or with something else than a number for its score, is left out and counted in the log.

    Raises:
        ValueError: a row that is no entry, or no entries at all; the message names file and line.
    """
    language = split_pair(pair)[0]
    best: dict[str, tuple[float, str]] = {}
    left_out: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number, word, translation, score in islice(_rows(path, pair), most):
        value = _number(score or "0")
        reason = "an empty cell" if not word or not translation else "no number for a score" if value is None else ""
        if reason:
            left_out[reason] += 1
            first.setdefault(reason, number)
        elif score is None or not {word, translation} & NOTHING:
            key, value = folded(word, language), value or 0.0
            if key not in best or value > best[key][0]:
                best[key] = value, translation
    shown = "; ".join(f"{count} with {reason} (line {first[reason]})" for reason, count in left_out.items())
    if not best:
        why = f" ({shown})" if shown else ""
        raise TextError(f"{path} has no entries{why}; give rows of a word, a tab and its translation")
    if shown and most is None:
        log.warning(f"{path}: rows left out: {shown}")
    return Dictionary(((word, translation) for word, (_, translation) in best.items()), language)


def _rows(path: Path, pair: str) -> Iterator[tuple[int, str, str, str | None]]:
    """Line number, source word, translation and score of every row but a header."""
    if path.name.removesuffix(".gz").endswith(".tei"):
        yield from _tei(path)
        return
    turned = path.name.removesuffix(".gz").endswith(TARGET_FIRST)
    width, tabs = 0, False
    for number, line in enumerate(lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        tabs = tabs or (not width and "\t" in line)
        cells = [cell.strip() for cell in line.split("\t" if tabs else None)]
        if not width:
            width = len(cells)
            if width in (2, 3) and _is_header(cells, pair):
                continue
        if len(cells) != width or width not in (2, 3):
            raise TextError(f"{path}:{number}: {_expected(line, width)}")
        word, translation = cells[1::-1] if turned else cells[:2]
        yield number, word, translation, cells[2] if width == 3 else None


def _tei(path: Path) -> Iterator[tuple[int, str, str, None]]:
    """The same of a dictionary in TEI, an entry at a time."""
    from lxml import etree

    try:
        with open_bytes(path) as file:
            for _, entry in etree.iterparse(file, tag="{*}entry", resolve_entities=False, no_network=True):
                words = [" ".join("".join(word.itertext()).split()) for word in entry.iterfind("{*}form/{*}orth")]
                for quote in entry.iterfind(".//{*}sense/{*}cit[@type='trans']/{*}quote"):
                    translation = " ".join("".join(quote.itertext()).split())
                    yield from ((entry.sourceline, word, translation, None) for word in words)
                entry.clear()
    except (etree.XMLSyntaxError, EOFError, OSError, zlib.error) as error:
        raise TextError(f"{path} is no whole TEI dictionary ({error}); copy or download it again") from None


def _is_header(cells: list[str], pair: str) -> bool:
    codes = zip(cells, HEADS, split_pair(pair), strict=False)
    return all(cell.lower() in heads | {code, NAMES.get(code, code).lower()} for cell, heads, code in codes)


def _expected(line: str, width: int) -> str:
    wanted = "a word, a tab, its translation, a tab and a score" if width == 3 else "a word, a tab and its translation"
    blanks = "\t" not in line
    hint = "; commas do not separate them" if "," in line else "; blanks separate single words only"
    return f"expected {wanted}, found {line[:80]!r}{hint if blanks else ''}"


def _number(cell: str) -> float | None:
    """A score, or None where the cell is no number."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if math.isnan(value) else value
