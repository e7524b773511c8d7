"""SimulEval's `instances.log`: one JSON object a line, with what was written and when; read, written and scored.

Anything that writes this format can be scored here, and what we write can be scored by SimulEval. The units of its
columns are in `log_units.py`. A log is counted as SimulEval counts it: predicted words by `str.split`, and words of the
reference by single blanks, so that a double blank adds one and U+00A0 parts none; predicted characters are all but
U+0020, and those of the reference all of the stripped line. Simultaneous decoders here write no other white space than
single blanks, so `units.py` counts their words alike.
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
    """How much of the source had been read when a target token was written."""
    elapsed: tuple[float, ...] = ()
    """When it was written, on the clock. SimulEval leaves 0 on text; empty: not measured."""
    reference: str | None = None
    source: str | list[str] | None = None
    """The source text; for speech, a list of facts about the audio file."""
    source_length: float = 0
    where: str = ""
    """File and line, for errors."""


def read(path: Path) -> list[Instance]:
    """All instances of a log, also gzipped, in the order of the file. Keys that are not ours are passed over.

    Raises:
        ValueError: a line that is no instance; the message names file and line.
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
    """Write a log that SimulEval reads too, whole or not at all, with its keys in its order."""
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
    """Lay out instances for the latency metrics.

    Args:
        instances: those of one system.
        unit: what a target token is: `word` or `char`.
        computation_aware: read elapsed times.
        use_references: measure against the length of the reference; an instance without one, or False, takes the
            length of the hypothesis, as SimulEval does.
        source_type: `text` or `speech`; None: seen from the log, see `log_units.source_type`.

    Raises:
        MetricError: delays that are plainly not per `unit`, no elapsed times, a log that does not show its source type,
            and all that `timing` refuses.
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
    """How many predictions do not have as many words (or characters that are not blanks) as delays."""
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
    """Records of logs, one system a file, in the order of `paths` and `metrics`.

    A metric written with options, like `al:computation_aware=true`, has them go over the arguments. Computation-aware
    values are always named so: they must not share a column with the others.

    Args:
        sentences: whether each record is followed by what its sentences have.

    Raises:
        ValueError: a bad log or a metric that it does not have; the message names file and line.
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
    """Scores of one log under one set of options, with notes on what it lacks."""
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
