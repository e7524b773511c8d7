#!/usr/bin/env python3
"""Measure, side by side in one run, what this project calls fast. Nothing in the tests depends on these times."""

from __future__ import annotations

import multiprocessing
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from transformers import AutoModelForCausalLM

from dragoman import command, decoding, grammar, models, registry, training
from dragoman.config import DemoCorpus, OfflineDecoder, Pages, ScratchModel, SimultaneousDecoder, Training
from dragoman.configfile import prompts
from dragoman.corpora import aligner, prepare
from dragoman.decoding import offline, simultaneous, streaming
from dragoman.methods import IGNORE, Example, ParallelText, language_aware, reading, sft, simulmask
from dragoman.metrics import divergence as analysis
from dragoman.metrics import score
from dragoman.optimizers import Muon
from dragoman.policies import WaitK
from dragoman.visibility import visible_sources

K = [1, 3, 5, 7]
ANSWERS, ENTRIES = 200, 32_000
"""Of the comparison of two models: sentences, and vocabulary."""
STEPS = 40
"""Of each kind, where steps are compared."""
ROW = 256
"""Tokens of a packed row: five of the embedded world's examples."""
TAUGHT = 150
"""Steps that teach a model when to stop."""
PAPERS = ("simulmask", "langaware-revised", "langaware-v1", "pretty")
CONFIGURATIONS = ("config.yaml", *(f"papers/{name}.yaml" for name in PAPERS))
"""Of which dry runs are measured."""


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


def sentences(count: int, target: str = "fr", split: str = "train") -> ParallelText:
    """English sentences of the embedded world and their translations."""
    meant = list(grammar.meanings(1, split, count))
    sources, targets = ([grammar.realise(m, code).text for m in meant] for code in ("en", target))
    return ParallelText(f"en-{target}", sources, targets, [""] * count)


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


def align() -> Iterator[Timing]:
    """Word alignment, both directions."""
    text = sentences(5000)

    def work() -> int:
        return len(aligner.align(text.sources, text.targets))

    yield Timing("align", "5 passes, two directions", *_with_unit(timed(work), "sentence pairs"))


def visibility() -> Iterator[Timing]:
    """What every token may see, for 200,000 sentence pairs: 20,000 different ones, ten times."""
    text = sentences(20_000)
    _, tokenizer = model_of("llama", text)
    text = text._replace(sources=[*text.sources] * 10, targets=[*text.targets] * 10)
    schedule = reading.schedules(text, [WaitK(name="wait-k", k=3)])
    spent = 0.0

    class Watched:
        is_fast, backend_tokenizer = True, tokenizer.backend_tokenizer

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            nonlocal spent
            began = time.perf_counter()
            found = tokenizer(*arguments, **options)
            spent += time.perf_counter() - began
            return found

    def work() -> int:
        return len(visible_sources(prompts()["short"], Watched(), text.pair, text.sources, text.targets, schedule))  # type: ignore[arg-type]

    count, seconds = timed(work)
    yield Timing("visibility", "with tokenisation", count, "sentence pairs", seconds)
    yield Timing("visibility", "tokenisation apart", count, "sentence pairs", seconds - spent)


def masked() -> Iterator[Timing]:
    """A training step under SimulMask's mask and positions, and an ordinary one, turn about."""
    text = sentences(2000)
    for architecture, positions in (("falcon-alibi", "modified"), ("llama", "group")):
        model, tokenizer = model_of(architecture, text)
        options = _reading(positions)
        examples = simulmask.examples([text], prompts()["short"], tokenizer, options)
        batches = _batches(examples, tokenizer, 32)
        work = {
            "causal": (training.cross_entropy, batches),
            f"masked, {positions}": (partial(simulmask.loss, options=options), batches),
        }
        yield from _compared_steps(f"step {architecture}", model, work)


def stage2() -> Iterator[Timing]:
    """A step of language-aware tuning, and an ordinary one of as many sequences: twice the batch."""
    texts = [sentences(1000), sentences(1000, "de")]
    both = ParallelText("", *([*a, *b] for a, b in list(zip(*texts, strict=True))[1:]))
    model, tokenizer = model_of("llama", both)
    options = language_aware.Options()
    examples = language_aware.examples(texts, prompts()["short"], tokenizer, options)
    work = {
        "plain, 64 sentence pairs": (training.cross_entropy, _batches(examples, tokenizer, 64)),
        "language-aware, 32": (partial(language_aware.loss, options=options), _batches(examples, tokenizer, 32)),
    }
    yield from _compared_steps("step stage 2", model, work)


def packing() -> Iterator[Timing]:
    """Training steps over padded batches of like length, as without packing, and over random ones in rows; random ones
    padded show what either way saves. Padding counts as nothing done. Medians of steps, of each kind in turn."""
    text = sentences(2000)
    for architecture in ("llama", "falcon-alibi"):
        model, tokenizer = model_of(architecture, text)
        examples = sft.examples([text], prompts()["short"], tokenizer, sft.Options())
        ways = {
            "of like length, padded": _batches(examples, tokenizer, 64),
            "random, padded": _batches(examples, tokenizer, 64, packed=True),
            f"random, in rows of {ROW}": _batches(examples, tokenizer, 64, packed=True, packing=ROW),
        }
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
        model.train()
        each: dict[str, list[float]] = {how: [] for how in ways}  # seconds of a token, by step
        for number in range(STEPS + 2):
            for how, batches in ways.items():
                batch = batches[number % len(batches)]
                seconds = _step(model, optimizer, training.cross_entropy, batch)
                each[how].append(seconds / int(batch["attention_mask"].sum()))
        for how, batches in ways.items():
            real = sum(int(batch["attention_mask"].sum()) for batch in batches)
            padding = 1 - real / sum(batch["attention_mask"].numel() for batch in batches)
            seconds = real * statistics.median(each[how][2:])  # the first two warm up
            yield Timing(f"packing {architecture}", f"{how}, {padding:.1%} padding", real, "tokens", seconds)


def _reading(positions: Literal["modified", "group"]) -> simulmask.Options:
    return simulmask.Options(policies=[WaitK(name="wait-k", k=k) for k in K], positions=positions)


def _batches(
    examples: Sequence[Example],
    tokenizer: models.PreTrainedTokenizerBase,
    size: int,
    packed: bool = False,
    packing: int | None = None,
) -> list[dict[str, torch.Tensor]]:
    """Batches as training makes them, of like length, or at random as for packing."""
    collate = training.Collator(tokenizer.pad_token_id, packing)
    rows = training.Batches([len(example["input_ids"]) for example in examples], size, size, seed=1, packed=packed)
    return [collate([examples[i] for i in batch]) for batch in rows]


def _compared_steps(
    what: str, model: models.PreTrainedModel, work: Mapping[str, tuple[training.Loss, list[dict[str, torch.Tensor]]]]
) -> Iterator[Timing]:
    """Steps of each kind in turn, so that whatever else the machine does hits all alike; medians."""
    steps = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    model.train()
    seconds: dict[str, list[float]] = {how: [] for how in work}
    for number in range(STEPS + 2):
        for how, (loss, batches) in work.items():
            seconds[how].append(_step(model, steps, loss, batches[number % len(batches)]))
    first = 0.0
    for how, found in seconds.items():
        median = statistics.median(found[2:])  # the first two warm up
        first = first or median
        yield Timing(what, f"{how}, {median / first - 1:+.1%}", STEPS, "steps", STEPS * median)


def _step(
    model: models.PreTrainedModel, optimizer: torch.optim.Optimizer, loss: training.Loss, batch: dict[str, torch.Tensor]
) -> float:
    """Seconds of one training step."""
    began = time.perf_counter()
    loss(model, batch, (batch["labels"] != IGNORE).sum()).backward()
    optimizer.step()
    optimizer.zero_grad()
    return time.perf_counter() - began


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


def simultaneous_decoding() -> Iterator[Timing]:
    """500 sentences under 4 k: all at once, and word by word as a reader would get them; the same words, when due.

    The models are trained a little, so that translations have natural lengths and come to an end. Word by word only
    every twentieth sentence is translated; its time is scaled by the number of words.
    """
    text, test, prompt = sentences(4000), sentences(500, split="test"), prompts()["short"]
    items = [decoding.Item(i, source, "") for i, source in enumerate(test.sources)]
    for architecture, positions in (("falcon-alibi", "modified"), ("llama", "group")):
        with tempfile.TemporaryDirectory() as folder:
            _trained(architecture, positions, text, Path(folder))
            context = decoding.Context(Path(folder) / "model", "en-fr", prompt)
            for kept in (True, False):
                options = SimultaneousDecoder(
                    name="simultaneous", k=K, recompute=not kept, positions="group" if positions == "group" else "plain"
                )
                batched, together = _translated(simultaneous.Decoder(context, options), items)
                streamed, alone = _translated(streaming.Decoder(context, options), items[::20])
                for number, rows in streamed.items():
                    for ours, theirs in zip(batched[number], rows, strict=True):
                        same = all(ours[key] == value for key, value in theirs.items())
                        assert same, f"{architecture}: batched {ours}, word by word {theirs}"
                words, sampled = (
                    sum(len(row["delays"]) for rows in found.values() for row in rows) for found in (batched, streamed)
                )
                alone *= words / sampled
                what = f"simultaneous {architecture}, {'kept' if kept else 'recomputed'}"
                yield Timing(what, f"word by word, scaled from {len(streamed)} sentences", words, "words", alone)
                yield Timing(what, f"batched, {alone / together:.0f} times as fast", words, "words", together)


def _translated(
    decoder: simultaneous.Decoder | streaming.Decoder, items: Sequence[decoding.Item]
) -> tuple[dict[int, list[decoding.Row]], float]:
    """Rows of each item, and seconds."""
    rows: dict[int, list[decoding.Row]] = {}

    def work() -> int:
        for batch in decoder.batches(items):
            chosen = [items[i] for i in batch]
            rows.update((item.id, found) for item, found in zip(chosen, decoder.decode(chosen), strict=True))
        return len(rows)

    return rows, timed(work)[1]


def _trained(architecture: str, positions: Literal["modified", "group"], text: ParallelText, folder: Path) -> None:
    """A model that some steps of SimulMask have taught when to stop, in `folder`/model."""
    model, tokenizer = model_of(architecture, text)
    options = _reading(positions)
    training.fit(
        model,
        tokenizer,
        simulmask.examples([text], prompts()["short"], tokenizer, options),
        Training(
            steps=TAUGHT,
            batch_size=32,
            optimizer="muon",
            muon_learning_rate=0.02,
            learning_rate=0.005,
            log_every=TAUGHT,
        ),
        seed=1,
        work=folder / "work",
        label=f"bench {architecture}",
        loss=partial(simulmask.loss, options=options),
    )
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


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


def workflow() -> Iterator[Timing]:
    """What comes before any work: dry runs of the demonstration and of the papers, and what a decoding imports."""
    python = [sys.executable, "-m", "snakemake", "--snakefile", command.REPOSITORY / "Snakefile", "--cores", "1"]
    for path in CONFIGURATIONS:
        config = command.REPOSITORY / "config" / path
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config").symlink_to(command.REPOSITORY / "config")

            def plan(config: Path = config, folder: str = folder) -> int:
                dry = [*python, "--configfile", config, "--dry-run", "--forceall"]
                said = subprocess.run(dry, cwd=folder, capture_output=True, text=True, check=True).stdout
                return int(re.findall(r"^total +(\d+)$", said, flags=re.MULTILINE)[-1])

            yield Timing("dry run", path, *_with_unit(timed(plan), "jobs"))

    def start() -> int:
        imports = "import dragoman.corpora, dragoman.plan, dragoman.decoding.offline"
        subprocess.run([sys.executable, "-c", imports], cwd=command.REPOSITORY / "scripts", check=True)
        return 1

    yield Timing("start of a job", "what a decoding imports", *_with_unit(timed(start), "jobs"))


def divergence() -> Iterator[Timing]:
    """A foundation model and its twin compared along answers, streamed and with full logits; memory beyond the models.

    Each way has a process of its own, whose peak memory is then its own.
    """
    averages = []
    for how, way in (("full logits", _with_full_logits), ("streamed", analysis.compare)):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            seconds, megabytes, found = pool.submit(_compared, way).result()
        averages.append(found)
        off = max(abs(found[name] - averages[0][name]) for name in found.keys() - {"rank", "intervals"})
        how = f"{how}, {megabytes:.0f} MiB" + (f", within {off:.0e}" if len(averages) > 1 else "")
        yield Timing(f"divergence {ENTRIES // 1000}k", how, ANSWERS, "sentences", seconds)


def _compared(way: Callable[..., list[analysis.Trace]]) -> tuple[float, float, dict[str, float]]:
    """Seconds, peak MiB beyond the loaded models, and averages."""
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
    """Logits of every position of a batch, prompt and padding too, then the formulas as they are written."""
    found, pad = [], torch.nn.utils.rnn.pad_sequence
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
            found.append(analysis.Trace(*(column[i, answer].double().numpy() for column in columns)))
    return found


def _with_unit(measured: tuple[int, float], unit: str) -> tuple[int, str, float]:
    return measured[0], unit, measured[1]


BENCHMARKS = {
    "corpora": corpora,
    "align": align,
    "visibility": visibility,
    "train": train,
    "masked": masked,
    "stage2": stage2,
    "packing": packing,
    "optimizer": optimizer,
    "decode": decode,
    "simultaneous": simultaneous_decoding,
    "scores": scores,
    "divergence": divergence,
    "workflow": workflow,
}


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
