"""Benchmarks run, on little text; how long they take is nobody's business here."""

from __future__ import annotations

import pytest

import bench
from dragoman.methods import ParallelText
from dragoman.metrics import divergence


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bench.sentences

    def some(count: int, *more: str, **named: str) -> ParallelText:
        return whole(min(count, 40), *more, **named)

    monkeypatch.setattr(bench, "sentences", some)
    monkeypatch.setattr(bench, "STEPS", 1)
    monkeypatch.setattr(bench, "TAUGHT", 15)
    monkeypatch.setattr(bench, "ANSWERS", 5)
    monkeypatch.setattr(bench, "ENTRIES", 400)
    monkeypatch.setattr(bench, "CONFIGURATIONS", ("smoke.yaml",))


@pytest.mark.parametrize(
    ("name", "rows", "count"),
    [
        ("align", 1, 40),
        ("visibility", 2, 400),
        ("masked", 4, 1),
        ("stage2", 2, 1),
        ("packing", 6, None),
        ("simultaneous", 8, None),
    ],
)
def test_benchmark_runs(name: str, rows: int, count: int | None) -> None:
    """Those that compare ways of doing the same check that it is the same."""
    found = list(bench.BENCHMARKS[name]())
    assert len(found) == rows
    assert all(row.seconds > 0 for row in found)
    assert {row.count for row in found} == {count} or (count is None and min(row.count for row in found) > 100)
    assert len({(row.what, row.how) for row in found}) == rows


def test_dry_runs_count_their_jobs() -> None:
    dry, start = bench.workflow()
    assert (dry.how, dry.count > 100, start.count) == ("smoke.yaml", True, 1)


def test_both_ways_to_compare_models_find_the_same() -> None:
    _, _, streamed = bench._compared(divergence.compare)
    _, _, whole = bench._compared(bench._with_full_logits)
    assert streamed.keys() == whole.keys()
    assert all(
        streamed[name] == pytest.approx(whole[name], rel=1e-4, abs=1e-6)
        for name in whole.keys() - {"rank", "intervals"}
    )
    assert whole["positions"] > 50


def test_unknown_benchmark_is_named() -> None:
    with pytest.raises(ValueError, match="unknown benchmark 'maskd'; did you mean 'masked'"):
        bench.main(["maskd"])
