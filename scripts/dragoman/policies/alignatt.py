"""AlignAtt: read when the next token attends to the source units that were read last (Papi et al. 2023)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from dragoman.policies import Policy, State


class AlignAtt(Policy):
    """Read when the source word that the next token attends to most is one of the last f that were read, else write
    (Papi et al. 2023, arXiv 2305.11408).

    The paper has encoder-decoder models of speech and f counts frames. Assumptions here: f counts source words (or
    characters); the weights are those of the last token of the response over the source, summed over the tokens of a
    word; an end of the sentence before the source is over is a wish to read.
    """

    AXIS: ClassVar[str] = "f"
    name: Literal["alignatt"]
    f: PositiveInt
    """Source words at the end that a token may not attend to."""
    layer: int = -1
    """The layer whose attention is looked at, from 0; negative numbers count from the last one."""
    heads: Annotated[list[NonNegativeInt], Field(min_length=1)] | None = None
    """Heads of that layer, over which weights are averaged; all of them otherwise."""
    k: PositiveInt = 1
    """Source words read before the first target word."""

    def needs(self, t: Any) -> Any:
        """k units from the beginning."""
        return self.k + 0 * t

    @property
    def watched(self) -> int:  # type: ignore[override]
        """The layer."""
        return self.layer

    def reads(self, state: State) -> bool:
        """Whether the token is aligned with one of the last f units."""
        weights = state.attention()
        chosen = weights if self.heads is None else weights[self.heads]
        return state.ends or int(chosen.mean(0).argmax()) >= len(state.source) - self.f
