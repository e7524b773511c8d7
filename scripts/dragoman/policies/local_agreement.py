"""Local agreement: write what the model also predicts with the last source units still unread.

LA-n (Liu, Spanakis, Niehues 2020, arXiv 2005.11185, with n = 2; Polák et al. 2022, IWSLT, CUNI-KIT, for any n) makes a
whole hypothesis after every source unit, each beginning with what is written already, and writes the longest prefix
that the last n hypotheses share. Here the same is decided token by token: after r units, the next token y is written if

    y = argmax p(. | x_1 ... x_q, written)    for q = r, r - 1, ..., r - n + 1

With greedy search and `recompute: true` the two are one: all n hypotheses begin with what they share, so their next
tokens are these n predictions, and a hypothesis beyond the first difference is never written. A test compares them.
With kept keys there is a difference: the tokens that LA-n's earlier hypotheses share with the written text would have
the keys of fewer source units, and here they have the keys they were written with, except the last one.

Each token costs n predictions, except that the prediction that made the policy read is used again after the reading.

Assumptions, where the papers are silent: a word is complete when the token after it begins another word (or ends the
sentence) in all n predictions; the end of the sentence is not agreed on before the source is over.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from dragoman.policies import Policy, State


class LocalAgreement(Policy):
    """Write the next token if the model predicts it with up to n - 1 source words fewer, too; else read (LA-n, Liu et
    al. 2020, arXiv 2005.11185, and Polák et al. 2022). Greedy, token by token."""

    AXIS: ClassVar[str] = "n"
    name: Literal["local-agreement"]
    n: Annotated[int, Field(ge=2)]
    """Predictions that have to agree, each with one source word fewer than the one before it."""
    k: PositiveInt = 1
    """Source words read before the first target word; n at least."""

    def needs(self, t: Any) -> Any:
        """As many units as there are predictions to compare."""
        return max(self.n, self.k) + 0 * t

    def reads(self, state: State) -> bool:
        """Whether two of the predictions differ."""
        return state.ends or len({*state.tokens}) > 1

    @property
    def fewer(self) -> int:  # type: ignore[override]
        """n - 1."""
        return self.n - 1
