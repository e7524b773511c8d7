"""The shapes of lexicon cells: the inflected forms that each language needs for each class of words."""

from typing import Any, NamedTuple


class EnglishNoun(NamedTuple):
    """English noun."""

    sg: str
    pl: str


class RomanceNoun(NamedTuple):
    """French or Italian noun."""

    gender: str
    sg: str
    pl: str


class GermanNoun(NamedTuple):
    """German noun; `oblique` is the accusative and dative singular of weak nouns (der Junge, den Jungen)."""

    gender: str
    sg: str
    pl: str
    dative_pl: str
    oblique: str = ""


class DutchNoun(NamedTuple):
    """Dutch noun; the gender (m f n) gives article and pronoun: de/hij, de/ze, het/het."""

    gender: str
    sg: str
    pl: str


class RomanianNoun(NamedTuple):
    """Romanian noun with its suffixed definite forms."""

    gender: str
    sg: str
    definite: str
    pl: str
    definite_pl: str


class EnglishVerb(NamedTuple):
    """English verb; `particle` as in "turn off"."""

    base: str
    third: str
    past: str
    particle: str = ""


class RomanceVerb(NamedTuple):
    """French or Italian verb: present, infinitive, participle (masculine singular) and auxiliary."""

    i: str
    she: str
    we: str
    they: str
    infinitive: str
    participle: str
    auxiliary: str


class GermanicVerb(NamedTuple):
    """German or Dutch verb; the infinitive and participle are written whole, the finite forms without `particle`."""

    i: str
    she: str
    they: str
    infinitive: str
    participle: str
    auxiliary: str
    particle: str = ""


class RomanianVerb(NamedTuple):
    """Romanian verb; `subjunctive` is the third person after "să"."""

    i: str
    she: str
    we: str
    they: str
    participle: str
    subjunctive: str


class RomanceAdjective(NamedTuple):
    """French or Italian adjective; `side` is before or after the noun, `vowel` the form of "vieil homme"."""

    m: str
    f: str
    mp: str
    fp: str
    side: str = "after"
    vowel: str = ""


class PlainAdjective(NamedTuple):
    """English adjective, or the German stem to which endings are added (hoh-) and its predicative form (hoch)."""

    stem: str
    predicative: str = ""


class DutchAdjective(NamedTuple):
    """Dutch adjective with and without -e."""

    bare: str
    inflected: str


class RomanianAdjective(NamedTuple):
    """Romanian adjective."""

    m: str
    f: str
    mp: str
    fp: str


class Gendered(NamedTuple):
    """A number; languages that do not distinguish gender give one form."""

    m: str
    f: str = ""


class Preposition(NamedTuple):
    """Where and where to. German gives the case after a colon; `~` drops the article of a bare noun."""

    at: str
    to: str


class Words(NamedTuple):
    """A fixed phrase: `word:UPOS` pairs."""

    words: tuple[tuple[str, str], ...]


NOUN: dict[str, Any] = {
    "en": EnglishNoun,
    "fr": RomanceNoun,
    "de": GermanNoun,
    "nl": DutchNoun,
    "it": RomanceNoun,
    "ro": RomanianNoun,
}
VERB: dict[str, Any] = {
    "en": EnglishVerb,
    "fr": RomanceVerb,
    "de": GermanicVerb,
    "nl": GermanicVerb,
    "it": RomanceVerb,
    "ro": RomanianVerb,
}
ADJECTIVE: dict[str, Any] = {
    "en": PlainAdjective,
    "fr": RomanceAdjective,
    "de": PlainAdjective,
    "nl": DutchAdjective,
    "it": RomanceAdjective,
    "ro": RomanianAdjective,
}
# The values that a field may have in a language.
VALUES = {
    ("gender", "fr"): ("m", "f"),
    ("gender", "it"): ("m", "f"),
    ("gender", "de"): ("m", "f", "n"),
    ("gender", "nl"): ("m", "f", "n"),
    ("gender", "ro"): ("m", "f", "n"),
    ("auxiliary", "fr"): ("avoir", "être"),
    ("auxiliary", "it"): ("avere", "essere"),
    ("auxiliary", "de"): ("haben", "sein"),
    ("auxiliary", "nl"): ("hebben", "zijn"),
    ("side", "fr"): ("before", "after"),
    ("side", "it"): ("before", "after"),
}
