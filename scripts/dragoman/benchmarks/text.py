"""Text: making, checking, aligning and scoring it, and what its tokens may see."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman.benchmarks import Timing, model_of, sentences, timed, with_unit
from dragoman.config import DemoCorpus
from dragoman.configfile import prompts
from dragoman.corpora import aligner, prepare
from dragoman.methods import reading
from dragoman.metrics import score
from dragoman.policies import WaitK
from dragoman.visibility import visible_sources


def corpora() -> Iterator[Timing]:
    """Making and checking parallel text."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = DemoCorpus(provider="demo", train=5000, test=200)

        def work() -> int:
            kept = prepare(corpus, "en-de", Path(folder), Path(folder) / "out")["splits"]
            return kept["train"]["rows_in"] + kept["test"]["rows_in"]

        yield Timing("corpus", "embedded grammar, checked", *with_unit(timed(work), "sentence pairs"))


def align() -> Iterator[Timing]:
    """Word alignment, both directions."""
    text = sentences(5000)

    def work() -> int:
        return len(aligner.align(text.sources, text.targets))

    yield Timing("align", "5 passes, two directions", *with_unit(timed(work), "sentence pairs"))


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

        yield Timing(name, "with interval", *with_unit(timed(ours), "sentences"))
        yield Timing(name, "with interval, by sacrebleu", *with_unit(timed(library), "sentences"))
