"""Texts of a parquet file, a batch at a time: one column per language, or one column of {language: text} structs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dragoman.corpora import CorpusError

BATCH = 10_000


def texts(
    file: Path | IO[bytes], name: str, keys: Sequence[str], nested: str | None = None, optional: Sequence[str] = ()
) -> Iterator[tuple[str, ...]]:
    """The texts under `keys` of every row, then those under `optional` columns; a null, or a column not there, is "".

    Args:
        file: a path, or an open file.
        name: what messages call it.
        keys: columns, or keys of the column `nested`.
        nested: a struct column that holds the texts.
        optional: columns of the file that may be missing.

    Raises:
        CorpusError: not parquet, a column is missing or holds no text; it lists the columns there.
    """
    try:
        source = pq.ParquetFile(file)
        schema = source.schema_arrow
        _check(schema, name, keys, nested)
        extra = [column for column in optional if column in schema.names]
        first = 0
        for batch in source.iter_batches(BATCH, columns=[*([nested] if nested else keys), *extra]):
            columns = [pc.struct_field(batch[nested], key) if nested else batch[key] for key in keys]
            columns += [batch[column] if column in extra else pa.nulls(len(batch), pa.string()) for column in optional]
            try:
                sides = [[text or "" for text in column.to_pylist()] for column in columns]
            except UnicodeDecodeError as error:
                raise CorpusError(
                    f"{name}: text that is not UTF-8 in rows {first} to {first + len(batch)}: {error}"
                ) from None
            yield from zip(*sides, strict=True)
            first += len(batch)
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())  # several lines, of some readers
        raise CorpusError(f"{name} is not a whole parquet file ({said}); copy or download it again") from None


def _check(schema: pa.Schema, name: str, keys: Sequence[str], nested: str | None) -> None:
    fields = {field.name: field.type for field in schema}
    where = "columns"
    if nested is not None:
        if nested not in fields or not pa.types.is_struct(fields[nested]):
            shown = ", ".join(f"{column} ({kind})" for column, kind in fields.items())
            raise CorpusError(
                f"{name} has no column {nested!r} with one text per language; it has: {shown}. Set `column`, to null "
                "where each language is a column of its own"
            )
        fields = {field.name: field.type for field in fields[nested]}
        where = f"keys of {nested!r}"
    for key in keys:
        if key not in fields:
            raise CorpusError(f"{name} has no {key!r}; its {where} are: {', '.join(fields)}. Say which under `columns`")
        kind = fields[key].value_type if pa.types.is_dictionary(fields[key]) else fields[key]
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise CorpusError(f"{name}: {key!r} holds {kind}, not text; say which column to take under `columns`")
