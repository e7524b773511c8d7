"""COMET: a network trained to give the quality that people see in a translation, from source, hypothesis and reference.

Rei et al. 2020, "COMET: A Neural Framework for MT Evaluation"; the default model is of Rei et al. 2022, "COMET-22:
Unbabel-IST 2022 Submission for the Metrics Shared Task". Values mostly lie between 0 and 1; those of two models cannot
be compared. Whether references are read is the model's affair: `Unbabel/wmt22-cometkiwi-da` reads none.

It needs `make env-neural`. Zouhar et al. 2024, "Pitfalls and Outlooks in Using COMET", on what it gets wrong: empty
hypotheses and those in the wrong language score too high.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dragoman.metrics import Score, neural
from dragoman.metrics.bootstrap import RESAMPLES

BETTER = "higher"
DIGITS = 4
NEEDS = frozenset({"sources"})

MODEL = "Unbabel/wmt22-comet-da"


def label(**options: Any) -> str:
    """`COMET`, with the model where it was chosen by hand."""
    return neural.label("COMET", MODEL, **options)


def check(*, model: Any = MODEL, **options: Any) -> None:
    """Refuse options that cannot be meant, without loading a model."""
    neural.check(model, **options)


def requisites(
    pairs: Iterable[str], *, model: str = MODEL, revision: str | None = None, **others: Any
) -> list[Callable[[], str]]:
    """The model, which is fetched where it is not on this machine."""
    return [neural.requisite("comet", model, revision)]


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
        model: a name on the hub, which is fetched; a folder with `hparams.yaml` and `checkpoints/model.ckpt`; or such a
            checkpoint.
        revision: commit, tag or branch on the hub; None for the newest. The signature has the commit.
        batch: sentences scored at once.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    return neural.compute("comet", "COMET", hypotheses, references, sources, model, revision, batch, bootstrap)
