"""What a file is that is not UTF-8, as far as its bytes show it, and the command that converts it.

Nothing is converted here, because a wrong guess would not be noticed. Where a text could be in several encodings, the
message shows a word in each of them, and who reads the language sees which one is right.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

import regex

SAMPLE = 65_536
"""Bytes of the beginning, and of the text after the first wrong byte, that are looked at."""
MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte order marks; the longer ones come first, as one begins with another."""
FORMATS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\xfd7zXZ\0": "packed by xz",
    b"BZh": "packed by bzip2",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"PAR1": "a parquet file",
    b"%PDF": "a PDF file",
}
WIDE = {
    "UTF-16LE": ([False, True, False, True],),
    "UTF-16BE": ([True, False, True, False],),
    "UTF-32LE": ([False, True, True, True], [False, False, True, True]),
    "UTF-32BE": ([True, True, True, False], [True, True, False, False]),
}
"""Which of four bytes are mostly zero, in Latin text and in others."""
NARROW = (
    *("CP949", "EUC-JP", "SHIFT_JIS", "GB18030", "BIG5"),
    *("CP1252", "CP1250", "ISO-8859-2", "CP1251", "KOI8-R", "CP1253", "CP1254", "CP1255", "CP1256", "CP874"),
)
"""By names that iconv and Python share."""
SHOWN = 3
"""Encodings that a message names at most."""

_ENDS = r"[\s\x00-@\[-`{-\x7f’‘“”„«»…–—·　、。，；：！？（）「」『』《》〈〉・～]+"
_FOREIGN = regex.compile(r"[^\x00-\x7f]")
_ONE_SCRIPT = regex.compile(
    r"[\p{Latin}\p{Inherited}]+|[\p{Cyrillic}\p{Inherited}]+|[\p{Greek}\p{Inherited}]+|[\p{Hebrew}\p{Inherited}]+"
    r"|[\p{Arabic}\p{Inherited}]+|\p{Thai}+|\p{Hangul}+|[\p{Han}\p{Hiragana}\u30a1-\u30ff]+"
)
_COMMON = (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xA4, 0xCF), ("euc_kr", 0xB0, 0xC8))
"""Rows of the East Asian character sets that hold what is often written."""


class _Reading(NamedTuple):
    """How one encoding reads a sample."""

    encoding: str
    good: float
    """Share of its words that could be words."""
    lower: float
    """Share of small letters: a wrong reading of Cyrillic has capitals for them."""
    word: str


def advice(path: Path, head: bytes, rest: bytes, place: int) -> str:
    """What to do about a text that is not UTF-8.

    Args:
        path: of the file, for the command.
        head: how the file begins, unpacked.
        rest: from the beginning of the first wrong line.
        place: of the wrong byte in `rest`.
    """
    for beginning, what in FORMATS.items():
        if head.startswith(beginning):
            return f"this is {what}, not plain text; unpack or convert it"
    if encoding := wide(head):
        return f"this is {encoding} text; convert it: {command(path, encoding)}"
    decoded = (head + rest).decode("utf-8", errors="replace")
    wrong = decoded.count("\ufffd")
    if len(_FOREIGN.findall(decoded)) > 4 * wrong:
        if len(rest) - place < 4 and not rest.endswith(b"\n"):
            return "the file ends in the middle of a character; copy or download it again"
        return "the lines around it are UTF-8, so correct this line or remove it"
    possible = (_reading(name, rest, place) for name in (*NARROW, "UTF-16LE", "UTF-16BE"))
    readings = sorted(filter(None, possible), key=_worse)
    if not readings:
        return "it is in no encoding known here; find out which one, and convert the file by iconv"
    first = readings[0]
    likely = [reading for reading in readings if reading.good > first.good - 0.1 and reading.lower > first.lower - 0.3]
    shown: dict[str, str] = {}
    for reading in likely:
        shown.setdefault(reading.word, reading.encoding)
    named = [f"{encoding}, in which it reads {word!r}" for word, encoding in shown.items()][:SHOWN]
    if len(named) == 1:
        return f"it looks like {named[0]}; convert it: {command(path, first.encoding)}"
    return f"it may be {', or '.join(named)}; convert it from the one that reads right: {command(path, first.encoding)}"


def wide(head: bytes) -> str | None:
    """Which of UTF-16 and UTF-32 a text is, by its byte order mark or by where its zero bytes are; None: neither."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    sample = head[: len(head) // 4 * 4][:4096]
    zeros = [sample[start::4].count(0) / max(1, len(sample) // 4) > 0.6 for start in range(4)]
    for encoding, pattern in WIDE.items():
        if zeros in pattern:
            return encoding
    return None


def command(path: Path, encoding: str) -> str:
    """What converts a file to UTF-8."""
    name = shlex.quote(str(path))
    if path.suffix == ".gz":
        return f"`gzip -dc {name} | iconv -f {encoding} -t UTF-8 | gzip > converted.gz`"
    return f"`iconv -f {encoding} -t UTF-8 {name} > converted{path.suffix}`"


def _reading(encoding: str, sample: bytes, place: int) -> _Reading | None:
    text = sample.decode(encoding, errors="replace")
    words = [word for word in regex.split(_ENDS, text) if _FOREIGN.search(word)]
    good = sum(_likely(word, encoding) for word in words) / len(words) if words else 0.0
    if good < 0.5 or (encoding in ("EUC-JP", "SHIFT_JIS") and not regex.search(r"[\u3041-\u30ff]", text)):
        return None  # no Japanese text does without kana
    letters = "".join(words)
    lower = 1 - sum(map(str.isupper, letters)) / len(letters)
    start = max(sample.rfind(blank, 0, place) for blank in (b" ", b"\t", b"\n")) + 1
    seen = sample[start : start + 60].decode(encoding, errors="ignore")
    return _Reading(encoding, good, lower, regex.split(r"[\t\r\n]", seen)[0][:20].strip())


def _worse(reading: _Reading) -> tuple[float, float]:
    return -round(reading.good, 1), -round(reading.lower, 1)


def _likely(word: str, encoding: str) -> float:
    """How likely letters in a row are a word: of one script, no capital after a small letter, common characters."""
    if not _ONE_SCRIPT.fullmatch(word) or regex.search(r"\p{Ll}\p{Lu}", word):
        return 0.0
    foreign = _FOREIGN.findall(word)
    if regex.match(r"\p{Latin}", word):
        return float(len(foreign) <= 2 or 3 * len(foreign) <= 2 * len(word))
    if encoding in ("GB18030", "BIG5") and regex.search(r"\p{Hiragana}", word):
        return 0.0
    east = [letter for letter in foreign if letter >= "\u3000"]
    return 1 - sum(not _common(letter) for letter in east) / len(foreign)


def _common(letter: str) -> bool:
    for encoding, first, last in _COMMON:
        raw = letter.encode(encoding, errors="ignore")
        if raw and first <= raw[0] <= last:
            return True
    return False
