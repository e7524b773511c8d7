"""Ordinary fine-tuning on whole sentences: the loss is on the target and its end-of-sequence token only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dragoman.config import Prompt, Strict
from dragoman.instructions import prompt_for
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.prompts import encode, joined

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


MIXES = True


class Options(Strict):
    """Ordinary fine-tuning has no options."""


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """One example per sentence pair, or instruction."""
    made = []
    for text in texts:
        for pieces in encode(prompt_for(text.pair, prompt), tokenizer, text.pair, text.sources, text.targets):
            ids = joined(pieces)
            answer = len(pieces[-1].ids)
            made.append({"input_ids": ids, "labels": [IGNORE] * (len(ids) - answer) + pieces[-1].ids})
    return made
