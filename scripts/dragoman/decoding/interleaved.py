"""Translation by a model that decides itself when to read and when to write (EAST, Fu et al. 2025, arXiv 2504.09570).

After every source word, the model predicts the next token. If this is the end of reading, that is, the first token of
the prompt's text between source and target, the model writes until it ends the answer. Otherwise one more word is read,
as in the authors' code (east_scripts/simuleval.py, greedy search), even if the predicted token is no word. After the
last source word, the model writes. The cache is kept, so no token is fed twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dragoman import prompts
from dragoman.config import InterleavedDecoder
from dragoman.decoding import conversation
from dragoman.decoding.conversation import Turn
from dragoman.decoding.cost import Work
from dragoman.languages.spelling import cut
from dragoman.languages.units import joined as units_joined
from dragoman.methods.interleave import Frame, frame


class Reader:
    """A row: one sentence at one level of latency."""

    starting = False
    searches = None

    def __init__(
        self,
        frame: Frame,
        words: Sequence[tuple[list[int], list[int]]],
        mark: list[int],
        end: int,
        ends: Collection[int],
        max_turn_tokens: int,
    ) -> None:
        """
        Args:
            frame: instruction, and what comes before later chunks.
            words: of each source unit, its token ids where it begins a chunk, and where it does not.
            mark: token ids between source and target.
            end: the token that closes an answer in training, and is put after every answer here.
            ends: tokens that end an answer, `end` among them.
            max_turn_tokens: an answer of so many tokens ends.
        """
        self.context, self.lead, self.words, self.mark, self.end = frame.instruction, frame.lead, words, mark, end
        self.shown, self.ends, self.max_turn_tokens = len(self.context), ends, max_turn_tokens
        self.response, self.fed, self.done, self.note = list[int](), 0, False, ""
        self.read, self.writing = 0, False
        self.turns: list[Turn] = []
        self.answers: list[list[int]] = []
        self.ended = True
        """Whether every answer was ended by the model itself."""
        self.work = Work()
        self.work.feed(len(self.context), 0)
        if words:
            self._read()
        else:
            self._write()

    def _read(self) -> None:
        begins = self.read == (self.turns[-1].read if self.turns else 0)
        self.response += self.lead if begins and self.read else []
        self.response += self.words[self.read][0 if begins else 1]
        self.read += 1

    def _write(self) -> None:
        self.response += self.mark
        self.turns.append(Turn(self.read, self.mark))
        self.answers.append([])
        self.writing = True

    def take(self, best: int, prediction: object = None) -> None:
        """Read on, begin to write, or go on writing, as the model has it."""
        self.work.feed(len(self.response) - self.fed, self.shown + self.fed, predictions=1)
        self.fed = len(self.response)
        over = self.read == len(self.words)
        if not self.writing:
            if best == self.mark[0] or over:
                self._write()
            else:
                self._read()
            return
        if best not in self.ends:
            self.answers[-1].append(best)
            self.response.append(best)
            if len(self.answers[-1]) < self.max_turn_tokens:
                return
            self.ended = False
        if over:
            self.done = True
            return
        self.response.append(self.end)
        self.writing = False
        self._read()


class Decoder(conversation.Decoder):
    """A loaded model that reads and writes as it likes, many sentences at once."""

    options: InterleavedDecoder

    def _talks(self, source: Sequence[str]) -> list[Reader]:
        context, unit = self.context, self.context.counted.source
        whole, *alone = cut(context.prompt, self.tokenizer, context.pair, [units_joined(source, unit), *source], unit)
        words = [(each.source[0], later) for each, later in zip(alone, whole.source, strict=True)]
        end = prompts.end(context.prompt, self.tokenizer)
        frames = [frame(context.prompt, self.tokenizer, context.pair, level) for level in self.options.latency]
        limits = self.vocabulary.ends, self.options.max_turn_tokens
        return [Reader(each, words, whole.mark, end, *limits) for each in frames]
