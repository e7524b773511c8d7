"""Reads texts of a parquet file or another Arrow table, in batches.

Each language has a column, or one column holds {language: text}. Such a column is a struct, or JSON if rows have
different languages, since the library `datasets` writes them in this way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dragoman.corpora import CorpusError

BATCH = 10_000
"""Number of rows of a batch."""
NESTED = "translation"
"""Name of the column or key that holds {language: text} in many data sets of the hub."""


def texts(
    file: Path | IO[bytes], name: str, keys: Sequence[str], nested: str | None = None, optional: Sequence[str] = ()
) -> Iterator[tuple[str, ...]]:
    """The texts of every row: first the texts under `keys`, then the texts of `optional` columns. A null or a missing
    optional column gives "".

    Args:
        file: a path, or an open file.
        name: name of the file in messages.
        keys: columns, or keys of the column `nested`; `a.b` is the key `b` of a struct column `a`.
        nested: the column that holds the texts; None: the column `NESTED`, if it has all keys and no key is a column.
        optional: columns of the file that may be missing.

    Raises:
        CorpusError: the file is not parquet, or a column is missing or holds no text; the message lists the columns. A
            key that no row of a JSON column has is reported at the end of the file.
    """
    try:
        source = pq.ParquetFile(file)

        def batches(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return source.iter_batches(BATCH, columns=columns)

        yield from of_batches(source.schema_arrow, batches, name, keys, nested, optional)
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())  # some readers' messages have several lines
        raise CorpusError(f"{name} is not a whole parquet file ({said}); copy or download it again") from None


def of_batches(
    schema: pa.Schema,
    batches: Callable[[Sequence[str]], Iterable[pa.RecordBatch]],
    name: str,
    keys: Sequence[str],
    nested: str | None = None,
    optional: Sequence[str] = (),
) -> Iterator[tuple[str, ...]]:
    """As `texts`, for any Arrow table.

    Args:
        schema: schema of the table.
        batches: names of columns -> record batches with these columns.
        name, keys, nested, optional: as in `texts`.
    """
    paths = _paths(schema, name, keys, nested)
    whole = schema.field(paths[0][0]).type
    read = _Json(name, paths[0][0], keys) if isinstance(whole, pa.JsonType) else None
    extra = [column for column in optional if column in schema.names]
    first = 0
    for batch in batches([*dict.fromkeys(path[0] for path in paths), *extra]):
        columns = [] if read else [_column(batch, path) for path in paths]
        columns += [batch[column] if column in extra else pa.nulls(len(batch), pa.string()) for column in optional]
        try:
            sides = read.sides(batch[read.column].to_pylist(), first) if read else []
            sides += [[text or "" for text in column.to_pylist()] for column in columns]
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{name}: text that is not UTF-8 in rows {first} to {first + len(batch)}: {error}"
            ) from None
        yield from zip(*sides, strict=True)
        first += len(batch)
    if read:
        read.close()


class _Json:
    """Reads a column whose rows are JSON objects."""

    def __init__(self, name: str, column: str, keys: Sequence[str]) -> None:
        self.name, self.column, self.keys = name, column, keys
        self.seen = set[str]()

    def sides(self, rows: Sequence[str | None], first: int) -> list[list[str]]:
        """[keys][rows] The texts under each key; "" if a row lacks the key.

        Raises:
            CorpusError: a row is not a JSON object, or a value is not text.
        """
        sides: list[list[str]] = [[] for _ in self.keys]
        for number, row in enumerate(rows, first):
            try:
                texts = json.loads(row or "null") or {}
            except ValueError:
                texts = None
            if not isinstance(texts, dict):
                raise CorpusError(f"{self.name}: row {number} of {self.column!r} is no JSON object")
            self.seen |= texts.keys()
            for key, side in zip(self.keys, sides, strict=True):
                text = texts.get(key)
                if not isinstance(text, str | None):
                    raise CorpusError(f"{self.name}: {key!r} in row {number} of {self.column!r} is {text!r}, not text")
                side.append(text or "")
        return sides

    def close(self) -> None:
        """Refuse a column with rows, of which no row has one of the keys.

        Raises:
            CorpusError: a key is in no row.
        """
        for key in self.keys:
            if self.seen and key not in self.seen:
                there = ", ".join(sorted(self.seen))
                raise CorpusError(
                    f"{self.name} has no {key!r}; its keys of {self.column!r} are: {there}. Say which under `columns`"
                )


def _column(batch: pa.RecordBatch, path: Sequence[str]) -> pa.Array:
    return pc.struct_field(batch[path[0]], path[1:]) if path[1:] else batch[path[0]]


def _paths(schema: pa.Schema, name: str, keys: Sequence[str], nested: str | None) -> list[list[str]]:
    """The path of each key: its column, then keys of nested structs.

    Raises:
        CorpusError: a key does not exist, or holds no text.
    """
    fields = {field.name: field.type for field in schema}
    where = "columns"
    asked = NESTED if nested is None and not fields.keys() & set(keys) else nested
    if asked is not None and isinstance(fields.get(asked), pa.JsonType):
        return [[asked, key] for key in keys]
    if nested is not None and (nested not in fields or not pa.types.is_struct(fields[nested])):
        shown = ", ".join(f"{column} ({kind})" for column, kind in fields.items())
        raise CorpusError(
            f"{name} has no column {nested!r} with one text per language; it has: {shown}. Set `column`, to null "
            "where each language is a column of its own"
        )
    if nested is None and not fields.keys() & set(keys) and set(keys) <= _within(fields.get(NESTED)).keys():
        nested = NESTED
    if nested is not None:
        fields, where = _within(fields[nested]), f"keys of {nested!r}"
    paths = []
    for key in keys:
        path, kind = [key], fields.get(key)
        if kind is None and "." in key:
            path = key.split(".")
            kind = fields.get(path[0])
            for part in path[1:]:
                kind = _within(kind).get(part)
        if kind is None:
            raise CorpusError(f"{name} has no {key!r}; its {where} are: {', '.join(fields)}. Say which under `columns`")
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise CorpusError(f"{name}: {key!r} holds {kind}, not text; say which column to take under `columns`")
        paths.append([nested, *path] if nested is not None else path)
    return paths


def _within(kind: pa.DataType | None) -> dict[str, pa.DataType]:
    """Name -> type of the fields of a struct; empty for other types."""
    return {field.name: field.type for field in kind} if kind is not None and pa.types.is_struct(kind) else {}
