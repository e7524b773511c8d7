"""Judging: `alpaca_eval` compares the answers of two systems to instructions in its own process, and this module counts
wins.

As in arXiv 2403.14399, each two answers are judged in both orders, since judges prefer one of the positions. An answer
that is preferred twice wins; one preference each is a tie. If one judgement is a draw, the other one decides; two draws
are a tie.

The user installs the program (AlpacaEval 0.6.6 is known to work). It reads the key of the judging model from the
environment; messages of this module never contain keys.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dragoman.metrics import MetricError
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums
from dragoman.results.records import Record

PROGRAM = "alpaca_eval"
OUTCOMES = ("win", "tie", "loss")
DRAW = 1.5
"""AlpacaEval's preference is from 1 (the reference's answer) to 2 (the model's answer); 1.5 is a draw."""


def metric(outcome: str) -> str:
    """The name of the metric in records, for the share of an outcome."""
    return f"alpaca_eval:outcome={outcome}"


def obstacle(judge: str | None) -> str:
    """Why answers cannot be judged; empty if they can."""
    if judge is None:
        return "not judged: the configuration names no judge"
    return "" if shutil.which(PROGRAM) else f"not judged: there is no program {PROGRAM} on the PATH"


def verdict(preferences: Sequence[float]) -> str:
    """The system's outcome for one instruction, from the preferences for its answer in both orders."""
    points = sum((preference > DRAW) - (preference < DRAW) for preference in preferences)
    return "win" if points > 0 else "loss" if points < 0 else "tie"


def verdicts(orders: Sequence[Mapping[str, float]]) -> list[str]:
    """Outcome of every instruction that has a preference in both orders.

    Args:
        orders: instruction -> preference of the system's answer, from 1 to 2, for each order of the two answers.
    """
    first, second = orders
    return [verdict((first[instruction], second[instruction])) for instruction in first if instruction in second]


def preferences(system: Path, rival: Path, judge: str, work: Path) -> list[Mapping[str, float]]:
    """The judge's preferences for the system's answers, for both orders of two files of answers.

    Args:
        system, rival: answers in AlpacaEval's format.
        judge: an annotators_config of AlpacaEval.
        work: folder for AlpacaEval's files, including its cache, which avoids paying for a judgement twice.

    Returns:
        For each order, instruction -> preference, as in `verdicts`. AlpacaEval chooses the positions of two answers by
        the instruction alone, so exchanging the files exchanges the positions.

    Raises:
        MetricError: AlpacaEval has failed.
    """
    there = _annotated(work / "there", system, rival, judge)
    back = _annotated(work / "back", rival, system, judge)
    return [there, {instruction: 3 - preference for instruction, preference in back.items()}]


def _annotated(folder: Path, model: Path, reference: Path, judge: str) -> dict[str, float]:
    """Instruction -> preference for `model`, for instructions with a judgement."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "model_outputs": model,
        "reference_outputs": reference,
        "annotators_config": judge,
        "output_path": folder,
        "caching_path": folder / "cache.json",
        "precomputed_leaderboard": None,
        "fn_metric": "get_winrate",
        "sort_by": "win_rate",
    }
    for old in folder.rglob("annotations.json"):
        old.unlink()
    command = [PROGRAM, "evaluate", *(f"--{name}={value}" for name, value in options.items())]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    files = sorted(folder.rglob("annotations.json"))
    if done.returncode or len(files) != 1:
        said = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise MetricError(f"{PROGRAM} did not judge with {judge!r} (exit code {done.returncode}): {without_keys(said)}")
    preferences = {}
    for row in json.loads(files[0].read_text(encoding="utf-8")):
        value = row.get("preference")
        if isinstance(value, int | float) and 1 <= value <= 2:
            preferences[row["instruction"]] = float(value)
    return preferences


def without_keys(text: str) -> str:
    """The text, with all values of environment variables that may be keys, and all beginnings of such keys, hidden."""
    for name, value in os.environ.items():
        if re.search("KEY|TOKEN|SECRET|PASSWORD", name.upper()) and len(value) >= 8:
            text = text.replace(value, "[hidden]")
    return re.sub(r"\bsk-[\w*-]+", "[hidden]", text)


def records(
    place: dict[str, Any], outcomes: Sequence[str], asked: int, signature: str, made_from: dict[str, str]
) -> list[Record]:
    """Shares of wins, ties and losses in percent, with 95 % bootstrap intervals over the instructions.

    Raises:
        MetricError: no instruction was judged.
    """
    if not outcomes:
        raise MetricError(f"{PROGRAM} gave no preference for any of {asked} instructions in both orders")
    table = np.asarray([[outcome == name for name in OUTCOMES] for outcome in outcomes], dtype=np.float64)
    samples = np.array([*resampled_sums(table, RESAMPLES)])
    note = "" if len(outcomes) == asked else f"{asked - len(outcomes)} of {asked} instructions have no verdict"
    made = []
    for column, outcome in enumerate(OUTCOMES):
        low, high = (100 * bound / len(outcomes) for bound in interval(samples[:, column].tolist()))
        made.append(
            Record(
                **place,
                metric=metric(outcome),
                value=100 * float(table[:, column].sum()) / len(outcomes),
                low=low,
                high=high,
                signature=f"{signature}|orders:2|tie:split|bs:{RESAMPLES}|seed:{SEED}",
                n=len(outcomes),
                made_from=made_from,
                note=note,
            )
        )
    return made


def unjudged(place: dict[str, Any], asked: int, reason: str, made_from: dict[str, str]) -> list[Record]:
    """Records without a value, with the reason as their note."""
    empty = {"value": None, "low": None, "high": None, "signature": "", "n": asked, "made_from": made_from}
    return [Record(**place, metric=metric(outcome), **empty, note=reason) for outcome in OUTCOMES]
