"""Decoding: sentence by sentence and in batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dragoman import decoding
from dragoman.benchmarks import K, Timing, model_of, sentences, timed
from dragoman.benchmarks.training import reading_by
from dragoman.config import OfflineDecoder, SimultaneousDecoder, Training
from dragoman.configfile import prompts
from dragoman.decoding import offline, simultaneous, streaming
from dragoman.methods import ParallelText, simulmask
from dragoman.training import loop, losses

TAUGHT = 150
"""Number of training steps, which are enough for a model to learn when an answer ends."""


def decode() -> Iterator[Timing]:
    """Offline decoding of 200 sentences: one by one, in batches, and with beams. Sentences that have ended leave their
    batch; with `generate` alone they stay. The model is trained for some steps, so that answers have natural
    lengths."""
    test = sentences(200, split="test")
    items = [decoding.Item(i, source, "") for i, source in enumerate(test.sources)]
    with tempfile.TemporaryDirectory() as folder:
        _trained("llama", "group", sentences(4000), Path(folder))
        context = decoding.Context(Path(folder) / "model", "en-fr", prompts()["short"])
        written = []
        for kind, batch_size, beam in (
            (offline.Decoder, 1, 1),
            (_ByGenerate, 64, 1),
            (offline.Decoder, 64, 1),
            (offline.Decoder, 64, 4),
        ):
            decoder = kind(context, OfflineDecoder(name="offline", batch_size=batch_size, beam=beam, max_new_tokens=60))
            rows, seconds = _translated(decoder, items)
            if beam == 1:
                written.append([rows[item.id][0]["hypothesis"] for item in items])
            how = f"batches of {batch_size}, beam {beam}" + (", `generate` alone" if kind is _ByGenerate else "")
            yield Timing("decode llama", how, sum(row["tokens"] for (row,) in rows.values()), "tokens", seconds)
    assert written[0] == written[1] == written[2], "all ways write the same"


class _ByGenerate(offline.Decoder):
    """Rows stay in the batch until all rows have ended."""

    def _generated(self, prompts: Sequence[Sequence[int]], most: int, **how: Any) -> list[list[int]]:
        padded = self.tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        how |= {"do_sample": False, "eos_token_id": self.ends, "pad_token_id": self.tokenizer.pad_token_id}
        written = self.model.generate(**padded, max_new_tokens=most, **how)
        return written[:, padded["input_ids"].shape[1] :].tolist()


def simultaneous_decoding() -> Iterator[Timing]:
    """Simultaneous decoding of 500 sentences with 4 values of k, batched and word by word, with the same translations.

    The models are trained for some steps, so that translations have natural lengths. Word by word, only every twentieth
    sentence is translated, and the time is scaled by the number of words.
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
                what = f"simultaneous {architecture}, {'kept' if kept else 'recomputed'}"
                compared = batched_and_alone(context, options, items)
                assert not compared.others, f"{what}: batched, {compared.others} translations are others"
                yield from compared.lines(what)


class Compared(NamedTuple):
    """Simultaneous decoding of the same sentences, batched and word by word."""

    words: int
    batched: float
    """Seconds for all words, batched."""
    alone: float
    """Seconds for all words, one by one, scaled from a sample of sentences."""
    sentences: int
    """Number of sentences of the sample."""
    others: int
    """Number of translations of the sample, over all k, that batching changes; only rounding can cause this."""
    gflop: float
    """GFLOPs for all words, by formula."""

    def lines(self, what: str, more: str = "") -> Iterator[Timing]:
        """A line for each of the two; `more` is added to the batched one."""
        how = f"word by word, scaled from {self.sentences} sentences"
        yield Timing(what, how, self.words, "words", self.alone)
        how = f"batched, {self.alone / self.batched:.0f} times as fast{more}"
        yield Timing(what, how, self.words, "words", self.batched)


def batched_and_alone(
    context: decoding.Context, options: SimultaneousDecoder, items: Sequence[decoding.Item], every: int = 20
) -> Compared:
    """Decode all `items` batched, and every `every`-th item word by word."""
    whole, batched = _translated(simultaneous.Decoder(context, options), items)
    streamed, alone = _translated(streaming.Decoder(context, options), items[::every])
    pairs = [pair for number, rows in streamed.items() for pair in zip(whole[number], rows, strict=True)]
    others = sum(any(ours[key] != value for key, value in theirs.items()) for ours, theirs in pairs)
    words, sampled = (sum(len(row["delays"]) for rows in each.values() for row in rows) for each in (whole, streamed))
    gflop = sum(row["gflops"] for rows in whole.values() for row in rows)
    return Compared(words, batched, alone * words / sampled, len(streamed), others, gflop)


def _translated(
    decoder: offline.Decoder | simultaneous.Decoder | streaming.Decoder, items: Sequence[decoding.Item]
) -> tuple[dict[int, list[decoding.Row]], float]:
    """Item -> its rows, and the seconds."""
    rows: dict[int, list[decoding.Row]] = {}

    def work() -> int:
        for batch in decoder.batches(items):
            chosen = [items[i] for i in batch]
            rows.update((item.id, own) for item, own in zip(chosen, decoder.decode(chosen), strict=True))
        return len(rows)

    return rows, timed(work)[1]


def _trained(architecture: str, positions: Literal["modified", "group"], text: ParallelText, folder: Path) -> None:
    """Write a model to `folder`/model, after some training steps of SimulMask, so that its answers end."""
    model, tokenizer = model_of(architecture, text)
    options = reading_by(positions)
    loop.fit(
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
        loss=losses.of_method(simulmask, options),
    )
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
