"""What the project calls fast, measured side by side: every benchmark is a function that yields lines of a table.

One module per subject; `scripts/bench.py` names them. Nothing in the tests depends on these times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from dragoman import grammar, models
from dragoman.config import Pages, ScratchModel
from dragoman.methods import ParallelText

K = [1, 3, 5, 7]


class Timing(NamedTuple):
    """One line of the table: what was done how often in how many seconds."""

    what: str
    how: str
    count: int
    unit: str
    seconds: float


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Run `work`, which says how much it did; its count and its seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def wait() -> None:
    """Until a GPU has done all it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def sentences(count: int, target: str = "fr", split: str = "train") -> ParallelText:
    """English sentences of the embedded world and their translations."""
    meant = list(grammar.meanings(1, split, count))
    sources, targets = ([grammar.realise(m, code).text for m in meant] for code in ("en", target))
    return ParallelText(f"en-{target}", sources, targets, [""] * count)


def model_of(architecture: str, text: ParallelText) -> tuple[models.PreTrainedModel, models.PreTrainedTokenizerBase]:
    """The embedded demonstration's model, untrained."""
    web = Pages(corpus="x", languages=["en", "fr"], count=1)
    spec = ScratchModel(source="scratch", architecture=architecture, text=web, vocabulary=1600)
    tokenizer = models.train_tokenizer([*text.sources, *text.targets], spec.vocabulary)
    return models.build(spec, tokenizer), tokenizer


def with_unit(measured: tuple[int, float], unit: str) -> tuple[int, str, float]:
    """The last three columns of a line."""
    return measured[0], unit, measured[1]
