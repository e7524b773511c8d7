"""Tokens, sentences and their gold alignment."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple


class Form(NamedTuple):
    """A word form before spacing is known: its text, its UD part of speech, and the part of the meaning that it
    expresses (two parts for "im", which is "in" and the article)."""

    text: str
    upos: str
    part: int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Token:
    """A word or punctuation mark."""

    text: str
    upos: str
    ids: frozenset[int]
    """The parts of the meaning that it expresses; empty for punctuation."""
    glue: bool
    """Whether there is no space before it."""


@dataclass(frozen=True)
class Sentence:
    """The tokens of one sentence in one language."""

    tokens: tuple[Token, ...]

    @cached_property
    def text(self) -> str:
        """The sentence as text, with a capital letter at the beginning."""
        text = "".join(token.text if token.glue else " " + token.text for token in self.tokens).strip()
        return text[:1].upper() + text[1:]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words between spaces, as `text.split()`."""
        return tuple(self.text.split())

    @cached_property
    def word_ids(self) -> tuple[frozenset[int], ...]:
        """For each of `words`, the ids of all tokens in it."""
        groups: list[set[int]] = []
        for position, token in enumerate(self.tokens):
            if position == 0 or not token.glue:
                groups.append(set())
            groups[-1].update(token.ids)
        return tuple(frozenset(group) for group in groups)


@cache
def _ids(part: int | tuple[int, int]) -> frozenset[int]:
    """The parts as a frozenset. It is cached, since making new sets would take half of the run time."""
    return frozenset(part if isinstance(part, tuple) else (part,))


_NO_IDS: frozenset[int] = frozenset()


def sentence(forms: Iterable[Form]) -> Sentence:
    """The sentence of some word forms, with a full stop. A form is joined to its neighbour at an apostrophe or hyphen
    (l', -o, l-), and to the form before it if it begins with "_" ("can" and "_not" give "cannot")."""
    tokens = []
    joined = False
    for text, upos, part in forms:
        if upos == "PUNCT":
            tokens.append(Token(text, upos, _NO_IDS, True))
            joined = False
        else:
            if text[0] == "_":
                text, joined = text[1:], True
            tokens.append(Token(text, upos, _ids(part), joined or text[0] == "-"))
            joined = text[-1] in "'-"
    tokens.append(Token(".", "PUNCT", _NO_IDS, True))
    return Sentence(tuple(tokens))


def align(source: Sentence, target: Sentence) -> list[tuple[int, int]]:
    """Gold alignment of words between spaces, counted from 0 and sorted. Two words are linked if they express a common
    part of the meaning."""
    where: dict[int, list[int]] = {}
    for position, ids in enumerate(target.word_ids):
        for part in ids:
            where.setdefault(part, []).append(position)
    links = {
        (position, other)
        for position, ids in enumerate(source.word_ids)
        for part in ids
        for other in where.get(part, ())
    }
    return sorted(links)
