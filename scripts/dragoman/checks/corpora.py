"""Corpora and models: files that must be there, patterns and sets that must be known, pages that models are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dragoman.checks.names import named, page_pairs, pair_in
from dragoman.command import located
from dragoman.config import (
    Config,
    Corpus,
    FilesCorpus,
    HubCorpus,
    InstructionsCorpus,
    LocalModel,
    Model,
    Pages,
    SacrebleuCorpus,
    ScratchModel,
)
from dragoman.configfile import KeyPath, Problem
from dragoman.languages import reverse, split_pair

NO_FILE = "no such file (paths count from the working directory)"


def problems_of(at: KeyPath, corpus: Corpus) -> Iterator[Problem]:
    """Mistakes of one corpus."""
    if isinstance(corpus, FilesCorpus):
        yield from _missing_files(at, corpus)
    elif isinstance(corpus, HubCorpus):
        yield from _patterns(at, corpus)
    elif isinstance(corpus, SacrebleuCorpus):
        yield from _test_sets(at, corpus)
    elif isinstance(corpus, InstructionsCorpus) and corpus.path and not located(corpus.path).is_file():
        yield Problem((*at, "path"), NO_FILE, corpus.path)


def problems_of_model(config: Config, at: KeyPath, model: Model) -> Iterator[Problem]:
    """Mistakes of one foundation model."""
    if isinstance(model, ScratchModel):
        yield from _pages(config, (*at, "text"), model.text)
    elif isinstance(model, LocalModel) and not (Path(model.path) / "config.json").is_file():
        yield Problem((*at, "path"), "no config.json there; give a folder in Hugging Face format", model.path)


def _missing_files(at: KeyPath, corpus: FilesCorpus) -> Iterator[Problem]:
    for pair, splits in corpus.pairs.items():
        for split in ("train", "validation", "test"):
            for key in ("path", "source", "target"):
                path = getattr(getattr(splits, split) or object(), key, None)
                if path and not Path(path).is_file():
                    yield Problem((*at, "pairs", pair, split, key), NO_FILE, path)


def _patterns(at: KeyPath, corpus: HubCorpus) -> Iterator[Problem]:
    for split, pattern in corpus.files.items():
        for holder in re.findall(r"{(.*?)}", pattern):
            yield from named("placeholder", (*at, "files", split), holder, ("source", "target", "config"))
        for pair in corpus.pairs if "{config}" in pattern else ():
            if pair not in corpus.configs and reverse(pair) not in corpus.configs:
                yield Problem((*at, "configs"), f"`files` names {{config}}, and {pair} has none here", corpus.configs)


def _test_sets(at: KeyPath, corpus: SacrebleuCorpus) -> Iterator[Problem]:
    from sacrebleu.dataset import DATASETS

    for split in ("train", "validation", "test"):
        for index, name in enumerate(getattr(corpus, split)):
            yield from named("test set", (*at, split, index), name, DATASETS)
    for index, name in enumerate(corpus.turned):
        own = [*corpus.train, *corpus.validation, *corpus.test]
        yield from named("set of this corpus", (*at, "turned", index), name, own)


def _pages(config: Config, at: KeyPath, pages: Pages) -> Iterator[Problem]:
    yield from named("corpus", (*at, "corpus"), pages.corpus, config.corpora)
    if (corpus := config.corpora.get(pages.corpus)) is None:
        return
    if pages.languages and len(set(pages.languages)) < len(pages.languages):
        yield Problem((*at, "languages"), "a language stands twice", pages.languages)
    pairs = page_pairs(pages, corpus)
    if len({frozenset(split_pair(pair)) for pair in pairs}) < len(pairs):
        yield Problem((*at, "pairs"), "a pair stands twice (its reverse is the same text)", pages.pairs)
    for pair in pairs:
        yield from pair_in(at, "pairs" if pages.pairs else "languages", corpus, pages.corpus, pair, "train")
    for number, task in enumerate(pages.tasks):
        here: KeyPath = (*at, "tasks", number)
        yield from named("corpus", (*here, "corpus"), task.corpus, config.corpora)
        for index, pair in enumerate(task.pairs if task.corpus in config.corpora else ()):
            yield from pair_in((*here, "pairs"), index, config.corpora[task.corpus], task.corpus, pair, "train")
