"""The decisions of simultaneous decoding: ends of words, and reading, writing or ending after each prediction.

A target word is complete when the likeliest next token begins another word, or ends the sentence. If the policy then
needs more source, this token is not written: source is read first, and the token is predicted again. An adaptive policy
may also need more source within a word. Written words stay, so the next word begins with a token that can begin a word.

Words are units of `units.py` (characters if the target language writes no blanks); `spelling.py` defines the tokens
that begin a word, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Literal

from transformers import PreTrainedTokenizerBase

from dragoman.decoding.vocabulary import Vocabulary
from dragoman.languages.spelling import Spelling
from dragoman.languages.units import Unit, units
from dragoman.policies import Policy, Prediction, State

Action = Literal["write", "read", "ask", "end"]
LONG = {"word": 1, "character": 6}
"""Number of target units that count as one word for `max_lag`. An English word corresponds to five or six characters of
Thai, Khmer and Lao, and to fewer of Chinese and Japanese."""


class Writer:
    """Writes the words of one sentence, token by token."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokenizer: PreTrainedTokenizerBase,
        policy: Policy,
        max_lag: int,
        max_word_tokens: int,
        unit: Unit = "word",
        source: Sequence[str] = (),
        bounds: Sequence[int] = (),
    ) -> None:
        """
        Args:
            vocabulary: vocabulary of the tokenizer.
            tokenizer: tokenizer of the model.
            policy: read/write policy.
            max_lag: stop when this many more words are written than read.
            max_word_tokens: a word ends after this many tokens.
            unit: unit of the target.
            source: the source units, for adaptive policies; may grow.
            bounds: tokens of the context up to source unit 0, 1, ..., for policies that look at attention; may grow.
        """
        self.vocabulary, self.policy, self.unit = vocabulary, policy, unit
        self.source, self.bounds = source, bounds
        self.spelling = Spelling.of(tokenizer, unit)
        self.max_lag, self.max_word_tokens = max_lag * LONG[unit], max_word_tokens
        self.word: list[int] = []
        """Tokens of the word that is being written, or of white space before it."""
        self.tokens: list[int] = []
        """Tokens of all words, without the end of the sentence."""
        self.words: list[str] = []
        """Complete words, as from `units.units`: characters include a blank before them."""
        self.delays: list[int] = []
        """Source words read when each of `words` was complete."""
        self.ended = False
        """Whether the model ended the sentence itself."""
        self._last = ""
        """The last character of `words`, and the white space after it."""
        self._predicted: dict[int, int] = {}
        """Number of source words -> the likeliest token after `tokens`, given that many source words."""
        self._due = 0
        """Source words that the policy wanted when it last decided to read."""
        self._planned: list[int] | None = None
        """Tokens to write before source is read, as a policy with candidates has it; None where it has to be asked."""

    @property
    def want(self) -> int:
        """Source words to read before the next token."""
        return max(int(self.policy.needs(len(self.words) + 1)), self._due)

    def shown(self, read: int, over: bool) -> int:
        """Number of source words for the next prediction: all that have been read, or fewer if the policy compares
        predictions and one with fewer words is missing.

        Predictions with fewer words come first, so that the last pass over a token is the one with all words, whose
        keys are cached.
        """
        fewer = 0 if over else self.policy.fewer
        return next((count for count in range(max(1, read - fewer), read) if count not in self._predicted), read)

    def searches(self, over: bool) -> tuple[int, int] | None:
        """(number, most tokens) of the candidates that `take` needs next; None where it needs none."""
        return None if over or self._planned is not None else self.policy.beams

    @property
    def starting(self) -> bool:
        """Whether the next token has to begin a word, or end the sentence, since the word before it is complete. False
        after white space and for characters, where every token can begin a word."""
        return not self.word and self.unit == "word" and bool(self._last) and not self._last[-1].isspace()

    def take(self, best: int, read: int, over: bool, prediction: Prediction | None = None) -> Action:
        """Decide on the next token.

        Args:
            best: the likeliest token given `shown(read, over)` source words, of the tokens that are possible there.
            read: number of source words read.
            over: whether that is the whole source.
            prediction: the prediction of `best`, for adaptive policies.

        Returns:
            `write`: the token was added to `tokens`. `read`: predict again after `want` source words (or all) have been
            read. `ask`: predict again with the new value of `shown`. `end`: the translation has ended.
        """
        shown = self.shown(read, over)
        self._predicted[shown] = best
        if shown < read:
            return "ask"
        if self.searches(over):
            assert prediction is not None
            self._planned = self._until_the_end(self.policy.writes(self._state(read, (best,), prediction)))
        if self._planned and not over:
            best = self._planned[0]
        fewer = 0 if over else self.policy.fewer
        tokens = (best, *(self._predicted[count] for count in range(read - 1, max(0, read - fewer - 1), -1)))
        begins = all(token in self.vocabulary.ends or self.spelling.begins(self.word, token) for token in tokens)
        if self.word and (begins or len(self.word) == self.max_word_tokens):
            if not self._complete(read) and not begins:
                return "end"  # `max_word_tokens` tokens of white space
            if self._lags(read):
                return "end"
            if not begins:  # the next token has to begin a word, which excludes the predicted one
                self._predicted.clear()
                self._planned = None
                return "read"
            if not over and self.want > read:
                self._planned = None
                return "read"
        if not over and self.policy.adaptive() and self._reads(read, tokens, prediction):
            self._due = read + self.policy.at_once
            self._planned = None
            return "read"
        if best in self.vocabulary.ends:
            self.ended = True
            return "end"
        self._predicted.clear()
        self._planned = self._planned and self._planned[1:]
        self.word.append(best)
        self.tokens.append(best)
        return "write"

    def _state(self, read: int, tokens: tuple[int, ...], prediction: Prediction) -> State:
        ends = tokens[0] in self.vocabulary.ends
        return State(self.source[:read], self.words, self.word, tokens, ends, prediction, self.bounds)

    def _reads(self, read: int, tokens: tuple[int, ...], prediction: Prediction | None) -> bool:
        assert prediction is not None
        if self.policy.beams:
            return not self._planned
        return self.policy.reads(self._state(read, tokens, prediction))

    def _until_the_end(self, tokens: Sequence[int]) -> list[int]:
        return [*takewhile(lambda token: token not in self.vocabulary.ends, tokens)]

    def _lags(self, read: int) -> bool:
        return len(self.words) - read * LONG[self.unit] > self.max_lag

    def _complete(self, read: int) -> bool:
        text = self._last + self.spelling.text(self.word)
        new = units(text, self.unit)[bool(self._last) :]
        self.words += new
        self.delays += [read] * len(new)
        self.word = []
        self._last = text[len(text.rstrip()) - 1 :] if text.strip() else ""
        return bool(new)
