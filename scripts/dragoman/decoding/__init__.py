"""Decoding: from sources to hypotheses, batch by batch, stoppable at any moment.

A decoder is a module with

    Decoder(context, options)   holds the model, and has
      .batches(items)           lists of item indices that are decoded together
      .decode(items)            per item, its rows

A row is a mapping with at least `hypothesis`, and `setting` where one decoding sweeps an axis (every k, every n). A row
that had to end before its time has a `note`, which says why; the others are decoded all the same.
Batches are cut from the whole test set before the first is decoded, so a decoding that goes on after an interruption
forms the very batches an undisturbed one would, and writes the same bytes.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dragoman import command
from dragoman.languages.units import Units, of_pair
from dragoman.storage import canonical, digest, replacing

log = logging.getLogger(__name__)

Row = dict[str, Any]


class Item(NamedTuple):
    """One sentence to decode."""

    id: int
    source: str
    reference: str
    alignment: str = ""
    before: str = ""
    """The reference before this one in the test set; of the first, the last."""


def noted(note: str) -> Row:
    """What a note adds to a row."""
    return {"note": note} if note else {}


def cut_short(rows: Sequence[Row]) -> str:
    """How many of `rows` have a note, and the first of their notes; empty where none has one."""
    notes = [row["note"] for row in rows if row.get("note")]
    return f"{len(notes)} of {len(rows)} answers were cut short: {notes[0]}" if notes else ""


@dataclass(frozen=True)
class Context:
    """What a decoder works with: the model's folder (None where it needs none), the pair, the prompt."""

    model: Path | None
    pair: str
    prompt: Any
    asked: Sequence[str] = ()
    """Units of source and target: `word`, `character` or `auto`; nothing is `auto` for both."""

    @property
    def counted(self) -> Units:
        """The units that are read and written."""
        return of_pair(self.pair, self.asked)


class Journal:
    """Rows of finished batches, appended and flushed; the next attempt takes them up.

    The first line holds a key of all the result depends on: another key is refused. A torn last line is cut.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.done: dict[int, list[list[Row]]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._take_up()
        self.file = path.open("a", encoding="utf-8", newline="\n")
        if path.stat().st_size == 0:
            self._append({"key": key})

    def _take_up(self) -> None:
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            log.info(f"{self.path}: the last line was cut short; it is decoded again")
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        lines = whole.decode("utf-8").split("\n")[:-1]
        if lines and json.loads(lines[0]).get("key") != self.key:
            raise ValueError(
                f"{self.path} belongs to another model, test set or configuration; delete it and run again"
            )
        for line in lines[1:]:
            entry = json.loads(line)
            self.done[entry["batch"]] = entry["rows"]

    def _append(self, entry: dict[str, Any]) -> None:
        self.file.write(canonical(entry) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def add(self, batch: int, rows: list[list[Row]]) -> None:
        """Keep the rows of a finished batch."""
        self.done[batch] = rows
        self._append({"batch": batch, "rows": rows})

    def close(self) -> None:
        """Close the file; it stays, until the finished result makes it needless."""
        self.file.close()


def run(
    items: Sequence[Item],
    batches: Sequence[Sequence[int]],
    decode: Callable[[Sequence[Item]], list[list[Row]]],
    journal: Journal,
    label: str,
) -> list[Row]:
    """Decode every batch that the journal lacks; rows of all items, in the order of `items`.

    Args:
        items: the test set.
        batches: indices into `items`; each index in exactly one batch.
        decode: rows of each of the given items.
        journal: where finished batches are kept.
        label: what to call the run in progress lines.
    """
    began, last = time.monotonic(), time.monotonic()
    todo = [number for number in range(len(batches)) if number not in journal.done]
    if len(todo) < len(batches):
        log.info(f"{label}: {len(batches) - len(todo)} of {len(batches)} batches were there already")
    for count, number in enumerate(todo, 1):
        journal.add(number, _in_memory(decode, [items[i] for i in batches[number]], label))
        now = time.monotonic()
        if now - last > 5 or count == len(todo):
            last = now
            left = (now - began) / count * (len(todo) - count)
            log.info(f"{label} {command.bar(count, len(todo), left)}")
    rows: dict[int, list[Row]] = {}
    for number, batch in enumerate(batches):
        for index, found in zip(batch, journal.done[number], strict=True):
            item = items[index]
            fixed = {"id": item.id, "source": item.source, "reference": item.reference}
            rows[index] = [fixed | {"setting": ""} | row for row in found]
    found = [row for index in range(len(items)) for row in rows[index]]
    if note := cut_short(found):
        log.warning(f"{label}: {note}")
    return found


def _in_memory(
    decode: Callable[[Sequence[Item]], list[list[Row]]], items: Sequence[Item], label: str
) -> list[list[Row]]:
    """Rows of a batch; of its halves, one after the other, where the card has no room for it: rows do not depend on
    their neighbours."""
    try:
        return decode(items)
    except RuntimeError as error:
        # by its name, because not every decoder needs torch
        if type(error).__name__ != "OutOfMemoryError" or len(items) == 1:
            raise
    half = -(-len(items) // 2)
    log.info(f"{label}: out of memory with {len(items)} sentences at once; going on with {half}")
    return [*_in_memory(decode, items[:half], label), *_in_memory(decode, items[half:], label)]


def by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices sorted by length, longest first (what does not fit in memory fails at once), cut into batches."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    return [order[start : start + size] for start in range(0, len(order), size)]


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON Lines, whole or not at all."""
    with replacing(path) as file:
        for row in rows:
            file.write(canonical(row) + "\n")


def journal_key(spec: Any, items: Sequence[Item], model: str) -> str:
    """Key of all that hypotheses depend on: decoder and prompt, the sentences, the model's files."""
    return digest([spec, [list(item) for item in items], model])
