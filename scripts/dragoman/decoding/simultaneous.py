"""Simultaneous translation of a whole test set: every sentence under every k is a row of one batch.

Greedy, as in SimulMask (arXiv 2405.10443). The response keeps the keys it was computed with, or, with `recompute`, is
fed again whenever source has been read: the paper's "norec" and "rec". Each word and delay is what word-by-word
decoding (`streaming.py`) gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from dragoman import models, output
from dragoman.config import Prompt, SimultaneousDecoder
from dragoman.decoding import Context, Item, legacy, noted
from dragoman.decoding import Row as Result
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.legacy import LegacySentence
from dragoman.decoding.lockstep import Batch
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.decoding.writer import Writer, ahead
from dragoman.prompts import encode, render, tokenize
from dragoman.visibility import words


class Cut(NamedTuple):
    """A prompt with its source, cut into what is there from the start, what each source word adds, and the rest."""

    instruction: list[int]
    source: list[list[int]]
    """Token ids of each source word, in order."""
    mark: list[int]
    """Token ids between the source and the response."""

    @property
    def context(self) -> list[int]:
        """Instruction and whole source."""
        return [*self.instruction, *(token for word in self.source for token in word)]

    @property
    def ends(self) -> list[int]:
        """[words + 1] How much of the context has been read after 0, 1, ... source words."""
        return list(accumulate(map(len, self.source), initial=len(self.instruction)))


def cut(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, pair: str, sources: Sequence[str]) -> list[Cut]:
    """Cut the prompt of every source; joined again, its parts are what `prompts.encode` gives.

    Words are divided by white space. A token that touches two words belongs to the second: it is not there before that
    has been read.

    Raises:
        ValueError: the prompt has nothing between source and target, or the tokenizer has no offset mapping.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"{tokenizer.name_or_path} has no offset mapping; a fast tokenizer (tokenizer.json) is needed")
    place = [segment.role for segment in prompt.segments].index("source")
    text = render(prompt, pair, "{source}", "")[place][1]
    lead, _, tail = text.partition("{source}")
    texts = [f"{lead}{source}{tail}" for source in sources]
    offsets = tokenize(tokenizer, place, texts, return_offsets_mapping=True)["offset_mapping"]
    found = words(texts, offsets, "source", lead=len(lead), tail=len(tail))
    numbers, cuts = iter(found.word.tolist()), []
    for pieces, count in zip(encode(prompt, tokenizer, pair, sources), found.count.tolist(), strict=True):
        parts: list[list[int]] = [[] for _ in range(count + 2)]
        ids = pieces[place].ids
        early = len(ids) - len(offsets[len(cuts)])  # a beginning-of-sequence token
        parts[0] = [token for piece in pieces[:place] for token in piece.ids] + ids[:early]
        for token in ids[early:]:
            parts[next(numbers)].append(token)
        mark = parts[-1] + [token for piece in pieces[place + 1 :] for token in piece.ids]
        if not mark:
            raise ValueError("a prompt for simultaneous decoding needs a mark between source and target")
        cuts.append(Cut(parts[0], parts[1:-1], mark))
    return cuts


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
        self.pair, self.options = context.pair, options
        self.prompt = legacy.prompt_of(context.prompt) if options.legacy else context.prompt
        self.lead = render(self.prompt, self.pair, "", "{target}")[-1][1].partition("{target}")[0]
        self.tokenizer = models.load_tokenizer(context.model)
        self.model = models.load(context.model).to(models.device()).eval()
        ends = models.ends(context.model, self.tokenizer)
        self.vocabulary = Vocabulary(self.tokenizer, output.vocabulary(self.model), ends)
        self.price = Price(self.model)

    def _cuts(self, items: Sequence[Item]) -> list[Cut]:
        sources = [" ".join(item.source.split()) for item in items]
        return cut(self.prompt, self.tokenizer, self.pair, sources)

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Sentences of like length, as many as `batch_tokens` allows."""
        return list(
            by_tokens([len(c.context) for c in self._cuts(items)], len(self.options.k), self.options.batch_tokens)
        )

    def decode(self, items: Sequence[Item]) -> list[list[Result]]:
        """One row per item and k: hypothesis, delays, tokens, whether it ended by itself, and what it cost."""
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
            limits = options.recompute, options.max_lag, options.max_word_tokens, self.vocabulary.ends
            return LegacySentence(context, item.ends, item.mark, self.tokenizer, self.lead, wanted, *limits)
        writer = Writer(self.vocabulary, self.tokenizer, wanted, options.max_lag, options.max_word_tokens)
        return Sentence(item, context, writer, options.recompute)

    def _result(self, k: int, row: Sentence | LegacySentence) -> Result:
        written = row.writer if isinstance(row, Sentence) else row
        return {
            "setting": f"k={k}",
            "hypothesis": " ".join(written.words),
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
