"""Reads, writes and scores SimulEval's `instances.log`: each line is a JSON object with a translation and its delays.

Logs of other programs can be scored here, and SimulEval can score our logs. `log_units.py` lists the units of columns.
Words and characters are counted as in SimulEval. Predicted words are counted by `str.split`; words of a reference are
separated by single blanks, so a double blank adds a word, and U+00A0 does not separate words. Predicted characters are
all except U+0020; in a reference, all characters of the stripped line count. Our simultaneous decoders write single
blanks and no other white space, so `units.py` gives the same number of words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dragoman.metrics import MetricError, NoValueError, Score, languages_of, log_units
from dragoman.metrics.bootstrap import RESAMPLES
from dragoman.metrics.latency import METRICS, named, note_on_unit, scores
from dragoman.metrics.scoring import absent, of_sentences, record_of
from dragoman.metrics.timing import Timing, reference_length, timing
from dragoman.results.records import Record, SentenceScore
from dragoman.storage import replacing, sha256
from dragoman.text import objects


@dataclass(frozen=True, slots=True)
class Instance:
    """A sentence and its simultaneous translation."""

    index: int
    prediction: str
    delays: tuple[float, ...]
    """[tokens] Amount of source that had been read when each target token was written."""
    elapsed: tuple[float, ...] = ()
    """[tokens] Time at which each token was written, in milliseconds. SimulEval writes 0 for text; empty: not
    measured."""
    reference: str | None = None
    source: str | list[str] | None = None
    """The source text; for speech, a list of facts about the audio file."""
    source_length: float = 0
    where: str = ""
    """File and line, for errors."""


def read(path: Path) -> list[Instance]:
    """All instances of a log, which may be gzipped, in the order of the file. Unknown keys are ignored.

    Raises:
        ValueError: a line is not an instance; the message names file and line.
        MetricError: the log is empty.
    """
    instances: dict[int, Instance] = {}
    for number, row in objects(Path(path)):
        where = f"{path}:{number}"
        instance = _instance(row, where)
        if instance.index in instances:
            raise ValueError(f"{where}: index {instance.index} stood at {instances[instance.index].where} already")
        instances[instance.index] = instance
    if not instances:
        raise MetricError(f"{path}: no instances")
    return list(instances.values())


def _instance(row: dict[str, Any], where: str) -> Instance:
    for key in ("index", "prediction", "delays"):
        if key not in row:
            raise ValueError(f"{where}: no {key!r} in this instance")
    if "durations" in row:
        raise ValueError(f"{where}: 'durations' belong to spoken output, and only written output has a latency here")
    if type(row["index"]) is not int:
        raise ValueError(f"{where}: 'index' is not a whole number")
    if not isinstance(row["prediction"], str):
        raise ValueError(f"{where}: 'prediction' is not a text")
    if not isinstance(row.get("reference"), str | None):
        raise ValueError(f"{where}: 'reference' is not a text")
    source = row.get("source")
    if not isinstance(source, str | list | None):
        raise ValueError(f"{where}: 'source' is neither a text nor a list")
    length = row.get("source_length")
    if length is None:
        if not isinstance(source, str):
            raise ValueError(f"{where}: no 'source_length', and no source text to count")
        length = len(source.split())
    if type(length) not in (int, float):
        raise ValueError(f"{where}: 'source_length' is not a number")
    delays, elapsed = (_numbers(row.get(key) or [], key, where) for key in ("delays", "elapsed"))
    if row.get("prediction_length", len(delays)) != len(delays):
        raise ValueError(
            f"{where}: 'prediction_length' is {row['prediction_length']}, but there are {len(delays)} delays"
        )
    if elapsed and len(elapsed) != len(delays):
        raise ValueError(f"{where}: {len(delays)} delays, but {len(elapsed)} elapsed times")
    return Instance(row["index"], row["prediction"], delays, elapsed, row.get("reference"), source, length, where)


def _numbers(values: Any, key: str, where: str) -> tuple[float, ...]:
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float}:
        raise ValueError(f"{where}: {key!r} is not a list of numbers")
    return tuple(values)


def write(path: Path, instances: Iterable[Instance]) -> None:
    """Write a log that SimulEval can read, with the same order of keys. The file is replaced only when complete."""
    with replacing(path) as file:
        for each in instances:
            row = {
                "index": each.index,
                "prediction": each.prediction,
                "delays": each.delays,
                "elapsed": each.elapsed,
                "prediction_length": len(each.delays),
                "reference": each.reference,
                "source": each.source,
                "source_length": each.source_length,
            }
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def timing_of(
    instances: Sequence[Instance],
    unit: str = "word",
    *,
    computation_aware: bool = False,
    use_references: bool = True,
    source_type: str | None = None,
) -> Timing:
    """Instances as a `Timing` for the latency metrics.

    Args:
        instances: instances of one system.
        unit: unit of target tokens: `word` or `char`.
        computation_aware: use elapsed times instead of delays.
        use_references: use lengths of references. If False, or if an instance has no reference, the length of the
            hypothesis is used, as in SimulEval.
        source_type: `text` or `speech`; None: recognised by `log_units.source_type`.

    Raises:
        MetricError: delays are not per `unit`, elapsed times are missing, the source type cannot be recognised, or as
            in `timing`.
    """
    instances = [each if each.where else replace(each, where=f"instance {each.index}") for each in instances]
    names = [each.where for each in instances]
    other = "char" if unit == "word" else "word"
    if strays(instances, unit) and not strays(instances, other):
        raise MetricError(f"{names[0]}: the delays of this log are not per {unit}: choose unit {other!r}")
    elapsed = None
    if computation_aware:
        for each, name in zip(instances, names, strict=True):
            if each.delays and not each.elapsed:
                raise MetricError(f"{name}: no elapsed times, so no computation-aware latency")
        elapsed = [each.elapsed for each in instances]
    references = [
        len(each.delays) if each.reference is None or not use_references else reference_length(each.reference, unit)
        for each in instances
    ]
    return timing(
        [each.delays for each in instances],
        [each.source_length for each in instances],
        references,
        elapsed=elapsed,
        source=source_type or log_units.source_type(instances),
        names=names,
    )


def strays(instances: Iterable[Instance], unit: str) -> int:
    """Number of predictions whose number of words (or of characters other than blanks) differs from that of delays."""
    if unit == "word":
        return sum(len(each.prediction.split()) != len(each.delays) for each in instances)
    return sum(len(each.prediction.replace(" ", "")) != len(each.delays) for each in instances)


def score_logs(
    paths: Sequence[Path],
    metrics: Sequence[str],
    *,
    unit: str = "word",
    computation_aware: bool = False,
    use_references: bool = True,
    source_type: str | None = None,
    pair: str = "",
    bootstrap: int = RESAMPLES,
    sentences: bool = False,
) -> list[Record | SentenceScore]:
    """Records of logs, one system per file, in the order of `paths` and `metrics`.

    Options in a metric's name, like `al:computation_aware=true`, override the arguments. The names of computation-aware
    metrics always contain this option, so that they never share a column with other values.

    Args:
        paths: the logs.
        metrics: names in `latency.METRICS`, with options.
        unit, computation_aware, use_references, source_type: as in `timing_of`.
        pair: the language pair, if it is known.
        bootstrap: number of resamples; 0: no interval.
        sentences: whether each record is followed by the values of its sentences.

    Raises:
        ValueError: a log has mistakes, or a metric cannot be computed from it; the message names file and line.
    """
    if pair := pair.strip():
        languages_of(pair)
    wanted = {}
    for spec in metrics:
        name, options = named(spec)
        full = {"computation_aware": computation_aware, "unit": unit, "reference_length": use_references} | options
        shown = {key: full[key] for key in sorted(full) if key in options}
        shown |= {"computation_aware": True} if full["computation_aware"] else {}
        text = ",".join(f"{key}={str(value).lower()}" for key, value in sorted(shown.items()))
        wanted[f"{name}:{text}" if text else name] = (name, tuple(full.items()))
    if not use_references and not any(METRICS[name].reads_references for name, _ in wanted.values()):
        reading = ", ".join(name for name, metric in METRICS.items() if metric.reads_references)
        raise MetricError(f"--no-reference-length is for {reading}, and none of them is asked for; leave it out")
    records: list[Record | SentenceScore] = []
    for path in paths:
        instances, made_from = read(path), {"instances": sha256(path)}
        place = {"paper": "", "experiment": "", "system": Path(path).name, "pair": pair, "setting": "", "seed": 0}
        by_options = {}
        for how in dict.fromkeys(how for _, how in wanted.values()):
            names = [name for name, each in dict.fromkeys(wanted.values()) if each == how]
            by_options[how] = _scores(instances, names, dict(how), source_type, pair, bootstrap)
        for metric, (name, how) in wanted.items():
            score = by_options[how][name]
            if isinstance(score, NoValueError):
                records.append(absent(score, place, metric, len(instances), made_from))
                continue
            records.append(record := record_of(score, place, metric, made_from))
            if sentences:
                records += of_sentences(record, score)
    return records


def _scores(
    instances: Sequence[Instance],
    metrics: Sequence[str],
    options: dict[str, Any],
    source_type: str | None,
    pair: str,
    bootstrap: int,
) -> dict[str, Score | NoValueError]:
    """Scores of one log with one set of options. Notes name missing instances and references, and other oddities."""
    unit = options["unit"]
    laid_out = timing_of(
        instances,
        unit,
        computation_aware=options["computation_aware"],
        use_references=options["reference_length"],
        source_type=source_type,
    )
    scored = scores(
        laid_out,
        metrics,
        unit=unit,
        source_unit=log_units.source_unit(instances),
        reference_length=options["reference_length"],
        bootstrap=bootstrap,
    )
    notes = [note_on_unit(pair, unit)]
    if number := strays(instances, unit):
        notes.append(f"{number} hypotheses do not have a delay per {unit}")
    numbers = [each.index for each in instances]
    if number := max(numbers) - min(numbers) + 1 - len(numbers):  # a log that was resumed may lack one
        notes.append(f"{number} sentences between the first and the last are not in this log")
    if number := options["reference_length"] and sum(each.reference is None for each in instances):
        notes.append(f"{number} sentences have no reference, so the hypothesis's length stands in")
    if number := sum(each.delays[-1] > each.source_length for each in instances if each.delays):
        notes.append(f"{number} hypotheses have delays beyond the end of their source")
    return {
        name: score
        if isinstance(score, NoValueError)
        else replace(score, note="; ".join(filter(None, (score.note, *notes))))
        for name, score in scored.items()
    }
