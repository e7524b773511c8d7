"""Which examples make a micro-batch, in which order, and how they are laid out: a function of seed and epoch alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from heapq import heapreplace

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


def rows(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Examples laid out in rows of at most `size` tokens, in as few rows as go, of like length.

    The longest first, each into the shortest row. None is cut, and each is in one row.

    Args:
        lengths: of every example, at most `size`.
        size: tokens of a row.

    Returns:
        Numbers of the examples in each row.
    """
    count = -(-sum(lengths) // size)
    while True:
        filled = [(0, row) for row in range(count)]
        placed: list[list[int]] = [[] for _ in filled]
        for example in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            length, row = filled[0]
            placed[row].append(example)
            heapreplace(filled, (length + lengths[example], row))
        if max(filled)[0] <= size:
            return placed
        count += 1


class Collator:
    """Makes a batch of examples, every column as long as its longest row: on the right ids get the padding token, labels
    no loss, the rest 0.

    An example is a row; or, with `packing`, rows hold several of them, up to so many tokens. Then `documents` says which
    example of the batch each token is part of, from 1, with 0 on padding, and `other_documents` those of `other_ids`.
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
