"""Lines of text files, strictly: UTF-8 or an error that says where, "\\n" ends a line and nothing else does."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

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
                yield content[skipped:].decode("utf-8")
                offset += len(raw)
        except UnicodeDecodeError as error:
            raise TextError(
                f"{path}:{number}: byte {offset + skipped + error.start} (0x{error.object[error.start]:02x}) is not "
                "UTF-8; convert the file, for instance with `iconv -f ISO-8859-1 -t UTF-8`"
            ) from None
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
    rows = lines(path)
    header = next(rows, "").split("\t")
    if len(set(header)) < len(header) or "" in header:
        raise TextError(f"{path}:1: the first row must name every column once, not {header}")
    for number, line in enumerate(rows, 2):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise TextError(
                f"{path}:{number}: {len(cells)} columns, but the header has {len(header)} ({', '.join(header)}); "
                "remove stray tabs or empty lines"
            )
        yield number, dict(zip(header, cells, strict=True))


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line of a JSON Lines file."""
    for number, line in enumerate(lines(path), 1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:  # also a number of too many digits, or brackets in brackets
            raise TextError(f"{path}:{number}: not JSON: {error}; every line must be one object") from None
        if not isinstance(value, dict):
            raise TextError(f"{path}:{number}: expected a JSON object, found {type(value).__name__}")
        yield number, value
