"""By which policies training text is read: options and schedules that simultaneous methods share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from dragoman.config import Strict
from dragoman.methods import ParallelText
from dragoman.policies import Policy, Schedule, links
from dragoman.policies.kinds import Trained


class Reading(Strict):
    """By which policies the source is read."""

    policies: Annotated[list[Trained], Field(min_length=1)]
    """Every sentence pair is read by one of these, drawn by its number alone; adaptive policies are refused. The paper
    has one: wait-k with a k that is 4 above the k of decoding."""

    @property
    def aligned(self) -> bool:
        """Whether some sentence pairs are read by their word alignments."""
        return any(policy.ALIGNED for policy in self.policies)

    @model_validator(mode="before")
    @classmethod
    def _of_the_experiment(cls, data: Any) -> Any:
        if isinstance(data, dict) and "unit" in data:
            raise ValueError("`unit` holds for training, decoding and scores alike: write it under the experiment")
        return data


def schedules(text: ParallelText, policies: Sequence[Policy]) -> Callable[[int, int, int], Schedule]:
    """(number of a sentence pair, its source words, its target words T) -> g(1), ..., g(T + 1).

    Which policy a pair is read by depends on its number and the languages, not on how many sentence pairs there are.

    Raises:
        ValueError: (the function does) a pair is to be read by its alignment and has none, or a broken one.
    """
    drawn = random.Random(f"policies-{text.pair}").choices(policies, k=len(text.sources))

    def read(number: int, source: int, target: int) -> Schedule:
        if not drawn[number].ALIGNED:
            return drawn[number].schedule(source, target)
        try:
            if not (found := links(text.alignments[number])):
                raise ValueError(
                    "no word alignment, which it needs; give its corpus `align: true` or a column `alignment`"
                )
            return drawn[number].schedule(source, target, found)
        except ValueError as error:
            raise ValueError(f"sentence pair {number + 1} of {text.pair}: {error}") from None

    return read
