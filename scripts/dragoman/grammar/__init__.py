"""The demo world: a small synchronous grammar that says one meaning in six languages, with gold word alignments.

It makes as much parallel text as wanted without any download. Words live in `config/lexicon/*.tsv`.
"""

import random
from collections.abc import Iterator
from functools import cache

from dragoman.grammar.documents import Document, documents
from dragoman.grammar.english import English
from dragoman.grammar.french_italian import French, Italian
from dragoman.grammar.german_dutch import Dutch, German
from dragoman.grammar.language import Language
from dragoman.grammar.lexicon import LANGUAGES, LexiconError, load
from dragoman.grammar.meaning import Clause, Meaning, Phrase, split_of
from dragoman.grammar.romanian import Romanian
from dragoman.grammar.sampler import Sampler
from dragoman.grammar.tokens import Sentence, Token, align

SPLITS = ("train", "validation", "test")

__all__ = [
    "LANGUAGES",
    "SPLITS",
    "Clause",
    "Document",
    "LexiconError",
    "Meaning",
    "Phrase",
    "Sentence",
    "Token",
    "align",
    "documents",
    "meanings",
    "realise",
    "sample",
    "split_of",
]


@cache
def _languages() -> dict[str, Language]:
    """The realisers; built once, when first needed, because they read the lexicon."""
    classes: tuple[type[Language], ...] = (English, French, German, Dutch, Italian, Romanian)
    return {language.code: language(load()) for language in classes}


def sample(rng: random.Random) -> Meaning:
    """One random meaning."""
    return Sampler(rng).meaning()


def meanings(seed: int, split: str, count: int) -> Iterator[Meaning]:
    """`count` different meanings of one split, the same for the same seed on every machine."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
    sampler = Sampler(random.Random(seed))
    seen: set[str] = set()
    misses = 0
    while len(seen) < count:
        meaning = sampler.meaning()
        if split_of(meaning) == split and meaning.key not in seen:
            seen.add(meaning.key)
            misses = 0
            yield meaning
        else:
            misses += 1
            if misses > 20_000:
                raise ValueError(
                    f"found only {len(seen)} different {split} sentences of the {count} asked for; ask for fewer"
                )


def realise(meaning: Meaning, language: str) -> Sentence:
    """The sentence for a meaning in one of LANGUAGES."""
    try:
        return _languages()[language].realise(meaning)
    except KeyError:
        if language in LANGUAGES:
            raise
        raise ValueError(f"unknown language {language!r}: use one of {', '.join(LANGUAGES)}") from None
