"""Lines of text files, strictly: UTF-8 or an error that says where, "\\n" ends a line and nothing else does."""

from __future__ import annotations

import gzip
import json
import shlex
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, TypeVar

BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
"""How a packed file begins; no UTF-8 text can."""


class TextError(ValueError):
    """A text file that is not what it should be: the file, the line, and what to do."""


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked where it is packed or its name says so."""
    try:
        with open(path, "rb") as file:
            packed = path.suffix == ".gz" or file.read(2) == GZIP
        return gzip.open(path, "rb") if packed else open(path, "rb")
    except OSError as error:
        raise TextError(f"{path} cannot be read: {error.strerror or error}; check the path") from None


def lines(path: Path) -> Iterator[str]:
    """Every line without its end.

    A byte order mark before the first line is removed, and one "\\r" before the "\\n" (files from Windows). U+2028 and
    its kin stay inside their line.

    Raises:
        TextError: not UTF-8, not gzip, cut off, or not there.
    """
    offset, number = 0, 0
    with open_bytes(path) as file:
        try:
            for number, raw in enumerate(file, 1):
                content = raw[:-1] if raw.endswith(b"\n") else raw
                content = content[:-1] if content.endswith(b"\r") else content
                skipped = len(BOM) if number == 1 and content.startswith(BOM) else 0
                line = content[skipped:].decode("utf-8")
                if number == 1 and "\0" in line:
                    _refuse_wide(path, raw)
                yield line
                offset += len(raw)
        except UnicodeDecodeError as error:
            place = skipped + error.start
            said = f"{path}:{number}: byte {offset + place} (0x{raw[place]:02x}) is not UTF-8"
            raise TextError(f"{said}: {_advice(path, raw, place, file)}") from None
        except EOFError:
            raise TextError(f"{path} is cut off after line {number}; copy or download it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise TextError(
                f"{path} is not a whole gzip file ({error}); copy it again, or name it without .gz if it is not packed"
            ) from None
        except OSError as error:
            raise TextError(f"{path} cannot be read: {error.strerror or error}") from None


def parallel(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Lines of two files side by side; unequal numbers of lines are an error."""
    counts = [0, 0]
    for sides in zip_longest(lines(source), lines(target)):
        counts = [count + (side is not None) for count, side in zip(counts, sides, strict=True)]
        if None not in sides:
            yield sides
    if counts[0] != counts[1]:
        raise TextError(
            f"{source} has {counts[0]} lines but {target} has {counts[1]}; line n of one must translate line n of the "
            "other, so find the missing line"
        )


def table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of a tab-separated file by the names in its header row. A quote is a character."""
    return _strictly(table_rows(path))


def table_rows(path: Path, needed: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str] | TextError]]:
    """As `table`, but a row of more or fewer cells is given as an error, and the next one follows.

    Raises:
        TextError: the first row names a column twice, or not all that are needed.
    """
    rows = _without_end(lines(path))
    first = next(rows, "")
    header = first.split("\t")
    if len(set(header)) < len(header) or "" in header:
        problem = f"the first row must name every column once, not {_few(header)}"
        raise TextError(f"{path}:1: {problem}; {_header_missing(path, first, needed)}")
    if missing := [name for name in needed if name not in header]:
        problem = f"no {missing[0]!r} in the first row, which has: {', '.join(_few(header))}. Say which column to take"
        raise TextError(f"{path}:1: {problem} under `columns`; {_header_missing(path, first, needed)}")
    for number, line in enumerate(rows, 2):
        cells = line.split("\t")
        if len(cells) == len(header):
            yield number, dict(zip(header, cells, strict=True))
        else:
            problem = f"{len(cells)} columns, but the header has {len(header)} ({', '.join(header)})"
            yield number, TextError(f"{path}:{number}: {problem}; remove stray tabs or empty lines")


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line of a JSON Lines file."""
    return _strictly(object_rows(path))


def object_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | TextError]]:
    """As `objects`, but a line that is no object is given as an error, and the next one follows.

    Raises:
        TextError: the file is one JSON list, or its last line is not JSON, as in a file that is cut off.
    """
    cut: TextError | None = None
    for number, line in enumerate(_without_end(lines(path)), 1):
        if cut is not None:
            yield number - 1, cut
            cut = None
        problem = ""
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:  # also a number of too many digits, or brackets in brackets
            problem = f"not JSON: {error}; every line must be one object"
        else:
            if not isinstance(value, dict):
                problem = f"expected a JSON object, found {type(value).__name__}"
        if not problem:
            yield number, value
        elif number == 1 and line.lstrip().startswith("["):
            raise TextError(f"{path}:1: {problem}; a file that is one list becomes JSON Lines by `jq -c '.[]'`")
        elif problem.startswith("not JSON"):
            cut = TextError(f"{path}:{number}: {problem}")  # unless another line follows
        else:
            yield number, TextError(f"{path}:{number}: {problem}")
    if cut is not None:
        raise cut


def _without_end(rows: Iterator[str]) -> Iterator[str]:
    """Lines up to the last one that is not empty: empty lines at the end of a file are no rows."""
    empty = 0
    for line in rows:
        if line:
            yield from [""] * empty
            empty = 0
            yield line
        else:
            empty += 1


Row = TypeVar("Row")


def _strictly(rows: Iterator[tuple[int, Row | TextError]]) -> Iterator[tuple[int, Row]]:
    for number, row in rows:
        if isinstance(row, TextError):
            raise row
        yield number, row


def _refuse_wide(path: Path, first: bytes) -> None:
    """UTF-16 without a byte order mark may well be UTF-8 with zeros between the letters."""
    from dragoman import encodings

    if encoding := encodings.wide(first):
        command = encodings.command(path, encoding)
        raise TextError(f"{path}:1: this is {encoding} text, and not UTF-8; convert it: {command}")


def _advice(path: Path, line: bytes, place: int, file: IO[bytes]) -> str:
    from dragoman import encodings

    with open_bytes(path) as again:
        head = again.read(encodings.SAMPLE)
    try:
        rest = line + file.read(encodings.SAMPLE)
    except (EOFError, OSError, zlib.error):  # the first fault is the one to report
        rest = line
    return encodings.advice(path, head, rest, place)


def _few(cells: Sequence[str]) -> list[str]:
    return [cell if len(cell) <= 40 else f"{cell[:37]}..." for cell in cells[:8]]


def _header_missing(path: Path, first: str, needed: Sequence[str]) -> str:
    """What a first row may be that is no header, and what to do about it."""
    start = first.lstrip()
    if start.startswith(("<?xml", "<tmx", "<!DOCTYPE")):
        return "this is XML: name a translation memory .tmx or .xlf, and write the text of other XML to a table"
    if start.startswith(("{", "[")):
        return "this looks like JSON: name the file .jsonl"
    if "\t" not in first:
        kind = "commas" if "," in first else "semicolons" if ";" in first else ""
        return f"cells are separated by tabs{kind and f', and not by {kind}'}"
    languages = iter(needed)
    names = [
        f"column{at}" if cell.isdecimal() else next(languages, f"column{at}")
        for at, cell in enumerate(first.split("\t"), 1)
    ]
    header = r"\t".join(names)
    reader = "gzip -dc" if path.suffix == ".gz" else "cat"
    command = f"(printf '{header}\\n'; {reader} {shlex.quote(str(path))}) > with-header.tsv"
    return f"if this row is text, the header is missing: add it by `{command}`, or give `source` and `target` files"
