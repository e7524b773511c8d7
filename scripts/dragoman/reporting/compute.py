"""Time and memory of a whole run, as its jobs measured them, and the machine. They differ between runs."""

from __future__ import annotations

import csv
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from dragoman.plan import Plan

HEADER = ("Step", "Jobs", "Measured", "Hours", "CPU hours", "Most memory, MB")


@dataclass(frozen=True)
class Step:
    """All jobs of one rule."""

    name: str
    jobs: int
    measured: int
    """Jobs with a measurement; sums are over these jobs."""
    hours: float
    """Sum of the elapsed times of all jobs, also of jobs that ran at the same time."""
    cpu_hours: float
    memory: float
    """Maximum resident memory of a job, in MB."""

    def cells(self) -> list[str]:
        """A row of the table, in the order of `HEADER`."""
        hours = f"{self.hours:.3f}", f"{self.cpu_hours:.3f}", f"{self.memory:,.0f}"
        return [self.name, f"{self.jobs:,}", f"{self.measured:,}", *(hours if self.measured else ("–", "–", "–"))]


def steps(plan: Plan) -> list[Step]:
    """Time and memory of each rule with a benchmark, and their sum as the last row; empty if nothing was measured."""
    rules = [_step(name, files) for name, files in _files(plan).items()]
    rules = [step for step in rules if step.jobs]
    if not any(step.measured for step in rules):
        return []
    sums = (sum(getattr(step, name) for step in rules) for name in ("jobs", "measured", "hours", "cpu_hours"))
    return [*rules, Step("all", *sums, memory=max(step.memory for step in rules))]


def _files(plan: Plan) -> dict[str, list[Path]]:
    """Rule -> benchmark files of its jobs."""
    return {
        "pretrain": [model.benchmark for model in plan.models_used],
        "finetune": [run.benchmark for run in plan.tuning_runs],
        "decode": [run.benchmark for run in plan.decode_runs],
        "diverge": [run.benchmark for run in plan.divergence_runs],
    }


def _step(name: str, files: list[Path]) -> Step:
    rows = []
    for path in files:
        if path.is_file():
            with open(path, encoding="utf-8", newline="") as file:
                rows += list(csv.DictReader(file, delimiter="\t"))
    seconds, cpu, memory = ([float(row[column]) for row in rows] for column in ("s", "cpu_time", "max_rss"))
    return Step(name, len(files), len(rows), sum(seconds) / 3600, sum(cpu) / 3600, max(memory, default=0.0))


def machine() -> str:
    """This machine: system, processor, number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.is_file() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    processor = name.group(1) if name else platform.processor()
    parts = [f"{platform.system()} {platform.machine()}", processor, f"{cores} core{'s' * (cores != 1)}"]
    return ", ".join(filter(None, parts))
