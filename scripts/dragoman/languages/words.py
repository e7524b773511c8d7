"""What a word is: one definition for dictionaries, prior tokens, word alignment, ROUGE and the page.

A word is a run of letters and digits with the marks written on them: vowel signs and viramas of Indian scripts, Thai
vowels, points of Arabic and Hebrew, accents of decomposed (NFD) text. For these marks `str.isalnum` and `\\w` of the
module `re` are false, so both would cut words in the middle. An apostrophe between letters is part of its word, and so
are a Hebrew geresh and gershayim; a hyphen is not.

Some scripts write no blanks between words. There every letter is a unit of its own, and only a dictionary can tell
which units are a word: see `dictionaries`.
"""

from __future__ import annotations

import unicodedata

import regex

UNSPACED = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: no blanks between words."""

_LETTER = r"[\p{L}\p{N}]\p{M}*+"
_HEBREW = r"[\u05d0-\u05ea]"
_INSIDE = rf"""(?:['’׳״]|(?<={_HEBREW})"(?={_HEBREW}))"""


def _run(letter: str) -> str:
    # invisible characters, like a soft hyphen or a zero-width joiner, do not end a word
    return rf"(?:{letter}\p{{Cf}}*)*{letter}"


def _joined(run: str) -> str:
    return rf"{run}(?:{_INSIDE}{run})*׳?"


RUN = regex.compile(_run(_LETTER))
"""Letters and digits, cut at apostrophes."""
WORD = regex.compile(_joined(_run(_LETTER)))
"""A word where blanks part words, or a run of letters of a script without blanks."""
UNIT = regex.compile(rf"(?={UNSPACED}){_LETTER}|{_joined(_run(f'(?!{UNSPACED}){_LETTER}'))}")
"""A word; or one letter of a script without blanks."""

_TOKEN = regex.compile(rf"{UNIT.pattern}|\s+|\X")
_SOLID = regex.compile(rf"{_LETTER}(?:.*{_LETTER})?", regex.DOTALL)
_ALPHABETIC = regex.compile(r"\p{Alphabetic}")
_ENDS_UNSPACED = regex.compile(rf"{UNSPACED}\Z")
_BEGINS_UNSPACED = regex.compile(UNSPACED)
_UNREAD = regex.compile(r"[\p{Cf}\u0640]")  # U+0640 only makes an Arabic word longer
_PLAIN = str.maketrans("’׳״", "''\"")


def folded(word: str, language: str = "") -> str:
    """A word or phrase as it is compared: in lower case, composed (NFC), with plain apostrophes and single blanks, and
    without invisible characters. `language` matters for Turkish, whose I is the capital of ı."""
    if language == "tr":
        word = word.replace("I", "ı")
    word = unicodedata.normalize("NFC", word.lower()).replace("i\u0307", "i").translate(_PLAIN)
    return " ".join(_UNREAD.sub("", word).split())


def solid(text: str) -> str:
    """A text without the signs around it, from its first to its last letter or digit; "" where it has none."""
    word = _SOLID.search(text)
    return word.group() if word else ""


def has_letter(text: str) -> bool:
    """Whether a text has a letter, or a vowel sign by itself, as a token may be."""
    return _ALPHABETIC.search(text) is not None


def characters(text: str) -> list[str]:
    """What a reader takes for characters (grapheme clusters), blanks left out."""
    return [each for each in regex.findall(r"\X", text) if not each.isspace()]


def tokens(text: str) -> list[str]:
    """Words, blanks and signs, in order; joined they are `text` again. Scripts without blanks are cut into letters."""
    return _TOKEN.findall(text)


def parted(before: str, after: str) -> bool:
    """Whether a blank is written between two words: not where both are of scripts without blanks."""
    return not (_ENDS_UNSPACED.search(before) and _BEGINS_UNSPACED.match(after))
