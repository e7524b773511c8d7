"""Read/write policies: how much of the source is read before the next target token is written. One file each, one line
in the registry.

A policy is a class with typed options. It decides in one of three ways, or by `needs` and one of the others:

    needs(t)       source units to read before target unit t is written, whatever the model predicts (wait-k)
    reads(state)   whether to read one more unit now that the model has predicted the next token (adaptive policies)
    writes(state)  which tokens to write before reading on, from candidates of a beam search (adaptive policies)

A policy that has neither `reads` nor `writes` is known in advance: `schedule` gives g(1), ..., g(T + 1), under which
methods train. An adaptive policy cannot be trained under. Units are words, or characters; see `units.py`.

Decoders ask for `reads` before every token that is written while the source is not over, and for `writes` whenever
source has been read. Once the source is over, the
policy is not asked and the model writes to the end. So every decoding ends, whatever a policy decides: reading is
bounded by the source, and writing by the decoder's `max_lag` and `max_word_tokens`.

Modules here import torch only inside functions: a configuration is checked without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from dragoman.strict import Strict

if TYPE_CHECKING:
    import torch

Schedule = np.ndarray
"""int64 [T + 1]: source units read before target unit t = 1, ..., T + 1 is written; T + 1 is the end of the sentence.
Schedules never decrease and never exceed the source."""
Link = tuple[int, int]
"""A source unit and a target unit that translate each other, counted from 0 as in Pharaoh files ("0-0 1-2")."""


class Prediction(Protocol):
    """What a forward pass computed for the next token."""

    def distribution(self) -> torch.Tensor:
        """Probabilities float32 [vocabulary] of the next token; 0 for tokens that cannot come there."""

    def attention(self) -> torch.Tensor:
        """Weights float32 [heads, context tokens] with which the layer `Policy.watched` looks at instruction and source
        while it predicts the next token."""

    def candidates(self) -> list[list[int]]:
        """The most likely continuations, from a beam search as `Policy.beams` has it; the best first."""


@dataclass(frozen=True)
class State:
    """What an adaptive policy decides from: a translation in progress, and the model's prediction of its next token."""

    source: Sequence[str]
    """The source units that have been read."""
    words: Sequence[str]
    """The complete target units."""
    word: Sequence[int]
    """Tokens of the target unit that is being written; empty where the next token begins one."""
    tokens: tuple[int, ...]
    """The likeliest next token given all source units that have been read, then given one fewer, and so on: as many
    more as the policy's `fewer`."""
    ends: bool
    """Whether the first of `tokens` would end the sentence."""
    prediction: Prediction
    """The pass that gave the first of `tokens`."""
    bounds: Sequence[int]
    """Tokens of the context (instruction and source) up to source unit 0, 1, ..., which is there for `attention`."""

    @property
    def probability(self) -> float:
        """Probability of the likeliest next token, among the tokens that can come there."""
        return float(self.prediction.distribution()[self.tokens[0]])

    def attention(self) -> torch.Tensor:
        """Weights float32 [heads, source units read] of the layer `Policy.watched`, summed over the tokens of each
        unit."""
        from torch.nn.functional import pad

        sums = pad(self.prediction.attention().cumsum(-1), (1, 0))[:, list(self.bounds[: len(self.source) + 1])]
        return sums.diff(dim=-1)


class Policy(Strict):
    """Base of all policies: reads one unit, then writes as the subclass decides."""

    AXIS: ClassVar[str] = ""
    """The option of which a decoder takes several values, each a point of one curve; "" where there is none."""
    ALIGNED: ClassVar[bool] = False
    """Whether `schedule` goes by the word alignment."""
    name: str

    def needs(self, t: Any) -> Any:
        """Source units to read before the model is asked for target unit t = 1, 2, ...: whole numbers, or arrays."""
        return 1 + 0 * t

    def reads(self, state: State) -> bool:
        """Whether more source is read before the predicted token is written; the model is then asked again."""
        return False

    beams: ClassVar[tuple[int, int] | None] = None
    """(number, most tokens) of the candidates that are computed whenever source has been read, for `writes`."""

    def writes(self, state: State) -> Sequence[int]:
        """The tokens that are written before more source is read, where a policy has `beams`; it is then asked this in
        place of `reads`, once whenever source has been read. What comes after an end of the sentence is not written."""
        return ()

    at_once: ClassVar[int] = 1
    """Source units read when the policy decides to read."""

    fewer: ClassVar[int] = 0
    """With how many source units fewer the model is asked for the next token, too: 1 asks it twice for each token."""
    watched: ClassVar[int | None] = None
    """The layer whose attention is computed for `State.attention`; negative numbers count from the last one."""

    def schedule(self, source: int, target: int, alignment: Sequence[Link] = ()) -> Schedule:
        """The schedule of one sentence pair.

        Args:
            source: number of source units.
            target: number of target units, T.
            alignment: links between the two.

        Returns:
            g(1), ..., g(T + 1) = min(needs(t), source), unless the policy goes by the alignment.
        """
        return np.minimum(self.needs(np.arange(1, target + 2)), source)

    @classmethod
    def adaptive(cls) -> bool:
        """Whether it decides by the model's predictions, so that no schedule is known in advance."""
        return cls.reads is not Policy.reads or cls.writes is not Policy.writes

    @classmethod
    def decodes(cls) -> bool:
        """Whether it can decide without the reference."""
        return cls.adaptive() or cls.needs is not Policy.needs

    @property
    def setting(self) -> str:
        """How its point of a curve is named in records: `k=3`."""
        return f"{self.AXIS}={getattr(self, self.AXIS)}" if self.AXIS else ""


def links(pharaoh: str) -> list[Link]:
    """The links of a line like "0-0 1-2"; an empty line has none.

    Raises:
        ValueError: the line is not in Pharaoh format.
    """
    pairs = []
    for item in pharaoh.split():
        source, dash, target = item.partition("-")
        if not (dash and source.isdecimal() and target.isdecimal()):
            raise ValueError(f"a word alignment is like '0-0 1-2', not {pharaoh!r}")
        pairs.append((int(source), int(target)))
    return pairs
