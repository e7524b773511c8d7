import re
from dataclasses import replace

import pytest
import yaml

from dragoman.configfile import ConfigError
from dragoman.plan import DecodeRun, Plan
from dragoman.reporting import page
from dragoman.results import comparable, published, verdicts
from dragoman.results.records import Record
from dragoman.results.verdicts import judge
from support.verdicts import FALCON, IWSLT, fourth, plan

KNOWN = comparable.load()
BLEU = "BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"


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
    whole.decode_runs = [DecodeRun(whole, "e", "sm-norec-mod", "en-nl", seed) for seed in (1, 2)]
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
            {"model": FALCON, "corpus": IWSLT, "variant": "half the steps"},
            {},
            "a variant of the paper's system: half the",
        ),
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
    assert "3 numbers next to the paper" in text  # the paper's, its first run's, and those of a user's attempt
    assert "Not comparable: embedded world" in text and "29.13" in text and "−2.1" in text
    assert "beside the paper" not in page.render(plan(), [record(27.0, setting="k=9")])


# ------------------------------------------------------------------------------------------ test sets, by what they say


def files(tmp_path, **more):
    """A corpus of one's own, of English and Dutch."""
    (tmp_path / "t.tsv").write_text("en\tnl\na\tb\n")
    return {"provider": "files", "pairs": {"en-nl": {"test": {"path": str(tmp_path / "t.tsv")}}}} | more


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "other data: c, not IWSLT 2017, test split of the hub's data set"),
        ({"stands_for": "iwslt2017-hub"}, ""),
        ({"stands_for": "wmt22"}, "other data: c, not IWSLT 2017"),
    ],
)
def test_a_corpus_may_say_which_set_it_is(tmp_path, more, expected):
    found = verdict([record()], model=FALCON, corpus=files(tmp_path, **more))
    assert found.reason.startswith(expected) and (found.verdict == "reproduced") == (expected == "")
    other = verdict([record()], model=FALCON, corpus=files(tmp_path, **more), split="test", limit=1)
    assert other.verdict == "not comparable"


def test_another_data_set_of_the_hub_may_say_so_too():
    mirror = IWSLT | {"dataset": "somebody/mirror"}
    assert verdict([record()], model=FALCON, corpus=mirror).verdict == "not comparable"
    assert verdict([record()], model=FALCON, corpus=mirror | {"stands_for": "iwslt2017-hub"}).verdict == "reproduced"


def test_tables_are_of_the_sets_that_the_data_say():
    """Of the first version's Table 2, Chinese and Korean alone can be had; of the revised one every pair."""
    numbers = [n for n in published.load("langaware") if n.table == "Table 2" and n.quantity == "score"]
    tested = {(n.version, n.pair): KNOWN.tested(n.paper, n.version, n.table, n.pair) for n in numbers}
    sets = {place: each.set for place, each in tested.items()}
    assert {pair for (version, pair), name in sets.items() if version == "v1" and name} == {"zh-ko", "ko-zh"}
    assert {name for (version, _), name in sets.items() if version == "revised"} == {"iwslt17-tst2017-multilingual"}
    assert "German" in tested["v1", "de-ko"].why and "German" in tested["v1", "mean"].why


# ------------------------------------------------------------------------------------------------------------ averages


def scores(*numbers):
    """Published scores: (pair, setting, value)."""
    [start] = [n for n in published.load("simulmask") if (n.sure, n.metric, n.version) == ("table", "bleu", "emnlp")]
    return [replace(start, pair=pair, setting=setting, value=value) for pair, setting, value in numbers]


def test_an_average_is_of_all_others_with_the_rest_the_same():
    numbers = scores(
        ("en-nl", "k=1", 1), ("en-nl", "k=5", 2), ("en-fr", "k=5", 3), ("mean", "k=5", 2.5), ("en-nl", "k=mean", 1.5)
    )
    over_pairs, over_settings = (verdicts.parts_of(number, numbers) for number in numbers[3:])
    assert [number.value for number in over_pairs] == [2, 3]
    assert [number.value for number in over_settings] == [1, 2]
    assert verdicts.parts_of(numbers[0], numbers) == [numbers[0]]


def test_published_averages_are_of_what_they_are_printed_over():
    """Ten directions of Table 1, six of Table 2; four k of a curve; and what these cells give."""
    for paper, counted in (("langaware", {"Table 1": 10, "Table 2": 6}), ("simulmask", {})):
        numbers = [n for n in published.load(paper) if n.quantity == "score"]
        averages = [n for n in numbers if n.pair == "mean" or n.setting == "k=mean"]
        assert averages
        for number in averages:
            parts = verdicts.parts_of(number, numbers)
            assert len(parts) == counted.get(number.table, 4)
            if number.doubt not in ("misprint", "average"):
                assert sum(part.value for part in parts) / len(parts) == pytest.approx(number.value, abs=0.0511)


def test_our_average_is_over_the_same_ones_or_none():
    """The derived mean over k = 1, 3, 5, 7 of the proposal on en-nl is 25.18."""
    whole = plan(FALCON, IWSLT)
    ours = [record(value, setting=f"k={k}") for k, value in ((1, 17.0), (3, 25.0), (5, 29.0), (7, 30.0))]

    def mean(records):
        [found] = [v for v in judge(whole, records) if v.published.setting == "k=mean" and v.published.pair == "en-nl"]
        return found

    assert (mean(ours).value, mean(ours).verdict) == (25.25, "reproduced")
    assert mean(ours).low is None
    assert mean(ours[:3]).verdict == "not run"
    assert mean([*ours[:3], replace(ours[3], value=None, note="lost")]).reason == "lost"
    strange = [*ours[:3], replace(ours[3], signature=BLEU.replace("13a", "char"))]
    assert mean(strange).verdict == "not comparable"


# ------------------------------------------------------------------------------------------------------- off-target


@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ("id:fasttext|version:x-1|model:lid.176.bin(7e69ec5451bc)|langs:all|empty:asked|into:any", ""),
        ("id:fasttext|version:x-1|model:lid.176.ftz(8f3472cfe873)|langs:all|empty:asked|into:any", ""),
        (
            "id:fasttext|version:x-1|model:own.bin(0)|langs:all|empty:asked|into:any",
            "model:lid.176.bin(7e69ec5451bc) or model:lid.176.ftz(8f3472cfe873)",
        ),
        (
            "id:fasttext|version:x-1|model:lid.176.bin(0)|langs:all|empty:asked|into:any",
            "model:lid.176.bin(7e69ec5451bc) or model:lid.176.ftz(8f3472cfe873)",
        ),
        ("id:fasttext|version:x-1|model:lid.176.bin(7e69ec5451bc)|langs:de+en|empty:asked|into:any", "langs:all"),
        ("id:fasttext|version:x-1|model:lid.176.bin(7e69ec5451bc)|langs:all|empty:off-target|into:any", "empty:asked"),
        ("id:glotlid|version:x-1|model:lid.176.bin(7e69ec5451bc)|langs:all|empty:asked|into:any", "id:fasttext"),
    ],
)
def test_both_files_of_the_papers_identifier_count(said, lacking):
    number = next(
        n for n in published.load("langaware") if (n.metric, n.system, n.pair) == ("offtarget", "ours", "en-cs")
    )
    corpus = {"provider": "sacrebleu", "pairs": ["en-cs"], "test": ["wmt22"]}
    tested = plan({"source": "hub", "id": "huggyllama/llama-7b", "revision": "main"}, corpus, pairs=["en-cs"])
    made = record(number.value, metric="offtarget", signature=f"OTR|{said}|bs:1000|seed:12345")
    found = verdicts.against(number, tested, "e", [(number, [made])], KNOWN)
    assert found.verdict == ("not comparable" if lacking else "reproduced")
    if lacking:
        assert found.reason.endswith(f", without {lacking}")
    else:  # the quantised copy is named
        named = "; ours with model:lid.176.ftz(8f3472cfe873), the paper's with model:lid.176.bin(7e69ec5451bc)"
        assert found.reason == number.reason + (named if "ftz" in said else "")


# ---------------------------------------------------------------------------------------------------- a fourth paper


def test_a_fourth_paper_needs_no_change_of_the_library(tmp_path):
    folder = fourth(tmp_path)
    model, corpus = FALCON | {"id": "newton/new-1b"}, IWSLT | {"dataset": "newton/apples"}
    whole = plan(model, corpus, paper="newton")
    start = {"paper": "newton", "system": "reader", "metric": "tags:of=token"}
    ours = [
        record(0.69, **start, signature="tags|of:token"),
        record(0.5, **start, setting="k=1", signature="tags|of:chunk"),
    ]
    found = judge(whole, ours, folder)
    assert [(v.published.pair, v.published.setting, v.verdict) for v in found] == [
        ("en-nl", "k=5", "reproduced"),
        ("en-nl", "k=1", "not comparable"),
        ("mean", "k=5", "reproduced"),
    ]
    assert (found[0].published.value, found[0].published.tolerance) == (0.7, 0.02), "printed times 100"
    assert found[1].reason.endswith("without of:token or of:word")
    other = judge(plan(model, IWSLT, paper="newton"), ours, folder)
    assert other[0].reason == "other data: c, not Apples 2030"
    assert judge(whole, ours) == [], "the repository has no such table"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"papers": {"newton": {"title": "N", "tests": [{"set": "pears"}]}}},
            "papers.newton.tests: unknown test set 'pears'",
        ),
        (
            {"papers": {"newton": {"title": "N", "tests": [{"table": "T"}]}}},
            "comparison.yaml:15: papers.newton.tests.0: give",
        ),
        ({"metrics": {"tags": {"time": 100}}}, "unknown key 'time'; did you mean 'times'?"),
        ({"models": {"new-1b": []}}, "comparison.yaml:10: models.new-1b"),
        ({"test_sets": {"apples": {"title": "A", "sha256": {"en-nl": "12"}}}}, "test_sets.apples.sha256.en-nl = '12'"),
    ],
)
def test_mistakes_in_the_data_are_named(tmp_path, change, said):
    path = fourth(tmp_path) / "comparison.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(ConfigError) as caught:
        comparable.load(tmp_path)
    assert said in str(caught.value)
