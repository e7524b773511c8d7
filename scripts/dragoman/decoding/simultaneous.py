"""Simultaneous translation of a whole test set: every sentence under every k is a row of one batch.

Greedy, as in SimulMask (arXiv 2405.10443). The response keeps the keys it was computed with, or, with `recompute`, is
fed again whenever source has been read: the paper's "norec" and "rec". Each word and delay is what word-by-word
decoding (`streaming.py`) gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dragoman import models, output
from dragoman.config import SimultaneousDecoder
from dragoman.decoding import Context, Item, legacy, noted
from dragoman.decoding import Row as Result
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.legacy import LegacySentence
from dragoman.decoding.lockstep import Batch
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.decoding.writer import Writer, ahead
from dragoman.prompts import render
from dragoman.spelling import Cut, cut
from dragoman.units import joined


class Sentence:
    """A row: one sentence under one policy."""

    def __init__(self, item: Cut, context: list[int], writer: Writer, recompute: bool) -> None:
        self.context, self.writer, self.recompute = context, writer, recompute
        self.ends = item.ends
        self.response, self.fed, self.done, self.note = list(item.mark), 0, False, ""
        self.work = Work()
        self.read = 0
        self._read()

    @property
    def shown(self) -> int:
        """Tokens of the context that have been read."""
        return self.ends[self.read]

    def _read(self) -> None:
        before = self.ends[self.read] if self.read else 0
        self.read = min(self.writer.want, len(self.ends) - 1)
        self.work.feed(self.shown - before, before)

    @property
    def starting(self) -> bool:
        """Whether the next token has to begin a word."""
        return self.writer.starting

    def take(self, best: int) -> None:
        """Write, read, or end, as the policy has it."""
        self.work.feed(len(self.response) - self.fed, self.shown + self.fed, predictions=1)
        self.fed = len(self.response)
        action = self.writer.take(best, self.read, over=self.read == len(self.ends) - 1)
        if action == "write":
            self.response.append(self.writer.tokens[-1])
        elif action == "read":
            self._read()
            self.fed = 0 if self.recompute else self.fed - 1
        else:
            self.done = True


class Decoder:
    """A loaded model that translates sentences while it reads them, many at once."""

    def __init__(self, context: Context, options: SimultaneousDecoder) -> None:
        assert context.model is not None
        self.pair, self.counted, self.options = context.pair, context.counted, options
        self.prompt = legacy.prompt_of(context.prompt) if options.legacy else context.prompt
        self.lead = render(self.prompt, self.pair, "", "{target}")[-1][1].partition("{target}")[0]
        self.tokenizer = models.load_tokenizer(context.model)
        self.model = models.load(context.model).to(models.device()).eval()
        ends = models.ends(context.model, self.tokenizer, context.prompt)
        self.vocabulary = Vocabulary(self.tokenizer, output.vocabulary(self.model), ends)
        self.price = Price(self.model)

    def _cuts(self, items: Sequence[Item]) -> list[Cut]:
        return cut(self.prompt, self.tokenizer, self.pair, [item.source for item in items], self.counted.source)

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Sentences of like length, as many as `batch_tokens` allows."""
        return list(
            by_tokens([len(c.context) for c in self._cuts(items)], len(self.options.k), self.options.batch_tokens)
        )

    def decode(self, items: Sequence[Item]) -> list[list[Result]]:
        """One row per item and k: hypothesis, delays, whether it ended by itself, and what it cost."""
        cuts, per_item = self._cuts(items), []
        for each in cuts:
            context = each.context
            per_item.append([self._row(each, context, k) for k in self.options.k])
        rows = [row for sentence in per_item for row in sentence]
        Batch(self.model, self.vocabulary, rows, self.options.positions, self.tokenizer.pad_token_id).run()
        return [[self._result(k, row) for k, row in zip(self.options.k, rows, strict=True)] for rows in per_item]

    def _row(self, item: Cut, context: list[int], k: int) -> Sentence | LegacySentence:
        options, wanted = self.options, ahead(k, self.options.stride)
        if options.legacy:
            kept = options.recompute, options.max_lag, options.max_word_tokens, self.vocabulary.ends
            return LegacySentence(context, item.ends, item.mark, self.tokenizer, self.lead, wanted, *kept)
        limits = options.max_lag, options.max_word_tokens
        writer = Writer(self.vocabulary, self.tokenizer, wanted, *limits, self.counted.target)
        return Sentence(item, context, writer, options.recompute)

    def _result(self, k: int, row: Sentence | LegacySentence) -> Result:
        written = row.writer if isinstance(row, Sentence) else row
        return {
            "setting": f"k={k}",
            "hypothesis": joined(written.words, self.counted.target),
            "delays": written.delays,
            "ended": written.ended,
            "gflops": self.price.gflops(row.work),
        } | noted(row.note)


def by_tokens(lengths: Sequence[int], copies: int, budget: int) -> Iterator[list[int]]:
    """Indices sorted by length, longest first, cut into batches of `copies` rows each that keep `budget` keys at most.

    A row is reckoned to need as many keys for its response as for its context; one sentence alone may need more.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batch and (len(batch) + 1) * copies * 2 * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
