"""Message catalogues of gettext (PO), through translate-toolkit.

The header names the language of the translations (`Language`, or the team), and messages are English unless
`X-Source-Language` names another one. For a file without these, set `columns: {de: msgid, fr: msgstr}`.

A message with plural forms makes two rows: its singular with the form for 1, and its plural with the form that most
numbers up to 1000 have. If both are the same form, as in Japanese, only the plural makes a row. Other forms, like
Arabic's dual or Polish's form for 2 to 4, are dropped as `plural-form`, since they are right for some numbers only.
"""

from __future__ import annotations

import gettext
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman import encodings
from dragoman.corpora import CorpusError, Row
from dragoman.corpora.exchange import Tags, order, row, text
from dragoman.text import open_bytes

if TYPE_CHECKING:
    from translate.storage.pypo import pofile

NAMES = ("msgid", "msgstr")
MESSAGE = re.compile(rb"^(?:#~\s*)?msgid[\s\"]", re.MULTILINE)
CHARSET = re.compile(rb"charset=\s*([\w.:-]+)")
COMPILED = (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde")
WHY = {
    "obsolete": "the program does not use the message any more",
    "fuzzy": "the message is marked fuzzy; review its translation",
    "plural-form": "few numbers have this plural form",
}


def rows(path: Path, tags: Tags) -> Iterator[Row]:
    """All translations of a file, in order.

    Raises:
        CorpusError: the file cannot be read, or is of another pair.
    """
    store = _parsed(path)
    languages = store.parseheader().get("X-Source-Language") or "en", store.gettargetlanguage()
    if (turned := order(tags, NAMES, languages)) is None:
        said = f"the messages of {path} are {languages[0]!r} and their translations {languages[1]!r}"
        raise CorpusError(f"{said}; name that pair, or say which side is which: `columns: {_example(tags)}`")
    forms = _forms(path, store)
    for unit in store.units:
        if unit.isheader() or unit.isblank():
            continue
        place = f"{path}:{unit.line_number}"
        fault = "obsolete" if unit.isobsolete() else "fuzzy" if unit.isfuzzy() else ""
        sources = [text(form) for form in getattr(unit.source, "strings", [unit.source])]
        targets = [text(form) for form in getattr(unit.target, "strings", [unit.target])]
        for source, target, other in _paired(sources, targets, forms):
            reason = fault if fault and target else "plural-form" if other and target else ""
            sides = (source, target)
            yield row(sides[turned[0]], sides[turned[1]], place, reason, WHY.get(reason, ""))


def _paired(sources: Sequence[str], targets: Sequence[str], forms: tuple[int, int]) -> Iterator[tuple[str, str, bool]]:
    """(source, translation, whether only few numbers have this plural form)."""
    if len(sources) == 1:
        yield sources[0], targets[0], False
        return
    one, many = (min(form, len(targets) - 1) for form in forms)
    if one != many:
        yield sources[0], targets[one], False
    yield sources[1], targets[many], False
    for number, target in enumerate(targets):
        if number not in (one, many):
            yield sources[1], target, True


def _forms(path: Path, store: pofile) -> tuple[int, int]:
    """Indices of the plural form for 1, and of the form that most numbers have.

    Raises:
        CorpusError: the header's formula cannot be read.
    """
    _, formula = store.getheaderplural()
    try:
        plural = gettext.c2py(formula or "n != 1")
        form_of = [plural(number) for number in range(1, 1001)]
    except (ValueError, ZeroDivisionError, RecursionError, OverflowError) as error:
        raise CorpusError(f"{path}: the plural form {formula!r} of its header cannot be read ({error})") from None
    return form_of[0], Counter(form_of[1:]).most_common(1)[0][0]


def _parsed(path: Path) -> pofile:
    from translate.storage.poparser import PoParseError
    from translate.storage.pypo import pofile

    with open_bytes(path) as file:
        try:
            raw = file.read()
        except (EOFError, OSError, zlib.error) as error:
            raise CorpusError(f"{path} is not a whole gzip file ({error}); copy or download it again") from None
    if raw.startswith(COMPILED):
        raise CorpusError(f"{path} is a compiled catalogue (.mo); make a .po of it by `msgunfmt`")
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise CorpusError(f"{path} is XML, not PO; name it .tmx or .xlf if it is TMX or XLIFF")
    try:
        store = pofile.parsestring(_in_utf8(path, raw))
    except PoParseError as error:
        said = " ".join(str(error).split())
        raise CorpusError(f"{path} is no PO file, or was cut off ({said[:200]}); mend or download it again") from None
    if not store.units:
        raise CorpusError(f"{path} holds no message; give a .po file")
    # The library skips messages without `msgstr`, such as the last one of a truncated file.
    if (messages := len(MESSAGE.findall(raw))) != len(store.units):
        said = f"{path} has {messages} messages, but {len(store.units)} of them have a `msgstr`"
        raise CorpusError(f"{said}; mend it or download it again")
    return store


def _in_utf8(path: Path, raw: bytes) -> bytes:
    """The file in UTF-8, with UTF-8 in its header, since translate-toolkit 3.20.4 reads other encodings as UTF-8 or
    Latin-1.

    Raises:
        CorpusError: the header names an unknown encoding, or the text is not in the encoding of the header.
    """
    declared = CHARSET.search(raw)
    name = declared[1].decode("ascii", "replace") if declared else "CHARSET"
    encoding = "utf-8" if name == "CHARSET" else name  # templates (.pot) have the word CHARSET
    try:
        decoded = raw.decode(encoding)
    except LookupError:
        raise CorpusError(f"{path}: its header names an unknown charset, {name!r}; correct it") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        said = f"{path}:{line}: byte {error.start} (0x{raw[error.start]:02x}) is not {name if declared else 'UTF-8'}"
        start = raw.rfind(b"\n", 0, error.start) + 1
        advice = encodings.advice(
            path, raw[: encodings.SAMPLE], raw[start : start + encodings.SAMPLE], error.start - start
        )
        raise CorpusError(f"{said}: {advice}") from None
    return decoded.replace(f"charset={name}", "charset=UTF-8", 1).encode()


def _example(tags: Tags) -> str:
    return "{" + ", ".join(f"{code}: {name}" for code, name in zip(tags.codes, NAMES, strict=True)) + "}"
