"""Training: medians over steps. Kinds of steps take turns, so that other load of the machine affects all of them."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from dragoman import models
from dragoman.benchmarks import K, Timing, model_of, sentences, timed, wait, with_unit
from dragoman.config import Training
from dragoman.configfile import prompts
from dragoman.methods import IGNORE, Example, ParallelText, language_aware, sft, simulmask
from dragoman.policies.wait_k import WaitK
from dragoman.training import loop, losses
from dragoman.training.batches import Batches, Collator
from dragoman.training.optimizers import Muon

STEPS = 40
"""Number of steps of each kind."""
WARM = 2
"""Number of first steps that are not measured."""
ROW = 256
"""Number of tokens of a packed row: about five examples of the embedded grammar."""

Batch = dict[str, torch.Tensor]
Work = Mapping[str, tuple[losses.Loss, Sequence[Batch]]]
"""Name of a kind of step -> its loss and its batches."""


class Step(NamedTuple):
    """Measurements of one training step."""

    batch: Batch
    seconds: float
    peak: int
    """Peak GPU memory in bytes; 0 without a GPU."""


def in_turn(model: models.PreTrainedModel, work: Work) -> dict[str, list[Step]]:
    """`STEPS` training steps of every kind, in the default precision of training on this machine. All steps train the
    same model."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    model.train()
    steps: dict[str, list[Step]] = {how: [] for how in work}
    for number in range(WARM + STEPS):
        for how, (loss, batches) in work.items():
            steps[how].append(_step(model, optimizer, loss, batches[number % len(batches)]))
    return {how: measured[WARM:] for how, measured in steps.items()}


def _step(model: models.PreTrainedModel, optimizer: torch.optim.Optimizer, loss: losses.Loss, batch: Batch) -> Step:
    given = {name: column.to(model.device) for name, column in batch.items()}
    on_gpu = model.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    wait()
    began = time.perf_counter()
    bfloat16 = models.use_bfloat16("auto", model.config.hidden_size)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
        mean = loss(model, given, (given["labels"] != IGNORE).sum())
    mean.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    wait()
    seconds = time.perf_counter() - began
    return Step(batch, seconds, torch.cuda.max_memory_allocated() if on_gpu else 0)


def train() -> Iterator[Timing]:
    """Fine-tuning with whole batches, and with micro-batches that fit the cache."""
    text = sentences(2000)
    for architecture in ("llama", "falcon-alibi"):
        for micro_batch in (128, 32):
            model, tokenizer = model_of(architecture, text)
            examples = sft.examples([text], prompts()["short"], tokenizer, sft.Options())
            settings = Training(steps=12, batch_size=128, micro_batch=micro_batch, log_every=12)
            count = 12 * 128 * sum(len(e["input_ids"]) for e in examples) // len(examples)

            def work(model=model, tokenizer=tokenizer, examples=examples, settings=settings, count=count) -> int:
                with tempfile.TemporaryDirectory() as folder:
                    loop.fit(model, tokenizer, examples, settings, seed=1, work=Path(folder), label="bench")
                return count

            yield Timing(f"train {architecture}", f"128 in pieces of {micro_batch}", *with_unit(timed(work), "tokens"))


def masked() -> Iterator[Timing]:
    """A training step with SimulMask's mask and positions, compared with an ordinary one."""
    text = sentences(2000)
    for architecture, positions in (("falcon-alibi", "modified"), ("llama", "group")):
        model, tokenizer = model_of(architecture, text)
        options = reading_by(positions)
        examples = simulmask.examples([text], prompts()["short"], tokenizer, options)
        batches = batches_of(examples, tokenizer, 32)
        work = {
            "causal": (losses.cross_entropy, batches),
            f"masked, {positions}": (losses.of_method(simulmask, options), batches),
        }
        yield from _compared(f"step {architecture}", model, work)


def stage2() -> Iterator[Timing]:
    """A step of language-aware tuning, compared with an ordinary one with the same number of sequences (twice the
    batch)."""
    texts = [sentences(1000), sentences(1000, "de")]
    both = ParallelText("", *([*a, *b] for a, b in list(zip(*texts, strict=True))[1:]))
    model, tokenizer = model_of("llama", both)
    options = language_aware.Options()
    examples = language_aware.examples(texts, prompts()["short"], tokenizer, options)
    work = {
        "plain, 64 sentence pairs": (losses.cross_entropy, batches_of(examples, tokenizer, 64)),
        "language-aware, 32": (losses.of_method(language_aware, options), batches_of(examples, tokenizer, 32)),
    }
    yield from _compared("step stage 2", model, work)


def packing() -> Iterator[Timing]:
    """Training steps with padded batches of similar length, as without packing, and with packed random batches. Padded
    random batches show how much each of the two saves. Padding does not count as processed tokens."""
    text = sentences(2000)
    for architecture in ("llama", "falcon-alibi"):
        model, tokenizer = model_of(architecture, text)
        examples = sft.examples([text], prompts()["short"], tokenizer, sft.Options())
        ways = {
            "of like length, padded": batches_of(examples, tokenizer, 64),
            "random, padded": batches_of(examples, tokenizer, 64, packed=True),
            f"random, in rows of {ROW}": batches_of(examples, tokenizer, 64, packed=True, packing=ROW),
        }
        steps = in_turn(model, {how: (losses.cross_entropy, batches) for how, batches in ways.items()})
        for how, batches in ways.items():
            real = sum(tokens(batch) for batch in batches)
            padding = 1 - real / sum(batch["attention_mask"].numel() for batch in batches)
            seconds = real * statistics.median(step.seconds / tokens(step.batch) for step in steps[how])
            yield Timing(f"packing {architecture}", f"{how}, {padding:.1%} padding", real, "tokens", seconds)


def optimizer() -> Iterator[Timing]:
    """Steps of torch's Muon and of ours, with the matrices of the embedded demonstration's model."""
    shapes = [(128, 128)] * 16 + [(352, 128)] * 8 + [(128, 352)] * 4
    matrices = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for matrix in matrices:
        matrix.grad = torch.randn_like(matrix)
    for how, steps in (("torch", torch.optim.Muon(matrices)), ("ours", Muon(matrices, lr=0.001))):

        def work(steps=steps) -> int:
            for _ in range(20):
                steps.step()
            return 20

        yield Timing("Muon", how, *with_unit(timed(work), "steps"))


def reading_by(positions: Literal["modified", "group"]) -> simulmask.Options:
    """One model for every k."""
    return simulmask.Options(policies=[WaitK(name="wait-k", k=k) for k in K], positions=positions)


def batches_of(
    examples: Sequence[Example],
    tokenizer: models.PreTrainedTokenizerBase,
    size: int,
    packed: bool = False,
    packing: int | None = None,
) -> list[Batch]:
    """Batches as in training: of similar length, or random as for packing."""
    collate = Collator(tokenizer.pad_token_id, packing)
    rows = Batches([len(example["input_ids"]) for example in examples], size, size, seed=1, packed=packed)
    return [collate([examples[i] for i in batch]) for batch in rows]


def tokens(batch: Batch) -> int:
    """Number of tokens without padding."""
    return int(batch["attention_mask"].sum())


def _compared(what: str, model: models.PreTrainedModel, work: Work) -> Iterator[Timing]:
    """A line for each kind of step, with its time relative to the first kind."""
    medians = {how: statistics.median(step.seconds for step in steps) for how, steps in in_turn(model, work).items()}
    first = next(iter(medians.values()))
    for how, median in medians.items():
        yield Timing(what, f"{how}, {median / first - 1:+.1%}", STEPS, "steps", STEPS * median)
