"""Checks whether prompts begin as a model's tokenizer begins a text.

A checkpoint was trained on texts with the tokens that its tokenizer puts before a text. Without these tokens, some
models write nothing or repeat themselves (Gemma). With other tokens, the prompt may begin with a token that has another
meaning (SmolLM2's beginning-of-sequence token begins a turn of a conversation).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.config import LocalModel, Prompt, ScratchModel
from dragoman.plan import Foundation
from dragoman.prompts import added
from dragoman.storage import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


log = logging.getLogger(__name__)


class Remark(NamedTuple):
    """A sentence about the tokens at the beginning of a prompt."""

    text: str
    warning: bool
    """Whether the prompt begins with other tokens than the tokenizer puts before a text."""

    @property
    def line(self) -> str:
        """The sentence for a log or a terminal."""
        return f"{'warning: ' * self.warning}prompt {self.text}"


def of(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Facts about a tokenizer for a manifest: `adds`, the tokens that it puts before a text, and `bos`, the token that
    `bos: true` puts there."""
    tokens = tokenizer.convert_ids_to_tokens(added(tokenizer))
    return {"adds": "".join(tokens), "bos": tokenizer.bos_token or tokenizer.eos_token}


def known(model: Foundation) -> dict[str, Any] | None:
    """The facts `of` a model's tokenizer, from the model's manifest, or from the user's folder if there is no manifest.

    None if the model has not been fetched, and for models from scratch, whose tokenizers put nothing before a text.
    """
    spec = model.config
    if isinstance(spec, ScratchModel):
        return None
    if model.manifest.is_file():
        return read_json(model.manifest).get("tokenizer")
    if isinstance(spec, LocalModel):
        from dragoman import models

        return of(models.load_tokenizer(Path(spec.path)))
    return None


def remarks(model: Foundation) -> list[Remark]:
    """A remark on each prompt of a model; empty if the model's tokenizer is not known yet."""
    habits = known(model)
    return [] if habits is None else [remark(*each, model.name, habits) for each in model.prompts.items()]


def warn(model: Foundation, prompt: Prompt) -> None:
    """Log a warning if a prompt begins with other tokens than a model's tokenizer puts before a text."""
    names = [name for name, other in model.prompts.items() if other == prompt]
    habits = known(model)
    if names and habits and (made := remark(names[0], prompt, model.name, habits)).warning:
        log.warning(made.line)


def remark(name: str, prompt: Prompt, model: str, habits: dict[str, Any]) -> Remark:
    """A remark on the tokens at the beginning of a prompt.

    Args:
        name: name of the prompt.
        prompt: the prompt.
        model: name of the model that gets the prompt.
        habits: facts about the model's tokenizer, from `of`.
    """
    if prompt.template is not None:
        return Remark(f"{name}: begins and ends as the chat template of {model} does", False)
    adds, nothing = habits["adds"], "no token of its own"
    puts = adds if prompt.bos == "auto" else habits["bos"] if prompt.bos else ""
    if puts == adds:
        return Remark(f"{name}: begins with {adds or nothing}, as the tokenizer of {model} begins a text", False)
    said = (
        f"{name}: begins with {puts or nothing}, because it says `bos: {str(prompt.bos).lower()}`, but the tokenizer of"
    )
    if adds:
        return Remark(
            f"{said} {model} begins a text with {adds}, and the model was trained so; `bos: auto` does it", True
        )
    return Remark(
        f"{said} {model} puts nothing before a text, where {puts} may mean something else; see `bos: auto`", True
    )
