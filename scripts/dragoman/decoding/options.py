"""The base class of all decoders' options, in a module without torch, since checking a configuration imports it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import PositiveInt

from dragoman.strict import Strict

Level = Literal["low", "medium", "high"]
"""Latency that an interleaved text is trained for."""
LEVELS: tuple[Level, ...] = get_args(Level)


class DecoderOptions(Strict):
    """Base of all decoders' options. A subclass has a literal `name`, the decoder's name in YAML."""

    USES_MODEL: ClassVar[bool] = True
    """Whether the decoder uses a model. A decoder without a model can have no tuning."""
    DIVIDES: ClassVar[bool] = True
    """Whether parts of a test set may be decoded by jobs of their own (`shards`)."""

    @property
    def settings(self) -> list[str]:
        """Settings of one decoding in records (`k=1`, `k=3`); one empty setting if nothing is swept."""
        return [""]

    @property
    def predictions(self) -> int:
        """Number of predictions of each target token, over all settings of one decoding; for estimates of time."""
        return len(self.settings)

    def values_of(self, axis: str) -> list[Any] | None:
        """The values of one decoding on an axis of that name; None if it does not sweep this axis."""
        return values if isinstance(values := getattr(self, axis, None), list) else None

    def at(self, axis: str, value: str) -> Self:
        """This decoder with only one of `values_of(axis)`, or with another whole number."""
        values = [known for known in self.values_of(axis) or [] if str(known) == value]
        return self.model_copy(update={axis: values or [int(value)]})


class Turns(DecoderOptions):
    """Base of decoders whose models answer in turns; a method names the decoder of its models (`CONVERSES`)."""

    name: str
    max_turn_tokens: PositiveInt = 100
    """A turn ends after at most this many tokens."""
    batch_tokens: PositiveInt = 40_000
    """The same as for the simultaneous decoder."""
