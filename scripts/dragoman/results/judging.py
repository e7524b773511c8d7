"""Which of two answers to an instruction is better: `alpaca_eval` judges, in its own process, and we count.

As in arXiv 2403.14399 every two answers are shown twice, in either order, since judges favour a place: who is preferred
twice wins, one each is a tie. A draw in one order leaves the other to decide; two draws are a tie.

The program is the user's (AlpacaEval 0.6.6 is known to work), and so is the key of the model behind it, which it reads
from the environment; no message from here holds one.
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
"""AlpacaEval's preference is 1 for the reference's answer, 2 for the model's; between them, the judge doubts."""


def metric(outcome: str) -> str:
    """What records call the share of an outcome."""
    return f"alpaca_eval:outcome={outcome}"


def obstacle(judge: str | None) -> str:
    """Why answers will not be judged; empty where they will."""
    if judge is None:
        return "not judged: the configuration names no judge"
    return "" if shutil.which(PROGRAM) else f"not judged: there is no program {PROGRAM} on the PATH"


def verdict(preferences: Sequence[float]) -> str:
    """Outcome of one instruction for the system, from the preference for its answer in each order."""
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
    """Have a judge compare two files of answers, in both orders.

    Args:
        system, rival: answers in AlpacaEval's form.
        judge: an annotators_config of AlpacaEval.
        work: folder for what AlpacaEval writes; its own cache there keeps judgements from being paid for twice.

    Returns:
        What `verdicts` takes. AlpacaEval shuffles the two answers by instruction alone, so that swapping the files
        swaps every place.
    """
    there = _annotated(work / "there", system, rival, judge)
    back = _annotated(work / "back", rival, system, judge)
    return [there, {instruction: 3 - preference for instruction, preference in back.items()}]


def _annotated(folder: Path, model: Path, reference: Path, judge: str) -> dict[str, float]:
    """Instruction -> preference for `model`, where the judge gave one."""
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
    found = sorted(folder.rglob("annotations.json"))
    if done.returncode or len(found) != 1:
        said = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise MetricError(f"{PROGRAM} did not judge with {judge!r} (exit code {done.returncode}): {without_keys(said)}")
    preferences = {}
    for row in json.loads(found[0].read_text(encoding="utf-8")):
        value = row.get("preference")
        if isinstance(value, int | float) and 1 <= value <= 2:
            preferences[row["instruction"]] = float(value)
    return preferences


def without_keys(text: str) -> str:
    """Text in which no value of the environment that may be a key or token stands, whole or begun."""
    for name, value in os.environ.items():
        if re.search("KEY|TOKEN|SECRET|PASSWORD", name.upper()) and len(value) >= 8:
            text = text.replace(value, "[hidden]")
    return re.sub(r"\bsk-[\w*-]+", "[hidden]", text)


def records(
    place: dict[str, Any], found: Sequence[str], asked: int, signature: str, made_from: dict[str, str]
) -> list[Record]:
    """Shares of wins, ties and losses in percent, with 95 % bootstrap intervals over the instructions.

    Raises:
        MetricError: not one instruction was judged.
    """
    if not found:
        raise MetricError(f"{PROGRAM} gave no preference for any of {asked} instructions in both orders")
    table = np.asarray([[outcome == name for name in OUTCOMES] for outcome in found], dtype=np.float64)
    samples = np.array([*resampled_sums(table, RESAMPLES)])
    note = "" if len(found) == asked else f"{asked - len(found)} of {asked} instructions have no verdict"
    made = []
    for column, outcome in enumerate(OUTCOMES):
        low, high = (100 * bound / len(found) for bound in interval(samples[:, column].tolist()))
        made.append(
            Record(
                **place,
                metric=metric(outcome),
                value=100 * float(table[:, column].sum()) / len(found),
                low=low,
                high=high,
                signature=f"{signature}|orders:2|tie:split|bs:{RESAMPLES}|seed:{SEED}",
                n=len(found),
                made_from=made_from,
                note=note,
            )
        )
    return made


def unjudged(place: dict[str, Any], asked: int, reason: str, made_from: dict[str, str]) -> list[Record]:
    """Records without a value, which say why."""
    empty = {"value": None, "low": None, "high": None, "signature": "", "n": asked, "made_from": made_from}
    return [Record(**place, metric=metric(outcome), **empty, note=reason) for outcome in OUTCOMES]
