"""Fine-tuning and decoding at the sizes of the papers, with random weights, relative to the GPU's measured peak.

Text and weights are arbitrary, since they do not affect the speed. The share of the peak counts only operations that
the model needs: 2 per weight and token, and 4 times the width per pair of tokens that attend to each other, or three
times as many with the backward pass. Operations on padding and repeated computations do not count.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, FalconConfig, LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase

from dragoman import decoding, models
from dragoman.benchmarks import K, Timing, sentences, timed, wait
from dragoman.benchmarks.decoding import batched_and_alone
from dragoman.benchmarks.training import WARM, Batch, Work, batches_of, in_turn, reading_by, tokens
from dragoman.config import GoldPrior, OfflineDecoder, PrefilledDecoder, SimultaneousDecoder
from dragoman.configfile import prompts
from dragoman.decoding import cost, offline, prefilled
from dragoman.decoding.lockstep import Places
from dragoman.methods import IGNORE, ParallelText, prefix, sft, simulmask
from dragoman.models import attention
from dragoman.models.attention import View
from dragoman.policies.wait_k import WaitK
from dragoman.training import losses

FALCON_RW_1B = {"vocab_size": 50304, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32}
LLAMA_2_7B = {"vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
TINY = {"vocab_size": 1700, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
"""A size for testing these benchmarks on any machine."""

PAIRS = 64
"""Number of sentence pairs of a training step."""
ROW = 2048
"""Number of tokens of a packed row."""
SENTENCES = 500
"""Number of sentences to decode."""
ANSWER = 60
"""Number of tokens of an answer; models with random weights do not stop earlier."""
ROWS = (1, 16, 256)
"""Numbers of translations that are decoded together."""


def finetuning(tiny: bool) -> Iterator[Timing]:
    """Training steps of each of SimulMask's methods, at Falcon-RW-1B's size."""
    text, (best, peak) = _talks(2000), _peak("auto", tiny)
    yield best
    tokenizer = _tokenizer(text)
    model = _random(_falcon(tiny))
    given = [text], prompts()["short"], tokenizer
    causal = sft.examples(*given, sft.Options())
    options = reading_by("modified")
    masked = simulmask.examples(*given, options)
    prefixes = prefix.examples(*given, prefix.Options(policies=[WaitK(name="wait-k", k=3)]))
    work: Work = {
        "causal": (losses.cross_entropy, batches_of(causal, tokenizer, PAIRS)),
        "causal, packed": (losses.cross_entropy, batches_of(causal, tokenizer, PAIRS, True, ROW)),
        "prefix": (losses.cross_entropy, batches_of(prefixes, tokenizer, PAIRS)),
    }
    for kernel in ("sdpa", "flex") if model.device.type == "cuda" else ("sdpa",):  # flex has no backward on a CPU
        loss = losses.of_method(simulmask, options.model_copy(update={"kernel": kernel}))
        work |= {
            f"SimulMask, {kernel}": (loss, batches_of(masked, tokenizer, PAIRS)),
            f"SimulMask, {kernel}, packed": (loss, batches_of(masked, tokenizer, PAIRS, True, ROW)),
        }
    price = cost.Price(model)
    for how, steps in in_turn(model, work).items():
        rate = median(3e9 * price.gflops(_work(step.batch)) / step.seconds for step in steps)
        speed = median(tokens(step.batch) / step.seconds for step in steps)
        count = sum(tokens(step.batch) for step in steps)
        how = f"{how}, {rate / peak:.0%} of the peak{_gibibytes(max(step.peak for step in steps))}"
        yield Timing("fine-tune", how, count, "tokens", count / speed)


def simultaneous(tiny: bool) -> Iterator[Timing]:
    """Simultaneous decoding at Falcon-RW-1B's size, batched and word by word, and steps with 1 to 256 translations.

    If a step with many translations takes hardly longer than with one, the time is spent on calls, not on arithmetic.
    """
    text, (best, peak) = _talks(SENTENCES), _peak("float32", tiny)
    yield best
    items = _items(text)
    with _saved(_falcon(tiny), text) as context:
        yield from _steps(context)
        for kept in (True, False):
            options = SimultaneousDecoder(
                name="simultaneous", k=K, recompute=not kept, max_word_tokens=2, max_lag=2, batch_tokens=100_000
            )
            _forget_peak()
            timing = batched_and_alone(context, options, items)
            share = 1e9 * timing.gflop / timing.batched / peak
            same = f"{timing.others} of {len(K) * timing.sentences} translations are others"
            what = f"simultaneous {'kept' if kept else 'recomputed'}"
            yield from timing.lines(what, f", {share:.1%} of the peak, {same}{_memory()}")


def prefilling(tiny: bool) -> Iterator[Timing]:
    """Answers after prior tokens, at LLaMA-2-7B's size: `generate` one by one and in batches, and our decoder."""
    text = _talks(SENTENCES // 2)
    items = _items(text)
    with _saved(_llama(tiny), text) as context:
        plain = {"max_new_tokens": ANSWER, "beam": 1}
        ways: list[tuple[str, Any, Any, int]] = [
            ("generate, one by one", offline.Decoder, OfflineDecoder(name="offline", batch_size=1, **plain), 20),
            ("generate, batches of 64", offline.Decoder, OfflineDecoder(name="offline", batch_size=64, **plain), 1),
        ]
        for n in (0, 1, 2):
            options = PrefilledDecoder(name="prefilled", prior=GoldPrior(kind="gold"), n=[n], batch_size=64, **plain)
            ways.append((f"prefilled, batches of 64, n={n}", prefilled.Decoder, options, 1))
        for how, kind, options, every in ways:
            decoder, chosen = kind(context, options), items[::every]

            def work(decoder: Any = decoder, chosen: Any = chosen) -> int:
                decoded = [decoder.decode([chosen[i] for i in batch]) for batch in decoder.batches(chosen)]
                return sum(row["tokens"] for batch in decoded for rows in batch for row in rows)

            _forget_peak()
            count, seconds = timed(work)
            yield Timing("answers", f"{how}{_memory()}", count, "tokens", seconds)
            del decoder, work


# -------------------------------------------------------------------------------------------------------- shared parts


def _falcon(tiny: bool) -> Any:
    sizes = TINY if tiny else FALCON_RW_1B
    one_by_one = {"multi_query": False, "parallel_attn": False, "new_decoder_architecture": False}
    return FalconConfig(**sizes, **one_by_one, alibi=True, bias=True)


def _llama(tiny: bool) -> Any:
    return LlamaConfig(**TINY, intermediate_size=176) if tiny else LlamaConfig(**LLAMA_2_7B, intermediate_size=11008)


def _random(config: Any) -> PreTrainedModel:
    """A model with random weights, which are drawn on the GPU, since drawing billions on a CPU takes minutes."""
    with torch.device(models.device()):
        return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")


def _talks(count: int) -> ParallelText:
    """Lines of two sentences of the embedded grammar each, which are about as long as a sentence of a TED talk."""
    text = sentences(2 * count)
    sources, targets = (
        [f"{a} {b}" for a, b in zip(side[::2], side[1::2], strict=True)] for side in (text.sources, text.targets)
    )
    return ParallelText(text.pair, sources, targets, [""] * len(sources))


def _items(text: ParallelText) -> list[decoding.Item]:
    return [decoding.Item(i, *pair) for i, pair in enumerate(zip(text.sources, text.targets, strict=True))]


def _tokenizer(text: ParallelText) -> PreTrainedTokenizerBase:
    return models.train_tokenizer([*text.sources, *text.targets], 1600)


@contextmanager
def _saved(config: Any, text: ParallelText) -> Iterator[decoding.Context]:
    """The context of a decoder with a random model in a temporary folder, in bfloat16 to save half of the disk."""
    with tempfile.TemporaryDirectory() as folder:
        _random(config).to(torch.bfloat16).save_pretrained(folder)
        _tokenizer(text).save_pretrained(folder)
        yield decoding.Context(Path(folder), text.pair, prompts()["short"])


def _peak(precision: str, tiny: bool) -> tuple[Timing, float]:
    """Operations per second of a large matrix product, which is the peak that the device reaches."""
    size = 512 if tiny else 8192
    kind = torch.bfloat16 if models.use_bfloat16(precision, size) else torch.float32
    a, b = (torch.randn((size, size), device=models.device(), dtype=kind) for _ in range(2))
    seconds = _seconds(lambda: a @ b)
    rate = 2 * size**3 / seconds
    how = f"{size} x {size} in {str(kind).removeprefix('torch.')}, {rate / 1e12:.3g} TFLOP/s"
    return Timing("matrix product", how, 1, "products", seconds), rate


@torch.inference_mode()
def _steps(context: decoding.Context, read: int = 64) -> Iterator[Timing]:
    """Decoding steps of one token after `read` cached tokens, for several numbers of translations."""
    assert context.model is not None
    model = models.load(context.model).to(models.device()).eval()
    for rows in ROWS:
        ids = torch.randint(model.config.vocab_size, (rows, read), device=model.device)
        cache = attention.new_cache()
        view = attention.whole(torch.zeros_like(ids), torch.ones_like(ids), "plain")
        attention.forward(model, ids, view, cache, keep=1)
        places = Places(cache, torch.arange(rows, device=model.device), room=1)
        places.write(None, torch.full((rows, 1), read + 1, device=model.device), read + 2)
        key = torch.arange(read + 2, device=model.device).expand(rows, 1, -1)
        place = key[:, :, -1] - 1
        view = View(key > 0, place, (key - 1).clamp(min=0), place)
        seconds = _seconds(partial(attention.forward, model, ids[:, :1], view, places, keep=1))
        yield Timing("step of a batch", f"{rows} translations, {1000 * seconds:.1f} ms", rows, "tokens", seconds)


def _seconds(work: Callable[[], Any], times: int = 10) -> float:
    """Median time of some calls, in seconds; each is measured until the GPU has finished."""
    seconds = []
    for _ in range(WARM + times):
        wait()
        began = time.perf_counter()
        work()
        wait()
        seconds.append(time.perf_counter() - began)
    return median(seconds[WARM:])


def _work(batch: Batch) -> cost.Work:
    """Work of a batch: number of tokens, of pairs of tokens that attend to each other, and of predicted tokens."""
    documents = batch.get("documents", batch["attention_mask"])
    visible = batch.get("visible", torch.zeros_like(documents))
    seen = attention.whole(visible, documents, "plain").seen & (documents > 0)[:, :, None]
    return cost.Work(tokens(batch), int(seen.sum()), int((batch["labels"][:, 1:] != IGNORE).sum()))


def _forget_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _memory() -> str:
    """Peak GPU memory since `_forget_peak`, as text; empty without a GPU."""
    return _gibibytes(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else ""


def _gibibytes(count: int) -> str:
    return f", {count / 2**30:.1f} GiB" if count else ""
