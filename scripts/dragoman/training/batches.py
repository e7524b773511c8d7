"""Which examples make a micro-batch, in which order, and how they are laid out: a function of seed and epoch alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from heapq import heapreplace
from typing import Literal

import torch

from dragoman.methods import IGNORE, Example

WINDOW = 50
"""Batches whose examples are sorted by length together: enough to pad little, few enough that batches stay random."""


class Batches:
    """Batches of example indices in an order that depends on seed and epoch alone.

    Each yielded list is one micro-batch; `accumulate` successive ones make an optimizer step. Of several processes
    each gets every nth micro-batch.

    In the order `length` the examples of a batch are of like length, so that little is padded. In the order `random`
    they are drawn at random, and only the micro-batches of a batch are sorted by length, which changes no gradient.
    Where examples are to be packed, nothing need be alike: then batches are drawn at random in either order, and
    micro-batches have about as many tokens each, instead of as many examples. So no pass is small and none large.

    Every step takes a whole batch. The examples that are too few for another one at the end of an epoch are left out
    in the order `length` (the next epoch shuffles anew and leaves out others); in the order `random` they make the last
    batch together with the first examples of the epoch, which so come twice.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        micro_batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        packed: bool = False,
        order: Literal["length", "random"] = "length",
    ) -> None:
        if batch_size % (micro_batch * world):
            by = f" x {world} devices" if world > 1 else ""
            raise ValueError(f"batch_size ({batch_size}) must be a multiple of micro_batch ({micro_batch}){by}")
        self.lengths, self.batch_size, self.micro_batch, self.seed = lengths, batch_size, micro_batch, seed
        self.rank, self.world, self.packed, self.order = rank, world, packed, order
        self.epoch = 0
        full, rest = divmod(len(lengths), batch_size)
        self.left_out = rest if full and order == "length" else 0
        """Examples that an epoch leaves out."""
        self.steps = max(1, full + (rest > self.left_out))

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next iteration walks through."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * (self.batch_size // (self.micro_batch * self.world))

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(f"batches-{self.seed}-{self.epoch}")
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        while len(order) < self.steps * self.batch_size:  # too few examples for whole batches: some come twice
            order += order[: self.steps * self.batch_size - len(order)]
        batches = []
        window = self.batch_size * (1 if self.packed or self.order == "random" else WINDOW)
        for start in range(0, self.steps * self.batch_size, window):
            chosen = order[start : min(start + window, self.steps * self.batch_size)]
            chosen.sort(key=lambda i: self.lengths[i])
            batches += [chosen[i : i + self.batch_size] for i in range(0, len(chosen), self.batch_size)]
        rng.shuffle(batches)
        for batch in batches:
            yield from self._cut(batch)[self.rank :: self.world]

    def _cut(self, batch: list[int]) -> list[list[int]]:
        if self.packed:
            count = self.batch_size // self.micro_batch
            return [[batch[i] for i in share] for share in shares([self.lengths[i] for i in batch], count)]
        return [batch[start : start + self.micro_batch] for start in range(0, self.batch_size, self.micro_batch)]


def shares(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Examples dealt out to shares of about as many tokens each: the longest first, each to the smallest share.

    Args:
        lengths: of every example; at least `count` of them.
        count: how many shares.

    Returns:
        Numbers of the examples in each share; each is in one, and no share is empty.
    """
    dealt: list[list[int]] = [[] for _ in range(count)]
    sizes = [(0, share) for share in range(count)]
    for example in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        size, share = sizes[0]
        dealt[share].append(example)
        heapreplace(sizes, (size + lengths[example], share))
    return dealt


def rows(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Examples laid out in rows of at most `size` tokens, in the fewest that `shares` fits them into.

    Args:
        lengths: of every example, at most `size`.
        size: tokens of a row.

    Returns:
        Numbers of the examples in each row; each is in one.
    """
    for count in range(-(-sum(lengths) // size), len(lengths) + 1):
        placed = shares(lengths, count)
        if max(sum(lengths[example] for example in row) for row in placed) <= size:
            return placed
    raise ValueError(f"an example is longer than a row of {size} tokens")


class Collator:
    """Pads every column of a batch on the right, each to its own longest: ids with the padding token, labels with no
    loss, the rest with 0.

    An example is a row; or, with `packing`, rows hold several of them, up to so many tokens. Then `documents` says
    which example of the batch each token is part of, from 1 (0 on padding), and `other_documents` that of `other_ids`.
    """

    def __init__(self, pad: int, packing: int | None = None) -> None:
        self.fill = {"input_ids": pad, "labels": IGNORE}
        self.packing = packing

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        if self.packing is not None:
            examples = _packed(examples, self.packing)
        batch = {}
        for name in examples[0]:
            fill, width = self.fill.get(name, 0), max(len(example[name]) for example in examples)
            batch[name] = torch.tensor([[*row[name], *[fill] * (width - len(row[name]))] for row in examples])
        lengths = torch.tensor([len(example["input_ids"]) for example in examples])
        batch["attention_mask"] = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        return batch


def _packed(examples: Sequence[Example], size: int) -> list[Example]:
    """Rows of examples, as if each row were one."""
    marked = []
    for number, example in enumerate(examples, 1):
        more = {"documents": [number] * len(example["input_ids"])}
        # nothing predicts an example's first token, least of all the example before it
        more["labels"] = [IGNORE, *example["labels"][1:]]
        if "other_ids" in example:
            more["other_documents"] = [number] * len(example["other_ids"])
        marked.append(example | more)
    placed = rows([max(map(len, example.values())) for example in examples], size)
    return [{name: [token for i in row for token in marked[i][name]] for name in marked[0]} for row in placed]
