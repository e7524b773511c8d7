"""A prompt is a list of segments with roles; what the model sees is their token ids, one after the other.

Every segment is tokenised by itself and ids are joined, never text: so training, decoding, masks and prior tokens agree
on every boundary, whatever the tokenizer would merge across it. Tokenizers in sentencepiece's manner begin every text
with a blank; here only the first segment is such a beginning, so that what a prompt glues together stays glued.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dragoman.config import Prompt
from dragoman.languages import NAMES, split_pair

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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


def tokenize(tokenizer: PreTrainedTokenizerBase, place: int, texts: Sequence[str], **options: Any) -> Any:
    """What a tokenizer makes of the texts of one segment, without tokens that no text holds.

    Args:
        tokenizer: any; one without a tokenizer.json is taken as it is.
        place: of the segment in the prompt, from 0.
        texts: of every example.
        options: for the tokenizer.
    """
    return (inside(tokenizer) if place else tokenizer)(list(texts), add_special_tokens=False, **options)


@lru_cache(maxsize=4)
def inside(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer for text that goes on: the same, but for the blank that it would put before a text."""
    if not tokenizer.is_fast:
        return tokenizer
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    backend = tokenizer.backend_tokenizer
    # the two parts alone: all of a large tokenizer.json takes seconds to write and read
    parts = [json.loads(part.__getstate__()) if part else None for part in (backend.normalizer, backend.pre_tokenizer)]
    bare = [without_blank(part) for part in parts]
    if parts == bare:
        return tokenizer
    whole = Tokenizer(backend.model)  # its vocabulary is not copied
    for name, kind, part in zip(
        ("normalizer", "pre_tokenizer"), (normalizers.Lowercase(), pre_tokenizers.Whitespace()), bare, strict=True
    ):
        if part is not None:
            kind.__setstate__(json.dumps(part).encode())  # any part can be set to what another one is
            setattr(whole, name, kind)
    whole.decoder, whole.post_processor = backend.decoder, backend.post_processor
    whole.encode_special_tokens = backend.encode_special_tokens
    for _, token in sorted(backend.get_added_tokens_decoder().items()):
        (whole.add_special_tokens if token.special else whole.add_tokens)([token])
    made = copy.copy(tokenizer)
    made._tokenizer = whole
    return made


def without_blank(part: Any) -> Any:
    """A normalizer or pre-tokenizer, in the form of tokenizer.json, that puts nothing before a text."""
    match part:
        case {"type": "Prepend"}:
            return None
        case {"type": "Metaspace"}:
            return part | {"prepend_scheme": "never"}
        case {"type": "ByteLevel"}:
            return part | {"add_prefix_space": False}
        case {"type": "Sequence"}:
            inner = "normalizers" if "normalizers" in part else "pretokenizers"
            return part | {inner: [kept for each in part[inner] if (kept := without_blank(each))]}
    return part


def begins_with_token(text: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text begins with a token that is found in a text as it is, like `<|im_end|>`."""
    return any(text.startswith(token) for token in tokenizer.added_tokens_encoder)


def opening(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that a prompt begins with, before those of its first segment."""
    if prompt.template == "chat":  # it holds them as text
        return []
    if prompt.bos == "auto":
        return added(tokenizer)
    if not prompt.bos:
        return []
    return [tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id]


@lru_cache(maxsize=4)
def added(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that a tokenizer itself puts before a text."""
    whole, bare = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (True, False))
    starts = [start for start in range(len(whole)) if whole[start : start + len(bare)] == bare]
    return list(whole[: starts[0]]) if starts else []


def end(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token id that ends an answer.

    Raises:
        ValueError: there is none, or the prompt names one that the tokenizer does not have.
    """
    if prompt.template == "chat" and prompt.end is None:
        raise ValueError("a prompt with `template: chat` is filled in with the model's template first (chat.rendered)")
    if prompt.end is not None:
        token = tokenizer.convert_tokens_to_ids(prompt.end)
        if token is None or tokenizer.convert_ids_to_tokens(token) != prompt.end:
            raise ValueError(f"the prompt's `end` {prompt.end!r} is no token of {tokenizer.name_or_path}; correct it")
        return token
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path} has no end-of-sequence token, so no answer could end"
        )
    return tokenizer.eos_token_id


def set_end(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Have tokenizer and model take the token that ends an answer of this prompt for the end, once trained with it."""
    token = end(prompt, tokenizer)
    if token == tokenizer.eos_token_id:
        return
    known = model.generation_config.eos_token_id
    ends = [token, *(known if isinstance(known, list) else [known]), tokenizer.eos_token_id]
    model.generation_config.eos_token_id = list(dict.fromkeys(each for each in ends if each is not None))
    tokenizer.eos_token = prompt.end


def encode(
    prompt: Prompt,
    tokenizer: PreTrainedTokenizerBase,
    pair: str,
    sources: Sequence[str],
    targets: Sequence[str] | None = None,
) -> list[list[Piece]]:
    """Pieces of every example. With `targets`, the last piece is the target and the token that ends it; without,
    examples end where the model is to go on.

    Raises:
        ValueError: the tokenizer lacks a token that the prompt needs.
    """
    columns: list[tuple[str, Sequence[str] | str]] = []
    for index, segment in enumerate(prompt.segments):
        if segment.role == "target" and targets is None:
            continue
        fill = {"source": sources, "target": targets}.get(segment.role)
        if fill is None:
            columns.append((segment.role, render(prompt, pair, "", "")[index][1]))
        else:
            columns.append((segment.role, [render(prompt, pair, each, each)[index][1] for each in fill]))
    return cut(columns, tokenizer, len(sources), prompt)


def cut(
    columns: Sequence[tuple[str, Sequence[str] | str]], tokenizer: PreTrainedTokenizerBase, count: int, prompt: Prompt
) -> list[list[Piece]]:
    """Pieces of every example from the texts of their segments; a target ends with the token that ends an answer.

    Args:
        columns: role and texts of each segment; of one that is the same in all examples, its text.
        tokenizer: any.
        count: of the examples.
        prompt: says what examples begin with, and what ends an answer.

    Raises:
        ValueError: the tokenizer lacks a token that is needed.
    """
    first, last = opening(prompt, tokenizer), end(prompt, tokenizer)
    made: list[list[Piece]] = []
    for index, (role, texts) in enumerate(columns):
        same = isinstance(texts, str)
        # after a token of its own, like the end of a turn, some tokenizers put a blank before text as at its beginning
        place = 0 if same and begins_with_token(texts, tokenizer) else index
        ids = tokenize(tokenizer, place, [texts] if same else texts)["input_ids"] if texts or same else []
        if role == "target":
            ids = [[*row, last] for row in ids]
        if index == 0 and first:
            ids = [[*first, *row] for row in ids]
        pieces = [Piece(role, row) for row in ids]
        made.append(pieces * count if same else pieces)
    return [list(row) for row in zip(*made, strict=True)]


def joined(pieces: Sequence[Piece]) -> list[int]:
    """All token ids of an example, in order."""
    return [token for piece in pieces for token in piece.ids]
