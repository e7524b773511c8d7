"""Methods of fine-tuning: the training examples and the loss. Each is one file, and one line in the registry.

A method is a module with

    Options         a pydantic model of its options in YAML; its attribute `aligned` is True if the method uses word
                    alignments (optional)
    examples(...)   training examples from parallel text
    loss(...)       its loss (optional; default: cross-entropy over `labels`). If its first argument is called
                    `forward`, it gets a `losses.Forward`, whose logits are also correct for rows with several examples
                    (`packing`); if it is called `model`, it gets the model, and packing is refused
    check(...)      raises ValueError if the method cannot use these pairs or this prompt (optional)
    alibi(options)  True if it needs ALiBi positions, False if it needs other positions, None if it works with any
                    (optional; default: None)
    CONVERSES       the decoder of its models, if they answer in turns (optional)
    MIXES           True if its training text may also hold instructions, as a last text of the pair
                    `instructions.PAIR` (optional); check_mixed(prompt, options) raises ValueError if this prompt or
                    these options do not allow it (optional)

An example is a mapping of integer lists: `input_ids`, `labels` (of the same length; -100: no loss), and any other lists
that the method's loss needs; the collator pads each list to the longest of its batch. Modules import torch only inside
functions, since configurations are checked, and parsed by Snakemake, without torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

from dragoman.languages.units import Units, of_pair

IGNORE = -100
"""Label of a token without loss."""

Example = dict[str, list[int]]


class ParallelText(NamedTuple):
    """Sentences of one pair, with alignments of their units in Pharaoh's format ("0-0 1-2"; empty if there are
    none)."""

    pair: str
    sources: Sequence[str]
    targets: Sequence[str]
    alignments: Sequence[str]
    asked: Sequence[str] = ()
    """`word`, `character` or `auto` for source and target; empty: `auto` for both."""

    @property
    def counted(self) -> Units:
        """The units of source and target."""
        return of_pair(self.pair, self.asked)


def takes_forward(method: Any) -> bool:
    """Whether a method's loss gets its logits from a `losses.Forward`. The method must have a loss."""
    return next(iter(inspect.signature(method.loss).parameters)) == "forward"


def packs(method: Any) -> bool:
    """Whether a method works with rows of several examples (`packing`)."""
    return not hasattr(method, "loss") or takes_forward(method)
