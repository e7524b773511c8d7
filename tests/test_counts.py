"""A metric is its counts per sentence and a score of their sums: values, intervals, tests and claims agree about it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dragoman import claims, metrics, registry
from dragoman.configfile import ConfigError, parse
from dragoman.metrics import Counts, MetricError, Score, score, significance
from dragoman.metrics.scoring import of_sentences, score_hypotheses, scored
from dragoman.results.comparison import Place, _statistics
from dragoman.results.records import Record
from support.claimed import World, config
from support.handbook import FILE, SECTIONS

REFERENCE, HYPOTHESIS = ["a b c d e f g", "a b c d e f"], ["a", "a b c d x y"]
"""Errors: 6 of 7 words, 2 of 6."""
PLACE: dict[str, Any] = {"paper": "", "experiment": "", "system": "s", "pair": "en-fr", "setting": "", "seed": 0}


def register(monkeypatch: pytest.MonkeyPatch, name: str, module: Any) -> None:
    monkeypatch.setitem(sys.modules, f"mine_{name}", module)
    monkeypatch.setitem(registry.REGISTRY["metric"], name, f"mine_{name}")


@pytest.fixture
def wer(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The metric of CONTRIBUTING.md."""
    module = ModuleType("mine_wer")
    exec(compile(FILE.findall(SECTIONS["A new metric"])[0][1], "wer.py", "exec"), vars(module))
    register(monkeypatch, "wer", module)
    yield module


def test_records_and_tests_agree_on_a_new_metric(wer: ModuleType) -> None:
    """8 of 13 words; the mean of the sentences would be 59.52."""
    record, result = scored(PLACE, "wer", HYPOTHESIS, [REFERENCE], [], {})
    made = significance.statistics("wer", HYPOTHESIS, [REFERENCE], [], "en-fr")
    assert record.value == made.value == pytest.approx(100 * 8 / 13)
    assert result is not None
    assert [each.value for each in of_sentences(record, result)] == [made.of([0]).value, made.of([1]).value]
    drawn = sorted(significance.resampled(made))
    assert (drawn[25], drawn[-26]) == (record.low, record.high), "the same draws"
    assert metrics.options_of("wer") == ["lowercase", "bootstrap"]
    assert score("wer:lowercase=true", ["A"], [["a"]], pair="en-fr").value == 0
    assert score("wer:bootstrap=0", HYPOTHESIS, [REFERENCE], pair="en-fr").signature == "WER|case:mixed|tok:blanks"


def test_a_claim_about_a_new_metric_is_tested(wer: ModuleType, tmp_path: Path) -> None:
    world = World(tmp_path, sentences=40)
    world.write("good", 0.05)
    world.write("bad", 0.4)
    found = []
    for system in ("good", "bad"):
        for pair in ("en-fr", "en-de"):
            run = world.plan.decode_run("simulmask", system, pair, 1)
            place = {"paper": "simulmask", "experiment": "simulmask", "system": system, "pair": pair, "seed": 1}
            found += score_hypotheses(run.hypotheses, place, ["wer"])
    result = world.ask(found, metric="wer", relation="below", against="bad", settings=["k=1"])
    assert (result.verdict, result.note) == ("holds", "")
    assert result.evidence[0].value == pytest.approx(found[0].value)


def test_runs_are_compared_on_sentences(wer: ModuleType) -> None:
    rows = [{"hypothesis": h, "reference": r, "source": ""} for h, r in zip(HYPOTHESIS, REFERENCE, strict=True)]
    record = Record(**PLACE, metric="wer", value=1.0, low=None, high=None, signature="WER", n=2)
    assert _statistics(Place("", "s", "", "en-fr", "wer"), record, rows).value == pytest.approx(100 * 8 / 13)


def alone(*texts: Any, bootstrap: int = 0) -> Score:
    """A metric of whole texts: how many different words there are."""
    return Score(len({word for line in texts[0] for word in line.split()}), None, None, "TYPES", len(texts[0]))


def test_a_metric_without_counts_has_a_value_and_no_claims(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_repository: Path
) -> None:
    facts = {"BETTER": None, "DIGITS": 0, "NEEDS": frozenset(), "label": lambda **_: "Types"}
    register(monkeypatch, "types", SimpleNamespace(**facts, compute=alone))
    assert score("types", ["a b", "a"], [], pair="en-fr").value == 2
    with pytest.raises(significance.UntestableError, match="types has no `counts` of sentences"):
        significance.statistics("types", ["a b", "a"], [], [], "en-fr")
    with pytest.raises(MetricError, match="types has no value of a sentence"):
        of_sentences(scored(PLACE, "types", ["a"], [], [], {})[0], alone(["a"]))
    mine = tmp_path / "claims.yaml"
    text = "claims:\n- {id: c, statement: s, source: f, experiment: simulmask, metric: types, system: good, "
    mine.write_text(text + "relation: above, against: bad}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(f"{mine}:2") + ".*`metric: types` has no function `counts`"):
        claims.load(mine)
    mine.write_text(text + "relation: above, against: bad, reading: free}\n", encoding="utf-8")
    assert claims.load(mine)[0].metric == "types", "a number of the comparison with the twin, whatever its name"
    world = config("results")
    world["experiments"]["simulmask"]["metrics"] = ["bleu", "types"]
    assert parse(world).experiments["simulmask"].metrics == ["bleu", "types"], "no claim is about it"
    theirs = mine.read_text().replace(", reading: free", "")
    mine.write_text(theirs, encoding="utf-8")
    monkeypatch.setattr(claims.statements.load, "__defaults__", (mine,))
    with pytest.raises(ConfigError, match=r"metrics\.1 = 'types'.*no difference of it can be tested"):
        parse(world)


@pytest.mark.parametrize(
    ("counts", "of", "message"),
    [
        ([[1.0, 2.0]], lambda sums: sums[..., 0], "`counts` returns an array of shape [1, 2] for 2 sentences"),
        ([1.0, 2.0], lambda sums: sums[..., 0], "`counts` returns an array of shape [2] for 2 sentences"),
        ([[1.0], [np.nan]], lambda sums: sums[..., 0], "sentence 2: `counts` returns a number that is not finite"),
        ([[1, 2, 3], [4, 5, 6]], lambda sums: sums[0] / sums[1], "has to work along the last axis"),
        ([[0, 0], [1, 0]], lambda sums: sums[..., 0] / sums[..., 1], "the score of all sentences is inf"),
        ([[0, 0], [0, 0]], lambda sums: sums[..., 0] / sums[..., 1], "no value for these sentences (0 / 0)"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_a_new_metric_may_get_wrong(monkeypatch: pytest.MonkeyPatch, counts: Any, of: Any, message: str) -> None:
    facts = {"BETTER": None, "DIGITS": 0, "NEEDS": frozenset(), "label": lambda **_: "Mine"}
    register(monkeypatch, "mine", SimpleNamespace(**facts, counts=lambda *_: Counts(counts, "MINE"), score=of))
    with pytest.raises(MetricError, match=f"mine.*{re.escape(message)}"):
        score("mine", ["a", "b"], [], pair="en-fr")


@pytest.mark.parametrize("name", registry.names("metric"))
def test_every_metric_can_be_tested(name: str) -> None:
    module = registry.module_of("metric", name)
    assert metrics.has_counts(name)
    assert module.score(np.ones((3, 18 if name == "chrf" else 10 if name == "bleu" else 2))).shape == (3,)
