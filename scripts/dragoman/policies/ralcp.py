"""RALCP: write the tokens on which a share of a beam search's candidates agree (Wang et al. 2023, arXiv 2309.06706).

After each read, a beam search continues the translation. The candidates vote place by place: the most frequent token at
a place is written if at least the share gamma of all candidates have it there. At the first place without such a token,
the policy reads on. With gamma = 1, the longest common prefix of the candidates is written. As in the authors' code
(github.com/yuriak/LLM-SimulMT, eval_offline_prompt.py), a candidate votes at every place, even if it lost an earlier
vote; there are 5 beams, gamma is 0.6, and a candidate has at most 64 tokens.

Differences from that code:

- Candidates vote on tokens, as in the paper; the code votes on words between blanks.
- A candidate has no vote after its end; in the code, the first end of a candidate ends the vote.
- The search ends when as many candidates as beams have ended.
- Candidates also vote after the last source word, and the rest is then written greedily, as under every other policy
  here; the code takes the best candidate.
- `step` is 1 by default; the code reads 3 source words between two searches.
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
    """Write the tokens on which the share gamma of a beam search's candidates agree, then read (relaxed agreement
    longest common prefix, Wang et al. 2023, arXiv 2309.06706)."""

    AXIS: ClassVar[str] = "gamma"
    name: Literal["ralcp"]
    gamma: Annotated[float, Field(gt=0, le=1)]
    """Share of the candidates that must agree on a token; 1: the longest common prefix. The authors use 0.6."""
    candidates: PositiveInt = 5
    """Number of beams, which is the number of candidates. With 1, all tokens of the candidate are written."""
    length: PositiveInt = 64
    """Maximum number of tokens of a candidate; a smaller number takes less time."""
    step: PositiveInt = 1
    """Number of source words read between two beam searches."""
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
