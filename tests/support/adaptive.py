"""Adaptive policies, at once and word by word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import prompts
from dragoman.decoding import Context, Item, Row, simultaneous, streaming
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.languages.spelling import Cut, Spelling, cut

PROMPT = prompts()["short"]
SOURCES = ["My brother wants  to give the\u00a0old dog a name.", "He sleeps."]
CHINESE = ["买 红车"]
LIMITS = {"max_lag": 2, "max_word_tokens": 3}


def decoded(module: ModuleType, folder: Path, pair: str = "en-fr", **options: Any) -> list[list[Row]]:
    """Rows of a few sentences; `streaming` counts no cost."""
    settings = SimultaneousDecoder(**{"name": module.__name__.rpartition(".")[2]} | LIMITS | options)
    lines = CHINESE if pair.startswith("zh") else SOURCES
    items = [Item(number, line, "") for number, line in enumerate(lines)]
    return module.Decoder(Context(folder, pair, PROMPT), settings).decode(items)


def without_cost(rows: Sequence[Sequence[Row]]) -> list[list[Row]]:
    return [[{key: value for key, value in row.items() if key != "gflops"} for row in each] for each in rows]


def same_in_streaming(folder: Path, pair: str = "en-fr", **options: Any) -> list[list[Row]]:
    """Rows, which are the same one by one."""
    found = without_cost(decoded(simultaneous, folder, pair, **options))
    assert found == decoded(streaming, folder, pair, **options)
    return found


class ByHand:
    """A model that translates with nothing kept, by ordinary passes over prompt and response."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, SOURCES[0].split()
        self.model: PreTrainedModel = models.load(folder).eval()
        self.tokenizer: PreTrainedTokenizerBase = models.load_tokenizer(folder)
        self.vocabulary, self.spelling = Vocabulary(self.tokenizer), Spelling.of(self.tokenizer, "word")

    def cut(self, read: int) -> Cut:
        return cut(PROMPT, self.tokenizer, "en-fr", [" ".join(self.source[:read])], "word")[0]

    @torch.no_grad()
    def logits(self, read: int, written: list[int], starting: bool) -> torch.Tensor:
        """Of the next token, after `read` source words."""
        prompt = self.cut(read)
        logits = self.model(torch.tensor([prompt.context + prompt.mark + written])).logits[0, -1]
        logits[self.vocabulary.closed] = -torch.inf
        return logits.masked_fill(self.vocabulary.inside, -torch.inf) if starting else logits

    def begins(self, word: list[int], token: int) -> bool:
        return token == self.tokenizer.eos_token_id or self.spelling.begins(word, token)

    def translate(self, read: int, reads: Callable[[int, torch.Tensor, list[int]], bool]) -> tuple[str, list[int]]:
        """Words and delays, beginning with `read` source words."""
        written, word = list[int](), list[int]()
        words, delays = list[str](), list[int]()
        while True:
            logits = self.logits(read, written, starting=bool(words) and not word)
            best = int(logits.argmax())
            begins = self.begins(word, best)
            if word and (begins or len(word) == LIMITS["max_word_tokens"]):
                found = self.tokenizer.decode(word).split()
                words, delays, word = words + found, delays + [read] * len(found), []
                if not found or len(words) - read > LIMITS["max_lag"]:
                    break
                if not begins:
                    continue
            ends = best == self.tokenizer.eos_token_id
            if read < len(self.source) and (ends or reads(read, logits, written)):
                read += 1
                continue
            if ends:
                break
            written, word = [*written, best], [*word, best]
        return " ".join(words), delays

    def hypothesis(self, read: int, written: list[int], starting: bool, length: int) -> list[int]:
        """A greedy hypothesis of at most so many tokens, end token included, that begins with `written`."""
        tokens = list(written)
        while len(tokens) < length and tokens[-1:] != [self.tokenizer.eos_token_id]:
            tokens.append(int(self.logits(read, tokens, starting and len(tokens) == len(written)).argmax()))
        return tokens
