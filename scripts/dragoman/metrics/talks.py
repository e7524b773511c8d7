"""Simultaneous translations of whole talks: divided into the sentences of a reference, then scored like other texts.

OmniSTEval's SoftSegmenter (Polák et al. 2025, arXiv 2509.17349) aligns the words of a talk's translation with the words
of the reference, and gives every word to the sentence that it is aligned with. BLEU and other text metrics are ours;
LongYAAL is the lag of these sentences. StreamLAAL, which earlier work used, is the lag of sentences that mweralign
divides. Both programs run in an environment of their own (`make env-omnisteval`).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.languages.units import of_pair
from dragoman.metrics import MetricError, Score, languages_of, parse
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean
from dragoman.metrics.instances import Instance, read
from dragoman.metrics.scoring import record_of, scored
from dragoman.metrics.timing import reference_length
from dragoman.results.records import Record
from dragoman.storage import read_jsonl, sha256
from dragoman.text import lines

PROGRAM = REPOSITORY / ".venv-omnisteval" / "bin" / "omnisteval"
LONG_YAAL, STREAM_LAAL = "yaal", "laal"
"""The names of LongYAAL and StreamLAAL as metrics of talks."""
DIVIDER = Path(__file__).with_name("talk_divider.py")
BLANK = "\u2581"
"""What mweralign writes for a blank of a talk that it divides by characters."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of a reference, and the words of the translation that belong to it. Times are in milliseconds."""

    prediction: str
    reference: str
    length: float
    """Length of the source sentence."""
    end: float
    """Time from the beginning of the sentence to the end of the recording."""
    delays: Sequence[float] = ()
    """[tokens] Time from the beginning of the sentence until each word (or character) is written, without the time of
    computation; negative if it is written earlier."""
    elapsed: Sequence[float] = ()
    """[tokens] The same with the time of computation; empty: not measured."""


def long_yaal(sentence: Sentence, unit: str, computation_aware: bool = False) -> float:
    """YAAL of a sentence of a talk, in milliseconds; NaN if nothing was written before the recording ended.

    1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / max(|Y|, |Y*|) ], where tau is the last i before the first
    d_i that is not before the end of the recording: a talk goes on after a sentence, so its last words are not late by
    themselves, as they are where sentences are separate (`latency.yaal`).

    Polák et al. 2025 (arXiv 2509.17349), as OmniSTEval 0.1.10 computes it.
    """
    times = np.asarray(sentence.elapsed if computation_aware else sentence.delays, dtype=np.float64)
    late = times >= sentence.end
    count = int(late.argmax()) if late.any() else len(times)
    if count == 0:
        return float("nan")
    rate = sentence.length / max(len(times), reference_length(sentence.reference, unit))
    return float((times[:count] - np.arange(count) * rate).mean())


def stream_laal(sentence: Sentence, unit: str, computation_aware: bool = False) -> float:
    """LAAL of a sentence of a talk, in milliseconds; NaN if no word belongs to it.

    1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / max(|Y|, |Y*|) ], where tau is the first i with d_i >= |X|,
    or |Y|, as in `latency.laal`. Here, d_i may be negative, and larger than |X|.

    Papi et al. 2024, "StreamAtt" (ACL 2024), as simulstream 1.0.0 computes it (StreamLAAL 2.0).
    """
    times = np.asarray(sentence.elapsed if computation_aware else sentence.delays, dtype=np.float64)
    if len(times) == 0:
        return float("nan")
    late = times >= sentence.length
    count = int(late.argmax()) + 1 if late.any() else len(times)
    rate = sentence.length / max(len(times), reference_length(sentence.reference, unit))
    return float((times[:count] - np.arange(count) * rate).mean())


def version(name: str = "omnisteval") -> str:
    """The version of a package in OmniSTEval's environment.

    Raises:
        MetricError: there is no such environment, or it lacks the package.
    """
    installed = [*PROGRAM.parents[1].glob(f"lib/*/site-packages/{name}-*.dist-info")]
    if not PROGRAM.exists() or not installed:
        raise MetricError("the environment of OmniSTEval is not made yet; run `make env-omnisteval` in the checkout")
    return installed[0].name.removesuffix(".dist-info").partition("-")[2]


def fitting(log: Path, segmentation: Path, reference: Path) -> tuple[list[Instance], list[dict[str, Any]]]:
    """The talks of a log, and the places of the reference's sentences in their recordings.

    Raises:
        ValueError: files that do not fit each other; the message names the file and what is wrong.
    """
    talks = read(log)
    try:
        entries = yaml.safe_load(segmentation.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise MetricError(f"{segmentation}: not YAML or JSON: {' '.join(str(error).split())}") from None
    places = {"wav": str, "offset": int | float, "duration": int | float}
    for number, entry in enumerate(entries if isinstance(entries, list) else [None], 1):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), kind) for key, kind in places.items()):
            text = "wav (the name of a recording), offset and duration (seconds)"
            raise MetricError(f"{segmentation}: entry {number} is not a sentence with the keys {text}")
    if (count := sum(1 for _ in lines(reference))) != len(entries):
        raise MetricError(f"{segmentation} has {len(entries)} sentences, but {reference} has {count} lines")
    recordings = {Path(each["wav"]).stem for each in entries}
    for talk in talks:
        if not (name := _recording(talk)):
            raise MetricError(f"{talk.where}: no 'source', which names the recording")
        if Path(name).stem not in recordings:
            raise MetricError(f"{talk.where}: {segmentation} has no sentence of the recording {Path(name).name!r}")
    if len(talks) != len(recordings):
        raise MetricError(f"{log} has {len(talks)} talks, but {segmentation} has {len(recordings)} recordings")
    return talks, entries


def sentences(log: Path, segmentation: Path, reference: Path, pair: str) -> list[Sentence]:
    """The sentences of all talks, in the order of the reference.

    Args:
        log: SimulEval's instances.log, a line per talk; `source` names the recording, times are in milliseconds.
        segmentation: YAML, a list of sentences with `wav`, `offset` and `duration` (seconds).
        reference: a line per sentence.
        pair: source and target language.

    Raises:
        ValueError: files that do not fit each other; no environment of OmniSTEval, or an error of it.
    """
    talks, places = fitting(log, segmentation, reference)
    unit, code = of_pair(pair).target, languages_of(pair)[1].code
    how = ["--char_level"] if unit == "character" else ["--word_level", "--lang", code]
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "--hypothesis_file": "talks.jsonl",
            "--speech_segmentation": "places.json",
            "--ref_sentences_file": "lines",
        }
        contents = [_rows(talks), json.dumps(places), "".join(f"{line}\n" for line in lines(reference))]
        for name, content in zip(given.values(), contents, strict=True):
            (Path(folder) / name).write_text(content, encoding="utf-8")
        files = [part for option, name in given.items() for part in (option, Path(folder) / name)]
        command = [PROGRAM, "longform", *how, *files, "--no_quality", "--no_latency", "--output_folder", folder]
        done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
        if done.returncode:
            raise MetricError(f"OmniSTEval: {done.stderr.strip().splitlines()[-1]}")
        rows = read_jsonl(Path(folder) / "instances.resegmented.jsonl")
    return [
        Sentence(
            row["prediction"],
            row["reference"],
            row["source_length"],
            row.get("time_to_recording_end", float("inf")),
            row.get("emission_cu", ()),
            row.get("emission_ca", ()),
        )
        for row in rows
    ]


def sentences_by_mweralign(log: Path, segmentation: Path, reference: Path, pair: str) -> list[Sentence]:
    """The sentences of all talks as `sentences` has them, but divided by mweralign.

    Raises:
        ValueError: files that do not fit each other; delays that are not per word (or character); no mweralign.
    """
    talks, places = fitting(log, segmentation, reference)
    by_character = of_pair(pair).target == "character"
    texts = list(lines(reference))
    numbers: dict[str, list[int]] = {}
    for number, place in enumerate(places):
        numbers.setdefault(Path(place["wav"]).stem, []).append(number)
    of_talk = [numbers[Path(_recording(talk)).stem] for talk in talks]
    rows = [
        ([texts[number] for number in own], " ".join(talk.prediction.split()))
        for talk, own in zip(talks, of_talk, strict=True)
    ]
    task = json.dumps({"characters": by_character, "talks": rows})
    command = [str(PROGRAM.with_name("python")), str(DIVIDER)]
    done = subprocess.run(command, input=task, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise MetricError(f"mweralign: {done.stderr.strip().splitlines()[-1]}")
    made: dict[int, Sentence] = {}
    for talk, own, divided in zip(talks, of_talk, json.loads(done.stdout), strict=True):
        counts = [
            len(part.replace(" ", "").replace(BLANK, "")) if by_character else len(part.split()) for part in divided
        ]
        if sum(counts) != len(talk.delays):
            unit = "character" if by_character else "word"
            raise MetricError(f"{talk.where}: {len(talk.delays)} delays, but {sum(counts)} {unit}s")
        ends = np.cumsum(counts)
        for number, part, end, count in zip(own, divided, ends.tolist(), counts, strict=True):
            begin, length = (1000 * places[number][key] for key in ("offset", "duration"))
            delays, elapsed = (
                [time - begin for time in times[end - count : end]] for times in (talk.delays, talk.elapsed)
            )
            text = part.replace(" ", "").replace(BLANK, " ") if by_character else part
            made[number] = Sentence(text.strip(), texts[number], length, float("inf"), delays, elapsed)
    return [made[number] for number in range(len(texts))]


def _recording(talk: Instance) -> str:
    """The name of the recording of a talk; empty if the log has none."""
    name = talk.source[0] if isinstance(talk.source, list) and talk.source else talk.source
    return name if isinstance(name, str) else ""


def _rows(talks: Sequence[Instance]) -> str:
    """A log with the keys that OmniSTEval reads."""
    rows = []
    for talk in talks:
        row = {"source": talk.source, "prediction": talk.prediction, "delays": talk.delays}
        row |= {"source_length": talk.source_length} | ({"elapsed": talk.elapsed} if talk.elapsed else {})
        rows.append(json.dumps(row) + "\n")
    return "".join(rows)


def score_talks(
    log: Path,
    segmentation: Path,
    reference: Path,
    pair: str,
    metrics: Sequence[str],
    *,
    computation_aware: bool = False,
    bootstrap: int = RESAMPLES,
) -> list[Record]:
    """Records of one log, in the order of `metrics`: text metrics, `yaal`, which is LongYAAL here, and `laal`, which is
    StreamLAAL here.

    Raises:
        ValueError: as `sentences` has it; a metric that needs more than texts; no elapsed times.
    """
    languages_of(pair := pair.strip())
    for metric in metrics:
        name, options = parse(metric)
        if name in (LONG_YAAL, STREAM_LAAL) and options:
            raise MetricError(f"{metric!r}: {name} of talks has no options")
        if name not in (LONG_YAAL, STREAM_LAAL) and {"references"} != registry.module_of("metric", name).NEEDS:
            text = f"use metrics of text and reference, {LONG_YAAL} and {STREAM_LAAL}"
            raise MetricError(f"{name!r} is no metric of talks; {text}")
    by = f"OmniSTEval-{version()}"
    cut = sentences(log, segmentation, reference, pair)
    if computation_aware and not any(each.elapsed for each in cut):
        raise MetricError(f"{log}: no elapsed times, so no computation-aware latency")
    made_from = {"instances": sha256(log), "references": sha256(reference), "segments": sha256(segmentation)}
    place = {"paper": "", "experiment": "", "system": log.name, "pair": pair, "setting": "", "seed": 0}
    records = []
    for metric in metrics:
        if metric == LONG_YAAL:
            score = _lag("LongYAAL", long_yaal, cut, pair, by, computation_aware, bootstrap)
            records.append(record_of(score, place, metric, made_from))
        elif metric == STREAM_LAAL:
            divided, how = (
                sentences_by_mweralign(log, segmentation, reference, pair),
                f"mweralign-{version('mweralign')}",
            )
            score = _lag("StreamLAAL", stream_laal, divided, pair, how, computation_aware, bootstrap)
            records.append(record_of(score, place, metric, made_from))
        else:
            texts, references = [each.prediction for each in cut], [[each.reference for each in cut]]
            record, _ = scored(place, metric, texts, references, [], made_from, {"bootstrap": bootstrap})
            note = "; ".join(filter(None, (record.note, f"sentences of talks, divided by {by}")))
            records.append(replace(record, note=note))
    return records


def _lag(
    name: str,
    lag: Callable[[Sentence, str, bool], float],
    cut: Sequence[Sentence],
    pair: str,
    by: str,
    computation_aware: bool,
    bootstrap: int,
) -> Score:
    """The mean lag of the sentences that have one."""
    unit = {"character": "char", "word": "word"}[of_pair(pair).target]
    values = [lag(each, unit, computation_aware) for each in cut]
    known = [value for value in values if value == value]
    if not known:
        raise MetricError(f"no word was written in time, so there is no {name}")
    time = "elapsed" if computation_aware else "delays"
    rule = {"word": "split-blank", "char": "strip"}[unit]
    signature = f"{name}|time:{time}|source:ms|target:{unit}|reflen:{rule}{drawn(bootstrap)}|segments:{by}"
    note = (
        f"{len(values) - len(known)} of {len(values)} sentences have no word in time"
        if len(known) < len(values)
        else ""
    )
    segments = tuple(None if value != value else value for value in values)
    low, high = of_mean(known, bootstrap)
    return Score(sum(known) / len(known), low, high, signature, len(known), segments, note)
