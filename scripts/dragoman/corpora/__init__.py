"""Where parallel text comes from: providers that fetch and read it, and checks on every line.

A provider is a module with

    fetch(corpus, pair, folder)          bring raw files into `folder`; nothing to do where there is no network in it
    read(corpus, pair, split, folder)    the rows of a split in their own order; none where the corpus has no such split
                                         (what is wrong with one row alone is its `fault`, with the file, an error)
    describe(corpus, pair, folder)       what the text was made from: names, revisions, hashes
    CHECKS                               those of `lines.CHECKS` that apply; all, where it says nothing (optional)

`prepare` makes of it what everything else reads: one parquet file per split, a list of what was dropped and why, and a
manifest, written last. Where the configuration says `align`, training text without word alignments gets them here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dragoman import comparable, registry
from dragoman.config import Corpus, Limits
from dragoman.corpora import lines
from dragoman.storage import MANIFEST, building, read_manifest
from dragoman.text import TextError
from dragoman.units import Unit, Units, of_pair

SPLITS = ("train", "validation", "test")
SCHEMA = pa.schema([("id", pa.int64()), ("source", pa.string()), ("target", pa.string()), ("alignment", pa.string())])
DROPPED = "dropped.jsonl"
CHUNK = 20_000
"""Rows held in memory and written together: one row group of the parquet file."""
EARLY = 1000
"""Faulty rows at the beginning of a file after which no good ones are waited for."""
MANY = 0.05
"""Share of dropped lines above which the report should say so."""


class CorpusError(ValueError):
    """Text that cannot be read or fetched: the file, line or key, and what to do."""


class Row(NamedTuple):
    """A sentence and its translation; `alignment` links their words, or characters where a language writes no blanks
    (`"0-0 1-2"`), empty where it is not known."""

    source: str
    target: str
    alignment: str = ""
    """Links of their words (`"0-0 1-2"`), empty where they are not known."""
    fault: str = ""
    """Why this row cannot be used, by a short name; the rows around it can."""
    why: str = ""
    """The same as a message with file and line."""


def fetch(corpus: Corpus, pair: str, folder: Path) -> None:
    """Bring what a corpus needs from the network into `folder`. Interrupted, it goes on where it stopped."""
    registry.module_of("provider", corpus.provider).fetch(corpus, pair, Path(folder))


def prepare(corpus: Corpus, pair: str, downloads: Path, out: Path) -> dict[str, Any]:
    """Read, check and write one pair of a corpus; returns the manifest.

    Writes `train.parquet`, `validation.parquet`, `test.parquet` (id, source, target, alignment; `id` counts the rows
    of the raw split from 0), `dropped.jsonl` and `manifest.json`. The same input gives the same bytes.

    Raises:
        CorpusError: the text cannot be read, is not the published set that it stands for, or `out` holds files of
            somebody else.
    """
    provider, downloads, out = registry.module_of("provider", corpus.provider), Path(downloads), Path(out)
    _refuse_foreign_files(out)
    facts: dict[str, Any] = {"provider": corpus.provider, "pair": pair, "splits": {}}
    checker = lines.Checker(getattr(corpus, "limits", Limits()), getattr(provider, "CHECKS", None))
    with building(out, facts) as place, open(place / DROPPED, "w", encoding="utf-8", newline="\n") as dropped:
        # The test set comes first: it is never changed, and lines of the other splits are held against it.
        for split in reversed(SPLITS):
            unit = of_pair(pair).source
            rows = _usable(provider.read(corpus, pair, split, downloads), split)
            facts["splits"][split] = _write(rows, checker, split, unit, place / f"{split}.parquet", dropped)
        if name := getattr(corpus, "stands_for", None):
            _check_published(name, pair, place / "test.parquet")
        if getattr(corpus, "align", False):
            facts["aligned"] = _align(place / "train.parquet", of_pair(pair))
        facts["raw"] = provider.describe(corpus, pair, downloads)
        if warning := _warning(facts["splits"]):
            facts["warning"] = warning
    return read_manifest(out)


def load(folder: Path, split: str) -> pa.Table:
    """One split of a prepared pair: columns id, source, target, alignment.

    Raises:
        FileNotFoundError, ValueError: the folder is not complete, or a file in it was changed.
    """
    if split not in SPLITS:
        raise CorpusError(registry.unknown("split", split, SPLITS))
    read_manifest(Path(folder))
    return pq.read_table(Path(folder) / f"{split}.parquet", schema=SCHEMA)


def flipped(alignment: str) -> str:
    """The same alignment seen from the other side: `"0-0 1-2"` becomes `"0-0 2-1"`."""
    links = sorted(tuple(map(int, reversed(link.split("-")))) for link in alignment.split())
    return " ".join(f"{source}-{target}" for source, target in links)


def require_pair(pair: str, pairs: Iterable[str], name: str) -> None:
    """Refuse a pair that `name` does not have, with a list of those it has."""
    if pair not in (pairs := list(pairs)):
        raise CorpusError(f"{name}: {registry.unknown('pair', pair, pairs)}")


def _usable(rows: Iterator[Row], split: str) -> Iterator[Row]:
    """The rows of a split.

    Raises:
        TextError: all of them are faulty, so that the fault is the file's; or one of a test set cannot be read.
    """
    count, faulty, first = 0, 0, ""
    for row in rows:
        if row.fault and split == "test" and not (row.source or row.target):
            raise TextError(f"{row.why} (no row can be left out of a test set)")
        count, faulty, first = count + 1, faulty + bool(row.fault), first or row.why
        if faulty == count == EARLY:
            break
        yield row
    if faulty == count > 0:
        raise TextError(first)


def _write(
    rows: Iterator[Row], checker: lines.Checker, split: str, unit: Unit, path: Path, dropped: IO[str]
) -> dict[str, int | dict[str, int]]:
    counts: dict[str, Any] = {"rows_in": 0, "rows_kept": 0, "dropped": {}}
    if split == "test":
        counts["warnings"] = {}
    with _writer(path) as writer:
        numbered = enumerate(rows)
        while chunk := list(islice(numbered, CHUNK)):
            kept: list[tuple[int, str, str, str]] = []
            for number, row in chunk:
                source, target = row.source.strip(), row.target.strip()
                if (kept_words := lines.beginning(source, checker.limits, unit)) != source:
                    source, row = kept_words, row._replace(alignment="")
                reason = row.fault if split != "test" else ""
                reason = reason or checker.reason(split, source, target) or row.fault
                if reason and split == "test":
                    counts["warnings"][reason] = counts["warnings"].get(reason, 0) + 1
                elif reason:
                    counts["dropped"][reason] = counts["dropped"].get(reason, 0) + 1
                    facts = {"split": split, "id": number, "reason": reason, "source": source, "target": target}
                    facts |= {"why": row.why} if row.why else {}
                    dropped.write(json.dumps(facts, ensure_ascii=False) + "\n")
                    continue
                kept.append((number, source, target, row.alignment))
            counts["rows_in"] += len(chunk)
            counts["rows_kept"] += len(kept)
            columns = zip(*kept, strict=True) if kept else ([],) * len(SCHEMA)
            writer.write_batch(
                pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA)
            )
    return counts


def _writer(path: Path) -> pq.ParquetWriter:
    # No statistics of strings (they hold sentences) and no time stamps: the file depends on its rows alone.
    return pq.ParquetWriter(path, SCHEMA, compression="zstd", write_statistics=False, use_dictionary=False)


def _align(path: Path, counted: Units) -> int:
    """Fill in the word alignments that no provider gave; how many were missing."""
    from dragoman.corpora import aligner

    table = pq.read_table(path, schema=SCHEMA)
    given = table["alignment"].to_pylist()
    if missing := given.count(""):
        found = aligner.align(table["source"].to_pylist(), table["target"].to_pylist(), counted)
        column = pa.array([old or new for old, new in zip(given, found, strict=True)], pa.string())
        with _writer(path) as writer:
            writer.write_table(table.set_column(SCHEMA.get_field_index("alignment"), "alignment", column), CHUNK)
    return missing


def _check_published(name: str, pair: str, path: Path) -> None:
    """Refuse a test split that is not the published set it stands for, as far as that is known."""
    table = pq.read_table(path, schema=SCHEMA)
    rows = list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    if found := comparable.mismatch(comparable.load().test_sets[name], pair, rows):
        raise CorpusError(f"stands_for: {name}, but {found}; take the published text as it is, or leave stands_for out")


def _warning(splits: dict[str, dict[str, Any]]) -> str:
    said = []
    for split, counts in splits.items():
        lost = counts["rows_in"] - counts["rows_kept"]
        if lost > MANY * counts["rows_in"]:
            reasons = sorted(counts["dropped"].items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{reason} {count}" for reason, count in reasons)
            said.append(f"{lost / counts['rows_in']:.1%} of the {split} lines were dropped ({listed}).")
    return " ".join(said)


def _refuse_foreign_files(out: Path) -> None:
    ours = {MANIFEST, DROPPED, *(f"{split}.parquet" for split in SPLITS)}
    foreign = sorted(path.name for path in out.iterdir() if path.name not in ours) if out.is_dir() else []
    if foreign:
        raise CorpusError(f"{out} holds {foreign[0]}, which was not made here and would be lost; name an empty folder")
