"""Many sentences in one batch: the rows of a simultaneous decoding, which advance together.

Source tokens never attend to the response, so keys and values of a whole source are computed once for all rows that
translate it (one for each policy), and reading a word only makes them visible. Each response token has a place of its
own in the cache. If a token is fed again because more source has been read, its keys and values are overwritten.

A row is one translation in progress. It gives the tokens to feed next, and receives the model's prediction. Rows that
feed one token go first; the others wait until no such row is left, so that they are fed together.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch.nn import functional
from transformers import Cache, PreTrainedModel

from dragoman import models
from dragoman.decoding.beams import Candidates, search
from dragoman.decoding.prediction import LayerWeights, Prediction
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.models import attention
from dragoman.models.attention import Positions, View
from dragoman.models.output import Likeliest


class Row(Protocol):
    """One translation in progress."""

    context: Sequence[int]
    """Token ids before the response: instruction and whole source. Rows of one sentence hold the same object."""
    shown: int
    """Number of tokens of `context` that the next tokens may attend to."""
    response: list[int]
    """Token ids after the context; grows."""
    fed: int
    """Number of tokens of `response` with keys. The tokens after them are fed next, at least one until `done`."""
    starting: bool
    """Whether the next token has to begin a word, or end the sentence."""
    searches: tuple[int, int] | None
    """(number, most tokens) of the candidates that the row wants with the next prediction; all rows that want any want
    as many."""
    done: bool
    note: str
    """Reason why the translation was cut short; empty if it was not."""

    def take(self, best: int, prediction: Prediction) -> None:
        """Receive the likeliest token after `response`, and the prediction that it comes from."""


def outgrown(shown: int, response: int, positions: Positions, room: int | None, origin: int = 0) -> str:
    """A note if a translation has to end because its next token needs more positions than the model has; else "".

    Args:
        shown: tokens of the context that have been read.
        response: tokens after the context.
        positions: the way positions are counted.
        room: number of positions of the model, from `models.positions`; None: no limit.
        origin: with `group`, the position of the first token after the context.
    """
    needed = max(shown, origin + response) if positions == "group" else shown + response
    return "" if room is None or needed <= room else f"needs {needed} positions; the model has {room}"


def longest(most: int, shown: int, response: int, positions: Positions, room: int | None, origin: int = 0) -> int:
    """How many tokens a candidate may have, `most` at most: its last token needs no position. Arguments as of
    `outgrown`, which they are not."""
    if room is None:
        return most
    return min(most, 1 + room - (origin + response if positions == "group" else shown + response))


class Places(Cache):
    """Keys and values [rows, heads, places, width] of every layer, written at the places given to `write`."""

    def __init__(self, source: Cache, owner: torch.Tensor, room: int) -> None:
        """
        Args:
            source: keys and values [contexts, heads, context tokens, width].
            owner: int64 [rows], the context of each row.
            room: initial number of places for the response; more are added if they are full.
        """
        super().__init__(layers=[])
        self.tables = []
        for layer in source.layers:
            # place 0 is for blanks, whose keys and values are not used
            self.tables.append([functional.pad(kept[owner], (0, 0, 1, room)) for kept in (layer.keys, layer.values)])
        self.size = len(owner)
        self.rows: torch.Tensor | None = None
        self.where: torch.Tensor | None = None
        self.used = 0

    def write(self, rows: torch.Tensor | None, where: torch.Tensor, used: int) -> None:
        """Set the places of the next feed.

        Args:
            rows: [rows]; None: all rows.
            where: [rows, tokens] place of each token.
            used: number of places that the queries may attend to.
        """
        self.rows, self.where, self.used = rows, where, used
        self.every = torch.arange(self.size, device=where.device) if rows is None else rows
        size = self.tables[0][0].shape[2]
        if used > size:
            more = max(used - size, size // 2)
            self.tables = [[functional.pad(table, (0, 0, 0, more)) for table in pair] for pair in self.tables]

    def branch(self, rows: torch.Tensor, beams: int) -> Places:
        """A copy of some rows, each `beams` times in a row, to go on with in several ways."""
        copied = copy.copy(self)
        each = rows.repeat_interleave(beams)
        copied.tables = [[table[each] for table in pair] for pair in self.tables]
        copied.size = len(each)
        return copied

    def follow(self, parents: torch.Tensor, start: int) -> None:
        """Each row goes on from what another one has, from place `start` on; before it, they have the same."""
        for table in (table for pair in self.tables for table in pair):
            table[:, :, start:] = table[parents, :, start:]

    def close_up(self, gaps: torch.Tensor, movers: torch.Tensor, size: int) -> None:
        """Copy the rows `movers` to the rows `gaps`, and keep only the first `size` rows."""
        for table in (table for pair in self.tables for table in pair):
            table[gaps] = table[movers]
        self.size = size

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cached = []
        for table, new in zip(self.tables[layer_idx], (keys, values), strict=True):
            table[self.every[:, None], :, self.where] = new.transpose(1, 2)
            cached.append((table[: self.size] if self.rows is None else table[self.rows])[:, :, : self.used])
        return cached[0], cached[1]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0


class Batch:
    """Rows that are decoded together."""

    @torch.inference_mode()
    def __init__(
        self,
        model: PreTrainedModel,
        vocabulary: Vocabulary,
        rows: Sequence[Row],
        positions: Positions,
        pad: int,
        watched: int | None = None,
        origin: int = 0,
        likeliest: Likeliest | None = None,
    ) -> None:
        """
        Args:
            model: in evaluation mode, with `attn_implementation="sdpa"`.
            vocabulary: vocabulary of its tokenizer.
            rows: rows, each with a context of at least one token.
            positions: rotary positions: `plain` (the response after the source read so far), `group` (the response from
                an origin of its own), or `none`. With ALiBi, `plain` and `group` are the same here, since hidden tokens
                do not count.
            pad: any token id.
            watched: layer whose attention weights the rows' policy uses; None: none.
            origin: with `group`, the position of the first token after the context.
            likeliest: output layer of the model for rows that use nothing of a prediction except the likeliest token.
        """
        attention.check_positions(model, positions)
        self.model, self.positions, self.origin, self.pad, self.rows = model, positions, origin, pad, list(rows)
        self.device = model.device
        self.vocabulary, self.watched, self.likeliest = vocabulary, watched, likeliest
        self.room = None if positions == "none" else models.positions(model.config)
        contexts = {id(row.context): row.context[: self.room] for row in rows}
        self.width = max(len(context) for context in contexts.values())
        number = {key: index for index, key in enumerate(contexts)}
        owner = torch.tensor([number[id(row.context)] for row in rows], device=self.device)
        self.places = Places(self._read(list(contexts.values())), owner, self.width)

    def _read(self, contexts: Sequence[Sequence[int]]) -> Cache:
        ids = torch.tensor([[*context, *[self.pad] * (self.width - len(context))] for context in contexts])
        order = torch.arange(self.width, device=self.device)
        seen = (order <= order[:, None]).expand(len(contexts), -1, -1)
        order = order.expand(len(contexts), -1)
        view = attention.unplaced(self.model, View(seen, order, order[:, None], order), self.positions)
        cache = attention.new_cache()
        attention.forward(self.model, ids.to(self.device), view, cache, keep=1)
        return cache

    @torch.inference_mode()
    def run(self) -> None:
        """Decode until every row is done."""
        self._end_outgrown(range(len(self.rows)))
        while self.rows:
            waiting = [len(row.response) - row.fed for row in self.rows]
            turn = [index for index, count in enumerate(waiting) if count == 1] or list(range(len(self.rows)))
            for index, best, prediction in self._step(turn, max(waiting[index] for index in turn)):
                self.rows[index].take(best, prediction)
            self._end_outgrown(turn)

    def _end_outgrown(self, turn: Iterable[int]) -> None:
        """End the rows of `turn` that have no position for their next token, and remove finished rows."""
        for row in (self.rows[index] for index in turn):
            if not row.done and (
                note := outgrown(row.shown, len(row.response), self.positions, self.room, self.origin)
            ):
                row.note, row.done = note, True
        self._close_up()

    def _close_up(self) -> None:
        """Remove finished rows, and move rows from the end to their places."""
        size = sum(not row.done for row in self.rows)
        gaps = [index for index, row in enumerate(self.rows[:size]) if row.done]
        movers = [index for index, row in enumerate(self.rows) if index >= size and not row.done]
        for gap, mover in zip(gaps, movers, strict=True):
            self.rows[gap] = self.rows[mover]
        del self.rows[size:]
        self.places.close_up(
            *(torch.tensor(each, dtype=torch.long, device=self.device) for each in (gaps, movers)), size
        )

    def _step(self, turn: Sequence[int], queries: int) -> Iterator[tuple[int, int, Prediction]]:
        """Feed the next tokens of some rows. Yields (row, likeliest token, prediction) of each.

        Args:
            turn: indices of the rows.
            queries: maximum number of tokens that one of these rows feeds.
        """
        whole = 2 * len(turn) > len(self.rows)  # copying out a few rows is cheaper than computing them all
        indices = range(len(self.rows)) if whole else turn
        chosen, ids, number, shown, starting = set(turn), [], [], [], []
        for index in indices:
            row = self.rows[index]
            # tokens are aligned on the right, so that the last query of every row predicts its next token; rows with
            # fewer tokens, and rows that are computed only because all are, have blanks (numbered -1) before them
            new = row.response[row.fed :] if index in chosen else []
            blank = queries - len(new)
            ids.append([self.pad] * blank + new)
            number.append([-1] * blank + list(range(row.fed, row.fed + len(new))))
            shown.append(row.shown)
            starting.append(row.starting)
        numbers = torch.tensor(number, device=self.device)
        read = torch.tensor(shown, device=self.device)
        rows = None if whole else torch.tensor(list(turn), device=self.device)
        likeliest: AbstractContextManager[None] = nullcontext()
        if self.likeliest is not None:
            likeliest = self.likeliest.used(lambda logits: self.vocabulary.possible(logits, starting))
        with LayerWeights.of(self.model, self.watched) as layer, likeliest:
            logits = self._fed(self.places, rows, torch.tensor(ids, device=self.device), numbers, read)
        possible = self.vocabulary.possible(logits, starting)
        found = self._searched({index: possible[at] for at, index in enumerate(indices) if index in chosen})
        for at, (index, token) in enumerate(zip(indices, possible.argmax(-1).tolist(), strict=True)):
            if index in chosen:
                weights = None if layer is None else layer.weights[at, :, 1 : 1 + shown[at]]
                yield index, token, Prediction(possible[at], weights, found.get(index))

    def _fed(
        self,
        places: Places,
        rows: torch.Tensor | None,
        ids: torch.Tensor,
        numbers: torch.Tensor,
        read: torch.Tensor,
    ) -> torch.Tensor:
        """Logits [rows, vocabulary] after the last of the tokens that are fed.

        Args:
            places: keys and values of all rows.
            rows: int64 [rows], those of `places` that feed; None: all.
            ids: int64 [rows, tokens].
            numbers: int64 [rows, tokens], the number of each token in its response; -1 for blanks.
            read: int64 [rows], tokens of the context that they may look at.
        """
        first = self.width + 1  # place 0 is for blanks, 1 to `width` for the context, the response begins here
        used = first + 1 + int(numbers.max())
        places.write(rows, torch.where(numbers < 0, 0, first + numbers), used)

        # token n of the response sees its own place, those before it, and the context tokens that have been read; a
        # blank sees place 0, since the softmax of a query without any key is not a number
        j = torch.arange(used, device=self.device)
        own = (j >= first) & (j - first <= numbers[:, :, None])
        seen = own | ((j > 0) & (j <= read[:, None]))[:, None] | ((j == 0) & (numbers < 0)[:, :, None])
        # positions count the context tokens that have been read, then the response; unread tokens do not count
        own_place = torch.where(numbers < 0, 0, read[:, None] + numbers)
        place = torch.where(numbers < 0, 0, self.origin + numbers) if self.positions == "group" else own_place
        key_place = torch.where(j < first, j - 1, read[:, None] + j - first)[:, None]
        view = View(seen, place.clamp(min=0), key_place.clamp(min=0), own_place)
        view = attention.unplaced(self.model, view, self.positions)
        return attention.forward(self.model, ids, view, places, keep=1)[:, -1]

    def _searched(self, possible: Mapping[int, torch.Tensor]) -> dict[int, Candidates]:
        """The candidates of the rows that want some; all their beams are rows of one batch.

        Args:
            possible: logits [vocabulary] of the next token, of each row that may want candidates.
        """
        wanting = [index for index in possible if self.rows[index].searches is not None]
        if not wanting:
            return {}
        beams, most = self.rows[wanting[0]].searches or (0, 0)
        places = self.places.branch(torch.tensor(wanting, device=self.device), beams)
        written = [len(self.rows[index].response) for index in wanting]
        numbers = torch.tensor(written, device=self.device).repeat_interleave(beams)[:, None]
        read = torch.tensor([self.rows[index].shown for index in wanting], device=self.device).repeat_interleave(beams)
        lengths = [
            longest(most, self.rows[index].shown, count, self.positions, self.room, self.origin)
            for index, count in zip(wanting, written, strict=True)
        ]
        last = numbers + torch.tensor(lengths, device=self.device).repeat_interleave(beams)[:, None] - 1
        steps = itertools.count()

        def step(parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            places.follow(parents, self.width + 1 + min(written))
            # rows whose search is over stay where the model has positions
            logits = self._fed(places, None, tokens[:, None], torch.minimum(numbers + next(steps), last), read)
            return self.vocabulary.possible(logits, [False] * len(tokens))

        first = torch.stack([possible[index] for index in wanting])
        return dict(zip(wanting, search(first, step, beams, lengths, self.vocabulary.ends), strict=True))
