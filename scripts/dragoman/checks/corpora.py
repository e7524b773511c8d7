"""Checks of corpora and models: files, patterns and test sets that must exist, and pages for pre-training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from dragoman.checks.names import named, page_pairs, pair_in
from dragoman.command import located
from dragoman.config import (
    ArchiveCorpus,
    Config,
    Corpus,
    DemoCorpus,
    FilesCorpus,
    GgufModel,
    HubCorpus,
    InstructionsCorpus,
    LocalModel,
    Model,
    Pages,
    PivotCorpus,
    SacrebleuCorpus,
    ScratchModel,
)
from dragoman.configfile import KeyPath, Problem
from dragoman.languages import reverse, split_pair
from dragoman.results import comparable
from dragoman.text import TextError

NO_FILE = "no such file (paths are relative to the working directory)"
FIRST_ROWS = 100
"""Number of rows in which word alignments are looked for."""


def problems_of(config: Config, at: KeyPath, corpus: Corpus) -> Iterator[Problem]:
    """Mistakes of one corpus."""
    if (name := getattr(corpus, "stands_for", None)) is not None:
        yield from named("published test set", (*at, "stands_for"), name, comparable.load().test_sets)
    if isinstance(corpus, FilesCorpus):
        yield from _missing_files(at, corpus)
    elif isinstance(corpus, HubCorpus):
        yield from _patterns(at, corpus)
    elif isinstance(corpus, SacrebleuCorpus):
        yield from _test_sets(at, corpus)
    elif isinstance(corpus, PivotCorpus):
        yield from _joined(config, at, corpus)
    elif isinstance(corpus, ArchiveCorpus):
        for split, sides in corpus.files.items():
            for side in ("source", "target"):
                yield from _holders((*at, "files", split, side), getattr(sides, side), ("source", "target"))
    elif isinstance(corpus, InstructionsCorpus) and corpus.path and not located(corpus.path).is_file():
        yield Problem((*at, "path"), NO_FILE, corpus.path)


def unaligned(config: Config, name: str, pairs: Iterable[str], use: str) -> str:
    """The mistake that the training text of a corpus has no word alignments; empty if it has some, or if that is not
    known before the text is made.

    Args:
        name: the corpus; an unknown one or an unserved pair is reported elsewhere.
        use: why alignments are needed: "a dictionary is made of word alignments".
    """
    corpus = config.corpora.get(name)
    if corpus is None or isinstance(corpus, InstructionsCorpus) or corpus.aligned:
        return ""
    mine = isinstance(corpus, FilesCorpus)
    if corpus.aligned is None and not (mine and any(not _has_alignments(corpus, pair) for pair in pairs)):
        return ""
    text = f"{use}, and the training text of {name!r} has none; "
    if isinstance(corpus, DemoCorpus):
        return f"{text}use a corpus of translations"
    column = " or a column `alignment`" if mine else ""
    return f"{text}give this corpus `align: true`{column}"


def _has_alignments(corpus: FilesCorpus, pair: str) -> bool:
    """Whether one of the first rows of the training text has word alignments; also True if the text is missing or
    cannot be read, since other checks report that."""
    from dragoman.corpora import CorpusError, files  # imported here, since it imports pyarrow

    if pair not in corpus.served or not corpus.defines(pair, "train"):
        return True
    try:
        return any(row.alignment for row in islice(files.read(corpus, pair, "train", Path()), FIRST_ROWS))
    except (OSError, CorpusError, TextError):
        return True


def problems_of_model(config: Config, at: KeyPath, model: Model) -> Iterator[Problem]:
    """Mistakes of one foundation model."""
    if isinstance(model, ScratchModel):
        yield from _pages(config, (*at, "text"), model.text)
    elif isinstance(model, LocalModel) and not (Path(model.path) / "config.json").is_file():
        yield Problem((*at, "path"), _instead_of_folder(Path(model.path)), model.path)
    elif isinstance(model, GgufModel) and model.id is None:
        for key in ("files", "licence_files"):
            for index, path in enumerate(getattr(model, key)):
                if not Path(path).is_file():
                    yield Problem((*at, key, index), NO_FILE, path)


def _instead_of_folder(path: Path) -> str:
    """The error for a path that is not a checkpoint folder, with the correct key for a GGUF file."""
    if path.is_file() and path.suffix == ".gguf":
        return f"this is a GGUF file; write {{source: gguf, files: [{path}]}}"
    if gguf := sorted(path.glob("*.gguf*")) if path.is_dir() else []:
        return f"has no config.json, but a GGUF file; write {{source: gguf, files: [{gguf[0]}]}}"
    return "has no config.json; give a folder in Hugging Face format"


def _missing_files(at: KeyPath, corpus: FilesCorpus) -> Iterator[Problem]:
    for pair, splits in corpus.pairs.items():
        for split in ("train", "validation", "test"):
            files = getattr(splits, split)
            for key, path in files.files.items() if files else ():
                if not located(path).is_file():
                    yield Problem(
                        (*at, "pairs", pair, split, key),
                        _no_folder(path) if key == "saved" else NO_FILE,
                        getattr(files, key),
                    )


def _no_folder(path: str) -> str:
    from dragoman.corpora import saved  # imported here, since it imports pyarrow

    return saved.instead_of(located(path).parent)


def _patterns(at: KeyPath, corpus: HubCorpus) -> Iterator[Problem]:
    for split, pattern in corpus.files.items():
        yield from _holders((*at, "files", split), pattern, ("source", "target", "config"))
        for pair in corpus.pairs if "{config}" in pattern else ():
            if pair not in corpus.configs and reverse(pair) not in corpus.configs:
                yield Problem(
                    (*at, "configs"), f"`files` uses {{config}}, but {pair} has no entry here", corpus.configs
                )


def _holders(at: KeyPath, pattern: str, allowed: Sequence[str]) -> Iterator[Problem]:
    for holder in re.findall(r"{(.*?)}", pattern):
        yield from named("placeholder", at, holder, allowed)


def _joined(config: Config, at: KeyPath, corpus: PivotCorpus) -> Iterator[Problem]:
    """Checks that the other corpus exists, is not a pivot corpus itself, and has pairs with the pivot language."""
    fitting = {name: other for name, other in config.corpora.items() if not isinstance(other, PivotCorpus)}
    yield from named("corpus that is not joined itself", (*at, "corpus"), corpus.corpus, fitting)
    if corpus.corpus not in fitting:
        return
    for index, pair in enumerate(corpus.pairs):
        for base in corpus.bases(pair):
            if base not in fitting[corpus.corpus].served:
                text = f"needs the pair {base} of the corpus {corpus.corpus!r}, which does not have it; add it there"
                yield Problem((*at, "pairs", index), text, pair)


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
        yield Problem((*at, "languages"), "a language is listed twice; remove one", pages.languages)
    pairs = page_pairs(pages, corpus)
    if len({frozenset(split_pair(pair)) for pair in pairs}) < len(pairs):
        yield Problem((*at, "pairs"), "a pair is listed twice (its reverse is the same text); remove one", pages.pairs)
    for pair in pairs:
        yield from pair_in(at, "pairs" if pages.pairs else "languages", config.corpora, pages.corpus, pair, "train")
    for number, task in enumerate(pages.tasks):
        here: KeyPath = (*at, "tasks", number)
        yield from named("corpus", (*here, "corpus"), task.corpus, config.corpora)
        for index, pair in enumerate(task.pairs):
            yield from pair_in((*here, "pairs"), index, config.corpora, task.corpus, pair, "train")
