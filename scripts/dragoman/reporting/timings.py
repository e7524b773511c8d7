"""Seconds, speed and memory of fine-tunings, which differ between runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from dragoman.plan import Plan, TuningRun
from dragoman.reporting.arrange import MISSING
from dragoman.reporting.markup import latex_rows, markdown_text, pipes
from dragoman.reporting.tables import csv
from dragoman.storage import read_json

NAME = "training-cost"
MEASURED = ("seconds", "steps", "tokens", "tokens_per_second", "peak_memory_mb", "examples", "threads", "device")
HEADER = ("Tuning", "Models", "Seconds", "Relative", "Steps", "Tokens/s", "Peak memory, MB", "Device")
LEGEND = (
    "Means over the models of a tuning (pairs, settings, seeds); memory is the maximum over its models. "
    f"Relative: seconds divided by those of the fastest tuning of the experiment on the same device. {MISSING}: not "
    "measured, or not for every model."
)


@dataclass(frozen=True)
class Cost:
    """Cost of a tuning, over all its models. A number is None if a model lacks it."""

    tuning: str
    models: int
    seconds: float | None
    relative: float | None
    steps: float | None
    tokens_per_second: float | None
    peak_memory_mb: float | None
    device: str
    """Device and threads; separated by semicolons if its models were trained on several."""

    def cells(self) -> list[str]:
        """A row of the table, in the order of `HEADER`."""
        shown = [_shown(self.seconds, 1), _shown(self.relative, 2, "×"), _shown(self.steps, 0)]
        shown += [_shown(self.tokens_per_second, 0), _shown(self.peak_memory_mb, 0)]
        return [self.tuning, str(self.models), *shown, self.device or MISSING]


def read(plan: Plan) -> pd.DataFrame:
    """One row per planned fine-tuning, in the order of the plan; missing measurements are NaN.

    Raises:
        ValueError: a file lacks a number; the message names it.
    """
    return pd.DataFrame([_row(run) for run in plan.tuning_runs], columns=[*_KEYS, *MEASURED])


_KEYS = ("experiment", "tuning", "setting", "scope", "seed")


def _row(run: TuningRun) -> dict[str, Any]:
    row = dict(zip(_KEYS, (run.experiment, run.base, run.setting, run.scope, run.seed), strict=True))
    if not run.timing.is_file():
        return row
    measured = read_json(run.timing)
    if missing := [name for name in MEASURED if name not in measured]:
        raise ValueError(f"{run.timing}: {', '.join(missing)} missing; train again, or remove the file")
    return row | {name: measured[name] for name in MEASURED}


def costs(rows: pd.DataFrame) -> dict[str, list[Cost]]:
    """Experiment -> cost of each of its tunings. There is a mean only if all models of the tuning were measured.

    Args:
        rows: from `read`.
    """
    tunings: dict[str, list[Cost]] = {}
    for (experiment, tuning), own in rows.groupby(["experiment", "tuning"], sort=False):
        cost = Cost(
            tuning,
            len(own),
            seconds=_mean(own["seconds"]),
            relative=None,
            steps=_mean(own["steps"]),
            tokens_per_second=_rate(own),
            peak_memory_mb=None if own["peak_memory_mb"].isna().any() else float(own["peak_memory_mb"].max()),
            device=_device(own),
        )
        tunings.setdefault(experiment, []).append(cost)
    return {experiment: [_related(cost, own) for cost in own] for experiment, own in tunings.items()}


def _mean(values: pd.Series) -> float | None:
    return None if values.isna().any() else statistics.fmean(values)


def _rate(own: pd.DataFrame) -> float | None:
    """Tokens of all models divided by the seconds of all models."""
    if own["tokens"].isna().any() or own["seconds"].isna().any() or not own["seconds"].sum():
        return None
    return float(own["tokens"].sum() / own["seconds"].sum())


def _device(own: pd.DataFrame) -> str:
    known = own.dropna(subset=["device", "threads"])
    names = [f"{row.device}, {int(row.threads)} thread{'s' * (row.threads != 1)}" for row in known.itertuples()]
    return "; ".join(dict.fromkeys(names))


def _related(cost: Cost, tunings: Sequence[Cost]) -> Cost:
    """A cost with `relative`, unless its models were trained on several devices.

    Args:
        cost: one of `tunings`.
        tunings: costs of all tunings of its experiment.
    """
    rivals = [each.seconds for each in tunings if each.device == cost.device and each.seconds is not None]
    if cost.seconds is None or ";" in cost.device or not min(rivals):
        return cost
    return replace(cost, relative=cost.seconds / min(rivals))


def _shown(value: float | None, digits: int, unit: str = "") -> str:
    return MISSING if value is None else f"{value:,.{digits}f}{unit}"


def files(rows: pd.DataFrame) -> dict[str, str]:
    """Suffix -> content of the tables of all fine-tunings: one row per model with all digits as CSV, a table of tunings
    for each experiment as Markdown and LaTeX.

    Args:
        rows: from `read`.
    """
    shown = {name: [cost.cells() for cost in own] for name, own in costs(rows).items()}
    align = "l" + "r" * (len(HEADER) - 2) + "l"
    markdown = ["### Training cost", ""]
    for name, own in shown.items():
        escaped = [[*map(markdown_text, row)] for row in own]
        markdown += [f"#### {markdown_text(name)}", "", *pipes(HEADER, escaped, align), ""]
    latex = [latex_rows(f"Training cost: {name}", HEADER, own, f"@{{}}{align}@{{}}") for name, own in shown.items()]
    return {"csv": csv(rows), "md": "\n".join([*markdown, LEGEND]) + "\n", "tex": "\n".join(latex)}
