"""Benchmarks run, on little text; how long they take is nobody's business here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

import bench
from dragoman import benchmarks, models
from dragoman.benchmarks import decoding, divergence, scale, scoring, text, training, vocabulary, workflow
from dragoman.methods import ParallelText
from dragoman.metrics import divergence as analysis
from dragoman.training import entropy, losses, trainable


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = benchmarks.sentences

    def some(count: int, *more: str, **named: str) -> ParallelText:
        return whole(min(count, 40), *more, **named)

    for module in (decoding, scale, scoring, text, training):
        monkeypatch.setattr(module, "sentences", some)
    monkeypatch.setattr(training, "STEPS", 1)
    monkeypatch.setattr(scoring, "REPEATS", 1)
    monkeypatch.setattr(scoring, "SIMULEVAL", Path("absent"))  # `test_simuleval.py` runs it
    monkeypatch.setattr(decoding, "TAUGHT", 15)
    monkeypatch.setattr(divergence, "ANSWERS", 5)
    monkeypatch.setattr(divergence, "ENTRIES", 400)
    monkeypatch.setattr(workflow, "CONFIGURATIONS", ("smoke.yaml",))
    monkeypatch.setattr(scale, "PAIRS", 8)
    monkeypatch.setattr(scale, "ANSWER", 5)


@pytest.mark.parametrize(
    ("name", "rows", "count"),
    [
        ("align", 1, 40),
        ("visibility", 2, 400),
        ("masked", 4, 1),
        ("stage2", 2, 1),
        ("packing", 6, None),
        ("decode", 4, None),
        ("simultaneous", 8, None),
        ("commands", 3, 40),
    ],
)
def test_benchmark_runs(name: str, rows: int, count: int | None) -> None:
    """Those that compare ways of doing the same check that it is the same."""
    found = list(bench.BENCHMARKS[name]())
    assert len(found) == rows
    assert all(row.seconds > 0 for row in found)
    assert {row.count for row in found} == {count} or (count is None and min(row.count for row in found) > 100)
    assert len({(row.what, row.how) for row in found}) == rows


def test_a_large_vocabulary_runs_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (entropy, losses, trainable):
        monkeypatch.setattr(module, "LARGE", 100)  # and put back afterwards
    monkeypatch.setattr(vocabulary, "LAYERS", 1)
    monkeypatch.setattr(models, "LARGE_TOKENIZER", 0)
    monkeypatch.setattr(vocabulary, "ENTRIES", 400)
    found = [*vocabulary._tokenizer(tmp_path)]
    assert [row.count for row in found] == [400] * 4 and all(row.seconds > 0 for row in found)
    for way in reversed(vocabulary.WAYS):
        seconds, megabytes = vocabulary._steps(way, None, 1)
        assert seconds > 0 and megabytes > 100


def test_dry_runs_count_their_jobs() -> None:
    dry, start = workflow.workflow()
    assert (dry.how, dry.count > 100, start.count) == ("smoke.yaml", True, 1)


def test_both_ways_to_compare_models_find_the_same() -> None:
    _, _, streamed = divergence._compared(analysis.traced)
    _, _, whole = divergence._compared(divergence._with_full_logits)
    assert streamed.keys() == whole.keys()
    assert all(
        streamed[name] == pytest.approx(whole[name], rel=1e-4, abs=1e-6)
        for name in whole.keys() - {"rank", "intervals"}
    )
    assert whole["positions"] > 50


def test_unknown_benchmark_is_named() -> None:
    with pytest.raises(ValueError, match="unknown benchmark 'maskd'; did you mean 'masked'"):
        bench.main(["maskd"])


# ----------------------------------------------------------------------------------------------------- on a GPU, tiny


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("finetuning-1b", ["matrix product", *["fine-tune"] * 5]),
        (
            "simultaneous-1b",
            ["matrix product", *["step of a batch"] * 3, *["simultaneous kept"] * 2, *["simultaneous recomputed"] * 2],
        ),
        ("prefilling-7b", ["answers"] * 5),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU times other kernels besides")
def test_what_needs_a_gpu_runs_tiny(name: str, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    bench.main([name, "--tiny"])
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in table] == lines
    assert len({row[1] for row in table}) >= len(table) - 1, "ways are told apart"
    for _, how, done, _, per_second in table:
        assert int(done.split()[0].replace(",", "")) > 0
        assert int(per_second.replace(",", "")) > 0
        if "translations are others" in how:
            assert ", 0 of 4 translations are others" in how, "batched and word by word, the same words"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", bench.SCALE)
def test_the_papers_sizes_need_a_gpu(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} needs a GPU, but this machine has none; use --tiny"):
        bench.main(["align", name])


def test_sizes_are_the_papers() -> None:
    """Parameters as published: 1.31e9 (falcon-rw-1b's page) and 6,738,415,616 (arXiv 2307.09288's checkpoint)."""
    for config, expected in ((scale._falcon(False), 1_311_625_216), (scale._llama(False), 6_738_415_616)):
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        assert model.num_parameters() == expected


def test_work_of_a_batch_by_hand() -> None:
    """Two examples of 3 and 2 tokens see 6 + 3 pairs, padded or packed; a hidden source token makes none."""
    ids, labels = [[7, 7, 7], [7, 7, 0]], [[-100, 7, 7], [-100, 7, -100]]
    padded = {"input_ids": ids, "labels": labels, "attention_mask": [[1, 1, 1], [1, 1, 0]]}
    packed = {"input_ids": [[7] * 5], "labels": [[-100, 7, 7, -100, 7]], "attention_mask": [[1] * 5]}
    for batch in (padded, packed | {"documents": [[1, 1, 1, 2, 2]]}):
        work = scale._work({name: torch.tensor(rows) for name, rows in batch.items()})
        assert (work.tokens, work.pairs, work.predictions) == (5, 9, 3)
    masked = {
        "input_ids": [[7] * 5],
        "labels": [[-100, -100, -100, -100, 7]],
        "attention_mask": [[1] * 5],
        "visible": [[0, 1, 2, 1, 2]],  # an instruction, two source tokens, a mark that sees one of them, an answer
    }
    work = scale._work({name: torch.tensor(rows) for name, rows in masked.items()})
    assert (work.tokens, work.pairs, work.predictions) == (5, 1 + 2 + 3 + 3 + 5, 1)
