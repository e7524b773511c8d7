"""General ability of a model: bits per character of held-out text in one language.

Each reference is scored as a line that follows the previous reference, without a prompt. The decoder stores its
negative log-probability (`nats`, if its configuration has `monolingual: true`). Translations have no influence. Bits
are counted per character instead of per token, so that models with different tokenizers can be compared.
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
    """The metric's name in tables."""
    return "Monolingual bits per character"


def counts(
    hypotheses: list[str], references: list[list[str]], sources: list[str], pair: str, *, nats: list[float]
) -> Counts:
    """Number of bits and of characters of each line, [lines, 2]. If there are several references, the first one counts.

    Args:
        nats: [lines] negative natural logarithm of the probability of each reference.

    Raises:
        MetricError: a value is negative or not finite.
    """
    bits = np.asarray(nats, dtype=np.float64) / math.log(2)
    if not (fine := np.isfinite(bits) & (bits >= 0)).all():
        raise MetricError(f"sentence {int(np.argmin(fine)) + 1}: no number of nats")
    return Counts(np.column_stack([bits, [len(line) for line in references[0]]]), "BPC|context:line before")


score = mean
