"""Parallel text from the embedded grammar. It needs no download, and has gold word alignments for all pairs of its
languages.

A meaning is drawn at random and then expressed in both languages. So both directions of a pair, and all pairs, have the
same meanings.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

from dragoman import grammar
from dragoman.command import REPOSITORY
from dragoman.config import DemoCorpus
from dragoman.corpora import Row, require_pair
from dragoman.languages import split_pair
from dragoman.storage import sha256


def fetch(corpus: DemoCorpus, pair: str, folder: Path) -> None:
    """Does nothing: the text is generated."""


def read(corpus: DemoCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The rows of one split; the configuration gives their number."""
    _require(pair)
    source_language, target_language = split_pair(pair)
    if corpus.task == "summary":
        for document in grammar.documents(corpus.seed, split, getattr(corpus, split)):
            sentences = (grammar.realise(meaning, source_language).text for meaning in document.sentences)
            yield Row(" ".join(sentences), grammar.realise(document.summary, target_language).text)
        return
    for meaning in grammar.meanings(corpus.seed, split, getattr(corpus, split)):
        source = grammar.realise(meaning, source_language)
        if corpus.task == "tagging":
            # a word between blanks may consist of several tokens; it is linked to the tag of the first one: "l'ami" is
            # linked to DET, "ami." to NOUN
            starts = [place for place, token in enumerate(source.tokens) if not (place and token.glue)]
            links = " ".join(f"{word}-{place}" for word, place in enumerate(starts))
            yield Row(source.text, " ".join(token.upos for token in source.tokens), links)
            continue
        target = grammar.realise(meaning, target_language)
        links = " ".join(f"{i}-{j}" for i, j in grammar.align(source, target))
        yield Row(source.text, target.text, links)


def describe(corpus: DemoCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The seed, and the hashes of the tables of words."""
    tables = sorted((REPOSITORY / "config" / "lexicon").glob("*.tsv"))
    return {"seed": corpus.seed, "lexicon": {path.name: sha256(path) for path in tables}}


def _require(pair: str) -> None:
    require_pair(pair, ("-".join(both) for both in permutations(sorted(grammar.LANGUAGES), 2)), "the embedded grammar")
