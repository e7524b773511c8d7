"""Languages: the codes they are written by, their names and scripts; and pairs of them.

Data sets, models and papers write one language in many ways, and `read` is the one function that reads them all:

    zh  zho  chi  cmn           ISO 639-1, 639-3 and 639-2, and the code of a macrolanguage's standard form
    zh-Hant  zh-TW  zh-Hant-TW  BCP 47; `-` or `_`, in any case; also `zh-yue`
    zho_Hans  zh_CN  en_XX      FLORES and NLLB, mBART
    Chinese                     an English name

`languages.tsv` is the table behind it:

    code    ISO 639-1, or ISO 639-3 for a language without a shorter one
    others  codes that mean the same here
    names   in English; the first is shown
    script  the usual one (ISO 15924)
    flores  the first edition of FLORES that has the language, 101 or 200

Its facts are from ISO 639, IANA's registry and CLDR, by way of the packages langcodes 3.5.1 and language-data 1.4.0. A
language that is missing can be added as a line.

Both written standards of Norwegian are `no`. Of the Chinese languages only Mandarin is `zh`. Cantonese (`yue`), Wu
(`wuu`) and the others keep their codes, and count as written in Chinese characters unless another script is named
(`nan_Latn`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dragoman import registry
from dragoman.text import table


class LanguageError(ValueError):
    """A language or pair that cannot be read, and what may have been meant."""


class Row(NamedTuple):
    """A line of the table."""

    names: list[str]
    script: str
    flores: str


@dataclass(frozen=True, slots=True)
class Language:
    """A language and how it is written."""

    code: str
    """ISO 639-1, or 639-3 for a language that has no shorter code."""
    script: str
    """ISO 15924: the one that was named, or the usual one."""

    @property
    def name(self) -> str:
        """In English."""
        return TABLE[self.code].names[0]

    @property
    def spaced(self) -> bool:
        """Whether there are blanks between words."""
        return self.script not in UNSPACED_SCRIPTS

    @property
    def flores(self) -> str:
        """The first edition of FLORES that it is in: `101`, `200`, or empty."""
        return TABLE[self.code].flores


CHINESE = frozenset({"Hani", "Hans", "Hant"})
JAPANESE = frozenset({"Hira", "Hrkt", "Jpan", "Kana"})
KOREAN = frozenset({"Hang", "Kore"})
UNSPACED_SCRIPTS = CHINESE | JAPANESE | {"Khmr", "Lana", "Laoo", "Mymr", "Tale", "Talu", "Tavt", "Thai", "Tibt"}
"""Scripts without blanks between words."""
_NOT_USUAL = (
    "Adlm Aran Bali Bopo Bugi Cakm Cher Copt Hang Hani Hira Hrkt Java Kana Lana Lisu Mong Mtei Nkoo Syrc Tale Talu"
)
"""Scripts that are not the usual one of any language of the table, but that data sets name."""

TABLE: dict[str, Row] = {}
BY_CODE: dict[str, str] = {}
"""Every code of the table -> the one it is known by here."""
_BY_NAME: dict[str, str] = {}
for _, _cells in table(Path(__file__).with_name("languages.tsv")):
    TABLE[_cells["code"]] = Row(_cells["names"].split("; "), _cells["script"], _cells["flores"])
    BY_CODE |= dict.fromkeys([_cells["code"], *_cells["others"].split()], _cells["code"])
    _BY_NAME |= dict.fromkeys(_cells["names"].lower().split("; "), _cells["code"])
SCRIPTS = {row.script for row in TABLE.values()} | {*_NOT_USUAL.split()} | CHINESE | JAPANESE | KOREAN

_NAMED = (
    "ar bg cs da de el en es et fa fi fr he hi hr hu id is it ja km ko lo lt lv my nl no pl pt ro ru sk sl sv sw ta th "
    "tr uk ur vi zh"
)
NAMES: dict[str, str] = {code: TABLE[code].names[0] for code in _NAMED.split()}
"""The languages a configuration may name, and what prompts call them."""
UNSPACED = frozenset(code for code, row in TABLE.items() if row.script in UNSPACED_SCRIPTS)
"""Languages whose usual script has no blanks between words."""

_COUNTRIES = {"cn": "zh", "cz": "cs", "dk": "da", "gr": "el", "ir": "fa", "jp": "ja", "ua": "uk", "vn": "vi"}
"""Codes of countries that are no codes of languages, and what is meant by them."""
_SEPARATED = re.compile("[-_]")
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})([-_](?P<extended>[a-z]{3}))?([-_](?P<script>[a-z]{4}))?([-_]([a-z]{2}|\d{3}))?"
    r"([-_]([a-z\d]{5,8}|\d[a-z\d]{3}))*",
    re.ASCII | re.IGNORECASE,
)
_USUAL_CASE = re.compile(r"[a-z]{2,3}(-[a-z]{3})?(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?(-([a-z\d]{5,8}|\d[a-z\d]{3}))*")
"""BCP 47's recommendation: language in lower case, Script, REGION. It tells `pt-BR` and `zh` from `pt` and `br-ZH`."""


def read(text: str) -> Language:
    """The language that a code or an English name means; blanks around it do not count.

    Raises:
        LanguageError: none that is known; the message names the nearest.
    """
    plain = text.strip()
    if name := _BY_NAME.get(plain.lower()):
        return Language(name, TABLE[name].script)
    if (tag := _TAG.fullmatch(plain)) and (code := _code_of(tag)):
        script = (tag["script"] or TABLE[code].script).title()
        if script not in SCRIPTS:
            near = registry.nearest(script, sorted(SCRIPTS))
            raise LanguageError(f"{text!r}: unknown script {script!r}" + (f"; did you mean {near!r}?" if near else ""))
        return Language(code, script)
    raise _unknown(text)


def _code_of(tag: re.Match[str]) -> str | None:
    language = BY_CODE.get(tag["language"].lower())
    if tag["extended"] is None:
        return language
    return BY_CODE.get(tag["extended"].lower()) if language in ("ar", "zh") else None  # zh-yue, ar-arz


def _unknown(text: str) -> LanguageError:
    subtag = _SEPARATED.split(text.strip().lower())[0]
    near = _COUNTRIES.get(subtag) or registry.nearest(subtag, [*BY_CODE, *_BY_NAME])
    meant = "" if near is None else f"; did you mean {near!r}{f' ({TABLE[near].names[0]})' if near in TABLE else ''}?"
    advice = "write it like 'zh', 'zho', 'zh-Hant', 'zho_Hans' or 'Chinese'"
    return LanguageError(
        f"unknown language {text!r}{meant} ({advice}; scripts/dragoman/languages/languages.tsv lists all)"
    )


def read_pair(text: str) -> tuple[Language, Language]:
    """Source and target language of a pair: two codes joined by `-`.

    A code may hold `-` itself (`pt-BR-zh`, `zh-Hant-en`), if the pair can still be read in one way only.

    Raises:
        LanguageError: no such pair, an unknown language, or a pair that can be read in two ways, like `en-pt-br`.
    """
    parts = text.strip().split("-")
    sides = [("-".join(parts[:i]), "-".join(parts[i:])) for i in range(1, len(parts))]
    if not sides or "" in parts:
        raise LanguageError(f"a pair is two language codes joined by '-', like 'en-fr', not {text!r}")
    if len(sides) == 1:
        return read(sides[0][0]), read(sides[0][1])
    possible = {each: both for each in sides if (both := _both(*each))}
    usual = {each: both for each, both in possible.items() if all(map(_in_usual_case, each))}
    readings = possible if len(possible) == 1 else usual
    if len(readings) != 1:
        ways = " and as ".join(f"{source!r} to {target!r}" for source, target in possible)
        why = f"can be read as {ways}" if possible else "is no pair of languages that are known"
        raise LanguageError(f"{text!r} {why}; join a region or script with '_', like 'pt_BR-zh'")
    return next(iter(readings.values()))


def _both(source: str, target: str) -> tuple[Language, Language] | None:
    try:
        return read(source), read(target)
    except LanguageError:
        return None


def _in_usual_case(code: str) -> bool:
    return "-" not in code or _USUAL_CASE.fullmatch(code) is not None


def named(code: str) -> str:
    """A code that configurations and tables of published numbers may write.

    Raises:
        LanguageError: another one; the message says what to write.
    """
    if code in NAMES:
        return code
    try:
        language = read(code)
    except LanguageError:
        language = None
    if language is not None and language.code in NAMES:
        raise LanguageError(f"{language.name} is written {language.code!r} here, not {code!r}")
    raise LanguageError(registry.unknown("language", code, NAMES))


def named_pair(pair: str) -> str:
    """Two different such codes joined by `-`.

    Raises:
        LanguageError: anything else; the message says what to write.
    """
    source, dash, target = pair.partition("-")
    if not dash:
        raise LanguageError(f"a pair is two language codes joined by '-', like 'en-fr', not {pair!r}")
    for code in (source, target):
        named(code)
    if source == target:
        raise LanguageError(f"a pair joins two different languages, not {pair!r}")
    return pair


def split_pair(pair: str) -> tuple[str, str]:
    """`"en-fr"` -> `("en", "fr")`: source and target language of a pair of a configuration."""
    source, target = pair.split("-")
    return source, target


def reverse(pair: str) -> str:
    """`"en-fr"` -> `"fr-en"`."""
    source, target = split_pair(pair)
    return f"{target}-{source}"
