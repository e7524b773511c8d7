import re
from dataclasses import replace

import pytest

from dragoman import comparable, published, verdicts
from dragoman.configfile import parse
from dragoman.plan import DecodeRun, Plan
from dragoman.records import Record
from dragoman.reporting import page
from dragoman.verdicts import judge

KNOWN = comparable.load()
BLEU = "BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"


def plan(model=None, corpus=None, **test):
    demo = {"provider": "demo", "train": 10, "test": 5}
    scratch = {
        "source": "scratch",
        "architecture": "falcon-alibi",
        "text": {"corpus": "demo", "languages": ["en", "nl"], "count": 10},
    }
    experiment = {
        "title": "t",
        "paper": "simulmask",
        "model": "m",
        "prompt": "short",
        "test": {"corpus": "c", "pairs": ["en-nl"]} | test,
        "systems": {"sm-norec-mod": {"decoder": {"name": "simultaneous", "k": [1, 5]}}},
        "metrics": ["bleu", "laal"],
    }
    whole = {"corpora": {"demo": demo, "c": corpus or demo}, "models": {"m": model or scratch}}
    return Plan(parse(whole | {"experiments": {"e": experiment}}))


FALCON = {"source": "hub", "id": "tiiuae/falcon-rw-1b", "revision": "main"}
IWSLT = {
    "provider": "hub",
    "dataset": "IWSLT/iwslt2017",
    "revision": "refs/convert/parquet",
    "files": {"test": "test/*.parquet"},
    "pairs": ["en-nl"],
}


def record(value=29.5, **change):
    made = Record("simulmask", "e", "sm-norec-mod", "en-nl", "k=5", 1, "bleu", value, None, None, BLEU, 1777)
    return replace(made, **change)


def verdict(records, **change):
    [found] = [v for v in judge(plan(**change), records) if v.experiment and v.published.version == "emnlp"]
    return found


@pytest.mark.parametrize(
    ("value", "expected"), [(29.5, "reproduced"), (28.14, "reproduced"), (28.0, "worse"), (30.2, "better")]
)
def test_the_papers_model_and_data(value, expected):
    # published: 29.13, to be met within 1
    found = verdict([record(value)], model=FALCON, corpus=IWSLT)
    assert (found.published.value, found.published.tolerance) == (29.13, 1)
    assert found.verdict == expected
    assert found.difference == pytest.approx(value - 29.13)


def test_less_lag_is_better():
    lag = record(4.0, metric="laal", signature="LAAL|time:delays|source:words|target:word|reflen:split-blank")
    assert verdict([lag], model=FALCON, corpus=IWSLT).verdict == "better"  # published: 5.13
    assert verdict([replace(lag, value=6.0)], model=FALCON, corpus=IWSLT).verdict == "worse"


def test_bleurt_is_printed_times_100():
    number = next(
        n
        for n in published.load("langaware")
        if (n.metric, n.system, n.pair, n.table) == ("bleurt", "ours", "en-cs", "Table 1")
    )
    assert number.value > 1 and number.tolerance >= 1
    ours = {"model": {"source": "hub", "id": "huggyllama/llama-7b", "revision": "main"}}
    ours["corpus"] = {"provider": "sacrebleu", "pairs": ["en-cs"], "test": ["wmt22"]}
    tested = plan(**ours, pairs=["en-cs"])
    signature = "BLEURT|model:lucadiliello/BLEURT-20|revision:abc|nrefs:1|precision:fp32"
    made = record(number.value / 100, metric="bleurt", signature=signature)

    def said(*records):
        ours = verdicts.in_our_unit(number, KNOWN)
        return verdicts.against(ours, tested, "e", [(ours, records)], KNOWN)

    assert said(made).verdict == "reproduced"
    assert said(made).published.tolerance == number.tolerance / 100
    assert said(made).difference == pytest.approx(0)
    assert said(replace(made, value=made.value - 0.05)).verdict == "worse"
    other = said(replace(made, signature=signature.replace("BLEURT-20", "tiny")))
    assert (other.verdict, "without model:lucadiliello/BLEURT-20" in other.reason) == ("not comparable", True)
    assert {v.published.value < 1.5 for v in judge(plan_of_langaware(), []) if v.published.metric == "bleurt"} == {True}


def plan_of_langaware():
    whole = plan().config
    experiment = whole.experiments["e"].model_copy(update={"paper": "langaware"})
    return Plan(whole.model_copy(update={"experiments": {"e": experiment}}))


def test_seeds_are_averaged():
    found = verdict([record(29.0), record(31.0, seed=2)], model=FALCON, corpus=IWSLT)
    assert (found.value, found.verdict) == (30.0, "reproduced")
    assert found.spread == pytest.approx(2**0.5)


def test_a_mean_over_some_of_the_seeds_is_no_number():
    whole = plan(FALCON, IWSLT)
    whole.decode_runs = [DecodeRun("e", "sm-norec-mod", "en-nl", seed) for seed in (1, 2)]
    both = [record(29.0), record(31.0, seed=2)]
    for records, verdict, reason in ((both, "reproduced", "the authors"), (both[:1], "not run", "seed 2 not scored")):
        [found] = [v for v in judge(whole, records) if v.experiment and v.published.version == "emnlp"]
        assert (found.verdict, found.reason.startswith(reason)) == (verdict, True)


def test_a_variant_of_the_metric_meets_the_same_number():
    found = verdict([record(metric="bleu:tokenize=13a")], model=FALCON, corpus=IWSLT)
    assert found.verdict == "reproduced"


@pytest.mark.parametrize(
    ("change", "own", "reason"),
    [
        ({}, {}, "embedded world"),
        ({"model": FALCON}, {}, "embedded world"),
        ({"corpus": IWSLT}, {}, "other model: m, not falcon-rw-1b"),
        ({"model": FALCON | {"id": "tiiuae/falcon-7b"}, "corpus": IWSLT}, {}, "other model: m, not falcon-rw-1b"),
        ({"model": FALCON, "corpus": IWSLT | {"dataset": "wmt19"}}, {}, "other data: c, not IWSLT 2017"),
        ({"model": FALCON, "corpus": IWSLT, "limit": 100}, {}, "other data: the first 100 sentences"),
        (
            {"model": FALCON, "corpus": IWSLT},
            {"signature": BLEU.replace("13a", "char")},
            "other signature: .* without tok:13a",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(change, own, reason):
    found = verdict([record(**own)], **change)
    assert found.verdict == "not comparable"
    assert re.match(reason, found.reason)


def test_what_has_no_record_or_no_value_was_not_run():
    found = judge(plan(), [record(None, note="this decoder writes no delays")])
    numbers = [number for number in published.load("simulmask") if number.quantity == "score"]
    assert len(found) == len(numbers)
    assert {each.verdict for each in found} == {"not run"}
    assert {each.reason for each in found if each.experiment} == {"this decoder writes no delays"}
    assert verdicts.counts(found) == dict.fromkeys(verdicts.KINDS, 0) | {"not run": len(numbers)}


def test_no_tolerance_is_no_comparison():
    number = next(n for n in published.load("simulmask") if n.metric == "gflops")
    found = verdicts.against(number, plan(FALCON, IWSLT), "e", [(number, [record(163.0, metric="gflops")])], KNOWN)
    assert found.verdict == "not comparable"
    assert found.reason == f"no tolerance: {number.reason}"


def test_every_model_of_the_tables_is_known_by_its_repositories():
    models = {number.model for paper in ("simulmask", "langaware") for number in published.load(paper)}
    assert models == set(KNOWN.models)


def test_the_page_shows_both_numbers_only_where_they_meet():
    text = page.render(plan(), [record(27.0)])
    assert "3 numbers beside the paper" in text  # the paper's, its first run's, and those of a user's attempt
    assert "Not comparable: embedded world" in text and "29.13" in text and "−2.1" in text
    assert "beside the paper" not in page.render(plan(), [record(27.0, setting="k=9")])
