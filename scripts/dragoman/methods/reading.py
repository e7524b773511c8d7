"""Policies that read the training text: options and schedules of all simultaneous methods."""

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
    """Policies that read the source."""

    policies: Annotated[list[Trained], Field(min_length=1)]
    """Every sentence pair is read by one of these policies, drawn at random; adaptive policies are refused. The paper
    has one policy: wait-k with a k that is 4 above the k of decoding."""

    @property
    def aligned(self) -> bool:
        """Whether a policy uses word alignments."""
        return any(policy.ALIGNED for policy in self.policies)

    @model_validator(mode="before")
    @classmethod
    def _of_the_experiment(cls, data: Any) -> Any:
        if isinstance(data, dict) and "unit" in data:
            raise ValueError("`unit` is the same for training, decoding and scores; write it under the experiment")
        return data


def schedules(text: ParallelText, policies: Sequence[Policy]) -> Callable[[int, int, int], Schedule]:
    """(number of a sentence pair, number of source words, number of target words T) -> g(1), ..., g(T + 1).

    The policy of a sentence pair depends on its number and the languages, and not on the number of sentence pairs.

    Raises:
        ValueError: raised by the function if a policy needs an alignment that is missing or invalid.
    """
    drawn = random.Random(f"policies-{text.pair}").choices(policies, k=len(text.sources))

    def read(number: int, source: int, target: int) -> Schedule:
        if not drawn[number].ALIGNED:
            return drawn[number].schedule(source, target)
        try:
            if not (alignment := links(text.alignments[number])):
                raise ValueError(
                    "no word alignment, which it needs; give its corpus `align: true` or a column `alignment`"
                )
            return drawn[number].schedule(source, target, alignment)
        except ValueError as error:
            raise ValueError(f"sentence pair {number + 1} of {text.pair}: {error}") from None

    return read
