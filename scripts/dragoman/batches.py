"""Which examples make a micro-batch, in which order, and how they are padded: a function of seed and epoch alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import torch

from dragoman.methods import IGNORE, Example

WINDOW = 50
"""Batches that are sorted by length together: enough to pad little, few enough that batches stay random."""


class Batches:
    """Batches of example indices, of like length, in an order that depends on seed and epoch alone.

    Each yielded list is one micro-batch; `accumulate` successive ones make an optimizer step. Of several processes
    each gets every nth micro-batch.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, micro_batch: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        if batch_size % (micro_batch * world):
            by = f" x {world} devices" if world > 1 else ""
            raise ValueError(f"batch_size ({batch_size}) must be a multiple of micro_batch ({micro_batch}){by}")
        self.lengths, self.batch_size, self.micro_batch, self.seed = lengths, batch_size, micro_batch, seed
        self.rank, self.world = rank, world
        self.epoch = 0
        # the last, smaller batch of an epoch is left out, as every step counts the same; the next epoch shuffles anew
        self.steps = max(1, len(lengths) // batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next iteration walks through."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * (self.batch_size // (self.micro_batch * self.world))

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(f"batches-{self.seed}-{self.epoch}")
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        while len(order) < self.batch_size:  # fewer examples than one batch: some come twice
            order += order[: self.batch_size - len(order)]
        batches = []
        for start in range(0, self.steps * self.batch_size, WINDOW * self.batch_size):
            window = order[start : min(start + WINDOW * self.batch_size, self.steps * self.batch_size)]
            window.sort(key=lambda i: self.lengths[i])
            batches += [window[i : i + self.batch_size] for i in range(0, len(window), self.batch_size)]
        rng.shuffle(batches)
        for batch in batches:
            for start in range(self.rank * self.micro_batch, self.batch_size, self.world * self.micro_batch):
                yield batch[start : start + self.micro_batch]


class Collator:
    """Pads every column of a batch on the right, each to its own longest: ids with the padding token, labels with no
    loss, the rest with 0."""

    def __init__(self, pad: int) -> None:
        self.fill = {"input_ids": pad, "labels": IGNORE}

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        batch = {}
        for name in examples[0]:
            fill, width = self.fill.get(name, 0), max(len(example[name]) for example in examples)
            batch[name] = torch.tensor([[*row[name], *[fill] * (width - len(row[name]))] for row in examples])
        lengths = torch.tensor([len(example["input_ids"]) for example in examples])
        batch["attention_mask"] = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        return batch
