"""Common parts of the formats in which translators exchange texts: TMX, XLIFF and PO.

Every translation in such a file is a row. Unfinished translations, and all translations of a text after its first one,
are dropped with one of these reasons, also from a test set:

    untranslated    no target, or an empty one
    fuzzy           PO: the message has changed since it was translated
    obsolete        PO: the program does not use the message any more
    plural-form     PO: a form that few numbers have (see `po`)
    alternative     TMX: the unit has an earlier text in the same language
    suggestion      XLIFF: a translation memory or machine translation proposed it (`alt-trans`, `match`,
                    `state-qualifier`)
    unapproved      XLIFF: approved="no", and its state is not translated, signed-off or final
    needs-work      XLIFF: the state is new, initial, needs-translation, needs-adaptation or needs-l10n
    needs-review    XLIFF: the state is needs-review-...
    translate-no    XLIFF: the text is not to be translated

A tab or a line break, with the blanks around it, becomes one blank, since editors and extraction tools wrap lines.

A file may write a language in several ways (`fr`, `fr-CA`, `FR_fr`, `fra`). If it has two tags for one language, it is
refused, since `pt-BR` and `pt-PT`, or `zh-CN` and `zh-TW`, are different languages for a model. `columns` then names
one of the tags, or a shorter tag for all tags that begin with it (RFC 4647, basic filtering).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from dragoman.corpora import CorpusError, Row
from dragoman.languages import LanguageError, read, split_pair

WRAPPED = re.compile(r"[ \t]*[\t\r\n][ \t\r\n]*")


def text(raw: str) -> str:
    """A text with line breaks and tabs replaced by blanks."""
    return WRAPPED.sub(" ", raw).strip()


class Tags:
    """Assigns the language tags of a file to the languages of a pair.

    Args:
        path: the file, for messages.
        pair: the pair.
        columns: language code -> its tag in the file, from the configuration.
    """

    def __init__(self, path: Path, pair: str, columns: Mapping[str, str]) -> None:
        self.path, self.codes = path, split_pair(pair)
        self.columns = columns
        self.seen: Counter[str] = Counter()
        """Tag -> number of its units, in the order of the file."""
        self._sides: dict[str, int | None] = {}
        self._first: dict[int, str] = {}
        self._written: dict[str, str] = {}

    def side(self, tag: str) -> int | None:
        """0 for the source language of the pair, 1 for the target language, None for other languages.

        Raises:
            CorpusError: it is the second tag of a language, and `columns` has no tag for the language.
        """
        self.seen[self._written.setdefault(_plain(tag), tag)] += 1
        if tag not in self._sides:
            self._sides[tag] = next((i for i, code in enumerate(self.codes) if self._means(tag, code)), None)
            if (side := self._sides[tag]) is not None:
                self._refuse_second(tag, side)
        return self._sides[tag]

    def missing(self) -> str:
        """Why the file has no text of the pair; empty if both languages occurred."""
        for side, code in enumerate(self.codes):
            if side not in self._sides.values():
                return f"{self.path} has no {self.columns.get(code, code)!r}; {self.listed()}"
        return ""

    def listed(self) -> str:
        """The languages that occurred, for a message."""
        has = ", ".join(f"{tag or 'none'} ({count} units)" for tag, count in self.seen.items()) or "none"
        return f"its languages are: {has}. Name another pair, or say under `columns` how it writes the language"

    def _means(self, tag: str, code: str) -> bool:
        plain, wanted = (_plain(each) for each in (tag, self.columns.get(code, code)))
        if plain == wanted or plain.startswith(f"{wanted}-"):
            return True
        try:
            return wanted == code and read(tag).code == code
        except LanguageError:
            return False

    def _refuse_second(self, tag: str, side: int) -> None:
        code, first = self.codes[side], self._first.setdefault(side, tag)
        if _plain(first) != _plain(tag) and code not in self.columns:
            raise CorpusError(
                f"{self.path} has {code!r} as {first!r} and as {tag!r}; name one of them under `columns` "
                f"(`columns: {{{code}: {tag}}}`), or {code!r} for both"
            )


def order(tags: Tags, names: Sequence[str], given: Sequence[str | None]) -> tuple[int, int] | None:
    """The indices of the pair's source and target among the two texts of a unit; None if these are of another pair.

    Args:
        tags: the tags of the file.
        names: names of the two texts in the format; `columns` may use these names instead of languages.
        given: languages of the two texts. None: the file does not name it, so it is the other language of the pair.
    """
    places = [tags.columns.get(code) for code in tags.codes]
    if {*places} == {*names}:
        return names.index(places[0] or ""), names.index(places[1] or "")
    sides = [tags.side(tag) if tag else None for tag in given]
    for known, other in ((0, 1), (1, 0)):
        if not given[other] and given[known] and (side := sides[known]) is not None:
            sides[other] = 1 - side
    if {*sides} != {0, 1}:
        return None
    return (0, 1) if sides[0] == 0 else (1, 0)


def row(source: str, target: str, place: str, fault: str = "", why: str = "") -> Row:
    """The row of one unit; without a translation, its fault is `untranslated`."""
    if not fault and not (source and target):
        fault, why = "untranslated", "there is no translation"
    return Row(source, target, fault=fault, why=f"{place}: {why}" if fault else "")


def _plain(tag: str) -> str:
    return tag.strip().replace("_", "-").lower()
