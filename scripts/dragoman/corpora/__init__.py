"""Corpora: providers that download and read parallel text, and checks of every line.

A provider is a module with

    fetch(corpus, pair, folder)          downloads raw files into `folder`; does nothing if no network is needed
    read(corpus, pair, split, folder)    the rows of a split in their original order; none if the corpus has no such
    split.
                                         A problem of a single row is its `fault`; a problem of a file is an error
    describe(corpus, pair, folder)       the origin of the text: names, revisions, hashes
    CHECKS                               the checks of `lines.CHECKS` that apply (optional; default: all)

`prepare` writes the files that all other steps read: one parquet file per split, a list of dropped lines with reasons,
and last a manifest. With `align: true`, training text without word alignments is aligned here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dragoman import registry
from dragoman.config import Corpus, Limits
from dragoman.corpora import lines
from dragoman.languages.units import Unit, Units, of_pair
from dragoman.results import comparable
from dragoman.storage import MANIFEST, building, read_manifest
from dragoman.text import TextError

SPLITS = ("train", "validation", "test")
SCHEMA = pa.schema([("id", pa.int64()), ("source", pa.string()), ("target", pa.string()), ("alignment", pa.string())])
DROPPED = "dropped.jsonl"
CHUNK = 20_000
"""Number of rows that are held in memory and written together, as one row group of the parquet file."""
MAX_FAULTS = 1000
"""A file whose first rows are all faulty is refused after this many rows."""
UNFINISHED = frozenset(
    {"untranslated", "fuzzy", "obsolete", "plural-form", "alternative", "suggestion"}
    | {"unapproved", "needs-work", "needs-review", "translate-no"}
)
"""Faults of rows that their file itself does not count as finished translations (see `exchange`): they are left out of
a test set, too, and a file may begin with any number of them."""
WARN_DROPPED = 0.05
"""Share of dropped lines above which the report shows a warning."""


class CorpusError(ValueError):
    """Text that cannot be read or downloaded; the message names the file, line or key, and what to do."""


class Row(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str
    alignment: str = ""
    """Links of their words, or of characters for languages that write no blanks (`"0-0 1-2"`); empty if not known."""
    fault: str = ""
    """Short name of the reason why this row cannot be used; empty if it can. Other rows are not affected."""
    why: str = ""
    """The fault as a message with file and line."""


def fetch(corpus: Corpus, pair: str, folder: Path) -> None:
    """Download the raw files of a corpus into `folder`. After an interruption, it continues where it stopped."""
    registry.module_of("provider", corpus.provider).fetch(corpus, pair, Path(folder))


def prepare(corpus: Corpus, pair: str, downloads: Path, out: Path) -> dict[str, Any]:
    """Read, check and write one pair of a corpus; returns the manifest.

    Writes `train.parquet`, `validation.parquet`, `test.parquet` (id, source, target, alignment; `id` counts the rows
    of the raw split from 0), `dropped.jsonl` and `manifest.json`. The same input gives the same bytes.

    Raises:
        CorpusError: the text cannot be read, or differs from the published set that it should be, or `out` holds files
            that were not written here.
    """
    provider, downloads, out = registry.module_of("provider", corpus.provider), Path(downloads), Path(out)
    _refuse_foreign_files(out)
    facts: dict[str, Any] = {"provider": corpus.provider, "pair": pair, "splits": {}}
    checker = lines.Checker(getattr(corpus, "limits", Limits()), getattr(provider, "CHECKS", None))
    with building(out, facts) as place, open(place / DROPPED, "w", encoding="utf-8", newline="\n") as dropped:
        # The test set comes first, since lines of the other splits are compared with it.
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
    """The alignment with its sides exchanged: `"0-0 1-2"` becomes `"0-0 2-1"`."""
    links = sorted(tuple(map(int, reversed(link.split("-")))) for link in alignment.split())
    return " ".join(f"{source}-{target}" for source, target in links)


def require_pair(pair: str, pairs: Iterable[str], name: str) -> None:
    """Refuse a pair that a corpus does not have.

    Raises:
        CorpusError: `pair` is not one of `pairs`; the message begins with `name` and lists the pairs.
    """
    if pair not in (pairs := list(pairs)):
        raise CorpusError(f"{name}: {registry.unknown('pair', pair, pairs)}")


def _usable(rows: Iterator[Row], split: str) -> Iterator[Row]:
    """The rows of a split.

    Raises:
        TextError: all rows are faulty, so the file itself is wrong; or a row of a test set cannot be read.
    """
    count, faults, first = 0, Counter[str](), ""
    for row in rows:
        finished = row.fault not in UNFINISHED
        if row.fault and finished and split == "test" and not (row.source or row.target):
            raise TextError(f"{row.why} (a test set must be complete, so no row can be left out)")
        count, first = count + 1, first or row.why
        faults.update([row.fault] if row.fault else [])
        if faults.total() == count == MAX_FAULTS and finished:
            break
        yield row
    if faults.total() == count > 0:
        unfinished = ", ".join(f"{fault} {faults[fault]}" for fault in sorted(faults.keys() & UNFINISHED))
        raise TextError(first + (f" (no row is a finished translation: {unfinished})" if unfinished else ""))


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
                reason = row.fault if split != "test" or row.fault in UNFINISHED else ""
                reason = reason or checker.reason(split, source, target) or row.fault
                if reason and split == "test" and reason not in UNFINISHED:
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
    """Add word alignments to rows that have none; returns the number of these rows."""
    from dragoman.corpora import aligner

    table = pq.read_table(path, schema=SCHEMA)
    given = table["alignment"].to_pylist()
    if missing := given.count(""):
        computed = aligner.align(table["source"].to_pylist(), table["target"].to_pylist(), counted)
        column = pa.array([old or new for old, new in zip(given, computed, strict=True)], pa.string())
        with _writer(path) as writer:
            writer.write_table(table.set_column(SCHEMA.get_field_index("alignment"), "alignment", column), CHUNK)
    return missing


def _check_published(name: str, pair: str, path: Path) -> None:
    """Refuse a test split that differs from the published set named by `stands_for`, as far as that set is known."""
    table = pq.read_table(path, schema=SCHEMA)
    rows = list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    if difference := comparable.mismatch(comparable.load().test_sets[name], pair, rows):
        raise CorpusError(
            f"stands_for: {name}, but {difference}; use the published text unchanged, or remove stands_for"
        )


def _warning(splits: dict[str, dict[str, Any]]) -> str:
    warnings = []
    for split, counts in splits.items():
        lost = counts["rows_in"] - counts["rows_kept"]
        if lost > WARN_DROPPED * counts["rows_in"]:
            reasons = sorted(counts["dropped"].items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{reason} {count}" for reason, count in reasons)
            warnings.append(f"{lost / counts['rows_in']:.1%} of the {split} lines were dropped ({listed}).")
    return " ".join(warnings)


def _refuse_foreign_files(out: Path) -> None:
    ours = {MANIFEST, DROPPED, *(f"{split}.parquet" for split in SPLITS)}
    foreign = sorted(path.name for path in out.iterdir() if path.name not in ours) if out.is_dir() else []
    if foreign:
        raise CorpusError(
            f"{out} holds {foreign[0]}, which was not written here and would be lost; use an empty folder"
        )
