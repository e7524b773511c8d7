"""Which published scores the shipped configurations can give a verdict on, told before anything runs."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import verdicts as verdicts_script
from dragoman.configfile import load_config
from dragoman.metrics.comet import COMET
from dragoman.plan import Plan
from dragoman.results import comparable, prospects, published
from support.verdicts import FALCON, IWSLT, fourth
from support.verdicts import plan as small

REPOSITORY = Path(__file__).resolve().parents[1]
PLANS = [Plan(load_config(path)) for path in sorted((REPOSITORY / "config" / "papers").glob("*.yaml"))]


@pytest.fixture(scope="module")
def langaware() -> list[prospects.Prospect]:
    return prospects.prospects(PLANS, "langaware")


def test_every_score_that_can_be_had_can_get_a_verdict(langaware: list[prospects.Prospect]) -> None:
    """1,008 scores. Of 120 the test set is not public: German with Chinese or Korean, and means over these pairs. Four
    others are misprints. BLEU and BLEURT of the rest can be compared, and the off-target ratio where the configurations
    ask the paper's identifier for it."""
    assert len(langaware) == 1008
    closed = [each.published for each in langaware if each.reason.startswith("nobody can")]
    assert {(n.version, n.table) for n in closed} == {("v1", "Table 2")}
    assert {n.pair for n in closed} == {"de-zh", "zh-de", "ko-de", "de-ko", "mean"}
    assert len(closed) == 120
    rest = [each for each in langaware if each.published not in closed]
    metrics = Counter(each.published.metric for each in rest if not each.reason)
    assert metrics["bleu"] + metrics["bleurt"] == 496
    reasons = {each.reason.partition(":")[0] for each in rest if each.reason}
    assert reasons <= {"other signature", "no tolerance"}
    assert {each.published.metric for each in rest if each.reason} <= {"offtarget"}
    asked = {metric for plan in PLANS for e in plan.config.experiments.values() for metric in e.metrics}
    if any(metric.startswith("offtarget") and "fasttext" in metric for metric in asked):
        assert metrics["offtarget"] == 1008 - 120 - 4 - 496


def test_both_stages_of_the_paper_are_what_is_compared() -> None:
    """The variants of the configurations never stand for a system of a table."""
    for plan in PLANS:
        for experiment in plan.config.experiments.values():
            names = {n.system for n in published.load(experiment.paper)} if experiment.paper != "dragoman" else set()
            for name, system in experiment.systems.items():
                assert not (system.variant and name in names), name


def test_simulmask_curves_can_get_a_verdict() -> None:
    found = prospects.prospects(PLANS, "simulmask")
    can = Counter((each.published.version, each.published.metric) for each in found if not each.reason)
    assert can == {
        ("emnlp", "bleu"): 5 * 5 * 4 + 5 + 5,
        ("emnlp", "laal"): 5 * 5 * 4,
        ("first-run", "bleu"): 4,
        ("first-run", "laal"): 4,
    }
    assert {each.reason.partition(":")[0] for each in found if each.reason} == {"nobody can", "no tolerance"}


def test_signatures_are_those_that_runs_write() -> None:
    """Of a network its model; what cannot be tried says so and meets no number."""
    assert prospects.signature("bleu", "en-zh", ()).startswith(
        "BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:zh|"
    )
    assert prospects.signature("laal", "en-fr", ()).startswith("LAAL|time:delays|source:words|target:word|")
    assert prospects.signature("comet", "en-fr", ()).startswith(f"COMET|model:{COMET.MODEL}|")
    assert prospects.signature("comet:model=a/b", "en-fr", ()).startswith("COMET|model:a/b|")
    glotlid = prospects.signature("offtarget:identifier=glotlid", "en-fr", (("languages", "en+fr"),))
    assert glotlid.startswith("OTR|id:glotlid|"), "although its model is not here"
    missing = prospects.signature("offtarget:identifier=glot", "en-fr", ())
    assert missing.startswith("offtarget:identifier=glot cannot be tried here (unknown identifier 'glot'")
    assert prospects.signature("bleu:tokenize=no", "en-fr", ()).startswith("bleu:tokenize=no cannot be tried here (")


def test_the_nearest_of_several_configurations_counts(tmp_path: Path) -> None:
    folder = fourth(tmp_path)
    near = small(FALCON | {"id": "newton/new-1b"}, IWSLT | {"dataset": "newton/apples"}, paper="newton")
    far = small(FALCON, IWSLT, paper="newton")
    reasons = [each.reason for each in prospects.prospects([far, near], "newton", folder)]
    assert reasons == ["no configuration makes such a number"] * 3, "no system is called like the paper's"
    made = small(FALCON, IWSLT)
    assert {each.reason for each in prospects.prospects([made], "simulmask")} > {""}


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    path = REPOSITORY / "config" / "papers" / "simulmask.yaml"
    verdicts_script.main([str(path)])
    shown = capsys.readouterr().out
    assert re.search(r"\| simulmask \| emnlp \| BLEU against LAAL \| falcon-rw-1b \| 270 \| 210 \|", shown)
    assert re.search(r"\| langaware \| revised \| Table 2 \| llama-3-8b \| 112 \| 0 \|", shown)
    assert "65  simulmask emnlp: nobody can: the sizes of the chunks" in shown
    total = sum(len([n for n in published.load(p) if n.quantity == "score"]) for p in comparable.load().papers)
    assert re.search(rf"\| all \|.* \| {total} \| 218 \|", shown)
