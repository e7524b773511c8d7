#!/usr/bin/env python3
"""Measure, side by side in one run, what this project calls fast. Nothing in the tests depends on these times."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from dragoman import command, decoding, grammar, models, registry, training
from dragoman.config import DemoCorpus, OfflineDecoder, Pages, ScratchModel, Training
from dragoman.configfile import prompts
from dragoman.corpora import prepare
from dragoman.decoding import offline
from dragoman.methods import ParallelText, sft
from dragoman.metrics import score
from dragoman.optimizers import Muon


class Timing(NamedTuple):
    """One line of the table: what was done how often in how many seconds."""

    what: str
    how: str
    count: int
    unit: str
    seconds: float


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Run `work`, which says how much it did; its count and its seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def sentences(count: int) -> ParallelText:
    """English and French sentences of the embedded world."""
    meant = list(grammar.meanings(1, "train", count))
    english, french = ([grammar.realise(m, code).text for m in meant] for code in ("en", "fr"))
    return ParallelText("en-fr", english, french, [""] * count)


def model_of(architecture: str, text: ParallelText) -> tuple[models.PreTrainedModel, models.PreTrainedTokenizerBase]:
    """The embedded demonstration's model, untrained."""
    web = Pages(corpus="x", languages=["en", "fr"], count=1)
    spec = ScratchModel(source="scratch", architecture=architecture, text=web, vocabulary=1600)
    tokenizer = models.train_tokenizer([*text.sources, *text.targets], spec.vocabulary)
    return models.build(spec, tokenizer), tokenizer


def corpora() -> Iterator[Timing]:
    """Making and checking parallel text."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = DemoCorpus(provider="demo", train=5000, test=200)

        def work() -> int:
            kept = prepare(corpus, "en-de", Path(folder), Path(folder) / "out")["splits"]
            return kept["train"]["rows_in"] + kept["test"]["rows_in"]

        yield Timing("corpus", "embedded grammar, checked", *_with_unit(timed(work), "sentence pairs"))


def train() -> Iterator[Timing]:
    """Fine-tuning, the batch whole and cut into pieces that fit the cache."""
    text = sentences(2000)
    for architecture in ("llama", "falcon-alibi"):
        for micro_batch in (128, 32):
            model, tokenizer = model_of(architecture, text)
            examples = sft.examples([text], prompts()["short"], tokenizer, sft.Options())
            settings = Training(steps=12, batch_size=128, micro_batch=micro_batch, log_every=12)
            tokens = 12 * 128 * sum(len(e["input_ids"]) for e in examples) // len(examples)

            def work(model=model, tokenizer=tokenizer, examples=examples, settings=settings, tokens=tokens) -> int:
                with tempfile.TemporaryDirectory() as folder:
                    training.fit(model, tokenizer, examples, settings, seed=1, work=Path(folder), label="bench")
                return tokens

            yield Timing(f"train {architecture}", f"128 in pieces of {micro_batch}", *_with_unit(timed(work), "tokens"))


def optimizer() -> Iterator[Timing]:
    """Steps of Muon on the matrices of the embedded demonstration's model, torch's and ours."""
    shapes = [(128, 128)] * 16 + [(352, 128)] * 8 + [(128, 352)] * 4
    matrices = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for matrix in matrices:
        matrix.grad = torch.randn_like(matrix)
    for how, steps in (("torch", torch.optim.Muon(matrices)), ("ours", Muon(matrices, lr=0.001))):

        def work(steps=steps) -> int:
            for _ in range(20):
                steps.step()
            return 20

        yield Timing("Muon", how, *_with_unit(timed(work), "steps"))


def decode() -> Iterator[Timing]:
    """Offline decoding, sentence by sentence and in batches; an untrained model answers at full length."""
    text = sentences(64)
    items = [decoding.Item(i, source, "") for i, source in enumerate(text.sources)]
    with tempfile.TemporaryDirectory() as folder:
        model, tokenizer = model_of("llama", text)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        context = decoding.Context(Path(folder), "en-fr", prompts()["short"])
        for batch_size, beam in ((1, 1), (64, 1), (64, 4)):
            decoder = offline.Decoder(
                context, OfflineDecoder(name="offline", batch_size=batch_size, beam=beam, max_new_tokens=30)
            )

            def work(decoder=decoder) -> int:
                rows = [decoder.decode([items[i] for i in batch]) for batch in decoder.batches(items)]
                return sum(row[0]["tokens"] for batch in rows for row in batch)

            how = f"batches of {batch_size}, beam {beam}"
            yield Timing("decode llama", how, *_with_unit(timed(work), "tokens"))


def scores() -> Iterator[Timing]:
    """Scores of 2,000 sentences with their intervals, ours and sacrebleu's own resampling."""
    import sacrebleu

    text = sentences(2000)
    rng = random.Random(1)
    hypotheses = [" ".join(rng.sample(line.split(), len(line.split()))) for line in text.targets]
    references = [list(text.targets)]
    for name, theirs in (("bleu", sacrebleu.BLEU()), ("chrf", sacrebleu.CHRF())):

        def ours(name=name) -> int:
            return score(name, hypotheses, references, pair="en-fr").n

        def library(theirs=theirs) -> int:
            theirs.corpus_score(hypotheses, references, n_bootstrap=1000)
            return len(hypotheses)

        yield Timing(name, "with interval", *_with_unit(timed(ours), "sentences"))
        yield Timing(name, "with interval, by sacrebleu", *_with_unit(timed(library), "sentences"))


def _with_unit(measured: tuple[int, float], unit: str) -> tuple[int, str, float]:
    return measured[0], unit, measured[1]


BENCHMARKS = {work.__name__: work for work in (corpora, train, optimizer, decode, scores)}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/bench.py train decode --threads 2")
    parser.add_argument("benchmark", nargs="*", default=list(BENCHMARKS), help="which (all)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.benchmark) - set(BENCHMARKS):
        raise ValueError(registry.unknown("benchmark", unknown.pop(), BENCHMARKS))
    models.use_threads(arguments.threads)
    print("| what | how | done | seconds | per second |\n| --- | --- | ---: | ---: | ---: |")
    for name in arguments.benchmark:
        for t in BENCHMARKS[name]():
            print(
                f"| {t.what} | {t.how} | {t.count:,} {t.unit} | {t.seconds:.1f} | {t.count / t.seconds:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    command.run(main)
