"""When a word is complete, and what to do then: the decisions of simultaneous decoding, without any arithmetic.

A target word is complete when the model would continue with a token that begins another word, or end the sentence.
Then, if the policy wants more source, that token is not written: source is read first, and the model is asked again. An
adaptive policy may want more source inside a word, too. What has been written stays: the word after a complete one
begins with a token that can begin a word.

Words are units of `units.py`, characters where the target language writes no blanks; `spelling.py` decides which token
begins one, as it does for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from transformers import PreTrainedTokenizerBase

from dragoman.decoding.vocabulary import Vocabulary
from dragoman.languages.spelling import Spelling
from dragoman.languages.units import Unit, units
from dragoman.policies import Policy, Prediction, State

Action = Literal["write", "read", "ask", "end"]
LONG = {"word": 1, "character": 6}
"""Units of a target that count as one against `max_lag`. Thai, Khmer and Lao have five or six characters where English
has a word, Chinese and Japanese fewer."""


class Writer:
    """The words of one sentence as they are written."""

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
            vocabulary: of the tokenizer.
            tokenizer: turns tokens into words.
            policy: decides when source is read.
            max_lag: stop when this many more words are written than read.
            max_word_tokens: a word of this many tokens is complete.
            unit: what a word is.
            source: the source units, for adaptive policies; may grow.
            bounds: tokens of the context up to source unit 0, 1, ..., for policies that look at attention; may grow.
        """
        self.vocabulary, self.policy, self.unit = vocabulary, policy, unit
        self.source, self.bounds = source, bounds
        self.spelling = Spelling.of(tokenizer, unit)
        self.max_lag, self.max_word_tokens = max_lag * LONG[unit], max_word_tokens
        self.word: list[int] = []
        """Tokens of the word that is being written. White space alone is no word yet."""
        self.tokens: list[int] = []
        """Tokens of all words, without the end of the sentence."""
        self.words: list[str] = []
        """As `units.units` gives them: characters have a blank before them where one was written."""
        self.delays: list[int] = []
        """Source words read when each of `words` was complete."""
        self.ended = False
        """Whether the model ended the sentence itself."""
        self._last = ""
        """The last character of `words`, and the white space after it."""
        self._predicted: dict[int, int] = {}
        """Source words -> the likeliest token after `tokens`, given so many of them."""
        self._due = 0
        """Source words that the policy wanted when it last decided to read."""

    @property
    def want(self) -> int:
        """Source words to read before the next token."""
        return max(int(self.policy.needs(len(self.words) + 1)), self._due)

    def shown(self, read: int, over: bool) -> int:
        """How many source words the model has to be asked with next: all that are read, unless the policy compares with
        what fewer of them predict, which is not known yet.

        The predictions with fewer words come first, so that the last pass over a token is the one with all words, whose
        keys are kept.
        """
        fewer = 0 if over else self.policy.fewer
        return next((count for count in range(max(1, read - fewer), read) if count not in self._predicted), read)

    @property
    def starting(self) -> bool:
        """Whether the next token has to begin a word, or end the sentence: words before it are not taken back. After
        white space, and among characters, every token begins one."""
        return not self.word and self.unit == "word" and bool(self._last) and not self._last[-1].isspace()

    def take(self, best: int, read: int, over: bool, prediction: Prediction | None = None) -> Action:
        """Decide on the next token.

        Args:
            best: the likeliest token given `shown(read, over)` source words; where `starting`, of those that may come
                there.
            read: source words read.
            over: whether that is the whole source.
            prediction: the pass that gave `best`, for adaptive policies.

        Returns:
            `write`: the token is now the last of `tokens`. `read`: ask again once `want` words, or all, are read.
            `ask`: ask again with another `shown`. `end`: nothing more is written.
        """
        shown = self.shown(read, over)
        self._predicted[shown] = best
        if shown < read:
            return "ask"
        fewer = 0 if over else self.policy.fewer
        tokens = (best, *(self._predicted[count] for count in range(read - 1, max(0, read - fewer - 1), -1)))
        begins = all(token in self.vocabulary.ends or self.spelling.begins(self.word, token) for token in tokens)
        if self.word and (begins or len(self.word) == self.max_word_tokens):
            if not self._complete(read) and not begins:
                return "end"  # nothing but white space, for as long as a word may be
            if self._lags(read):
                return "end"
            if not begins:  # the next token has to begin a word, so other tokens are possible than before
                self._predicted.clear()
                return "read"
            if not over and self.want > read:
                return "read"
        if not over and self.policy.adaptive():
            assert prediction is not None
            ends, seen = best in self.vocabulary.ends, self.source[:read]
            if self.policy.reads(State(seen, self.words, self.word, tokens, ends, prediction, self.bounds)):
                self._due = read + 1
                return "read"
        if best in self.vocabulary.ends:
            self.ended = True
            return "end"
        self._predicted.clear()
        self.word.append(best)
        self.tokens.append(best)
        return "write"

    def _lags(self, read: int) -> bool:
        return len(self.words) - read * LONG[self.unit] > self.max_lag

    def _complete(self, read: int) -> bool:
        text = self._last + self.spelling.text(self.word)
        found = units(text, self.unit)[bool(self._last) :]
        self.words += found
        self.delays += [read] * len(found)
        self.word = []
        self._last = text[len(text.rstrip()) - 1 :] if text.strip() else ""
        return bool(found)
