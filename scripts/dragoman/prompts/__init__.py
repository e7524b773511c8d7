"""Prompts: lists of segments with roles. The model's input is the token ids of all segments, one after the other.

Each segment is tokenised by itself, and token ids are joined instead of texts. So training, decoding, masks and prior
tokens agree on the boundaries of segments, even if the tokenizer would merge text across them. Tokenizers like
SentencePiece put a blank before every text; here they put it only before the first segment, so that later segments join
the text before them without a blank.
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
    """The token ids of one segment, and its role: instruction, source, mark or target."""

    role: str
    ids: list[int]


def render(prompt: Prompt, pair: str, source: str, target: str) -> list[tuple[str, str]]:
    """(role, text) of every segment, with the names of languages and the sentences filled in.

    Sentences are filled in last, so that placeholders in a sentence are left alone.

    Raises:
        ValueError: the prompt has its own names of languages, but none for a language of the pair.
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
    """The name of a language in a prompt.

    Raises:
        ValueError: the prompt has its own names of languages, but none for this language.
    """
    names = NAMES if prompt.names is None else prompt.names
    if code not in names:
        raise ValueError(f"the prompt has no name for {code!r}; add one to its `names` ({', '.join(names)})")
    return names[code]


def tokenize(tokenizer: PreTrainedTokenizerBase, place: int, texts: Sequence[str], **options: Any) -> Any:
    """The tokenizer's encoding of the texts of one segment, without special tokens at their ends.

    Args:
        tokenizer: any tokenizer; `place` has no effect on a slow one (without a tokenizer.json).
        place: number of the segment in the prompt, from 0.
        texts: [examples] the text of the segment in each example.
        options: further arguments of the tokenizer.
    """
    return (inside(tokenizer) if place else tokenizer)(list(texts), add_special_tokens=False, **options)


@lru_cache(maxsize=4)
def inside(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer for text in the middle of a prompt: it puts no blank before a text, and is otherwise the same."""
    if not tokenizer.is_fast:
        return tokenizer
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    backend = tokenizer.backend_tokenizer
    # only these two parts can add the blank; to write and read a whole large tokenizer.json would take seconds
    parts = [json.loads(part.__getstate__()) if part else None for part in (backend.normalizer, backend.pre_tokenizer)]
    bare = [without_blank(part) for part in parts]
    if parts == bare:
        return tokenizer
    whole = Tokenizer(backend.model)  # its vocabulary is not copied
    for name, kind, part in zip(
        ("normalizer", "pre_tokenizer"), (normalizers.Lowercase(), pre_tokenizers.Whitespace()), bare, strict=True
    ):
        if part is not None:
            kind.__setstate__(json.dumps(part).encode())  # gives the object the type and the options in the JSON
            setattr(whole, name, kind)
    whole.decoder, whole.post_processor = backend.decoder, backend.post_processor
    whole.encode_special_tokens = backend.encode_special_tokens
    for _, token in sorted(backend.get_added_tokens_decoder().items()):
        (whole.add_special_tokens if token.special else whole.add_tokens)([token])
    made = copy.copy(tokenizer)
    made._tokenizer = whole
    return made


def without_blank(part: Any) -> Any:
    """A normalizer or pre-tokenizer, as JSON in tokenizer.json, without the blank that it puts before a text."""
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
    """Whether a text begins with an added token like `<|im_end|>`, which tokenizers never split or merge."""
    return any(text.startswith(token) for token in tokenizer.added_tokens_encoder)


def opening(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids before the first segment of a prompt, such as the beginning-of-sequence token."""
    if prompt.template == "chat":  # the template writes these tokens as text
        return []
    if prompt.bos == "auto":
        return added(tokenizer)
    if not prompt.bos:
        return []
    return [tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id]


@lru_cache(maxsize=4)
def added(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that a tokenizer puts before a text by default."""
    whole, bare = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (True, False))
    starts = [start for start in range(len(whole)) if whole[start : start + len(bare)] == bare]
    return list(whole[: starts[0]]) if starts else []


def end(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token id that ends an answer.

    Raises:
        ValueError: the tokenizer has no end-of-sequence token, or lacks the token that the prompt names.
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
    """Make the token that ends answers of this prompt an end-of-sequence token of a fine-tuned model and tokenizer."""
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
    """The pieces of every example, one per segment.

    Args:
        prompt: the prompt, with its chat template filled in.
        tokenizer: any tokenizer.
        pair: gives the names of the languages.
        sources: [examples] the source sentences.
        targets: [examples] the target sentences; the last piece then is the target with the token that ends it. None:
            examples end at the point at which the model continues.

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
    """The pieces of every example, made from the texts of its segments; the token that ends an answer follows a target.

    Args:
        columns: for each segment, its role and its texts [examples], or one text if it is the same in all examples.
        tokenizer: any tokenizer.
        count: number of examples.
        prompt: gives the tokens at the beginning of an example and at the end of an answer.

    Raises:
        ValueError: the tokenizer lacks a token that the prompt needs.
    """
    first, last = opening(prompt, tokenizer), end(prompt, tokenizer)
    made: list[list[Piece]] = []
    for index, (role, texts) in enumerate(columns):
        same = isinstance(texts, str)
        # after an added token, like the end of a turn, some tokenizers put a blank before text as at the beginning
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
