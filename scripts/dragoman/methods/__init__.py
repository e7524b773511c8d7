"""Methods: what is trained. One file each, one line in the registry.

A method is a module with

    Options         a pydantic model of what its YAML `options:` may say; `aligned` of it is True where the method goes
                    by word alignments (optional)
    CONVERSES       True where its models answer in turns (optional)
    MIXES           True where its text may hold instructions, too, as a last text of the pair `instructions.PAIR`
                    (optional); check_mixed(prompt, options) raises ValueError where that cannot be (optional)
    alibi(options)  whether it needs ALiBi positions (True), others (False), or any (None, as where it is missing)
    check(...)      raises ValueError where these pairs and this prompt cannot be trained on (optional)
    examples(...)   training examples from parallel text
    loss(...)       its loss; where it has none, cross-entropy over `labels` (optional). Its first argument is either
                    called `forward` and is a `losses.Forward`, whose logits are right where rows hold several examples
                    (`packing`); or it is called `model`, and packing is refused

An example is a mapping of integer lists: `input_ids`, `labels` (as long; -100: no loss), and whatever else the method's
loss needs; the collator pads each to the longest of its batch. Modules import torch only inside functions: a
configuration is checked, and Snakemake parses it, without torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

from dragoman.units import Units, of_pair

IGNORE = -100
"""Label of a token that carries no loss."""

Example = dict[str, list[int]]


class ParallelText(NamedTuple):
    """Sentences of one pair, and Pharaoh alignments of their units ("0-0 1-2"; empty where there are none)."""

    pair: str
    sources: Sequence[str]
    targets: Sequence[str]
    alignments: Sequence[str]
    asked: Sequence[str] = ()
    """`word`, `character` or `auto` for either side; nothing is `auto` for both."""

    @property
    def counted(self) -> Units:
        """The units that are read and written."""
        return of_pair(self.pair, self.asked)


def takes_forward(method: Any) -> bool:
    """Whether the loss of a method's module gets its logits from a `losses.Forward`; it must have a loss."""
    return next(iter(inspect.signature(method.loss).parameters)) == "forward"


def packs(method: Any) -> bool:
    """Whether a method's module can be trained on rows of several examples."""
    return not hasattr(method, "loss") or takes_forward(method)
