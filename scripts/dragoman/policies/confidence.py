"""A threshold of confidence: write when the model is sure enough of the next token, else read."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from dragoman.policies import Policy, State


class Confidence(Policy):
    """Write the likeliest next token if its probability reaches a threshold, else read (as the adaptive baseline of
    Zheng et al. 2020, arXiv 2004.13169, which has a threshold for each k; here it is one threshold)."""

    AXIS: ClassVar[str] = "threshold"
    name: Literal["confidence"]
    threshold: Annotated[float, Field(ge=0, le=1)]
    """Least probability of a token that is written before the source is over, among the tokens that can come there: 0
    writes always, 1 reads the whole source first."""
    k: PositiveInt = 1
    """Source words read before the first target word."""

    def needs(self, t: Any) -> Any:
        """k units from the beginning."""
        return self.k + 0 * t

    def reads(self, state: State) -> bool:
        """Whether the model is not sure enough, or has nothing to write."""
        return state.ends or state.probability < self.threshold
