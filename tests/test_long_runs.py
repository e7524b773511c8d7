"""Long runs: memory, open files and what is kept stay flat while sentences go by. `make fuzz` sends 200,000."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from dragoman import decoding
from dragoman.decoding import Item, Journal, Row
from dragoman.metrics.scoring import score_hypotheses

LONG = os.environ.get("DRAGOMAN_FUZZ")
SENTENCES = 200_000 if LONG else 2_000
BATCH = 100


def decode(items: Sequence[Item]) -> list[list[Row]]:
    return [[{"hypothesis": item.source[::-1]}] for item in items]


def files_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_decoding_and_scoring_stay_flat(tmp_path: Path) -> None:
    """Kept per sentence is what the result holds, and not more in a second run than in the first."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here")
    items = [Item(n, f"sentence number {n} of many", f"phrase numéro {n}") for n in range(SENTENCES)]
    batches = [list(range(start, start + BATCH)) for start in range(0, SENTENCES, BATCH)]
    place = {"paper": "", "experiment": "e", "system": "s", "pair": "en-fr", "seed": 1}
    options = {"bleu": {"bootstrap": 0}}
    kept, opened, records = [], [], []
    tracemalloc.start()
    try:
        for number in range(3):
            journal = Journal(tmp_path / f"journal-{number}.jsonl", "key")
            decoding.write(tmp_path / "h.jsonl", decoding.run(items, batches, decode, journal, "long"))
            journal.close()
            records.append(score_hypotheses(tmp_path / "h.jsonl", place, ["bleu"], options))
            del journal
            for tokenizer in (Tokenizer13a, TokenizerRegexp):  # sacrebleu remembers 65,536 lines: a bound, and apart
                tokenizer.__call__.cache_clear()
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
            opened.append(files_open())
    finally:
        tracemalloc.stop()
    assert records[0] == records[1] == records[2]
    assert opened[1] == opened[2]
    assert kept[2] - kept[1] < 200_000, "bytes that a run leaves behind"


def test_progress_survives(tmp_path: Path) -> None:
    """A decoding that is ended ten times goes on ten times, and writes what an undisturbed one does."""
    items = [Item(n, f"sentence {n}", "x") for n in range(1000)]
    batches = [list(range(start, start + BATCH)) for start in range(0, 1000, BATCH)]
    done: list[int] = []

    def ended(given: Sequence[Item]) -> list[list[Row]]:
        if len(done) % 2:
            done.append(0)
            raise KeyboardInterrupt
        done.append(0)
        return decode(given)

    for _ in range(20):
        journal = Journal(tmp_path / "journal.jsonl", "key")
        try:
            rows = decoding.run(items, batches, ended, journal, "ended")
            break
        except KeyboardInterrupt:
            journal.close()
    else:
        pytest.fail("it never came to an end")
    journal.close()
    assert done.count(0) == 10 + 9
    calm = decoding.run(items, batches, decode, Journal(tmp_path / "other.jsonl", "key"), "calm")
    assert rows == calm
