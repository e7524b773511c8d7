"""RALCP: write what a share of the beam's candidates agree on (Wang et al. 2023, arXiv 2309.06706).

Whenever source has been read, a beam search continues what is written. The candidates vote on each token in turn: the
token at place i that most of them have there is written if its share of all candidates is gamma at least; the first
place without such a token ends what is written, and more source is read. With gamma = 1 that is the longest common
prefix of the candidates. As in the authors' code (github.com/yuriak/LLM-SimulMT, eval_offline_prompt.py), a candidate
votes on a place even if it lost the vote on an earlier one, the beam is 5, gamma 0.6, and a candidate has 64 tokens at
most.

Differences from that code: candidates vote on tokens, as the paper has it, where the code votes on words between
blanks; a candidate that is over does not vote on the places after its end, where the code stops the vote; the search is
over once as many candidates as beams have ended; candidates vote after the last source word, too, and what they do not
agree on is then written greedily, as under every other policy here, where the code takes the best candidate. The code
reads several source words (3 unless told otherwise) before it asks for candidates: here `step`, 1 unless given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from dragoman.policies import Policy, State

ROUNDING = 1e-9
"""3 of 5 candidates are a share of 0.6, whatever its nearest binary number is."""


class RALCP(Policy):
    """Write the tokens that a share gamma of a beam search's candidates agree on, one place after the other, then read
    (relaxed agreement longest common prefix, Wang et al. 2023, arXiv 2309.06706)."""

    AXIS: ClassVar[str] = "gamma"
    name: Literal["ralcp"]
    gamma: Annotated[float, Field(gt=0, le=1)]
    """Least share of candidates that agree on a token that is written; 1: the longest common prefix. The authors have
    0.6."""
    candidates: PositiveInt = 5
    """Beams, each of which gives one candidate. With 1, everything is agreed on."""
    length: PositiveInt = 64
    """Tokens of a candidate at most; fewer take less time."""
    step: PositiveInt = 1
    """Source words read before candidates are asked for again."""
    k: PositiveInt = 1
    """Source words read before the first target word."""

    def needs(self, t: Any) -> Any:
        """k units from the beginning."""
        return self.k + 0 * t

    @property
    def beams(self) -> tuple[int, int]:  # type: ignore[override]
        """Number and length."""
        return self.candidates, self.length

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """`step`."""
        return self.step

    def writes(self, state: State) -> list[int]:
        """What the candidates agree on."""
        return agreed(state.prediction.candidates(), self.gamma)


def agreed(candidates: Sequence[Sequence[int]], gamma: float) -> list[int]:
    """The tokens that a share `gamma` of candidates have at their place, up to the first place without one.

    Args:
        candidates: token ids, the best candidate first: of two tokens with as many votes, its own counts.
        gamma: from 0 to 1.
    """
    found: list[int] = []
    for place in range(max(map(len, candidates), default=0)):
        votes = Counter(candidate[place] for candidate in candidates if place < len(candidate))
        ((token, count),) = votes.most_common(1)
        if count < gamma * len(candidates) - ROUNDING:
            break
        found.append(token)
    return found
