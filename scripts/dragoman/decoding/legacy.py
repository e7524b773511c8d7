"""Ends of words and repeated feeds as in the published code of SimulMask, with its faults, to measure their effect.

github.com/OSU-STARLAB/Simul-LLM, examples/simulmask (agent and stopping criteria, commit fffb78a). The differences from
`simultaneous` change the score: there is a blank before the mark; a word ends at each of `.,:;?!`, so that "3.5"
becomes two words; if the sentence ends after a word without one of these, the word is lost; before each word, the
response is tokenised again from its text, with blanks between words; any token can begin a word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from transformers import PreTrainedTokenizerBase

from dragoman.config import Prompt
from dragoman.decoding.cost import Work
from dragoman.prompts import tokenize

PUNCTUATION = frozenset(".,:;?!")


def prompt_of(prompt: Prompt) -> Prompt:
    """The agent's form of a prompt, with a blank before the mark."""
    segments = [
        segment.model_copy(update={"text": f" {segment.text}"}) if segment.role == "mark" else segment
        for segment in prompt.segments
    ]
    return prompt.model_copy(update={"segments": segments})


class LegacySentence:
    """A row: one sentence under one k, as the published agent translates it."""

    starting = False
    searches = None

    def __init__(
        self,
        context: list[int],
        ends: list[int],
        mark: list[int],
        tokenizer: PreTrainedTokenizerBase,
        lead: str,
        needs: Callable[[int], int],
        recompute: bool,
        max_lag: int,
        max_word_tokens: int,
        over: Collection[int] | None = None,
    ) -> None:
        """
        Args:
            context: instruction and source.
            ends: tokens of the context after 0, 1, ... source words.
            mark: token ids between source and response.
            tokenizer: of the model.
            lead: text of the prompt's target segment before the target.
            needs: source words to read before target word t = 1, 2, ...
            recompute: feed the whole response again before every word.
            max_lag: stop when this many more words are written than read.
            max_word_tokens: a word ends after this many tokens.
            over: tokens that end the sentence; None: the end-of-sequence token.
        """
        self.context, self.ends, self.tokenizer, self.lead = context, ends, tokenizer, lead
        self.needs, self.recompute = needs, recompute
        self.max_lag, self.max_word_tokens = max_lag, max_word_tokens
        self.over = over or [tokenizer.eos_token_id]
        self.mark, self.response, self.fed = len(mark), list(mark), 0
        self.done = self.ended = False
        self.note = ""
        self.group: list[int] = []
        self.target: list[str] = []
        self.at: list[int] = []
        """Source words read at each word of `target`, which also holds empty words."""
        self.read = min(needs(1), len(ends) - 1)
        self.work = Work()
        self.work.feed(self.shown, 0)

    @property
    def shown(self) -> int:
        """Tokens of the context that have been read."""
        return self.ends[self.read]

    @property
    def words(self) -> list[str]:
        """Words that were written."""
        return [word for word in self.target if word]

    @property
    def delays(self) -> list[int]:
        """Source words read before each of `words`."""
        return [read for word, read in zip(self.target, self.at, strict=True) if word]

    def take(self, best: int, prediction: object = None) -> None:
        """Add a token to the word; if the word is complete, prepare the next word."""
        self.work.feed(len(self.response) - self.fed, self.shown + self.fed, predictions=1)
        self.fed = len(self.response)
        self.group.append(best)
        if best in self.over:
            self.done = self.ended = True
            return
        last, kept = self.tokenizer.decode([best]), self.fed
        if " " in self.tokenizer.decode(self.group)[1:]:
            if last.startswith(" ") and len(self.group) > 1:
                self.group.pop()
                kept -= 1
        elif last not in PUNCTUATION and len(self.group) < self.max_word_tokens:
            self.response.append(best)
            return
        self._complete(kept)

    def _complete(self, kept: int) -> None:
        words = self.tokenizer.decode(self.group).split()
        self.group = []
        self.target.append(words[0] if words else "")
        self.at.append(self.read)
        if self.read - len(self.target) < -self.max_lag:
            self.target.pop()
            self.at.pop()
            self.done = True
            return
        before = self.shown
        self.read = min(self.needs(len(self.target) + 1), len(self.ends) - 1)
        self.work.feed(self.shown - before, before)
        (ids,) = tokenize(self.tokenizer, -1, [self.lead + " ".join(self.target)])["input_ids"]
        whole = [*self.response[: self.mark], *ids]
        self.response = [*self.response[:kept], *(whole[kept:] or whole[-1:])]
        self.fed = 0 if self.recompute else kept
