"""Scoring from the command line: CPU time of whole processes of our script, of sacrebleu and of SimulEval."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from dragoman import command
from dragoman.benchmarks import Timing, sentences
from dragoman.metrics.instances import Instance, write

REPEATS = 5
"""Number of measured runs of each program, after one that is not counted."""
SIMULEVAL = command.REPOSITORY / ".venv-simuleval" / "bin" / "simuleval"
LATENCY = ("al", "laal", "ap", "dal", "atd")
K = 3


def commands() -> Iterator[Timing]:
    """BLEU and chrF of 2,000 sentences without intervals, and latencies of a log; SimulEval's, too, if installed."""
    text = sentences(2000)
    ours = [sys.executable, str(command.REPOSITORY / "scripts" / "score.py")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hypothesis, reference, log = folder / "hypothesis", folder / "reference", folder / "instances.log"
        for path, lines in ((hypothesis, [line[::-1] for line in text.targets]), (reference, text.targets)):
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        files = ["--hypothesis", str(hypothesis), "--reference", str(reference), "--pair", text.pair]
        programs = {
            "ours": [*ours, "text", *files, "--metric", "bleu", "chrf", "--bootstrap", "0"],
            "sacrebleu": [
                sys.executable,
                "-m",
                "sacrebleu",
                str(reference),
                "-i",
                str(hypothesis),
                "-m",
                "bleu",
                "chrf",
            ],
        }
        yield from _beside("command: BLEU, chrF", programs, len(text.targets))
        write(log, (_waiting(*each) for each in enumerate(zip(text.sources, text.targets, strict=True))))
        programs = {"ours": [*ours, "instances", str(log), "--metric", *LATENCY]}
        if SIMULEVAL.is_file():
            kinds = ["--source-type", "text", "--target-type", "text", "--eval-latency-unit", "word"]
            metrics = ["--latency-metrics", *map(str.upper, LATENCY)]
            programs["SimulEval"] = [str(SIMULEVAL), "--score-only", "--output", str(folder), *kinds, *metrics]
        yield from _beside("command: latencies of a log", programs, len(text.targets))


def _waiting(number: int, pair: tuple[str, str]) -> Instance:
    """An instance with the reference as its translation, and wait-k delays with k = `K`."""
    source, target = pair
    read = len(source.split())
    delays = tuple(min(K + i, read) for i in range(len(target.split())))
    return Instance(number, target, delays, (0,) * len(delays), target, source, read)


def _beside(what: str, programs: Mapping[str, Sequence[str]], count: int) -> Iterator[Timing]:
    """Median CPU seconds of each program. Programs take turns, so that other load of the machine affects all."""
    spent: dict[str, list[float]] = {how: [] for how in programs}
    for _ in range(1 + REPEATS):
        for how, line in programs.items():
            before = _cpu_seconds()
            subprocess.run(line, check=True, capture_output=True)
            spent[how].append(_cpu_seconds() - before)
    for how, seconds in spent.items():
        yield Timing(what, f"{how}, CPU time", count, "sentences", median(seconds[1:]))


def _cpu_seconds() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
