"""Translation as a conversation (Wang et al. 2024, arXiv 2402.10552): each turn is n source words and their answer.

A turn consists of the prompt's source segment with the chunk, its mark, and an answer that ends with the
end-of-sequence token; the instruction occurs once. All keys and values stay in the cache, so no token is fed twice. The
last chunk of the source is the last turn. Words are the units of `units.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from dragoman import models, prompts
from dragoman.config import ConversationDecoder, InterleavedDecoder
from dragoman.decoding import Context, Item, noted
from dragoman.decoding import Row as Result
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.lockstep import Batch
from dragoman.decoding.simultaneous import by_tokens
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.languages.spelling import Spelling
from dragoman.languages.units import joined as units_joined
from dragoman.languages.units import units
from dragoman.models import output
from dragoman.prompts import encode, joined


class Turn(NamedTuple):
    """What is given before an answer."""

    read: int
    """Source units read by then."""
    ids: list[int]
    """Token ids of the end of what is given: of a conversation, chunk and mark."""


class Talk:
    """A row: one sentence with n words per turn."""

    starting = False
    searches = None

    def __init__(
        self,
        context: list[int],
        turns: Sequence[Turn],
        end: int,
        ends: Collection[int],
        max_turn_tokens: int,
    ) -> None:
        """
        Args:
            context: the instruction.
            turns: in order.
            end: the token that closes a turn in training, and is put after every turn here.
            ends: tokens that end a turn, `end` among them.
            max_turn_tokens: a turn of so many tokens ends.
        """
        self.context, self.shown, self.turns, self.end = context, len(context), list(turns), end
        self.ends, self.max_turn_tokens = ends, max_turn_tokens
        self.response, self.fed, self.done, self.note = list(turns[0].ids), 0, False, ""
        self.answers: list[list[int]] = [[]]
        self.ended = True
        """Whether the model ended every turn itself."""
        self.work = Work()
        self.work.feed(len(context), 0)

    def take(self, best: int, prediction: object = None) -> None:
        """Add a token to the turn, or begin the next turn, or end."""
        self.work.feed(len(self.response) - self.fed, self.shown + self.fed, predictions=1)
        self.fed = len(self.response)
        if best not in self.ends:
            self.answers[-1].append(best)
            self.response.append(best)
            if len(self.answers[-1]) < self.max_turn_tokens:
                return
            self.ended = False
        if len(self.answers) == len(self.turns):
            self.done = True
            return
        self.response += [self.end, *self.turns[len(self.answers)].ids]
        self.answers.append([])


class Decoder:
    """A loaded model that translates chunk by chunk, many sentences at once."""

    def __init__(self, context: Context, options: ConversationDecoder | InterleavedDecoder) -> None:
        assert context.model is not None
        self.context, self.options = context, options
        self.tokenizer = models.load_tokenizer(context.model)
        self.model = models.load(context.model).to(models.device()).eval()
        ends = models.ends(context.model, self.tokenizer, context.prompt)
        self.vocabulary = Vocabulary(self.tokenizer, output.vocabulary(self.model), ends)
        self.price = Price(self.model)
        self.likeliest = output.Likeliest(self.model.get_output_embeddings())

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Sentences of similar length, as many as `batch_tokens` allows."""
        prompts = encode(self.context.prompt, self.tokenizer, self.context.pair, [item.source for item in items])
        lengths = [sum(len(piece.ids) for piece in pieces) for pieces in prompts]
        return list(by_tokens(lengths, len(self.options.settings), self.options.batch_tokens))

    def decode(self, items: Sequence[Item]) -> list[list[Result]]:
        """One row per item and setting: hypothesis, delays, tokens, whether it ended by itself, and what it cost."""
        per_item = [self._talks(units(item.source, self.context.counted.source)) for item in items]
        rows = [row for talks in per_item for row in talks]
        Batch(self.model, self.vocabulary, rows, "plain", self.tokenizer.pad_token_id, likeliest=self.likeliest).run()
        settings = self.options.settings
        return [[self._result(*each) for each in zip(settings, rows, strict=True)] for rows in per_item]

    def _talks(self, source: Sequence[str]) -> list[Talk]:
        talks = []
        for size in self.options.chunk:
            starts = range(0, max(1, len(source)), size)
            chunks = [units_joined(source[start : start + size], self.context.counted.source) for start in starts]
            pieces = encode(self.context.prompt, self.tokenizer, self.context.pair, chunks)
            place = [piece.role for piece in pieces[0]].index("source")
            instruction = joined(pieces[0][:place])
            if not instruction:
                raise ValueError("a prompt for conversations needs an instruction before the source")
            turns = [
                Turn(min(start + size, len(source)), joined(row[place:]))
                for start, row in zip(starts, pieces, strict=True)
            ]
            end, ends = prompts.end(self.context.prompt, self.tokenizer), self.vocabulary.ends
            talks.append(Talk(instruction, turns, end, ends, self.options.max_turn_tokens))
        return talks

    def _result(self, setting: str, row: Talk) -> Result:
        unit = self.context.counted.target
        spelling = Spelling.of(self.tokenizer, unit)
        written: list[str] = []
        delays: list[int] = []
        blank = False  # whether white space comes before the next character; between words it always does
        for (read, _), answer in zip(row.turns, row.answers, strict=False):  # it may have ended before its time
            text = spelling.text(answer)
            new = units(text, unit)
            if new and written and blank:
                new[0] = f" {new[0]}"
            if text:
                blank = unit == "character" and text[-1].isspace()
            written += new
            delays += [read] * len(new)
        return {
            "setting": setting,
            "hypothesis": units_joined(written, unit),
            "delays": delays,
            "ended": row.ended and not row.note,
            "gflops": self.price.gflops(row.work),
        } | noted(row.note)
