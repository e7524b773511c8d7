"""When a word is complete, and what to do then: the decisions of simultaneous decoding, without any arithmetic.

A target word is complete when the model would go on with a token that begins another word, or end the sentence. Then,
if the policy wants more source for the next word, that token is not written: source is read first, and the model is
asked again. What has been written stays: the word after a complete one begins with a token that can begin a word.

Words are units of `units.py`, characters where the target language writes no blanks; `spelling.py` decides which token
begins one, as it does for training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from transformers import PreTrainedTokenizerBase

from dragoman.decoding.vocabulary import Vocabulary
from dragoman.policies import WaitK, WaitKStride, schedule
from dragoman.spelling import Spelling
from dragoman.units import Unit, units

Action = Literal["write", "read", "end"]
LONG = {"word": 1, "character": 6}
"""Units of a target that count as one against `max_lag`. Thai, Khmer and Lao have five or six characters where English
has a word, Chinese and Japanese fewer."""


def ahead(k: int, stride: int = 1) -> Callable[[int], int]:
    """g(t) of wait-k for an endless source: words to read before target word t = 1, 2, ... is written."""
    policy = WaitKStride(name="wait-k-stride", k=k, stride=stride) if stride > 1 else WaitK(name="wait-k", k=k)
    known: list[int] = []

    def wanted(t: int) -> int:
        while len(known) < t:
            known[:] = schedule(policy, 10**9, 2 * t).tolist()
        return known[t - 1]

    return wanted


class Writer:
    """The words of one sentence as they are written."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokenizer: PreTrainedTokenizerBase,
        wanted: Callable[[int], int],
        max_lag: int,
        max_word_tokens: int,
        unit: Unit = "word",
    ) -> None:
        """
        Args:
            vocabulary: of the tokenizer.
            tokenizer: turns tokens into words.
            wanted: source words to read before target word t = 1, 2, ...
            max_lag: stop when so many more words are written than read.
            max_word_tokens: a word of so many tokens is complete.
            unit: what a word is.
        """
        self.vocabulary, self.wanted, self.unit = vocabulary, wanted, unit
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

    @property
    def want(self) -> int:
        """Source words to read before the next token."""
        return self.wanted(len(self.words) + 1)

    @property
    def starting(self) -> bool:
        """Whether the next token has to begin a word, or end the sentence: words before it are not taken back. After
        white space, and among characters, every token begins one."""
        return not self.word and self.unit == "word" and bool(self._last) and not self._last[-1].isspace()

    def take(self, best: int, read: int, over: bool) -> Action:
        """Decide on the next token.

        Args:
            best: the likeliest token; where `starting`, of those that may come there.
            read: source words read.
            over: whether that is the whole source.

        Returns:
            `write`: the token is now the last of `tokens`. `read`: ask again once `want` words, or all, are read.
            `end`: nothing more is written.
        """
        begins = best in self.vocabulary.ends or self.spelling.begins(self.word, best)
        if self.word and (begins or len(self.word) == self.max_word_tokens):
            if not self._complete(read) and not begins:
                return "end"  # nothing but white space, for as long as a word may be
            if self._lags(read):
                return "end"
            if not begins or (not over and self.want > read):
                return "read"
        if best in self.vocabulary.ends:
            self.ended = True
            return "end"
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
