"""Sentences to look at: which ones are shown, and which of a hypothesis's words the reference does not have."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

_TOKEN = re.compile(r"\w+(?:['’]\w*)?|\s+|[^\w\s]")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese write no blanks between words: each letter is a token."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a hypothesis that the reference has too, or (`differs`) has not."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Example:
    """One sentence: its source, its reference, and what each system made of it."""

    pair: str
    number: int
    """Place in the test set, counted from 1."""
    source: str
    reference: str
    hypotheses: list[tuple[str, list[Piece] | None]]
    """(system, pieces); None where the system has not translated this sentence."""


def visible(text: str) -> str:
    """Control and direction-changing characters as symbols: what a page shows must not be able to rearrange it."""
    out = []
    for letter in text:
        if letter < " " or letter == "\x7f":
            out.append(chr(0x2400 + ord(letter)) if letter < " " else "␡")
        elif (
            unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(letter) in _OVERRIDES
        ):
            out.append(f"⟨U+{ord(letter):04X}⟩")
        else:
            out.append(letter)
    return "".join(out)


_OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def tokens(text: str) -> list[str]:
    """Words, blanks and signs, in order; joined they are `text` again."""
    found = []
    for token in _TOKEN.findall(text):
        found += list(token) if _UNSPACED.search(token) else [token]
    return found


def compare(reference: str, hypothesis: str) -> list[Piece]:
    """Cut a hypothesis into stretches that stand in the reference, in order, and stretches that do not."""
    expected, written = tokens(reference), tokens(hypothesis)
    matcher = difflib.SequenceMatcher(None, expected, written, autojunk=False)
    shared = [False] * len(written)
    for block in matcher.get_matching_blocks():
        shared[block.b : block.b + block.size] = [True] * block.size
    for place in range(len(written)):
        # a blank is coloured like the word before it, so that a run of differing words is one mark without a tail
        if written[place].isspace():
            inside = 0 < place < len(written) - 1 and not shared[place - 1] and not shared[place + 1]
            shared[place] = not inside
    pieces: list[Piece] = []
    for token, same in zip(written, shared, strict=True):
        if pieces and pieces[-1].differs is not same:
            pieces[-1] = Piece(pieces[-1].text + token, not same)
        else:
            pieces.append(Piece(token, not same))
    return pieces


def spread(total: int, wanted: int) -> list[int]:
    """`wanted` places spread evenly over `total`, always the same ones."""
    wanted = min(wanted, total)
    return [(2 * i + 1) * total // (2 * wanted) for i in range(wanted)]


def choose(decodes: Mapping[str, Sequence[tuple[str, Sequence[Row]]]], wanted: int = 20) -> list[Example]:
    """Examples from every pair in turn, spread over the test set.

    Args:
        decodes: pair -> [(system, rows of one setting)], rows as the decoder wrote them.
        wanted: how many examples in all.
    """
    per_pair = []
    share = -(-wanted // max(1, len(decodes)))
    for pair, systems in decodes.items():
        sentences: dict[Any, Row] = {row["id"]: row for _, rows in systems for row in reversed(rows)}
        order = list(dict.fromkeys(row["id"] for _, rows in systems for row in rows))
        by_system = [(system, {row["id"]: row["hypothesis"] for row in rows}) for system, rows in systems]
        shown = []
        for place in spread(len(order), share):
            row = sentences[order[place]]
            references = row["reference"] if isinstance(row["reference"], list) else [row["reference"]]
            reference, key = visible(references[0]), row["id"]
            hypotheses = [
                (system, compare(reference, visible(written[key])) if written.get(key) is not None else None)
                for system, written in by_system
            ]
            shown.append(Example(pair, place + 1, visible(row["source"]), reference, hypotheses))
        per_pair.append(shown)
    in_turn = [shown[i] for i in range(share) for shown in per_pair if i < len(shown)]
    return in_turn[:wanted]
