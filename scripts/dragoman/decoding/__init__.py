"""Decoding: from sources to hypotheses, batch by batch. It can be interrupted and continued at any time.

A decoder is a module with

    Decoder(context, options)   loads the model, and has
      .batches(items)           lists of indices of items that are decoded together
      .decode(items)            [items][settings] rows

A row is a mapping with at least `hypothesis`, and `setting` if one decoding has several settings (every k, every n). A
row whose answer was cut short has the reason as its `note`. The whole test set is divided into batches before the first
batch is decoded, so a decoding that continues after an interruption forms the same batches, and writes the same bytes,
as an uninterrupted one.
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
    """The previous reference of the test set; for the first item, the last reference."""


def noted(note: str) -> Row:
    """The keys of a row with a note; none if the note is empty."""
    return {"note": note} if note else {}


def cut_short(rows: Sequence[Row]) -> str:
    """A sentence with the number of rows with a note, and the first note; empty if there are none."""
    notes = [row["note"] for row in rows if row.get("note")]
    return f"{len(notes)} of {len(rows)} answers were cut short: {notes[0]}" if notes else ""


@dataclass(frozen=True)
class Context:
    """Model folder (None if the decoder uses no model), pair and prompt of a decoding."""

    model: Path | None
    pair: str
    prompt: Any
    asked: Sequence[str] = ()
    """Units of source and target: `word`, `character` or `auto`; empty: `auto` for both."""

    @property
    def counted(self) -> Units:
        """The units that are read and written."""
        return of_pair(self.pair, self.asked)


class Journal:
    """A file with the rows of finished batches, with which an interrupted decoding continues.

    The first line holds a digest of everything that the rows depend on; a file with another digest is refused. An
    incomplete last line is removed.
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
        """Append the rows of a finished batch, and write them to the disk."""
        self.done[batch] = rows
        self._append({"batch": batch, "rows": rows})

    def close(self) -> None:
        """Close the file, without removing it."""
        self.file.close()


def run(
    items: Sequence[Item],
    batches: Sequence[Sequence[int]],
    decode: Callable[[Sequence[Item]], list[list[Row]]],
    journal: Journal,
    label: str,
) -> list[Row]:
    """Decode every batch that the journal lacks. Returns the rows of all items, in the order of `items`.

    Args:
        items: the test set.
        batches: indices into `items`; each index is in exactly one batch.
        decode: items -> rows of each.
        journal: file of finished batches.
        label: name of the run in progress lines.
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
        for index, written in zip(batch, journal.done[number], strict=True):
            item = items[index]
            fixed = {"id": item.id, "source": item.source, "reference": item.reference}
            rows[index] = [fixed | {"setting": ""} | row for row in written]
    in_order = [row for index in range(len(items)) for row in rows[index]]
    if note := cut_short(in_order):
        log.warning(f"{label}: {note}")
    return in_order


def _in_memory(
    decode: Callable[[Sequence[Item]], list[list[Row]]], items: Sequence[Item], label: str
) -> list[list[Row]]:
    """Rows of a batch. If the GPU's memory is too small, its halves are decoded one after the other, since rows do not
    depend on the other rows of a batch."""
    try:
        return decode(items)
    except RuntimeError as error:
        # compared by name, since not every decoder imports torch
        if type(error).__name__ != "OutOfMemoryError" or len(items) == 1:
            raise
    half = -(-len(items) // 2)
    log.info(f"{label}: out of memory with {len(items)} sentences at once; going on with {half}")
    return [*_in_memory(decode, items[:half], label), *_in_memory(decode, items[half:], label)]


def by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices sorted by length and divided into batches, the longest first, so that a lack of memory shows at once."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    return [order[start : start + size] for start in range(0, len(order), size)]


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON Lines; an interruption leaves no incomplete file."""
    with replacing(path) as file:
        for row in rows:
            file.write(canonical(row) + "\n")


def journal_key(spec: Any, items: Sequence[Item], model: str) -> str:
    """Digest of everything that hypotheses depend on: decoder and prompt (`spec`), sentences, and the model's files."""
    return digest([spec, [list(item) for item in items], model])
