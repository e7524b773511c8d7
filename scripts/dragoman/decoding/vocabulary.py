"""Properties of a tokenizer's tokens for decoding: tokens that end an answer, begin a word, or hold a line break."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase


def texts(tokenizer: PreTrainedTokenizerBase, before: Sequence[int] = ()) -> list[str]:
    """The text of every token after the tokens `before`, including blanks before punctuation."""
    rows = [[*before, token] for token in range(len(tokenizer))]
    if tokenizer.is_fast:  # one call takes a third of the time of 262,144 calls
        return tokenizer.backend_tokenizer.decode_batch(rows, skip_special_tokens=False)
    return tokenizer.batch_decode(rows, clean_up_tokenization_spaces=False)


def with_newline(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the tokens whose text has a line break."""
    return [token for token, text in enumerate(texts(tokenizer)) if "\n" in text]


class Vocabulary:
    """The tokens of simultaneous decoding."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, size: int | None = None, ends: Sequence[int] | None = None
    ) -> None:
        """
        Args:
            tokenizer: tokenizer of the model.
            size: number of logits, which may differ from the number of tokens; None: the same.
            ends: tokens that end an answer, from `models.ends`; None: the end-of-sequence token.
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
        """bool [vocabulary], True for tokens that cannot begin a word and do not end the sentence."""

    @torch.inference_mode()
    def possible(self, logits: torch.Tensor, starting: Sequence[bool]) -> torch.Tensor:
        """Logits float32 [rows, vocabulary], minus infinity for tokens that are not possible there.

        Args:
            logits: [rows, vocabulary], changed in place.
            starting: [rows] whether a word has to begin, or the sentence to end.
        """
        allowed = logits.float()
        if self.closed.device != allowed.device:
            self.closed, self.inside = self.closed.to(allowed.device), self.inside.to(allowed.device)
        allowed.index_fill_(1, self.closed, -torch.inf)
        rows = [row for row, begins in enumerate(starting) if begins]
        if rows:  # only these rows are copied
            allowed[rows] = allowed[rows].masked_fill_(self.inside, -torch.inf)
        return allowed

    def best(self, logits: torch.Tensor, starting: Sequence[bool]) -> list[int]:
        """[rows] The likeliest possible token; arguments as for `possible`."""
        return self.possible(logits, starting).argmax(-1).tolist()
