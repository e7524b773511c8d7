"""The embedded grammar: a small synchronous grammar that expresses meanings in six languages, with word alignments.

It generates any amount of parallel text without a download. `config/lexicon/*.tsv` holds the words.
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
    """Language code -> realiser. They are made at the first use, since making them reads the lexicon."""
    classes: tuple[type[Language], ...] = (English, French, German, Dutch, Italian, Romanian)
    return {language.code: language(load()) for language in classes}


def sample(rng: random.Random) -> Meaning:
    """One random meaning."""
    return Sampler(rng).meaning()


def meanings(seed: int, split: str, count: int) -> Iterator[Meaning]:
    """`count` different meanings of one split; the same seed gives the same meanings on every machine.

    Raises:
        ValueError: the split is unknown, or the grammar has too few meanings.
    """
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
    """The sentence that expresses a meaning in one of LANGUAGES.

    Raises:
        ValueError: the language is unknown.
    """
    try:
        return _languages()[language].realise(meaning)
    except KeyError:
        if language in LANGUAGES:
            raise
        raise ValueError(f"unknown language {language!r}: use one of {', '.join(LANGUAGES)}") from None
