"""Benchmarks: they measure optimised code next to a simple or foreign implementation.

A benchmark is a function that yields lines of a table. There is one module per subject, and `scripts/bench.py` lists
them. No test depends on these times.
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
    """One line of the table: `count` items of a `unit` were processed in `seconds`."""

    what: str
    """The task."""
    how: str
    """The implementation."""
    count: int
    unit: str
    seconds: float


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Run `work`, which returns the number of processed items; returns this number, and the seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def wait() -> None:
    """Wait until the GPU has finished its operations."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def sentences(count: int, target: str = "fr", split: str = "train") -> ParallelText:
    """English sentences of the embedded grammar, with their translations."""
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
    """The last three columns of a line, from the result of `timed`."""
    return measured[0], unit, measured[1]
