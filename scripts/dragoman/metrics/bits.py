"""General ability: how well a model still writes a language by itself, in bits per character of held-out text.

Each reference is a line that follows the reference before it, in text of one language with no prompt around it; the
decoder notes how unlikely the model finds it (`nats`, where its configuration says `monolingual`). What is translated
plays no part. Per character, not per token, so that models with different tokenizers can be compared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dragoman.metrics import Counts, MetricError
from dragoman.metrics.sums import mean

BETTER = "lower"
DIGITS = 3
NEEDS = frozenset({"references", "nats"})


def label(**options: Any) -> str:
    """How tables name it."""
    return "Monolingual bits per character"


def counts(
    hypotheses: list[str], references: list[list[str]], sources: list[str], pair: str, *, nats: list[float]
) -> Counts:
    """Bits and characters of each line, [lines, 2]; of several references the first was measured.

    Args:
        nats: minus the natural logarithm of the probability of each reference.

    Raises:
        MetricError: a line has no number.
    """
    bits = np.asarray(nats, dtype=np.float64) / math.log(2)
    if not (fine := np.isfinite(bits) & (bits >= 0)).all():
        raise MetricError(f"sentence {int(np.argmin(fine)) + 1}: no number of nats")
    return Counts(np.column_stack([bits, [len(line) for line in references[0]]]), "BPC|context:line before")


score = mean
