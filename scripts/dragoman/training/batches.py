"""Batches: which examples make a micro-batch, in which order, and how they are padded or packed into tensors.

The order depends only on seed and epoch, so that a resumed run gets the same batches as an unbroken one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from heapq import heapreplace
from typing import Literal

import torch

from dragoman.methods import IGNORE, Example

WINDOW = 50
"""Number of batches whose examples are sorted by length together: enough for little padding, and few enough for random
batches."""


class Batches:
    """Batches of example indices in an order that depends only on seed and epoch.

    Each yielded list is one micro-batch. `batch_size` / (`micro_batch` x `world`) successive micro-batches make an
    optimizer step. With several processes, each gets every `world`-th micro-batch.

    In the order `length`, the examples of a batch have similar lengths, so that there is little padding. In the order
    `random`, they are drawn at random. Sorting by length then only decides which micro-batch of its batch an example is
    in, which changes no gradient. For packing, similar lengths have no use: in either order, batches are drawn at
    random and divided into micro-batches with about the same number of tokens, so that no pass is much larger than
    others.

    Every step has a whole batch. In the order `length`, the remaining examples at the end of an epoch are left out; the
    next epoch is shuffled again and leaves out others. In the order `random`, they make the last batch together with
    the first examples of the epoch, which are then used twice.

    Args:
        lengths: [examples] number of tokens.
        batch_size: examples of an optimizer step, over all processes.
        micro_batch: examples of one pass in one process.
        seed: of the order.
        rank, world: number of this process, and number of processes.
        packed: whether micro-batches are packed into rows.
        order: `length` or `random`.

    Raises:
        ValueError: `batch_size` is not a multiple of `micro_batch` x `world`.
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
        """Number of examples that an epoch leaves out."""
        self.steps = max(1, full + (rest > self.left_out))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * (self.batch_size // (self.micro_batch * self.world))

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(f"batches-{self.seed}-{self.epoch}")
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        while len(order) < self.steps * self.batch_size:  # examples from the beginning fill the last batch
            order += order[: self.steps * self.batch_size - len(order)]
        batches = []
        # sorting within one batch leaves its set of examples random; within WINDOW batches it groups similar lengths
        window = self.batch_size * (1 if self.packed or self.order == "random" else WINDOW)
        for start in range(0, self.steps * self.batch_size, window):
            chosen = order[start : min(start + window, self.steps * self.batch_size)]
            chosen.sort(key=lambda i: self.lengths[i])
            batches += [chosen[i : i + self.batch_size] for i in range(0, len(chosen), self.batch_size)]
        rng.shuffle(batches)  # else every window would begin with its shortest examples
        for batch in batches:
            yield from self._cut(batch)[self.rank :: self.world]

    def _cut(self, batch: list[int]) -> list[list[int]]:
        if self.packed:
            count = self.batch_size // self.micro_batch
            return [[batch[i] for i in share] for share in shares([self.lengths[i] for i in batch], count)]
        return [batch[start : start + self.micro_batch] for start in range(0, self.batch_size, self.micro_batch)]


def shares(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Examples divided into shares with about the same number of tokens, by the longest-processing-time rule (Graham
    1969): the examples, longest first, are each added to the share with the fewest tokens.

    Args:
        lengths: [examples] number of tokens; there are at least `count` examples.
        count: number of shares.

    Returns:
        The numbers of the examples in each share. Every example is in one share, and no share is empty.
    """
    dealt: list[list[int]] = [[] for _ in range(count)]
    sizes = [(0, share) for share in range(count)]  # a heap of (tokens, share)
    for example in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        size, share = sizes[0]
        dealt[share].append(example)
        heapreplace(sizes, (size + lengths[example], share))
    return dealt


def rows(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Examples packed into rows of at most `size` tokens, with the smallest number of rows for which `shares` fits.

    Args:
        lengths: [examples] number of tokens, at most `size` each.
        size: largest number of tokens of a row.

    Returns:
        The numbers of the examples in each row; every example is in one row.

    Raises:
        ValueError: an example is longer than a row.
    """
    for count in range(-(-sum(lengths) // size), len(lengths) + 1):
        placed = shares(lengths, count)
        if max(sum(lengths[example] for example in row) for row in placed) <= size:
            return placed
    raise ValueError(f"an example is longer than a row of {size} tokens")


class Collator:
    """Makes the tensors of a micro-batch. Every column is padded on the right to its longest row: `input_ids` with the
    padding token, `labels` with `IGNORE`, and other columns with 0.

    Without `packing`, an example is a row. With `packing`, rows hold several examples, up to `packing` tokens. Then the
    column `documents` holds the number of each token's example in the micro-batch, from 1 (0 on padding), and
    `other_documents` does the same for `other_ids`.
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
    """Examples joined into rows of at most `size` tokens; a row has the form of one long example."""
    marked = []
    for number, example in enumerate(examples, 1):
        more = {"documents": [number] * len(example["input_ids"])}
        # without this, the last token of the example before it in the row would be trained to predict the first token
        more["labels"] = [IGNORE, *example["labels"][1:]]
        if "other_ids" in example:
            more["other_documents"] = [number] * len(example["other_ids"])
        marked.append(example | more)
    placed = rows([max(map(len, example.values())) for example in examples], size)
    return [{name: [token for i in row for token in marked[i][name]] for name in marked[0]} for row in placed]
