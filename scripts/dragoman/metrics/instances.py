"""SimulEval's `instances.log`: one JSON object a line, with what was written and when; read, written and scored.

Anything that writes this format can be scored here, and what we write can be scored by SimulEval. A log is counted as
SimulEval counts it: predicted words by `str.split`, and words of the reference by single blanks, so that a double blank
adds one and U+00A0 parts none; predicted characters are all but U+0020, and those of the reference all of the stripped
line. Simultaneous decoders here write no other white space than single blanks, so `units.py` counts their words alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dragoman.metrics import MetricError
from dragoman.metrics.bootstrap import RESAMPLES
from dragoman.metrics.latency import named, scores
from dragoman.metrics.timing import UNITS, Timing, reference_length, timing
from dragoman.records import Record
from dragoman.storage import replacing, sha256
from dragoman.text import objects
from dragoman.units import units


@dataclass(frozen=True, slots=True)
class Instance:
    """A sentence and its simultaneous translation."""

    index: int
    prediction: str
    delays: tuple[float, ...]
    """Per target word (or character): source words read, or milliseconds of speech heard, when it was written."""
    elapsed: tuple[float, ...] = ()
    """The same on the clock, computing included, in ms. SimulEval leaves 0 on text; empty: not measured."""
    reference: str | None = None
    source: str | list[str] | None = None
    """The source text; for speech, a list of facts about the audio file."""
    source_length: float = 0
    """In the unit of the delays."""
    where: str = ""
    """File and line, for errors."""

    @property
    def source_unit(self) -> str | None:
        """What delays count: `word`, `char`, or None for speech. Many logs of speech are published without `source`,
        hence the way round."""
        text = self.source if isinstance(self.source, str) else ""
        fitting = [name for name, unit in UNITS.items() if len(units(text, unit)) == self.source_length]
        return fitting[0] if fitting and isinstance(self.source, str) else None


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
        source_type: `text` or `speech`; None: text where each source is a text of `source_length` words, or characters.

    Raises:
        MetricError: delays that are plainly not per `unit`, no elapsed times, and all that `timing` refuses.
    """
    names = [each.where or f"instance {each.index}" for each in instances]
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
        source=source_type or ("text" if all(each.source_unit for each in instances) else "speech"),
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
) -> list[Record]:
    """Records of logs, one system a file, in the order of `paths` and `metrics`.

    A metric written with options, like `al:computation_aware=true`, has them go over the arguments. Computation-aware
    values are always named so: they must not share a column with the others.

    Raises:
        ValueError: a bad log or a metric that it does not have; the message names file and line.
    """
    wanted = {}
    for spec in metrics:
        name, options = named(spec)
        full = {"computation_aware": computation_aware, "unit": unit, "reference_length": use_references} | options
        shown = {key: full[key] for key in sorted(full) if key in options}
        shown |= {"computation_aware": True} if full["computation_aware"] else {}
        text = ",".join(f"{key}={str(value).lower()}" for key, value in sorted(shown.items()))
        wanted[f"{name}:{text}" if text else name] = (name, tuple(full.items()))
    records = []
    for path in paths:
        instances, digest = read(path), sha256(path)
        found = {}
        for how in dict.fromkeys(how for _, how in wanted.values()):
            options = dict(how)
            laid_out = timing_of(
                instances,
                options["unit"],
                computation_aware=options["computation_aware"],
                use_references=options["reference_length"],
                source_type=source_type,
            )
            found[how] = scores(
                laid_out,
                [name for name, each in dict.fromkeys(wanted.values()) if each == how],
                unit=options["unit"],
                source_unit="char" if any(each.source_unit == "char" for each in instances) else "word",
                reference_length=options["reference_length"],
                bootstrap=bootstrap,
            )
            notes = [next(iter(found[how].values())).note]
            if number := strays(instances, options["unit"]):
                notes.append(f"{number} hypotheses do not have a delay per {options['unit']}")
            if number := options["reference_length"] and sum(each.reference is None for each in instances):
                notes.append(f"{number} sentences have no reference, so the hypothesis's length stands in")
            note = "; ".join(filter(None, notes))
            found[how] = {name: replace(score, note=note) for name, score in found[how].items()}
        for metric, (name, how) in wanted.items():
            score = found[how][name]
            records.append(
                Record(
                    paper="",
                    experiment="",
                    system=Path(path).name,
                    pair=pair,
                    setting="",
                    seed=0,
                    metric=metric,
                    value=score.value,
                    low=score.low,
                    high=score.high,
                    signature=score.signature,
                    n=score.n,
                    made_from={"instances": digest},
                    note=score.note,
                )
            )
    return records
