"""Small tokenizers built as those of the model families are: where they part text, what a blank is, what a byte is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers import models as pieces
from transformers import PreTrainedTokenizerFast

from dragoman.models import train_tokenizer

TEXTS = (
    "The history of the old house, a species of birds that sings in the morning.",
    "Où est la maison ? Les petits chats noirs dorment : ils n'ont pas 3,5 ans !",
    'He said: "No," and she\'s gone (twice)... 1234 of 56.',
    "我们在北京学习语言。Python 很好，2024年。",
    "今日は天気がいいですね。猫が好きです。",
    "ฉันรักแมวตัวเล็ก และหมา",
)
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3 and Qwen part text, as their tokenizer.json has it."""


def _fast(built: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=built, eos_token="</s>", pad_token="<pad>", clean_up_tokenization_spaces=True, **special
    )


def _pieces(texts: Sequence[str], size: int, more: Sequence[str] = ()) -> pieces.BPE:
    """Merges learnt as sentencepiece does, on words that begin with a blank, and a byte for what they cannot spell."""
    learner = Tokenizer(pieces.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    learner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    names = ["<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256)), *more]
    names += [name for name in learnt["vocab"] if name not in more]
    merges = [tuple(pair) for pair in learnt["merges"]] + [("▁", "▁")] * ("▁▁" in more)
    vocabulary = {name: number for number, name in enumerate(names)}
    return pieces.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def llama(texts: Sequence[str] = TEXTS, size: int = 260) -> PreTrainedTokenizerFast:
    """Sentencepiece as LLaMA and Mistral have it: a blank before every text, blanks are a letter, bytes for others."""
    built = Tokenizer(_pieces(texts[:3], size))
    built.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    built.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _fast(built, bos_token="<s>", unk_token="<unk>")


def gemma(texts: Sequence[str] = TEXTS, size: int = 260) -> PreTrainedTokenizerFast:
    """Gemma's: no blank before a text, nothing parts it, tokens of several blanks."""
    built = Tokenizer(_pieces(texts, size, ["▁▁", "\n", "\t"]))
    built.normalizer = normalizers.Replace(" ", "▁")
    built.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    built.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return _fast(built, bos_token="<s>", unk_token="<unk>")


def _byte_level(before: Sequence[pre_tokenizers.PreTokenizer], texts: Sequence[str], size: int) -> Tokenizer:
    built = Tokenizer(pieces.BPE())
    built.pre_tokenizer = pre_tokenizers.Sequence(list(before))
    built.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["</s>", "<pad>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    built.train_from_iterator(texts, trainer)
    return built


def qwen(texts: Sequence[str] = TEXTS, size: int = 460) -> PreTrainedTokenizerFast:
    """Qwen's and Llama 3's: a mark and the line ends after it are one token, and text is composed (NFC)."""
    parts = pre_tokenizers.Split(Regex(WORDS), "isolated")
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    built = _byte_level([parts, bytes_of], [*texts, "a.\nb.\n\nc,\n"], size)
    built.normalizer = normalizers.NFC()
    return _fast(built)


def falcon(texts: Sequence[str] = TEXTS, size: int = 460) -> PreTrainedTokenizerFast:
    """Falcon's: punctuation is parted from the blank before it."""
    parts = [
        pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
    ]
    return _fast(_byte_level(parts, texts, size))


def gpt2(texts: Sequence[str] = TEXTS, size: int = 460) -> PreTrainedTokenizerFast:
    """GPT-2's, which falcon-rw-1b and the models from scratch have."""
    return train_tokenizer(texts, size)


KINDS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "gpt2": cache(gpt2),
    "llama": cache(llama),
    "gemma": cache(gemma),
    "qwen": cache(qwen),
    "falcon": cache(falcon),
}
