"""Divergence of two models along answers: a few positions at a time, and with all logits at once."""

from __future__ import annotations

import multiprocessing
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch
from transformers import AutoModelForCausalLM

from dragoman import models
from dragoman.benchmarks import Timing
from dragoman.config import Pages, ScratchModel
from dragoman.metrics import divergence as analysis

ANSWERS, ENTRIES = 200, 32_000
"""Number of sentences, and size of the vocabulary."""


def divergence() -> Iterator[Timing]:
    """A foundation model and its twin compared along answers, streamed and with full logits; memory beyond the models.

    Each way has a process of its own, whose peak memory is then its own.
    """
    averages = []
    for how, way in (("full logits", _with_full_logits), ("streamed", analysis.traced)):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            seconds, megabytes, means = pool.submit(_compared, way).result()
        averages.append(means)
        off = max(abs(means[name] - averages[0][name]) for name in means.keys() - {"rank", "intervals"})
        how = f"{how}, {megabytes:.0f} MiB" + (f", within {off:.0e}" if len(averages) > 1 else "")
        yield Timing(f"divergence {ENTRIES // 1000}k", how, ANSWERS, "sentences", seconds)


def _compared(way: Callable[..., list[analysis.Trace]]) -> tuple[float, float, dict[str, float]]:
    """Seconds, peak memory in MiB in addition to the models, and averages."""
    web = Pages(corpus="x", languages=["en", "fr"], count=1)
    spec = ScratchModel(source="scratch", architecture="llama", text=web, vocabulary=ENTRIES)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    config = models.architecture(spec, ENTRIES, 0, 1)
    config.initializer_range = 0.1  # expectations that differ
    foundation, twin = (AutoModelForCausalLM.from_config(config).eval() for _ in range(2))
    rng = random.Random(1)
    rows = [
        analysis.Answers(rng.choices(range(ENTRIES), k=30 + i % 20), rng.choices(range(ENTRIES), k=20 + i % 13))
        for i in range(ANSWERS)
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    traces = way(foundation, twin, rows)
    seconds = time.perf_counter() - began
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, analysis.summary(traces)


@torch.inference_mode()
def _with_full_logits(
    foundation: models.PreTrainedModel, twin: models.PreTrainedModel, rows: Sequence[analysis.Answers]
) -> list[analysis.Trace]:
    """The same quantities, by their plain formulas, from the logits of all positions of a batch."""
    traces, pad = [], torch.nn.utils.rnn.pad_sequence
    for start in range(0, len(rows), 32):
        batch = rows[start : start + 32]
        texts = [torch.tensor([*row.given, *row.twin]) for row in batch]
        given = {"input_ids": pad(texts, True), "attention_mask": pad([torch.ones_like(text) for text in texts], True)}
        log_q, log_p = (model(**given, use_cache=False).logits.log_softmax(-1) for model in (foundation, twin))
        p, q = log_p.exp(), log_q.exp()
        log_m = ((p + q) / 2).log()
        of_token = log_q.gather(-1, log_p.argmax(-1, keepdim=True))
        columns = [
            1 + (log_q > of_token).sum(-1),
            of_token[..., 0].exp(),
            (p * (log_p - log_q)).sum(-1),
            (q * (log_q - log_p)).sum(-1),
            ((p * (log_p - log_m)).sum(-1) + (q * (log_q - log_m)).sum(-1)) / 2,
            -(p * log_q).sum(-1),
        ]
        for i, row in enumerate(batch):
            answer = slice(len(row.given) - 1, len(row.given) - 1 + len(row.twin))
            traces.append(analysis.Trace(*(column[i, answer].double().numpy() for column in columns)))
    return traces
