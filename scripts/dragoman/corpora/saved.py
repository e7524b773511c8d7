"""Folders that the library `datasets` has saved; each holds one split of a data set, read through that library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from dragoman.config.corpora import SAVED
from dragoman.corpora import CorpusError, parquet

SPLITS = "dataset_dict.json"
"""The file that a `DatasetDict` writes next to the folders of its splits."""


def texts(folder: Path, keys: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """The texts of every row, as in `parquet.texts`.

    Raises:
        CorpusError: the folder cannot be read, or a column is missing or holds no text.
    """
    from datasets import load_from_disk  # here, since the import takes a second

    data_files(folder)
    try:
        table = load_from_disk(str(folder)).with_format("arrow")
        schema = table.features.arrow_schema

        def batches(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
            for part in table.select_columns(list(columns)).iter(parquet.BATCH):
                yield from part.combine_chunks().to_batches()

        yield from parquet.of_batches(schema, batches, str(folder), keys, optional=optional)
    except (pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise CorpusError(f"{folder} cannot be read by the library datasets ({said}); save it again") from None


def data_files(folder: Path) -> list[str]:
    """Names of the files that hold the rows.

    Raises:
        CorpusError: a file is missing, or the folder does not list its files.
    """
    try:
        listed = [file["filename"] for file in json.loads((folder / SAVED).read_text("utf-8"))["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise CorpusError(f"{folder}: {instead_of(folder)}") from None
    for name in listed:
        if not (folder / name).is_file():
            raise CorpusError(f"{folder}: {name} is missing, which {SAVED} lists; copy or save the folder again")
    return listed


def instead_of(folder: Path) -> str:
    """Why a folder cannot be read and what to do instead, for a message."""
    if (folder / SPLITS).is_file():
        splits = sorted(path.parent.as_posix() for path in folder.glob(f"*/{SAVED}"))
        return f"it holds several splits; name one of them: {', '.join(splits)}"
    return f"no whole folder of the library datasets (no {SAVED}); `Dataset.save_to_disk` writes one"
