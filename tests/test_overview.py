"""The page's first screen: what it says of hand-made verdicts and scores."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest

from dragoman import claims
from dragoman.claims import Evidence, Result
from dragoman.claims.statements import Claim
from dragoman.configfile import parse
from dragoman.plan import Plan
from dragoman.reporting import overview, page
from dragoman.results import comparable, records
from dragoman.storage import canonical
from small_runs import Checker, made

NAMES = {"mask": "SM", "causal": "ordinary"}


def compared(value, against, threshold=None, pair="en-de", setting="k=1", half=2.0, sign=1):
    threshold = against if threshold is None else threshold
    margin = sign * (value - threshold)
    return Evidence(pair, setting, value, against, threshold, margin, margin - half, margin + half, None, 0.01, 100, 1)


def result(verdict="holds", evidence=(), paper="simulmask", **change):
    tested = Result(
        *("c", paper, "SM is above the other, in every pair.", "a figure", "e", "bleu", "mask > causal"),
        *(verdict, None if verdict == "not run" else 0.01, None, list(evidence), "test", ""),
    )
    return replace(tested, **change)


@pytest.mark.parametrize(
    ("tested", "said"),
    [
        (
            result(evidence=[compared(30.04, 20), compared(25, 22.5, pair="en-fr")]),
            "“SM is above the other, in every pair” holds in this run: SM has BLEU 25.0, ordinary 22.5 "
            "(en-fr, k=1, the closest of 2 comparisons).",
        ),
        (
            result("fails", [compared(20, 30), compared(40, 30, pair="en-fr")]),
            "“SM is above the other, in every pair” fails in this run: SM has BLEU 20.0, ordinary 30.0 "
            "(en-de, k=1, the closest of 2 comparisons).",
        ),
        (  # any setting is enough: the one that misses decides nothing
            result(
                evidence=[compared(9, 80, 72), compared(76, 80, 72, setting="k=3")], comparison="mask > 0.9 × causal"
            ),
            "“SM is above the other, in every pair” holds in this run: SM has BLEU 76.0, ordinary 80.0, and the claim "
            "needs more than 72.0 (en-de, k=3, the closest of 2 comparisons).",
        ),
        (
            result(
                "undecided", [compared(3, None, 5.0, setting="", sign=-1)], comparison="mask < 5", metric="offtarget"
            ),
            "“SM is above the other, in every pair” is undecided in this run: SM has Off-target 3.00, and the claim "
            "needs less than 5.00 (en-de).",
        ),
        (
            result("not run", note="no system has the role 'mask'"),
            "“SM is above the other, in every pair” was not tested in this run: no system has the role 'mask'.",
        ),
        (
            result(evidence=[compared(30, 20, pair="mean of en-de, en-fr, en-nl", setting="")]),
            "“SM is above the other, in every pair” holds in this run: SM has BLEU 30.0, ordinary 20.0 "
            "(mean of 3 pairs).",
        ),
    ],
)
def test_the_sentence_has_verdict_and_numbers(tested, said):
    assert overview.sentence(tested, NAMES) == said


def test_comparisons_are_parted_as_claims_write_them():
    for claim in claims.load():
        system, relation, other = claims.compared(claim.comparison)
        assert (system, relation) == (claim.system, {"above": ">", "below": "<"}[claim.relation])
        assert other == (claim.against or f"{claim.by:g}")
    base = {"id": "c", "statement": "s", "source": "s", "experiment": "e", "metric": "bleu", "system": "a"}
    full = Claim(**base, relation="below", against="b-c", factor=0.5, by=-1)
    assert claims.compared(full.comparison) == ("a", "<", "b-c")


def config(**papers):
    """Experiments by name, each with its paper."""
    experiment = {
        "model": "tiny",
        "prompt": "short",
        "test": {"corpus": "demo", "pairs": ["en-de", "en-fr"]},
        "systems": {"mask": {"label": "SM", "prompt": "short"}, "causal": {"label": "ordinary", "prompt": "short"}},
        "metrics": ["bleu"],
    }
    text = {"corpus": "demo", "languages": ["en", "de"], "count": 9}
    return {
        "corpora": {"demo": {"provider": "demo", "train": 10, "test": 4}},
        "models": {"tiny": {"source": "scratch", "architecture": "llama", "text": text}},
        "experiments": {
            name: experiment | {"title": f"<{name}>"} | ({"paper": paper} if paper else {})
            for name, paper in papers.items()
        },
    }


def planned(folder, **papers):
    plan = Plan(parse(config(**papers)))
    plan.results = folder
    return plan


SCORES = [made(system, pair, value=v, experiment="e") for system, v in (("mask", 30.0), ("causal", 20.0))
          for pair in ("en-de", "en-fr")]  # fmt: skip


def test_claims_are_counted_for_each_paper_and_world(tmp_path):
    plan = planned(tmp_path, e="simulmask", f="pretty")
    verdicts = ["holds", "holds", "fails", "undecided", "not run"]
    tested = [result(each, [compared(30, 20)], id=f"s{number}") for number, each in enumerate(verdicts)]
    tested.append(result("fails", [compared(10, 20)], "pretty", id="p"))
    others = {"real": [replace(tested[0], verdict="fails"), replace(tested[1], statement="another"), tested[5]]}
    first, second = overview.summaries(plan, [], tested, others)
    assert first.title == comparable.load().papers["simulmask"].title
    assert first.counts == {
        "this run": {"holds": 2, "fails": 1, "undecided": 1, "not run": 1},
        "real": {"holds": 0, "fails": 1, "undecided": 0, "not run": 1},
    }
    assert second.counts["this run"] == second.counts["real"] == {"holds": 0, "fails": 1, "undecided": 0, "not run": 0}
    assert "fails in this run" in second.sentence


def test_a_claim_that_was_tested_comes_before_one_that_was_not(tmp_path):
    plan = planned(tmp_path, e="simulmask")
    tested = [result("not run", note="nothing"), result("fails", [compared(1, 2)], id="d")]
    (summary,) = overview.summaries(plan, [], tested, {})
    assert "fails in this run: SM has BLEU 1.00, ordinary 2.00 (en-de, k=1)." in summary.sentence


def test_every_configuration_has_a_first_screen(tmp_path, monkeypatch):
    known = comparable.load()
    fourth = known.model_copy(update={"papers": known.papers | {"fourth": comparable.Paper(title="A <fourth> paper")}})
    monkeypatch.setattr(comparable, "load", lambda: fourth)
    (summary,) = overview.summaries(planned(tmp_path, e="fourth"), SCORES, [], {})
    assert (summary.title, summary.counts) == ("A <fourth> paper", {})
    assert summary.sentence == (
        "No claim of this paper was tested. SM has BLEU 30.0 (mean of 2 pairs), the best of 2 rows of its table."
    )
    (summary,) = overview.summaries(planned(tmp_path, e=""), SCORES, [], {})
    assert (summary.title, summary.sentence[:13]) == ("<e>", "SM has BLEU 3")
    assert [(mark.label, mark.value) for mark in summary.drawing.marks] == [("SM", "30.0"), ("ordinary", "20.0")]
    (summary,) = overview.summaries(planned(tmp_path, e=""), [], [], {})
    assert (summary.sentence, summary.drawing) == ("Nothing was scored in this experiment.", None)
    papers, own = overview.summaries(planned(tmp_path, e="fourth"), [], [result("holds", [compared(3, 2)], None)], {})
    assert (papers.drawing, own.title) == (None, "Claims of no paper")


def test_marks_are_placed_by_their_numbers(tmp_path):
    evidence = [compared(30, 10, 20), compared(0, 10, 20, pair="en-fr")]
    (summary,) = overview.summaries(
        planned(tmp_path, e="simulmask"), [], [result("fails", evidence, comparison="mask > 2 × causal")], {}
    )
    up, down = summary.drawing.marks
    # from -2 (the end of an interval) to 32, in the inner 92 per cent
    assert [up.at, up.other, up.threshold] == pytest.approx([4 + 92 * (n + 2) / 34 for n in (30, 10, 20)], abs=0.01)
    assert [down.low, down.at, down.high] == pytest.approx([4, 4 + 92 * 2 / 34, 4 + 92 * 4 / 34], abs=0.01)
    assert (up.reached, down.reached) == (True, False)
    many = [compared(30 + n, 20, setting=f"k={n}") for n in range(9)]
    (summary,) = overview.summaries(planned(tmp_path, e="simulmask"), [], [result(evidence=many)], {})
    assert [mark.label for mark in summary.drawing.marks] == [f"en-de, k={n}" for n in range(overview.ROWS)]
    assert summary.drawing.left_out == 3
    level = [compared(20, 20, half=0)]
    (summary,) = overview.summaries(planned(tmp_path, e="simulmask"), [], [result("undecided", level)], {})
    assert summary.drawing.marks[0].at == 4


@pytest.mark.parametrize("verdict", claims.OUTCOMES)
def test_the_page_opens_with_it(tmp_path, verdict):
    """Also where all claims have one verdict; in the order overview, claims, experiments."""
    plan = planned(tmp_path, e="simulmask", f="")
    evidence = [] if verdict == "not run" else [compared(30, 20)]
    lines = [canonical(asdict(result(verdict, evidence, id=name))) + "\n" for name in "abc"]
    (tmp_path / "claims.jsonl").write_text("".join(lines))
    records.write(tmp_path / "records.jsonl", SCORES)
    text = page.render(plan, SCORES)
    assert text == page.render(plan, SCORES)
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert all(link.startswith(("#", "data:")) for link in checker.links)
    first = text[text.index('<section id="overview"') : text.index('<section id="claims"')]
    counted = dict.fromkeys(claims.OUTCOMES, 0) | {verdict: 3}
    assert [int(number) for number in re.findall(r"<b>(\d+)</b>", first)] == [*counted.values()]
    assert overview.WORDS[verdict] in first
    assert "&lt;f&gt;" in first
    assert first.count("<figure") == 1 if verdict == "not run" else 2
    assert text.index('id="claims"') < text.index('id="run"') < text.index('id="experiment-e"')
