"""Fine-tuning with dragoman and with TRL's SFTTrainer: the same checkpoint, sentence pairs, batch and learning rate.

Each variant trains in a process of its own, so that its peak memory can be measured; TRL has an environment of its own
(`make env-trl`). Times are CPU seconds of the training alone, without imports and loading, so that other work on the
machine hardly affects them. Afterwards, the loss of each trained model is computed on held-out pairs.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dragoman import models
from dragoman.benchmarks import Timing, sentences
from dragoman.command import REPOSITORY, peak_memory
from dragoman.config import Training
from dragoman.configfile import prompts
from dragoman.methods import IGNORE, Example, ParallelText, sft
from dragoman.prompts import render

PYTHON = REPOSITORY / ".venv-trl" / "bin" / "python"
STEPS = 20
BATCH = 16
RATE = 2e-5
HELD_OUT = 64
"""Number of sentence pairs whose loss is computed after the training."""
NEAREST = {"bf16": False, "gradient_checkpointing": False}
"""TRL's options with which it does the same arithmetic as dragoman on a CPU."""


def read(path: Path, count: int) -> ParallelText:
    """Sentence pairs of a TSV file, maybe gzipped, whose header has the two language codes."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
        header = next(file).rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line, _ in zip(file, range(count), strict=False)]
    return ParallelText("-".join(header[:2]), [row[0] for row in rows], [row[1] for row in rows], [""] * len(rows))


def compare(checkpoint: Path, text: Path | None = None, threads: int = 1) -> Iterator[Timing]:
    """A line per variant: target tokens and CPU seconds, with peak memory and held-out loss in its name.

    Args:
        checkpoint: folder of a model in Hugging Face format, whose tokenizer has an end token.
        text: a TSV file of sentence pairs; None: sentences of the embedded grammar.
        threads: of each process.

    Raises:
        FileNotFoundError: TRL's environment does not exist.
    """
    if not PYTHON.is_file():
        raise FileNotFoundError(f"{PYTHON}: no such file; run `make env-trl` first")
    count = STEPS * BATCH + HELD_OUT
    pairs = read(text, count) if text else sentences(count)
    tokenizer = models.load_tokenizer(checkpoint)
    examples = _examples(pairs, tokenizer)
    train, held_out = examples[: STEPS * BATCH], examples[STEPS * BATCH :]
    targets = sum(label != IGNORE for example in train for label in example["labels"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        work = {"checkpoint": str(checkpoint.resolve()), "steps": STEPS, "batch": BATCH, "rate": RATE}
        work |= {"threads": threads, "rows": _rows(pairs)[: STEPS * BATCH], "examples": train}
        ours = [sys.executable, "-m", "dragoman.benchmarks.trl_training"]
        theirs = [str(PYTHON), str(Path(__file__).with_name("trl_peer.py"))]
        variants: list[tuple[str, list[str], dict[str, Any]]] = [
            ("dragoman, its defaults", ours, {}),
            ("dragoman, recomputation", ours, {"gradient_checkpointing": True}),
            ("dragoman, float32", ours, {"precision": "float32"}),
            ("TRL, its defaults", theirs, {}),
            ("TRL, float32, no recomputation", theirs, NEAREST),
        ]
        for number, (name, command, options) in enumerate(variants):
            out = folder / str(number)
            (folder / "work.json").write_text(json.dumps(work | {"options": options, "out": str(out)}))
            made = _run([*command, str(folder / "work.json")])
            loss = _loss(out, held_out)
            how = f"{name}: peak {made['peak_mb']:,.0f} MB, held-out loss {loss:.3f}"
            yield Timing(f"{STEPS} steps of {BATCH} pairs, CPU seconds", how, targets, "target tokens", made["seconds"])


def _rows(pairs: ParallelText) -> list[dict[str, str]]:
    """Prompt and completion of each pair, as TRL takes them."""
    rows = []
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        parts = render(prompts()["headed"], pairs.pair, source, target)
        rows.append({
            "prompt": "".join(text for role, text in parts if role != "target"),
            "completion": "".join(text for role, text in parts if role == "target"),
        })  # fmt: skip
    return rows


def _examples(pairs: ParallelText, tokenizer: Any) -> Sequence[Example]:
    return sft.examples([pairs], prompts()["headed"], tokenizer, sft.Options())


def _run(command: Sequence[str]) -> dict[str, float]:
    """The measurements that a process prints as its last line."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY / "scripts")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _loss(folder: Path, examples: Sequence[Example]) -> float:
    """Mean negative log-likelihood of a target token, in nats."""
    import torch

    model = models.load(folder).eval()
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for example in examples:
            ids, labels = (torch.tensor([example[name]]) for name in ("input_ids", "labels"))
            count = int((labels != IGNORE).sum())
            total += float(model(input_ids=ids, labels=labels).loss) * count
            tokens += count
    return total / tokens


def main(path: str) -> None:
    """Train with dragoman; prints CPU seconds of the training, and peak memory of the process in MB."""
    from dragoman.training import loop

    work = json.loads(Path(path).read_text(encoding="utf-8"))
    models.use_threads(work["threads"])
    training = Training(
        steps=work["steps"],
        batch_size=work["batch"],
        learning_rate=work["rate"],
        schedule="linear",
        warmup=0.0,
        max_length=1024,
        **work["options"],
    )
    folder = Path(work["checkpoint"])
    model, tokenizer = models.load(folder), models.load_tokenizer(folder)
    with tempfile.TemporaryDirectory() as temporary:
        began = time.process_time()
        fitted = loop.fit(model, tokenizer, work["examples"], training, seed=1, work=Path(temporary), label="dragoman")
        seconds, peak = time.process_time() - began, peak_memory()
    assert fitted is not None  # there is one process
    fitted.model.save_pretrained(work["out"])
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1])
