"""The base of all decoders' options. Its module is light, since a configuration is checked without torch."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from dragoman.strict import Strict


class DecoderOptions(Strict):
    """Base of all decoders' options. A subclass has `name`, a literal: the decoder's name in YAML."""

    USES_MODEL: ClassVar[bool] = True
    """Whether the decoder runs a model; one that does not can have no tuning."""

    @property
    def settings(self) -> list[str]:
        """How records name the points that one decoding gives (`k=1`, `k=3`); a single empty one if there is no
        sweep."""
        return [""]

    @property
    def predictions(self) -> int:
        """How often each target token is predicted, over all points of one decoding; for estimates of time."""
        return len(self.settings)

    def values_of(self, axis: str) -> list[Any] | None:
        """The values that one decoding gives for an axis of that name; None if it does not sweep it."""
        return values if isinstance(values := getattr(self, axis, None), list) else None

    def at(self, axis: str, value: str) -> Self:
        """This decoder at one of `values_of(axis)`, or at a whole number that is not among them."""
        values = [known for known in self.values_of(axis) or [] if str(known) == value]
        return self.model_copy(update={axis: values or [int(value)]})
