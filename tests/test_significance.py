import itertools

import numpy as np
import pytest

from dragoman.metrics import MetricError, score, significance, sums
from dragoman.metrics.significance import Statistics, randomisation, statistics
from support.resampling import bootstrap_p, texts


def means(values):
    return Statistics(sums.table_of(values), sums.of_sums("mean", sums.mean))


def sacrebleu_test(kind, spec, good, bad, references):
    from sacrebleu.metrics import BLEU, CHRF
    from sacrebleu.significance import PairedTest

    metric = BLEU() if spec == "bleu" else CHRF(word_order=2 if "2" in spec else 0)
    _, found = PairedTest([("bad", bad), ("good", good)], {"m": metric}, [references], test_type=kind)()
    (_, results), *_ = [(name, r) for name, r in found.items() if name != "System"]
    return results[1].score - results[0].score, results[1].p_value


@pytest.mark.parametrize("spec", ["bleu", "chrf", "chrf:word_order=2"])
@pytest.mark.parametrize("other", [0, 1])
def test_p_values_are_sacrebleus(spec, other, monkeypatch):
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    good, bad, references = texts()
    bad = [bad, [*bad[:3], *good[3:]]][other]  # far apart, and nearly the same
    ours = [[statistics(spec, each, [references], [], "de-en")] for each in (good, bad)]
    found = randomisation(*ours)
    difference, p = sacrebleu_test("ar", spec, good, bad, references)
    assert found.difference == pytest.approx(difference, abs=1e-9)
    assert found.p == pytest.approx(p, abs=1e-12)
    _, p = sacrebleu_test("bs", spec, good, bad, references)
    # sacrebleu sums a resample in float32: one of 1000 may fall on the other side of a tie
    assert bootstrap_p(*ours) == pytest.approx(p, abs=1.5e-3)


@pytest.mark.parametrize("spec", ["bleu", "chrf", "chrf:word_order=2", "bleu:lowercase=true"])
def test_scores_of_sums_are_the_metric(spec):
    good, _, references = texts()
    rough = [line.split()[0] if i % 2 else "" for i, line in enumerate(good)]  # no 4-grams, few words
    for lines in (good, good[:1] + ["x y z w"] * 59, ["q"] * 60, rough):
        found = statistics(spec, lines, [references], [], "de-en")
        assert found.value == pytest.approx(score(spec, lines, [references], pair="de-en").value, abs=1e-9)


@pytest.mark.parametrize("spec", ["tags", "tags:of=chunk"])
def test_tags_are_counted_by_sentence(spec):
    gold, answers = ["NOUN VERB DET", "ADJ NOUN", "ADV VERB"], ["NOUN VERB", "ADJ VERB NOUN", "VERB VERB"]
    whole = score(spec, answers, [gold], [], "en-fr")
    made = statistics(spec, answers, [gold], [], "en-fr")
    assert made.value == pytest.approx(whole.value)
    assert made.of([0]).value == pytest.approx(score(spec, answers[:1], [gold[:1]], [], "en-fr").value)
    drawn = sorted(significance.resampled(made))
    assert (drawn[25], drawn[-26]) == pytest.approx((whole.low, whole.high)), "the same draws as the metric's own"


def test_intervals_are_those_of_the_metric():
    from dragoman.metrics.bootstrap import interval

    good, _, references = texts()
    whole = score("bleu", good, [references], pair="de-en")
    samples = significance.resampled(statistics("bleu", good, [references], [], "de-en"))
    assert interval(samples.tolist()) == pytest.approx((whole.low, whole.high))


def test_randomisation_by_hand():
    # three sentences, differences of 1, 2 and 3: of the 8 ways to swap, only none swapped reaches +6, all swapped -6
    one, other = means([1.0, 2.0, 3.0]), means([0.0, 0.0, 0.0])
    found = randomisation([one], [other], trials=20_000)
    assert found.difference == 2
    assert found.above == pytest.approx(1 / 8, abs=0.01)
    assert found.below == 1
    every = [
        sum(s * d for s, d in zip(signs, (1, 2, 3), strict=True)) / 3 for signs in itertools.product((1, -1), repeat=3)
    ]
    chance = significance.swapped([one], [other], trials=4000)
    assert sorted(set(np.round(chance, 9))) == sorted(set(np.round(every, 9)))


def test_chunks_draw_what_one_draw_would(monkeypatch):
    one, other = means(list(range(37))), means([3.0] * 37)
    whole = significance.swapped([one], [other], trials=300)
    monkeypatch.setattr(significance, "_SWAPPED_AT_ONCE", 40 * 37)
    assert np.array_equal(whole, significance.swapped([one], [other], trials=300))


def test_a_system_and_itself_do_not_differ():
    good, _, references = texts()
    system = [statistics("bleu", good, [references], [], "de-en")]
    found = randomisation(system, system)
    assert (found.difference, found.low, found.high, found.above, found.below) == (0, 0, 0, 1, 1)


def test_sentences_without_output_have_no_latency():
    hypotheses, references, sources = ["a b", "", "c d"], [["x y", "x y", "x y"]], ["s t", "s t", "s t"]
    delays = [[1, 2], [], [2, 2]]
    found = statistics("laal", hypotheses, references, sources, "en-de", {"delays": delays})
    # (1 + (2 - 1)) / 2 = 1, and 2: the first word is written with the whole source read
    assert found.table.tolist() == [[1, 1], [0, 0], [2, 1]]
    assert found.value == score("laal", hypotheses, references, sources, "en-de", {"delays": delays}).value == 1.5


def test_a_draw_without_any_value_counts_against_the_difference():
    # one sentence of six has a value: (5/6)^6 of the resamples have none
    alone, other = means([9.0, *[None] * 5]), means([2.0, 1.0, *[None] * 4])
    assert np.isnan(significance.resampled(alone)).mean() == pytest.approx((5 / 6) ** 6, abs=0.03)
    margins = significance.resampled(alone) - significance.resampled(other)
    assert significance.one_sided(7.5, margins - 7.5)[0] > 0.3
    found = randomisation([alone], [other])
    assert found.difference == 7.5
    assert 7 <= found.low < found.high <= 8, "over the resamples that have a value"
    assert found.above == pytest.approx(1 / 4, abs=0.02), "one way of four to swap the two sentences that matter"
    with pytest.raises(MetricError, match="none of 2 resamples has a sentence with a value"):
        significance.bounds(np.array([np.nan, np.nan]))


def test_seeds_are_averaged_and_their_spread_is_stated():
    base = np.random.default_rng(3).normal(size=200)
    against = [means(base.tolist())] * 3
    system = [means((base + gain).tolist()) for gain in (0.1, 0.2, 0.6)]
    found = randomisation(system, against)
    assert found.difference == pytest.approx(0.3)
    assert found.spread == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert (found.seeds, found.n) == (3, 200)
    assert (found.low, found.high) == pytest.approx((0.3, 0.3))  # every sentence gains the same
    assert found.above == pytest.approx(1 / 10_001)
    assert randomisation(system[:1], against[:1]).spread is None


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(MetricError, match="2 seeds of one system, but 1"):
        randomisation([means([1.0])] * 2, [means([1.0])])
    with pytest.raises(MetricError, match="cannot be paired"):
        randomisation([means([1.0, 2.0])], [means([1.0])])
    with pytest.raises(MetricError, match="no sentence has a value"):
        means([None, None])
    with pytest.raises(MetricError, match="sentence 2: the value is not finite"):
        means([1.0, float("nan")])
    with pytest.raises(MetricError, match="no sentences"):
        statistics("bleu", [], [[]], [], "de-en")
