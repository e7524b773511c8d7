"""A prompt is a list of segments with roles; what the model sees is their token ids, one after the other.

Every segment is tokenised by itself and ids are joined, never text: so training, decoding, masks and prior tokens agree
on every boundary, whatever the tokenizer would merge across it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.config import Prompt
from dragoman.languages import NAMES, split_pair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Piece:
    """Token ids of one segment, and its role: instruction, source, mark or target."""

    role: str
    ids: list[int]


def render(prompt: Prompt, pair: str, source: str, target: str) -> list[tuple[str, str]]:
    """(role, text) of every segment, language names and sentences filled in.

    Sentences are put in last and never searched, so that braces in a sentence stay braces.

    Raises:
        ValueError: the prompt has names of its own, but none for a language it names.
    """
    source_language, target_language = split_pair(pair)
    rendered = []
    for segment in prompt.segments:
        text = segment.text
        for holder, code in (("{source_language}", source_language), ("{target_language}", target_language)):
            if holder in text:
                text = text.replace(holder, name(prompt, code))
        if segment.role == "source":
            text = text.replace("{source}", source)
        elif segment.role == "target":
            text = text.replace("{target}", target)
        rendered.append((segment.role, text))
    return rendered


def name(prompt: Prompt, code: str) -> str:
    """What a language is called in a prompt.

    Raises:
        ValueError: the prompt has names of its own, but none for this language.
    """
    names = NAMES if prompt.names is None else prompt.names
    if code not in names:
        raise ValueError(f"the prompt has no name for {code!r}; add one to its `names` ({', '.join(names)})")
    return names[code]


def encode(
    prompt: Prompt,
    tokenizer: PreTrainedTokenizerBase,
    pair: str,
    sources: Sequence[str],
    targets: Sequence[str] | None = None,
) -> list[list[Piece]]:
    """Pieces of every example. With `targets`, the last piece is the target and the end-of-sequence token; without,
    examples end where the model is to go on.

    Raises:
        ValueError: the tokenizer lacks a token that the prompt needs.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path} has no end-of-sequence token, so no answer could end"
        )
    first: list[int] = []
    if prompt.bos:
        first = [tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id]
    columns: list[list[Piece]] = []
    for index, segment in enumerate(prompt.segments):
        if segment.role == "target" and targets is None:
            continue
        fill = {"source": sources, "target": targets}.get(segment.role)
        if fill is None:
            texts = [render(prompt, pair, "", "")[index][1]]
        else:
            texts = [render(prompt, pair, sentence, sentence)[index][1] for sentence in fill]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        if segment.role == "target":
            ids = [[*row, tokenizer.eos_token_id] for row in ids]
        if index == 0 and first:
            ids = [[*first, *row] for row in ids]
        pieces = [Piece(segment.role, row) for row in ids]
        columns.append(pieces if fill is not None else pieces * len(sources))
    return [list(row) for row in zip(*columns, strict=True)]


def joined(pieces: Sequence[Piece]) -> list[int]:
    """All token ids of an example, in order."""
    return [token for piece in pieces for token in piece.ids]
