"""What decoding has to know of a tokenizer's tokens: which end an answer, begin a word or hold a line break."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase


def texts(tokenizer: PreTrainedTokenizerBase, before: Sequence[int] = ()) -> list[str]:
    """The text of every token after the tokens `before`, blanks before punctuation included."""
    rows = [[*before, token] for token in range(len(tokenizer))]
    if tokenizer.is_fast:  # in one call: of 262,144 tokens, one by one, each takes three times as long
        return tokenizer.backend_tokenizer.decode_batch(rows, skip_special_tokens=False)
    return tokenizer.batch_decode(rows, clean_up_tokenization_spaces=False)


def with_newline(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token whose text has a line break."""
    return [token for token, text in enumerate(texts(tokenizer)) if "\n" in text]


class Vocabulary:
    """The tokens of simultaneous decoding."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, size: int | None = None, ends: Sequence[int] | None = None
    ) -> None:
        """
        Args:
            tokenizer: of the model.
            size: number of logits; the model may have more, or fewer, than the tokenizer has tokens.
            ends: tokens that end an answer, from `models.ends`; the end-of-sequence token unless given.
        """
        count = len(tokenizer)
        size = size or count
        anchor = tokenizer.encode("a", add_special_tokens=False)[-1]
        alone = len(tokenizer.decode([anchor], clean_up_tokenization_spaces=False))
        special = set(tokenizer.all_special_ids)
        self.ends = frozenset(ends or [tokenizer.eos_token_id])
        starts = [text[alone : alone + 1].isspace() for text in texts(tokenizer, [anchor])]
        closed = {*special, *range(count, size)} - self.ends
        self.closed = torch.tensor(sorted(token for token in closed if token < size), dtype=torch.long)
        """Tokens that are never written."""
        self.inside = ~torch.tensor((starts + [False] * (size - count))[:size])
        self.inside[sorted(token for token in self.ends if token < size)] = False
        """[vocabulary] True for tokens that cannot come where a word begins."""

    @torch.inference_mode()
    def possible(self, logits: torch.Tensor, starting: Sequence[bool]) -> torch.Tensor:
        """Logits float32 [rows, vocabulary], minus infinity for tokens that cannot come there.

        Args:
            logits: [rows, vocabulary], changed in place.
            starting: of each row, whether a word has to begin, or the sentence to end.
        """
        found = logits.float()
        if self.closed.device != found.device:
            self.closed, self.inside = self.closed.to(found.device), self.inside.to(found.device)
        found.index_fill_(1, self.closed, -torch.inf)
        rows = [row for row, begins in enumerate(starting) if begins]
        if rows:  # the others need no copy of so many numbers
            found[rows] = found[rows].masked_fill_(self.inside, -torch.inf)
        return found

    def best(self, logits: torch.Tensor, starting: Sequence[bool]) -> list[int]:
        """The likeliest token of each row that may come there; arguments as for `possible`."""
        return self.possible(logits, starting).argmax(-1).tolist()
