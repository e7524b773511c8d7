"""What a tokenizer puts before a text, and whether prompts agree with it.

A checkpoint was trained on texts as its own tokenizer begins them. Without that beginning some models write nothing, or
the same words again and again (Gemma); with another one they read a mark that means something else (the beginning-of-
sequence token of SmolLM2 begins a turn of a conversation).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.config import LocalModel, Prompt, ScratchModel
from dragoman.plan import Plan
from dragoman.prompts import added
from dragoman.storage import MANIFEST, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


log = logging.getLogger(__name__)


class Remark(NamedTuple):
    """What a prompt begins with, in a sentence."""

    text: str
    warning: bool
    """Whether it begins otherwise than the tokenizer begins a text."""

    @property
    def line(self) -> str:
        """For a log or a terminal."""
        return f"{'warning: ' * self.warning}prompt {self.text}"


def of(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What a manifest says of a model's tokenizer: what it puts before a text, and what `bos: true` puts there."""
    tokens = tokenizer.convert_ids_to_tokens(added(tokenizer))
    return {"adds": "".join(tokens), "bos": tokenizer.bos_token or tokenizer.eos_token}


def known(plan: Plan, model: str) -> dict[str, Any] | None:
    """The habits of a model's tokenizer, from its manifest or, before it has one, from a folder of the user's.

    None where the model has not been fetched, and for models from scratch: their tokenizers put nothing before a text.
    """
    spec, manifest = plan.model(model), plan.model_folder(model) / MANIFEST
    if isinstance(spec, ScratchModel):
        return None
    if manifest.is_file():
        return read_json(manifest).get("tokenizer")
    if isinstance(spec, LocalModel):
        from dragoman import models

        return of(models.load_tokenizer(Path(spec.path)))
    return None


def remarks(plan: Plan, model: str) -> list[Remark]:
    """A remark on each prompt that a model is given; none where its tokenizer is not known."""
    habits = known(plan, model)
    return [] if habits is None else [remark(*each, model, habits) for each in plan.prompts_with(model).items()]


def warn(plan: Plan, model: str, prompt: Prompt) -> None:
    """Log a warning where a prompt begins otherwise than the tokenizer of a model begins a text."""
    names = [name for name, other in plan.prompts_with(model).items() if other == prompt]
    habits = known(plan, model)
    if names and habits and (found := remark(names[0], prompt, model, habits)).warning:
        log.warning(found.line)


def remark(name: str, prompt: Prompt, model: str, habits: dict[str, Any]) -> Remark:
    """What a prompt begins with.

    Args:
        name: of the prompt.
        prompt: it.
        model: the name of the model that is given it.
        habits: of the model's tokenizer.
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
