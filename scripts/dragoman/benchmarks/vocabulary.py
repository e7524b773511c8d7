"""The cost of a large vocabulary: tokenizer, products of the output layer, likeliest tokens, first pass of `generate`,
training steps."""

from __future__ import annotations

import multiprocessing
import resource
import string
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import islice, product
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GemmaTokenizer

from dragoman import models
from dragoman.benchmarks import Timing, timed
from dragoman.config import Lora, Training
from dragoman.decoding.vocabulary import texts
from dragoman.methods import IGNORE
from dragoman.models import output
from dragoman.training import entropy, losses, trainable

Way = Literal["as the library has it", "arranged"]
WAYS: tuple[Way, ...] = ("as the library has it", "arranged")
ENTRIES, WIDTH = 262_144, 640
"""Vocabulary and width of Gemma 3 270M."""
LAYERS = 6
"""A third of Gemma's layers, since only the output layer matters here."""
PAIRS, LENGTH, ANSWER = 16, 36, 14
"""Number of sentence pairs of a training step, of tokens of a pair, and of tokens of an answer."""


def vocabulary() -> Iterator[Timing]:
    """Times for reading a tokenizer and the texts of its tokens, for the output layer on slices of rows, for the
    likeliest tokens, for the first pass of `generate`, and for training steps.

    Each training runs in its own process, so that the peak memory of each can be measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield from _tokenizer(Path(folder))
    yield from _products()
    yield from _likeliest()
    yield from _first_pass()
    for what, adapter in (("all weights", None), ("adapter", Lora(rank=16, dropout=0.0))):
        for way in WAYS:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                seconds, megabytes = pool.submit(_steps, way, adapter, torch.get_num_threads()).result()
            how = f"{what}, {way}, {megabytes:,.0f} MiB"
            yield Timing("step 262k", how, PAIRS * LENGTH, "tokens", seconds)


def _tokenizer(folder: Path) -> Iterator[Timing]:
    """Reading a Gemma tokenizer, whose pieces are combinations of up to three letters."""
    letters = [*string.ascii_letters, *string.digits, "\n", "▁"]
    longer = ((start, end) for size in (2, 3) for *start, end in product(letters, repeat=size))
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    merges = [("".join(start), end) for start, end in islice(longer, ENTRIES - len(pieces))]
    pieces += ["".join(pair) for pair in merges]
    made = GemmaTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges)
    made.save_pretrained(folder)
    Gemma3TextConfig(vocab_size=ENTRIES).save_pretrained(folder)
    for way in WAYS:
        if way == "arranged":
            models.quicken(made, folder)
        count, seconds = timed(lambda: len(models.load_tokenizer(folder)))
        yield Timing("read tokenizer 262k", way, count, "tokens", seconds)
    reads = (lambda: len([made.decode([token]) for token in range(len(made))]), lambda: len(texts(made)))
    for way, read in zip(WAYS, reads, strict=True):
        count, seconds = timed(read)
        yield Timing("texts of tokens 262k", way, count, "tokens", seconds)


def _products() -> Iterator[Timing]:
    states, weight = torch.randn(8, LENGTH, WIDTH), torch.randn(ENTRIES, WIDTH)
    for way, given in zip(WAYS, (states[:, -15:], states[:, -15:].contiguous()), strict=True):
        seconds = timed(lambda given=given: len(torch.nn.functional.linear(given, weight)))[1]
        yield Timing("output layer 262k", f"8 x 15 positions, {way}", 8 * 15, "positions", seconds)


@torch.inference_mode()
def _likeliest() -> Iterator[Timing]:
    """The likeliest tokens of 60 rows, whose states are close to the weights of one token, as in a trained model."""
    layer = torch.nn.Linear(WIDTH, ENTRIES, bias=False)
    torch.nn.init.normal_(layer.weight, std=WIDTH**-0.5)
    states = 10 * (layer.weight[torch.randint(ENTRIES, (60,))] + 0.05 * torch.randn(60, WIDTH))
    for way, likeliest in (("float32", None), ("bfloat16, then float32", output.Likeliest(layer))):

        def choose(likeliest: output.Likeliest | None = likeliest) -> int:
            with likeliest.used() if likeliest else nullcontext():
                return len(layer(states).argmax(-1))

        choose()
        yield Timing("likeliest token 262k", f"60 rows, {way}", 60, "rows", timed(choose)[1])


@torch.inference_mode()
def _first_pass() -> Iterator[Timing]:
    model, ids = _model().eval(), torch.randint(ENTRIES, (40, LENGTH))
    for way in WAYS:
        if way == "arranged":
            output.arranged(model)
        seconds = timed(lambda: len(model(input_ids=ids, logits_to_keep=1).logits))[1]
        yield Timing("first pass 262k", f"40 prompts, {way}", 40, "prompts", seconds)


def _model() -> models.PreTrainedModel:
    config = Gemma3TextConfig(
        vocab_size=ENTRIES,
        hidden_size=WIDTH,
        intermediate_size=2048,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
    )
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")


def _steps(way: Way, adapter: Lora | None, threads: int) -> tuple[float, float]:
    """Seconds of the second training step, and peak memory in MiB."""
    torch.set_num_threads(threads)
    model = _model()
    if way == "arranged":
        output.arranged(model)
    else:  # no vocabulary counts as large, so torch's cross-entropy is used
        entropy.LARGE = losses.LARGE = trainable.LARGE = 2**62
    model = trainable.trainable(model, Training(steps=1, adapter=adapter)).train()
    optimizer = torch.optim.AdamW((weight for weight in model.parameters() if weight.requires_grad), fused=True)
    labels = torch.randint(ENTRIES, (PAIRS, LENGTH))
    batch = {"input_ids": labels.clone(), "attention_mask": torch.ones_like(labels), "labels": labels}
    for row in labels:
        row[: LENGTH - ANSWER - int(torch.randint(6, ()))] = IGNORE
    predicted = (labels != IGNORE).sum()

    def step() -> int:
        losses.cross_entropy(model, batch, predicted).backward()
        optimizer.step()
        optimizer.zero_grad()
        return 1

    step()
    return timed(step)[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
