"""The oracle: read as little as a word alignment allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from dragoman.policies import Link, Policy, Schedule


class Alignment(Policy):
    """Read as little as the word alignment allows. For training and analysis: no decoder knows the alignment."""

    ALIGNED: ClassVar[bool] = True
    name: Literal["alignment"]

    def schedule(self, source: int, target: int, alignment: Sequence[Link] = ()) -> Schedule:
        """g(t) = the last source unit aligned to any of the target units 1..t, at least 1; all before the sentence
        ends.

        Raises:
            ValueError: a link names a unit that is not there.
        """
        needed = np.full(target + 1, min(1, source))
        for s, t in alignment:
            if not (0 <= s < source and 0 <= t < target):
                raise ValueError(f"alignment {s}-{t} is outside a source of {source} and a target of {target} words")
            needed[t] = max(needed[t], s + 1)
        needed[target] = source
        return np.maximum.accumulate(needed)
