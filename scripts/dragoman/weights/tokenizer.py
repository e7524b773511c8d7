"""The tokenizer of a GGUF file, with the same tokens as in the training of the checkpoint.

transformers makes a tokenizer from the file's vocabulary, and this module corrects its mistakes. They were found by
comparing transformers 5.23 with the original tokenizer.json, or with llama.cpp (src/llama-vocab.cpp), for which GGUF
files are made:

    digits        several vocabularies were learnt with single digits. transformers has no such rule and splits like
                  GPT-2, so that "\\n\\n1." or two blanks before a number become other tokens (SmolLM2, StarCoder)
    whole words   in Llama 3, a word that is a token becomes this token; transformers merges its letters, which gives
                  other tokens in 10 % of the lines of a multilingual text
    NFC           Qwen first composes letters and accents
    Gemma 3       runs of more than 31 blanks or line breaks are split at other places; 30 tokens of blanks are not
                  added tokens; unused tokens count as special, and tokens around images do not
    blank         a blank is put before a text although the file says otherwise (SentencePiece vocabularies except
                  Gemma's)

A vocabulary with unknown rules for splitting text into words is refused, since transformers would silently use GPT-2's
rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.prompts import without_blank
from dragoman.weights.header import Header

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CONTROL, USER_DEFINED = 3, 4
"""Types of tokens in `tokenizer.ggml.token_type`: special tokens, and other added tokens, which are never split."""

SINGLE_DIGITS = frozenset(
    {"codeshell", "command-r", "exaone", "mellum2", "minerva-7b", "refact", "smollm", "starcoder"}
)
WHOLE_WORDS = frozenset(
    {"falcon-h1", "falcon3", "jina-v5-nano", "lfm2", "llama-bpe", "llama-v3", "llama3", "midm-2.0", "pixtral", "tekken"}
)
LIKE_GPT2 = frozenset(
    {"a.x-4.0", "exaone4", "gigachat", "gpt-2", "granite-docling", "jais", "mellum", "mpt", "olmo", "phi-2", "trillion"}
)
COMPOSED = frozenset({"qwen2"})
"""Values of `tokenizer.ggml.pre`, which names the rules for splitting text. With WHOLE_WORDS, a text also begins with
the beginning-of-sequence token, unless the file says otherwise."""

GEMMA3_SPECIAL = frozenset(
    ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>"]
)
RUNS = "\n▁\t"
"""Characters of which Gemma 3 has tokens for runs of up to 31, in the order of their merges."""


def make(path: Path, header: Header) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """The tokenizer of a GGUF file, and a sentence about each correction.

    Raises:
        ValueError: the file has no tokenizer, or its tokenizer is not supported.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast
    from transformers.integrations.gguf import convert_gguf_tokenizer, get_gguf_tokenizer

    check(path, header)
    try:
        architecture, vocabulary, settings = get_gguf_tokenizer(str(path))
        made, _ = convert_gguf_tokenizer(architecture, vocabulary)
    except Exception as error:  # `tokenizers` raises plain exceptions
        raise ValueError(f"the tokenizer in {path} cannot be made into one of transformers: {error}") from None
    whole = json.loads(made.to_str())
    mended = [sentence for mend in MENDS if (sentence := mend(whole, header))]
    whole["post_processor"] = _framed(whole, header, settings)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(whole)),
        clean_up_tokenization_spaces=False,
        chat_template=settings.get("chat_template"),
        **{name: settings[name] for name in ("bos_token", "eos_token", "unk_token", "pad_token")},
    )
    return tokenizer, mended


def check(path: Path, header: Header) -> None:
    """Refuse a file without a tokenizer, or with unknown rules for splitting text.

    Raises:
        ValueError: the file has no tokenizer, or its type or its rules are unknown.
    """
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS, GGUF_TOKENIZER_TYPES

    keys = header.keys
    kind, rules = keys.get("tokenizer.ggml.model"), keys.get("tokenizer.ggml.pre")
    instead = (
        "save the model's own tokenizer with these weights as a checkpoint folder, and name it with `source: local`"
    )
    if not kind or kind == "no_vocab" or not keys.get("tokenizer.ggml.tokens"):
        raise ValueError(f"{path} holds no tokenizer; take another GGUF file of the model, or {instead}")
    if kind not in GGUF_TOKENIZER_TYPES:
        known = ", ".join(sorted(GGUF_TOKENIZER_TYPES))
        raise ValueError(f"{path} has a tokenizer of the kind {kind!r}, and transformers reads {known}; {instead}")
    known_rules = SINGLE_DIGITS | WHOLE_WORDS | LIKE_GPT2 | COMPOSED | GGUF_PRE_TOKENIZER_SPLITS.keys()
    if kind == "gpt2" and rules not in known_rules:
        said = f"`tokenizer.ggml.pre` is {rules!r}" if rules else "it has no `tokenizer.ggml.pre`"
        raise ValueError(
            f"how the tokenizer in {path} cuts a text into words is not known here ({said}), and transformers would "
            f"cut as GPT-2 does; {instead}"
        )


# -------------------------------------------------------------------------------------------------------------- mends


def _digits(whole: dict[str, Any], header: Header) -> str:
    if header.keys.get("tokenizer.ggml.pre") not in SINGLE_DIGITS:
        return ""
    parts = [{"type": "Digits", "individual_digits": True}, whole["pre_tokenizer"]]
    whole["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": parts}
    return "digits are cut off from what is before them, and from each other"


def _whole_words(whole: dict[str, Any], header: Header) -> str:
    if header.keys.get("tokenizer.ggml.pre") not in WHOLE_WORDS:
        return ""
    whole["model"]["ignore_merges"] = True
    return "a word that is a token becomes that token, whatever its letters would be merged to"


def _composed(whole: dict[str, Any], header: Header) -> str:
    if header.keys.get("tokenizer.ggml.pre") not in COMPOSED:
        return ""
    whole["normalizer"] = {"type": "NFC"}
    return "letters and accents are composed (NFC)"


def _gemma3(whole: dict[str, Any], header: Header) -> str:
    if header.architecture != "gemma3":
        return ""
    runs, others = [], []
    for pair in whole["model"]["merges"]:
        (runs if set("".join(pair)) <= set(RUNS) else others).append(pair)
    runs.sort(key=lambda pair: (-len(pair[0]), -len(pair[1]), RUNS.index(pair[0][0])))
    whole["model"]["merges"] = runs + others
    tokens = {token["id"]: token for token in whole["added_tokens"]}
    for token in tokens.values():
        token["special"] = token["content"] in GEMMA3_SPECIAL
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    for text, number in whole["model"]["vocab"].items():
        if len(text) > 1 and set(text) == {"▁"}:
            tokens.setdefault(number, {"id": number, "content": text, **plain})
    whole["added_tokens"] = [tokens[number] for number in sorted(tokens)]
    return "runs of blanks and line breaks are merged in the original's order; special tokens are the original's"


def _no_blank(whole: dict[str, Any], header: Header) -> str:
    keys = header.keys
    if keys.get("tokenizer.ggml.model") != "llama" or keys.get("tokenizer.ggml.add_space_prefix", True):
        return ""
    bare = {part: without_blank(whole[part]) for part in ("normalizer", "pre_tokenizer")}
    if all(whole[part] == bare[part] for part in bare):
        return ""
    whole |= bare
    decoders = whole["decoder"]["decoders"]
    whole["decoder"]["decoders"] = [each for each in decoders if each["type"] != "Strip"]
    return "no blank is put before a text"


MENDS: list[Callable[[dict[str, Any], Header], str]] = [_digits, _whole_words, _composed, _gemma3, _no_blank]
"""Functions that correct a tokenizer.json if the file needs it. Each returns a sentence about its correction, or ""."""


def _framed(whole: dict[str, Any], header: Header, settings: dict[str, Any]) -> dict[str, Any]:
    """The post-processor, which puts the tokens that the file names before and after a text."""
    begun = settings.get("add_bos_token", header.keys.get("tokenizer.ggml.pre") in WHOLE_WORDS)
    before = [settings["bos_token"]] if begun and settings["bos_token"] else []
    after = [settings["eos_token"]] if settings.get("add_eos_token") and settings["eos_token"] else []
    numbers = whole["model"]["vocab"] | {token["content"]: token["id"] for token in whole["added_tokens"]}

    def template(*sides: str) -> list[dict[str, Any]]:
        pieces: list[dict[str, Any]] = []
        for kind, side in enumerate(sides):
            pieces += [{"SpecialToken": {"id": token, "type_id": kind}} for token in before]
            pieces.append({"Sequence": {"id": side, "type_id": kind}})
            pieces += [{"SpecialToken": {"id": token, "type_id": kind}} for token in after]
        return pieces

    return {
        "type": "TemplateProcessing",
        "single": template("A"),
        "pair": template("A", "B"),
        "special_tokens": {
            token: {"id": token, "ids": [numbers[token]], "tokens": [token]} for token in {*before, *after}
        },
    }


# ------------------------------------------------------------------------------------------------------------- checks

SAMPLES = ["Das Haus: »größer« als 3,14 m²?", "L'été, 25 °C", "你好，世界。", "Привет мир", "a\nb\n\nc\td", "😀 𒀀 ẑ"]
"""Texts that the tokenizer of a multilingual model encodes and decodes without a loss."""


def differences(tokenizer: PreTrainedTokenizerFast, header: Header) -> list[str]:
    """A sentence for each known property of the original tokenizer that the finished one does not have."""
    keys, sentences = header.keys, []
    kind, rules, tokens = (keys.get(f"tokenizer.ggml.{name}") for name in ("model", "pre", "tokens"))
    assert tokens is not None  # `make` refuses a file without

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    wanted = bool(keys.get("tokenizer.ggml.add_bos_token", rules in WHOLE_WORDS or kind == "llama"))
    if wanted != (tokenizer("a")["input_ids"] != ids("a")):
        sentences.append(f"a text {'begins without' if wanted else 'begins with'} the beginning-of-sequence token")
    blank = bool(kind == "llama" and keys.get("tokenizer.ggml.add_space_prefix", True))
    if blank != tokenizer.convert_ids_to_tokens(ids("a")[:1])[0].startswith("▁"):
        sentences.append(f"a blank is {'not ' * blank}put before a text")
    if rules in SINGLE_DIGITS and len(ids("2024")) != 4:
        sentences.append("digits are not cut one by one")
    lost = [text for text in SAMPLES if tokenizer.decode(ids(text)).strip() != text]
    if lost:
        sentences.append(f"{lost[0]!r} comes back as {tokenizer.decode(ids(lost[0]))!r}")
    broken = [tokens[number] for number in _whole(keys) if ids(tokens[number]) != [number]]
    if broken:
        sentences.append(f"{len(broken)} special tokens are cut into pieces when a text holds them, like {broken[0]!r}")
    return sentences


def _whole(keys: dict[str, Any]) -> Iterable[int]:
    """Ids of added tokens, which are never split. Runs of blanks are left out, since the file writes them as blanks."""
    tokens, kinds = keys["tokenizer.ggml.tokens"], keys.get("tokenizer.ggml.token_type", [])
    return [n for n, kind in enumerate(kinds) if kind in (CONTROL, USER_DEFINED) and not tokens[n].isspace()]
