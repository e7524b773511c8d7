"""Simultaneous translation of a whole test set: every sentence with every policy is a row of one batch.

Decoding is greedy, as in SimulMask (arXiv 2405.10443). The response keeps its keys and values, or, with `recompute`, is
fed again after each source word that is read (the paper's "norec" and "rec"). Words and delays are the same as with
word-by-word decoding (`streaming.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dragoman import models
from dragoman.config import SimultaneousDecoder
from dragoman.decoding import Context, Item, legacy, noted
from dragoman.decoding import Row as Result
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.legacy import LegacySentence
from dragoman.decoding.lockstep import Batch
from dragoman.decoding.prediction import Prediction
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.decoding.writer import Writer
from dragoman.languages.spelling import Cut, cut
from dragoman.languages.units import joined, units
from dragoman.models import output
from dragoman.policies import Policy
from dragoman.prompts import render


class Sentence:
    """A row: one sentence with one policy."""

    def __init__(self, item: Cut, context: list[int], writer: Writer, recompute: bool) -> None:
        self.context, self.writer, self.recompute = context, writer, recompute
        self.ends = item.ends
        self.response, self.fed, self.done, self.note = list(item.mark), 0, False, ""
        self.work = Work()
        self.read = 0
        self._read()
        self.asked = self.writer.shown(self.read, self.over)
        """Number of source words for the next prediction: all words read, or fewer, depending on the policy."""

    @property
    def shown(self) -> int:
        """Number of tokens of the context that the response may attend to."""
        return self.ends[self.asked]

    @property
    def over(self) -> bool:
        """Whether the whole source has been read, and is known to be over: a policy that plans what to write plans once
        more after the last word, since word by word nobody knows that it is the last."""
        plans = self.writer.policy.beams is not None
        return self.read == len(self.ends) - 1 and not (plans and self.writer.want <= self.read)

    def _read(self) -> None:
        before = self.ends[self.read] if self.read else 0
        self.read = min(self.writer.want, len(self.ends) - 1)
        self.work.feed(self.ends[self.read] - before, before)

    @property
    def starting(self) -> bool:
        """Whether the next token has to begin a word."""
        return self.writer.starting

    @property
    def searches(self) -> tuple[int, int] | None:
        """Candidates that the policy wants with the next prediction."""
        return self.writer.searches(self.over)

    def take(self, best: int, prediction: Prediction | None = None) -> None:
        """Write a token, read a word, predict again, or end, depending on the policy."""
        self.work.feed(len(self.response) - self.fed, self.shown + self.fed, predictions=1)
        if self.writer.policy.watched is not None:
            self.work.looks += self.shown + len(self.response)
        if prediction is not None and prediction.found is not None and (searched := self.searches):
            for number in range(prediction.found.passes):
                for _ in range(searched[0]):
                    self.work.feed(1, self.shown + len(self.response) + number, predictions=1)
        self.fed = len(self.response)
        action = self.writer.take(best, self.read, self.over, prediction)
        if action == "end":
            self.done = True
            return
        if action == "write":
            self.response.append(self.writer.tokens[-1])
        elif action == "read":
            self._read()
        asked, self.asked = self.asked, self.writer.shown(self.read, self.over)
        if action == "write" and asked == self.asked:
            return
        # keys that were computed with another source are computed again: all of them with `recompute`, else those of
        # the last token, from which the next one is predicted; before the first word those of the whole mark, as in
        # training (see `visibility.fill`)
        if self.recompute or (asked != self.asked and not self.writer.tokens):
            self.fed = 0
        elif action != "write":
            self.fed -= 1


class Decoder:
    """A loaded model that translates many sentences while it reads them."""

    def __init__(self, context: Context, options: SimultaneousDecoder) -> None:
        assert context.model is not None
        self.pair, self.counted, self.options = context.pair, context.counted, options
        self.policies = options.policies
        self.prompt = legacy.prompt_of(context.prompt) if options.legacy else context.prompt
        self.lead = render(self.prompt, self.pair, "", "{target}")[-1][1].partition("{target}")[0]
        self.tokenizer = models.load_tokenizer(context.model)
        self.model = models.load(context.model).to(models.device()).eval()
        ends = models.ends(context.model, self.tokenizer, context.prompt)
        self.vocabulary = Vocabulary(self.tokenizer, output.vocabulary(self.model), ends)
        self.price = Price(self.model)
        self.likeliest = (
            None if options.policies[0].adaptive() else output.Likeliest(self.model.get_output_embeddings())
        )

    def _cuts(self, items: Sequence[Item]) -> list[Cut]:
        return cut(self.prompt, self.tokenizer, self.pair, [item.source for item in items], self.counted.source)

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Sentences of similar length, as many as `batch_tokens` allows."""
        return list(
            by_tokens([len(c.context) for c in self._cuts(items)], len(self.policies), self.options.batch_tokens)
        )

    def decode(self, items: Sequence[Item]) -> list[list[Result]]:
        """One row per item and policy: hypothesis, delays, whether the model ended it, and GFLOPs."""
        per_item = []
        for item, each in zip(items, self._cuts(items), strict=True):
            context, source = each.context, units(item.source, self.counted.source)
            per_item.append([self._row(each, context, source, policy) for policy in self.policies])
        rows = [row for sentence in per_item for row in sentence]
        watched, pad = self.policies[0].watched, self.tokenizer.pad_token_id
        how = self.options.positions, pad, watched, self.options.origin, self.likeliest
        Batch(self.model, self.vocabulary, rows, *how).run()
        return [[self._result(*pair) for pair in zip(self.policies, rows, strict=True)] for rows in per_item]

    def _row(self, item: Cut, context: list[int], source: list[str], policy: Policy) -> Sentence | LegacySentence:
        options = self.options
        limits = options.max_lag, options.max_word_tokens
        if options.legacy:
            kept = options.recompute, *limits, self.vocabulary.ends
            return LegacySentence(context, item.ends, item.mark, self.tokenizer, self.lead, policy.needs, *kept)
        writer = Writer(self.vocabulary, self.tokenizer, policy, *limits, self.counted.target, source, item.ends)
        return Sentence(item, context, writer, options.recompute)

    def _result(self, policy: Policy, row: Sentence | LegacySentence) -> Result:
        written = row.writer if isinstance(row, Sentence) else row
        return {
            "setting": policy.setting,
            "hypothesis": joined(written.words, self.counted.target),
            "delays": written.delays,
            "ended": written.ended,
            "gflops": self.price.gflops(row.work),
        } | noted(row.note)


def by_tokens(lengths: Sequence[int], copies: int, budget: int) -> Iterator[list[int]]:
    """Indices sorted by length, the longest first, divided into batches with at most `budget` cached tokens.

    Args:
        lengths: [sentences] tokens of the context.
        copies: number of rows per sentence.
        budget: maximum of 2 * length * rows, since a response is assumed to be as long as its context. A single
            sentence may exceed it.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batch and (len(batch) + 1) * copies * 2 * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
