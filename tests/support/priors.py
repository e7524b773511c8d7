"""Tokenizers and models for tests of prior tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers import models as pieces
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from dragoman import models
from dragoman.config import Pages, Prompt, ScratchModel, Segment

TEXTS = ["the cat sleeps here", "le chat noir dort ici", "猫在这里睡觉", "红色的猫"]
BARE = Prompt(segments=[Segment(role="source", text="{source}="), Segment(role="target", text="{target}\n\n")])


def byte_fallback() -> PreTrainedTokenizerFast:
    """Built like Llama-2's: a blank is part of the piece it begins, and stands before every text; a letter without a
    piece is its bytes."""
    trained = Tokenizer(pieces.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    trained.train_from_iterator(TEXTS[:2], trainers.BpeTrainer(vocab_size=60, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *learnt["vocab"]]
    vocabulary = {name: i for i, name in enumerate(names)}
    merges = [tuple(pair) for pair in learnt["merges"]]
    built = Tokenizer(pieces.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    built.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    built.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=built, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "byte-level": lambda: models.train_tokenizer(TEXTS[:2], 300),
    "byte-level, Chinese": lambda: models.train_tokenizer(TEXTS[2:], 300),
    "byte fallback": byte_fallback,
}


def save(tokenizer: PreTrainedTokenizerBase, folder: Path, seed: int) -> None:
    """A random model with expectations sharp enough to write different things."""
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    pages = Pages(corpus="x", languages=["en", "fr"], count=50)
    spec = ScratchModel(source="scratch", architecture="llama", text=pages, layers=1, width=16, heads=2, seed=seed)
    model = models.build(spec, tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(9 if weight.dim() == 2 else 1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
