"""Your own parallel text: a table with both sides (.tsv, .jsonl, .parquet), a translation memory or catalogue (.tmx,
.xlf, .xliff, .po) or two plain files, each also .gz; or a folder that the library `datasets` saved.

An optional column `alignment` holds word alignments of the listed pair (`0-0 1-2`); for languages that write no blanks,
they link characters. The reverse pair is read from the same files, with reversed alignments. A faulty row is dropped
with one of these reasons:

    columns      a row of a .tsv file has more or fewer cells than the header
    not-json     a line of a .jsonl file is not a JSON object
    not-text     a side is missing, or is not text
    alignment    the alignment has another format, or links words that the sides do not have

`exchange` lists further reasons for memories and catalogues.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dragoman import text
from dragoman.command import located
from dragoman.config import FilePair, FilesCorpus, FileSet
from dragoman.corpora import SPLITS, CorpusError, Row, flipped, parquet, po, require_pair, saved, xliff_tmx
from dragoman.corpora.exchange import Tags
from dragoman.languages import reverse, split_pair
from dragoman.languages.units import Units, of_pair, units
from dragoman.storage import sha256

ALIGNMENT = "alignment"
_PHARAOH = re.compile(r"(\d+-\d+( \d+-\d+)*)?")


def fetch(corpus: FilesCorpus, pair: str, folder: Path) -> None:
    """Does nothing: the files are on disk."""


def read(corpus: FilesCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The rows of one split, in the order of the file.

    Raises:
        CorpusError, TextError: a file cannot be read.
    """
    listed, splits = _listed(corpus, pair)
    files: FileSet | None = getattr(splits, split)
    if files is None:
        return
    names, counted = [splits.columns.get(language, language) for language in split_pair(listed)], of_pair(listed)
    if files.path is not None:
        path = located(files.path)
        rows = _one_file(path, names, counted, Tags(path, listed, splits.columns))
    elif files.saved is not None:
        rows = _checked_all(saved.texts(located(files.saved), names, [ALIGNMENT]), counted, files.saved)
    else:
        assert files.source and files.target  # `FileSet` refuses one without the other
        rows = (Row(*sides) for sides in text.parallel(located(files.source), located(files.target)))
    for row in rows:
        yield (
            row
            if listed == pair
            else row._replace(source=row.target, target=row.source, alignment=flipped(row.alignment))
        )


def describe(corpus: FilesCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The files of the pair, with their hashes."""
    _, splits = _listed(corpus, pair)
    sets = [getattr(splits, split) for split in SPLITS]
    paths = {path for files in sets if files for path in files.files.values()}
    for files in sets:
        if files and files.saved:
            paths |= {f"{files.saved}/{name}" for name in saved.data_files(located(files.saved))}
    return {"files": {path: sha256(located(path)) for path in sorted(paths)}}


def _listed(corpus: FilesCorpus, pair: str) -> tuple[str, FilePair]:
    """The pair under which the configuration lists the files (the pair itself or its reverse), and the files."""
    require_pair(pair, [name for key in corpus.pairs for name in (key, reverse(key))], "the corpus")
    listed = pair if pair in corpus.pairs else reverse(pair)
    return listed, corpus.pairs[listed]


def _one_file(path: Path, names: list[str], counted: Units, tags: Tags) -> Iterator[Row]:
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if kind == ".parquet":
        yield from _parquet(path, names, counted)
    elif kind == ".tsv":
        for number, cells in text.table_rows(path, names):
            yield _row(cells, names, counted, f"{path}:{number}", "columns")
    elif kind == ".jsonl":
        for number, cells in text.object_rows(path):
            yield _row(cells, names, counted, f"{path}:{number}", "not-json")
    elif kind == ".po":
        yield from po.rows(path, tags)
    else:
        yield from xliff_tmx.rows(path, kind, tags)


def _parquet(path: Path, names: list[str], counted: Units) -> Iterator[Row]:
    file: Path | io.BytesIO = path
    if path.suffix == ".gz":
        with text.open_bytes(path) as packed:
            try:
                file = io.BytesIO(packed.read())  # a parquet file is read from its end, so it must be unpacked first
            except (EOFError, OSError, zlib.error) as error:
                raise CorpusError(f"{path} is not a whole gzip file ({error}); copy or download it again") from None
    yield from _checked_all(parquet.texts(file, str(path), names, optional=[ALIGNMENT]), counted, str(path))


def _checked_all(texts: Iterable[tuple[str, ...]], counted: Units, name: str) -> Iterator[Row]:
    """Checked rows, made from (source, target, alignment)."""
    return (_checked(Row(*sides), counted, f"{name}: row {number}") for number, sides in enumerate(texts))


def _row(cells: dict[str, Any] | text.TextError, names: list[str], counted: Units, place: str, fault: str) -> Row:
    """A row from the cells of a table or from a JSON object.

    Args:
        cells: the cells by column, or the error with which they could not be read.
        fault: the fault of the row in case of an error.
    """
    if isinstance(cells, text.TextError):
        return Row("", "", fault=fault, why=str(cells))
    source, target = names
    held, nested = cells, cells.get(parquet.NESTED)
    if not {source, target} & cells.keys() and isinstance(nested, dict) and {source, target} <= nested.keys():
        held = nested
    try:
        alignment = _text(cells, ALIGNMENT, place) if ALIGNMENT in cells else ""
        row = Row(_text(held, source, place), _text(held, target, place), alignment)
    except text.TextError as error:
        return Row("", "", fault="not-text", why=str(error))
    return _checked(row, counted, place)


def _text(cells: dict[str, Any], key: str, place: str) -> str:
    value: Any = cells
    for part in [key] if key in cells else key.split("."):
        if not isinstance(value, dict) or part not in value:
            has = ", ".join(cells) or "nothing"
            raise text.TextError(f"{place}: no {key!r}; it has: {has}. Say which under `columns`")
        value = value[part]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise text.TextError(f"{place}: {key!r} holds {value!r}, not text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise text.TextError(
            f"{place}: {key!r} holds half a surrogate pair (\\ud800 to \\udfff), which is no character"
        )
    return value


def _checked(row: Row, counted: Units, place: str) -> Row:
    """The row, with a fault if its alignment has another format or links units that do not exist."""
    if not row.alignment:
        return row
    problem = ""
    if not _PHARAOH.fullmatch(row.alignment):
        problem = f"the alignment {row.alignment!r} is not like '0-0 1-2'"
    else:
        lengths = len(units(row.source, counted.source)), len(units(row.target, counted.target))
        for link in row.alignment.split():
            if any(int(word) >= length for word, length in zip(link.split("-"), lengths, strict=True)):
                first = "" if counted.source == counted.target else f" {counted.source}s"
                sides = f"{lengths[0]}{first} and {lengths[1]} {counted.target}s"
                problem = f"the alignment links {link}, but the sides have {sides}"
                break
    return row._replace(alignment="", fault="alignment", why=f"{place}: {problem}") if problem else row
