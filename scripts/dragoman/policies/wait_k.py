"""Wait-k: read k units, then write and read one unit in turn (Ma et al. 2019, arXiv 1810.08398)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from dragoman.policies import Policy


class WaitK(Policy):
    """Read k words, then write and read one word in turn (Ma et al. 2019, arXiv 1810.08398)."""

    AXIS: ClassVar[str] = "k"
    name: Literal["wait-k"]
    k: PositiveInt
    """Source words read before the first target word."""

    def needs(self, t: Any) -> Any:
        """k + t - 1."""
        return self.k + t - 1
