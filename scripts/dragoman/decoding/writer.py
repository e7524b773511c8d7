"""When a word is complete, and what to do then: the decisions of simultaneous decoding, without any arithmetic.

A target word is complete when the model would go on with a token that begins another word, or end the sentence. Then,
if the policy wants more source for the next word, that token is not written: source is read first, and the model is
asked again. What has been written stays: the word after a complete one begins with a token that can begin a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from transformers import PreTrainedTokenizerBase

from dragoman.decoding.vocabulary import Vocabulary
from dragoman.policies import WaitK, WaitKStride, schedule

Action = Literal["write", "read", "end"]


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
    ) -> None:
        """
        Args:
            vocabulary: of the tokenizer.
            tokenizer: turns tokens into words.
            wanted: source words to read before target word t = 1, 2, ...
            max_lag: stop when so many more words are written than read.
            max_word_tokens: a word of so many tokens is complete.
        """
        self.vocabulary, self.tokenizer, self.wanted = vocabulary, tokenizer, wanted
        self.max_lag, self.max_word_tokens = max_lag, max_word_tokens
        self.t = 1
        """The target word that is being written, from 1; nothing but white space counts as a word, so that it ends."""
        self.word: list[int] = []
        self.tokens: list[int] = []
        """Tokens of all words, without the end of the sentence."""
        self.words: list[str] = []
        self.delays: list[int] = []
        """Source words read when each of `words` was complete."""
        self.ended = False
        """Whether the model ended the sentence itself."""

    @property
    def want(self) -> int:
        """Source words to read before the next token."""
        return self.wanted(self.t)

    @property
    def starting(self) -> bool:
        """Whether the next token has to begin a word, or end the sentence: words before it are not taken back."""
        return not self.word and self.t > 1

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
        begins = self.vocabulary.begins(best)
        if self.word and (begins or len(self.word) == self.max_word_tokens):
            self._complete(read)
            if self.t - 1 - read > self.max_lag:
                return "end"
            if not begins or (not over and self.want > read):
                return "read"
        if best in self.vocabulary.ends:
            self.ended = True
            return "end"
        self.word.append(best)
        self.tokens.append(best)
        return "write"

    def _complete(self, read: int) -> None:
        found = self.tokenizer.decode(self.word, skip_special_tokens=True).split()
        self.words += found
        self.delays += [read] * len(found)
        self.word = []
        self.t += max(1, len(found))
