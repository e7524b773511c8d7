"""Meanings: the content of sentences, independent of any language. All six languages are generated from them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

# Numbers of the parts of a clause. A noun phrase has three numbers: its noun, its adjective, and its numeral or
# demonstrative.
SUBJECT, OBJECT, PLACE, COMPANION = 0, 3, 6, 9
VERB, NEGATION, MODAL, TIME, LINK, PREDICATE = 12, 13, 14, 15, 16, 17
AT, WITH = 18, 19  # the prepositions of place and companion
CLAUSE = 20  # the parts of clause n are numbered from n * CLAUSE
PRONOUNS = ("i", "we", "he", "she", "they")
MODALS = ("want", "can", "must")


@dataclass(frozen=True)
class Phrase:
    """A noun phrase.

    kind: "noun", "name", "pronoun" (`head` is one of PRONOUNS) or "it" (a pronoun for the noun `head` named before).
    determiner: "the", "a", "this", or a row of numbers.tsv.
    """

    kind: str
    head: str
    plural: bool = False
    determiner: str = "the"
    adjective: str = ""
    relative: "Clause | None" = None

    @property
    def key(self) -> str:
        """Canonical text."""
        inner = f"[{self.relative.key}]" if self.relative else ""
        number = "pl" if self.plural else "sg"
        return f"{self.kind}:{self.determiner}:{self.adjective}:{self.head}:{number}{inner}"


@dataclass(frozen=True)
class Clause:
    """One clause. `verb` is a row of verbs.tsv, or "be" with the adjective `predicate`.

    `subject` is None if the clause shares the subject of the clause before ("and reads it"), if the subject is the
    relative pronoun, and for weather verbs. `front` names the part at the beginning of the clause: "", "time" or
    "place".
    """

    subject: Phrase | None
    verb: str
    tense: str = "present"
    negated: bool = False
    modal: str = ""
    object: Phrase | None = None
    predicate: str = ""
    place: str = ""
    place_adjective: str = ""
    companion: Phrase | None = None
    time: str = ""
    front: str = ""

    @property
    def key(self) -> str:
        """Canonical text."""
        phrases = [phrase.key if phrase else "" for phrase in (self.subject, self.object, self.companion)]
        words = [self.verb, self.tense, "not" if self.negated else "", self.modal, self.predicate]
        rest = [self.place, self.place_adjective, self.time, self.front]
        return "|".join([*words, *phrases, *rest])


@dataclass(frozen=True)
class Meaning:
    """One or two clauses. `link` is "", "and", "but", "because", "when" or "that".

    With `link_first`, the second clause comes first ("When it rains, ..."), which inverts the main clause in German and
    Dutch.
    """

    main: Clause
    link: str = ""
    second: Clause | None = None
    link_first: bool = False

    @cached_property
    def key(self) -> str:
        """Canonical text of the meaning, which is the same on every machine and in every Python version."""
        if self.second is None:
            return self.main.key
        return f"{self.main.key}//{self.link}{'<' if self.link_first else ''}//{self.second.key}"


def split_of(meaning: Meaning) -> str:
    """The split of a meaning, from a hash of its key: about 90 % train, 5 % validation, 5 % test."""
    bucket = int.from_bytes(hashlib.sha256(meaning.key.encode()).digest()[:4], "big") % 100
    if bucket < 90:
        return "train"
    return "validation" if bucket < 95 else "test"
