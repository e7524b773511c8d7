"""Wait-k in turns of several units (Zeng et al. 2021, arXiv 2106.04833)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from dragoman.policies import Policy


class WaitKStride(Policy):
    """Read k words, then write and read `stride` words in turn (Zeng et al. 2021, arXiv 2106.04833)."""

    AXIS: ClassVar[str] = "k"
    name: Literal["wait-k-stride"]
    k: PositiveInt
    """Source words read before the first target word."""
    stride: PositiveInt
    """Words of each later turn; 1 is wait-k."""

    def needs(self, t: Any) -> Any:
        """k + n * floor((t - 1) / n) with n = stride."""
        return self.k + (t - 1) // self.stride * self.stride
