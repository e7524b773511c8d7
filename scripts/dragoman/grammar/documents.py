"""Documents of the embedded grammar: two or three sentences about one person, and a clause that summarises them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from dragoman.grammar.meaning import Clause, Meaning, split_of
from dragoman.grammar.sampler import Sampler


class Document(NamedTuple):
    """Meanings of the sentences of a document, and its summary, which is the main clause of the first sentence."""

    sentences: tuple[Meaning, ...]
    summary: Meaning

    @property
    def key(self) -> str:
        """Canonical text."""
        return "\n".join(meaning.key for meaning in self.sentences)


def documents(seed: int, split: str, count: int) -> Iterator[Document]:
    """`count` different documents of one split; the same seed gives the same documents on every machine.

    A document belongs to the split of its summary, so that different splits have different summaries.

    Raises:
        ValueError: the grammar has too few documents.
    """
    sampler = Sampler(random.Random(seed))
    seen: set[str] = set()
    misses = 0
    while len(seen) < count:
        document = _drawn(sampler)
        if document is not None and split_of(document.summary) == split and document.key not in seen:
            seen.add(document.key)
            misses = 0
            yield document
        else:
            misses += 1
            if misses > 20_000:
                raise ValueError(f"found only {len(seen)} different {split} documents of {count}; ask for fewer")


def _drawn(sampler: Sampler) -> Document | None:
    first = sampler.meaning()
    subject = first.main.subject
    if subject is None or subject.kind == "pronoun" or first.link in ("", "that") or first.link_first:
        return None
    # later sentences refer to the person with a pronoun, so the first one must not name another person
    named = [first.main.object, first.main.companion, first.second and first.second.subject]
    if any(phrase and phrase.kind in ("noun", "name") and sampler.human(phrase) for phrase in named):
        return None
    person = sampler.echo(subject) if sampler.human(subject) else None
    if person is None:
        return None
    clauses: list[Clause] = [first.main]
    for _ in range(1 + sampler.chance(0.5)):
        clause = sampler.action(person, first.main.tense, bare=True)
        if clause.verb in {each.verb for each in clauses}:
            return None
        clauses.append(clause)
    return Document((first, *map(Meaning, clauses[1:])), Meaning(first.main))
