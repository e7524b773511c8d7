"""Scores texts and makes records: plain text files, or hypotheses of the workflow."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dragoman import registry
from dragoman.config.sweeps import joined, split
from dragoman.decoding import cut_short
from dragoman.metrics import MetricError, NoValueError, Score, columns_of, languages_of, parse, score, unwritten
from dragoman.results.records import Record, SentenceScore
from dragoman.storage import read_jsonl, sha256
from dragoman.text import lines

NO_VALUE: dict[str, Any] = {"value": None, "low": None, "high": None, "signature": ""}


def digest_of(sentences: Iterable[str]) -> str:
    """SHA-256 of a text file with these sentences as its lines; `sha256sum` gives the same."""
    whole = hashlib.sha256()
    for sentence in sentences:
        whole.update(sentence.encode() + b"\n")
    return whole.hexdigest()


def scored(
    place: dict[str, Any],
    metric: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str],
    made_from: dict[str, str],
    options: dict[str, Any] | None = None,
    columns: dict[str, list[Any]] | None = None,
) -> tuple[Record, Score | None]:
    """A metric of one system: its record, and its score, or None if it has no value.

    Args:
        place: paper, experiment, system, pair, setting and seed of the record.
        metric: name of the metric, with options.
        hypotheses, references, sources, columns: as in `metrics.score`.
        made_from: name of an input -> its SHA-256.
        options: further options of the metric.

    Raises:
        MetricError: as in `metrics.score`.
    """
    try:
        result = score(metric, hypotheses, references, sources, place["pair"], columns, **(options or {}))
    except NoValueError as reason:
        return absent(reason, place, metric, len(hypotheses), made_from), None
    return record_of(result, place, metric, made_from), result


def record_of(result: Score, place: dict[str, Any], metric: str, made_from: dict[str, str]) -> Record:
    """A score as a record; arguments are as in `scored`."""
    return Record(
        **place,
        metric=metric,
        value=result.value,
        low=result.low,
        high=result.high,
        signature=result.signature,
        n=result.n,
        made_from=made_from,
        note=result.note,
    )


def absent(reason: NoValueError, place: dict[str, Any], metric: str, n: int, made_from: dict[str, str]) -> Record:
    """A record without a value, with the reason as its note; arguments are as in `scored`."""
    return Record(**place, metric=metric, **NO_VALUE, n=n, made_from=made_from, note=str(reason))


def of_sentences(
    record: Record,
    result: Score,
    hypotheses: Sequence[str] = (),
    references: Sequence[Sequence[str]] = (),
    options: dict[str, Any] | None = None,
) -> list[SentenceScore]:
    """The value of each sentence of a record.

    Raises:
        MetricError: the metric is not defined for sentences.
    """
    name, written = parse(record.metric)
    values, signature = result.segments, result.signature
    if by_sentence := getattr(registry.module_of("metric", name), "by_sentence", None):
        values, signature = by_sentence(hypotheses, references, record.pair, **((options or {}) | written))
    if values is None:
        raise MetricError(f"{record.metric} has no value of a sentence; leave it out, or leave out --sentences")
    return [
        SentenceScore(record.system, record.pair, record.metric, number, value, signature)
        for number, value in enumerate(values, 1)
    ]


def score_files(
    hypotheses: Sequence[Path],
    references: Sequence[Path],
    source: Path | None,
    pair: str,
    metrics: Sequence[str],
    options: dict[str, dict[str, Any]] | None = None,
    sentences: bool = False,
) -> list[Record | SentenceScore]:
    """Records of plain text files, one system per file.

    Args:
        hypotheses: a file for each system.
        references: a file for each set of references.
        source: the file of the source text, if a metric needs it.
        pair: the language pair.
        metrics: names of metrics, with options.
        options: name of a metric -> options; options in the metric's own name override them.
        sentences: whether each record is followed by the values of its sentences.

    Raises:
        ValueError: the pair cannot be read, or a file is not UTF-8, or has another number of lines; the message names
            the file.
    """
    pair = pair.strip()
    languages_of(pair)
    reference_sets = [list(lines(path)) for path in references]
    sources = list(lines(source)) if source else []
    metrics = list(dict.fromkeys(metrics))
    for metric in metrics:
        registry.module_of("metric", parse(metric)[0])
    records: list[Record | SentenceScore] = []
    for path in hypotheses:
        texts = list(lines(path))
        others = [*zip(references, reference_sets, strict=True)]
        if source:
            others.append((source, sources))
        for other, others_lines in others:
            if len(others_lines) != len(texts):
                raise MetricError(f"{path} has {len(texts)} lines, but {other} has {len(others_lines)}")
        place = {"paper": "", "experiment": "", "system": path.name, "pair": pair, "setting": "", "seed": 0}
        made_from = {"hypotheses": sha256(path)}
        if reference_sets:
            made_from["references"] = digest_of(line for lines in reference_sets for line in lines)
        if sources:
            made_from["sources"] = digest_of(sources)
        for metric in metrics:
            own = unwritten(metric, options)
            record, result = scored(place, metric, texts, reference_sets, sources, made_from, own)
            records.append(record)
            if sentences and result:
                records += of_sentences(record, result, texts, reference_sets, own)
    return records


def score_hypotheses(
    path: Path, place: dict[str, Any], metrics: Sequence[str], options: dict[str, dict[str, Any]] | None = None
) -> list[Record]:
    """Records of a decoding: one per metric and setting, settings in the order of their first row.

    Args:
        path: JSON Lines with `id`, `setting`, `source`, `reference`, `hypothesis`; a reference may be a
            list of several.
        place: paper, experiment, system, pair and seed; a system at a point of its tuning's sweep (`sm,k=3`) is
            split into system and setting.
        metrics: names of metrics. A metric gets a record without a value if it needs a column that the decoder does not
            write.
        options: name of a metric -> options; options in the metric's own name override them.

    Raises:
        ValueError: a key is missing or has a wrong value, or an id occurs twice in a setting; the message names
            file and line.
    """
    system, point = split(place["system"])
    groups: dict[str, dict[Any, dict[str, Any]]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        for key in ("id", "setting", "source", "reference", "hypothesis"):
            if row.get(key) is None:
                raise ValueError(f"{path}:{number}: no {key!r} in this row")
        for key in ("source", "hypothesis"):
            if not isinstance(row[key], str):
                raise ValueError(f"{path}:{number}: {key!r} is not a text")
        if not isinstance(row["id"], int | str):
            raise ValueError(f"{path}:{number}: 'id' is neither a number nor a text")
        references = [row["reference"]] if isinstance(row["reference"], str) else row["reference"]
        if not isinstance(references, list) or not references or not all(isinstance(r, str) for r in references):
            raise ValueError(f"{path}:{number}: 'reference' is neither a text nor a list of texts")
        group = groups.setdefault(str(row["setting"]), {})
        if row["id"] in group:
            raise ValueError(f"{path}:{number}: id {row['id']!r} stands twice under setting {row['setting']!r}")
        group[row["id"]] = row
    if not groups:
        raise MetricError(f"{path}: no sentences to score")
    records, whole = [], sha256(path)
    for setting, group in groups.items():
        rows = list(group.values())
        references = _reference_sets(path, [row["reference"] for row in rows])
        made_from = {"hypotheses": whole, "references": digest_of(line for lines in references for line in lines)}
        hypotheses, sources = [row["hypothesis"] for row in rows], [row["source"] for row in rows]
        here = place | {"system": system, "setting": joined(point, setting)}
        for metric in dict.fromkeys(metrics):
            own, needed = unwritten(metric, options), columns_of(parse(metric)[0])
            if lacking := [column for column in needed if not any(column in row for row in rows)]:
                note = f"this decoder writes no {', '.join(lacking)}"
                records.append(Record(**here, metric=metric, **NO_VALUE, n=len(rows), made_from=made_from, note=note))
                continue
            for column in needed:
                if any(column not in row for row in rows):
                    raise MetricError(f"{path}: some rows have {column!r} and others do not; decode it again")
                if odd := next((row for row in rows if not _numbers(row[column])), None):
                    raise MetricError(f"{path}: {column!r} of id {odd['id']!r} holds something else than numbers")
            columns = {column: [row[column] for row in rows] for column in needed}
            record = scored(here, metric, hypotheses, references, sources, made_from, own, columns)[0]
            notes = [note for note in (record.note, cut_short(rows)) if note]
            records.append(dataclasses.replace(record, note="; ".join(notes)))
    return records


def _numbers(value: Any) -> bool:
    """Whether a column holds a number, or a list of them."""
    return {type(each) for each in (value if isinstance(value, list) else [value])} <= {int, float}


def _reference_sets(path: Path, references: Sequence[str | list[str]]) -> list[list[str]]:
    several = [[reference] if isinstance(reference, str) else reference for reference in references]
    if len({len(each) for each in several}) > 1:
        raise MetricError(f"{path}: some sentences have more references than others")
    return [list(lines) for lines in zip(*several, strict=True)]
