"""Checks that names exist: names of any kind, a pair and a split in a corpus, a language in a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from dragoman import registry
from dragoman.config import Corpus, Experiment, Model, Pages, PivotCorpus, Prompt, Split
from dragoman.configfile import KeyPath, Problem
from dragoman.languages import reverse, split_pair
from dragoman.prompts import render


def named(kind: str, at: KeyPath, name: str | None, allowed: Any) -> Iterator[Problem]:
    """Checks that `name` is one of `allowed`; None passes."""
    if name is not None and name not in allowed:
        yield Problem(at, registry.unknown(kind, name, allowed), name)


def page_pairs(pages: Pages, corpus: Corpus) -> list[str]:
    """Pairs whose training text becomes pages: the listed pairs, or every pair of the languages, in a direction that
    the corpus has."""
    pairs = pages.pairs or ["-".join(both) for both in combinations(sorted(set(pages.languages or ())), 2)]
    served = corpus.served
    return [pair if pair in served or reverse(pair) not in served else reverse(pair) for pair in pairs]


def has_split(corpora: Mapping[str, Corpus], name: str, pair: str, split: Split) -> bool:
    """Whether the configuration defines any sentences for that split of a corpus."""
    corpus = corpora[name]
    if not isinstance(corpus, PivotCorpus):
        return corpus.defines(pair, split)
    other = corpora.get(corpus.corpus)
    if other is None or isinstance(other, PivotCorpus):  # another check reports this mistake, and a missing pair
        return True
    return all(base not in other.served or other.defines(base, split) for base in corpus.bases(pair))


def pair_in(
    at: KeyPath, key: str | int, corpora: Mapping[str, Corpus], name: str, pair: str, split: Split
) -> Iterator[Problem]:
    """Checks that a corpus has text of a pair in a split; a corpus that does not exist passes."""
    if (corpus := corpora.get(name)) is None:
        return
    if pair not in corpus.served:
        yield Problem(
            (*at, key), f"corpus {name!r} has no such pair; " + registry.unknown("pair", pair, corpus.served), pair
        )
    elif not has_split(corpora, name, pair, split):
        yield Problem((*at, key), f"corpus {name!r} has no {split} split for {pair}; add one", pair)


def into_each(experiment: Experiment, corpora: Mapping[str, Corpus], name: str) -> dict[str, str | None]:
    """Language -> a pair into this language for which a corpus has training text, for each language of an experiment's
    test pairs: a training pair, or else a test pair in either direction; None if there is no such pair."""
    test = experiment.test.pairs
    known = corpora[name].served
    candidates = [*(experiment.train.pairs if experiment.train else ()), *test, *map(reverse, test)]
    fitting = [pair for pair in candidates if pair in known and has_split(corpora, name, pair, "train")]
    languages = sorted({language for pair in test for language in split_pair(pair)})
    return {
        language: next((pair for pair in fitting if split_pair(pair)[1] == language), None) for language in languages
    }


def template_in(
    at: KeyPath, prompt: Prompt | None, model: Model | None, obstacles: dict[str, bool]
) -> Iterator[Problem]:
    """Checks that a prompt with the model's chat template can be used.

    Args:
        at: the key that names the prompt.
        prompt: the prompt; None if there is none of that name.
        model: the model; None if there is none of that name.
        obstacles: feature that does not work with a chat template -> whether it is used with this prompt.
    """
    if prompt is None or prompt.template is None:
        return
    if model is not None and model.source == "scratch":
        yield Problem(at, "a model from scratch has no chat template; use a prompt without `template`")
    for obstacle, used in obstacles.items():
        if used:
            yield Problem(at, f"{obstacle} cannot go into a chat template; use a prompt without `template`")


def languages_in(at: KeyPath, known: dict[str, Prompt], name: str, pair: str) -> Iterator[Problem]:
    """Checks that a prompt has names for the languages of a pair."""
    if name in known:
        try:
            render(known[name], pair, "", "")
        except ValueError as error:
            yield Problem(at, f"{pair}: {error}", name)
