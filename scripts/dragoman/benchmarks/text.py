"""Text: generation, checks, word alignment, visibility vectors and scores."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dragoman.benchmarks import Timing, model_of, sentences, timed, with_unit
from dragoman.config import DemoCorpus
from dragoman.configfile import prompts
from dragoman.corpora import aligner, prepare
from dragoman.languages.spelling import pairs
from dragoman.methods import reading
from dragoman.metrics import score
from dragoman.models.visibility import vectors
from dragoman.policies.wait_k import WaitK


def corpora() -> Iterator[Timing]:
    """Generation and checks of parallel text."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = DemoCorpus(provider="demo", train=5000, test=200)

        def work() -> int:
            kept = prepare(corpus, "en-de", Path(folder), Path(folder) / "out")["splits"]
            return kept["train"]["rows_in"] + kept["test"]["rows_in"]

        yield Timing("corpus", "embedded grammar, checked", *with_unit(timed(work), "sentence pairs"))


def align() -> Iterator[Timing]:
    """Word alignment in both directions."""
    text = sentences(5000)

    def work() -> int:
        return len(aligner.align(text.sources, text.targets))

    yield Timing("align", "5 passes, two directions", *with_unit(timed(work), "sentence pairs"))


def visibility() -> Iterator[Timing]:
    """Visibility vectors of 200,000 sentence pairs: 20,000 different pairs, ten times."""
    text = sentences(20_000)
    _, tokenizer = model_of("llama", text)
    text = text._replace(sources=[*text.sources] * 10, targets=[*text.targets] * 10)
    schedule = reading.schedules(text, [WaitK(name="wait-k", k=3)])
    spelled = []

    def spell() -> int:
        spelled[:] = pairs(prompts()["short"], tokenizer, text.pair, text.sources, text.targets)
        return len(spelled)

    def fill() -> int:
        due = [schedule(number, len(each.source.source), each.count) for number, each in enumerate(spelled)]
        return len(vectors(spelled, due))

    yield Timing("visibility", "tokens and their words", *with_unit(timed(spell), "sentence pairs"))
    yield Timing("visibility", "vectors", *with_unit(timed(fill), "sentence pairs"))


def scores() -> Iterator[Timing]:
    """Scores of 2,000 sentences with intervals, with our resampling and with sacrebleu's."""
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
