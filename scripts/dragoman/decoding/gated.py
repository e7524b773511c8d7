"""Offline decoding that holds back tokens of other languages than the target language.

Tokens are counted in text of each language, encoded like an answer. With n(v, l) the uses of token v in the text of
language l, and N(l) the tokens of that text, the share of v in target language t is

    n(v, t) / N(t)  /  sum over languages l of  n(v, l) / N(l)

and v is held back if its share is at most `share`. A token that occurs in no text is held back if it has a letter of a
script that does not occur in the target language's text. All other tokens can be written: tokens without a letter,
pieces that languages share, and tokens that end an answer. So text in another language of the same script becomes
unlikely, but not impossible.

The Language Confusion Gate (arXiv 2510.17555) holds back tokens in the same way, but a trained network chooses the
families of scripts at each step. Here nothing is trained, and counts distinguish languages of one script.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from dragoman.config import GatedDecoder
from dragoman.decoding import Context, offline
from dragoman.decoding.language_text import language_text
from dragoman.decoding.priors import encode_answers
from dragoman.decoding.vocabulary import texts
from dragoman.languages import split_pair
from dragoman.models import output

log = logging.getLogger(__name__)


def foreign(uses: Mapping[str, Counter[int]], target: str, share: float) -> set[int]:
    """Tokens with at most a share of their uses in the target language.

    Args:
        uses: language -> token -> number of its uses in the text of the language.
        target: one of these languages.
        share: 0 to 1, where texts of all languages count as equally long.
    """
    rates: dict[str, dict[int, float]] = {}
    for language, counts in uses.items():
        length = counts.total()
        rates[language] = {token: count / length for token, count in counts.items()}
    sums: Counter[int] = Counter()
    for rate in rates.values():
        sums.update(rate)
    return {token for token, total in sums.items() if rates[target].get(token, 0.0) <= share * total}


def scripts(text: str) -> set[str]:
    """The scripts of a text's letters, from the first words of their Unicode names: LATIN, CYRILLIC, CJK, HIRAGANA.

    Letters are normalised first (NFKC), so that a full-width A and an ordinal sign are Latin.
    """
    letters = {each for each in unicodedata.normalize("NFKC", text) if each.isalpha()}
    return {unicodedata.name(letter, "").partition(" ")[0].partition("-")[0] for letter in letters}


class Gate(LogitsProcessor):
    """Makes tokens impossible, everywhere or in the first token of an answer."""

    def __init__(self, held: torch.Tensor, only: int | None = None) -> None:
        """
        Args:
            held: bool [vocabulary], True for tokens that are held back.
            only: hold them back only if rows have this many tokens, the length of the longest prompt; None: always.
        """
        self.held, self.only = held, only

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [rows, vocabulary] with minus infinity for tokens that are held back."""
        if self.only is not None and input_ids.shape[1] != self.only:
            return scores
        return scores.masked_fill(self.held.to(scores.device), -torch.inf)


class Decoder(offline.Decoder):
    """A loaded model that answers with tokens of the target language."""

    options: GatedDecoder

    def __init__(self, context: Context, options: GatedDecoder) -> None:
        super().__init__(context, options)
        _, self.target = split_pair(context.pair)
        self.held = torch.zeros(output.vocabulary(self.model), dtype=torch.bool)
        known = min(len(self.held), len(self.tokenizer))
        tokens = self._tokens(known)
        self.held[[token for token in tokens if token < known]] = True
        log.info(f"{int(self.held.sum())} of {known} tokens are held back from answers in {self.target!r}")

    def _tokens(self, known: int) -> set[int]:
        files = {language: Path(path) for language, path in self.options.files.items()}
        if self.target not in files:
            raise ValueError(f"no text of the target language {self.target!r} among `files`; add a file of it")
        if self.options.where == "first":
            own = self._answers(language_text(files[self.target]))
            return set(range(known)) - {ids[0] for ids in own}
        lines = {language: language_text(path) for language, path in files.items()}
        uses = {
            language: Counter(token for ids in self._answers(text) for token in ids) for language, text in lines.items()
        }
        seen, own_scripts = set().union(*uses.values()), set().union(*map(scripts, lines[self.target]))
        unseen = {
            token
            for token, text in enumerate(texts(self.tokenizer))
            if token not in seen and scripts(text) - own_scripts
        }
        special = {*self.tokenizer.all_special_ids}
        return (foreign(uses, self.target, self.options.share) | unseen) - {*self.ends} - special

    def _answers(self, lines: Sequence[str]) -> list[list[int]]:
        return encode_answers(self.context.prompt, self.tokenizer, self.context.pair, lines)

    def _generated(self, prompts: Sequence[Sequence[int]], most: int, **how: Any) -> list[list[int]]:
        only = max(map(len, prompts)) if self.options.where == "first" else None
        return super()._generated(prompts, most, logits_processor=LogitsProcessorList([Gate(self.held, only)]), **how)
