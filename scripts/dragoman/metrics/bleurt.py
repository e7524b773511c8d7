"""BLEURT: a network trained to give the quality that people see in a translation, from hypothesis and reference.

Sellam et al. 2020, "BLEURT: Learning Robust Metrics for Text Generation"; BLEURT-20 is of Pu et al. 2021, "Learning
Compact Metrics for MT", and its values mostly lie between 0 and 1. The weights are Google's, converted to PyTorch by
Luca Di Liello. It needs `make env-neural`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dragoman.metrics import Score, neural
from dragoman.metrics.bootstrap import RESAMPLES

BETTER = "higher"
DIGITS = 4
NEEDS = frozenset({"references"})

MODEL = "lucadiliello/BLEURT-20"


def label(**options: Any) -> str:
    """`BLEURT`, with the model where it was chosen by hand."""
    return neural.label("BLEURT", MODEL, **options)


def check(*, model: Any = MODEL, **options: Any) -> None:
    """Refuse options that cannot be meant, without loading a model."""
    neural.check(model, **options)


def requisites(
    pairs: Iterable[str], *, model: str = MODEL, revision: str | None = None, **others: Any
) -> list[Callable[[], str]]:
    """The model, which is fetched where it is not on this machine."""
    return [neural.requisite("bleurt", model, revision)]


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    model: str = MODEL,
    revision: str | None = None,
    batch: int = neural.BATCH,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Mean over sentences with a 95 % bootstrap interval, and the value of each sentence.

    Args:
        model: a name on the hub, which is fetched; or a folder with `config.json`, a vocabulary and weights.
        revision: commit, tag or branch on the hub; None for the newest. The signature has the commit.
        batch: sentences scored at once.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    return neural.compute("bleurt", "BLEURT", hypotheses, references, [], model, revision, batch, bootstrap)
