import csv
import gzip
import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.metrics import MetricError
from dragoman.metrics.bootstrap import interval, resampled_sums
from dragoman.metrics.instances import Instance, read, score_logs, timing_of, write
from dragoman.metrics.latency import METRICS, al, ap, atd, dal, laal, named, scores, yaal
from dragoman.metrics.log_units import source_type, source_unit
from dragoman.metrics.timing import reference_length, timing
from dragoman.results import records
from refusals import Bad, over, refuse

SCRIPTS = Path(__file__).parents[1] / "scripts"


def wait(k, source, target):
    return [min(k + i, source) for i in range(target)]


# -- a second implementation, word by word, after the papers ----------------------------------------------------------


def slow_al(times, source, target):
    if times[0] > source:
        return times[0]
    lags = []
    for i, time in enumerate(times):
        lags.append(time - i * source / target)
        if time >= source:
            break
    return mean(lags)


def slow_yaal(times, source, target):
    lags = []
    for i, time in enumerate(times):
        if time >= source:
            break
        lags.append(time - i * source / target)
    return mean(lags) if lags else math.nan


def slow_dal(times, source):
    step, last, terms = source / len(times), -math.inf, []
    for i, time in enumerate(times):
        last = max(time, last + step)
        terms.append(last - i * step)
    return mean(terms)


def slow_atd(delays, elapsed, source_token, target_token):
    reads = [0.0, *dict.fromkeys(delays)]
    source_ends, read_by, written_by = [0.0], [0], [0]
    for before, now in pairwise(reads):
        end = before
        while end < now:
            end = min(end + source_token, now)
            source_ends.append(end)
        read_by.append(len(source_ends) - 1)
        written_by.append(sum(delay <= now for delay in delays))
    chunks = sorted(set(delays))
    lags, end, overhead = [], 0.0, 0.0
    for i, (delay, clock) in enumerate(zip(delays, elapsed, strict=True), 1):
        end = max(delay, end) + target_token + (clock - delay - overhead)
        overhead = clock - delay
        c = chunks.index(delay) + 1
        partner = min(i - max(0, written_by[c - 1] - read_by[c - 1]), read_by[c])
        lags.append(end - source_ends[partner])
    return mean(lags)


def slow(name, delays, source, reference, elapsed=None, kind="text"):
    times = delays if elapsed is None else elapsed
    return {
        "al": lambda: slow_al(times, source, reference),
        "laal": lambda: slow_al(times, source, max(reference, len(delays))),
        "yaal": lambda: slow_yaal(times, source, max(reference, len(delays))),
        "ap": lambda: sum(times) / (source * reference),
        "dal": lambda: slow_dal(times, source),
        "atd": lambda: slow_atd(delays, times, *{"text": (1, 1), "speech": (300, 0)}[kind]),
    }[name]()


# -- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delays", "source", "reference", "expected"),
    [
        # wait-3 copy of six words: AL by definition 3, AP (3 + 4 + 5 + 6 + 6 + 6) / 36
        ([3, 4, 5, 6, 6, 6], 6, 6, {"al": 3, "laal": 3, "ap": 30 / 36, "dal": 3, "atd": 3, "yaal": 3}),
        # offline: tau is 1; ATD pairs all four words, which end at 5, 6, 7, 8, with source words 1 to 4
        ([4, 4, 4, 4], 4, 4, {"al": 4, "laal": 4, "ap": 1, "dal": 4, "atd": 4}),
        # twice as long as the reference: AL steps by 2, LAAL by 1, and tau = 4
        ([1, 2, 3, 4], 4, 2, {"al": (1 + 0 - 1 - 2) / 4, "laal": 1, "ap": 10 / 8, "dal": 1, "atd": 1, "yaal": 1}),
        # stops early: tau = |Y| = 2; DAL's step is 2, so d' = 1, 3
        ([1, 2], 4, 4, {"al": 1, "laal": 1, "ap": 3 / 16, "dal": 1, "atd": 1}),
        # two chunks of two words
        # YAAL leaves out the second chunk: (2 + 1) / 2
        ([2, 2, 4, 4], 4, 4, {"al": 5 / 3, "laal": 5 / 3, "ap": 12 / 16, "dal": 2, "atd": 2, "yaal": 1.5}),
        # an empty reference has one word: AL (3 + (4 - 4)) / 2
        ([3, 4, 4, 4], 4, 1, {"al": 1.5, "laal": 3, "ap": 3.75, "dal": 3}),
        # written before anything was read
        ([0, 2], 2, 2, {"al": 0.5, "laal": 0.5, "ap": 0.5, "dal": 0.5, "atd": (1 - 0 + 3 - 1) / 2}),
    ],
)
def test_worked_by_hand(delays, source, reference, expected):
    t = timing([delays], [source], [reference])
    for name, value in expected.items():
        assert METRICS[name].values(t).tolist() == pytest.approx([value]), name


def test_speech_by_hand():
    # read 500 ms: words of 300 and 200 ms; then 700 more: 300, 300, 100. Text takes no time.
    t = timing([[500.0, 500.0, 1200.0]], [1200.0], [3], source="speech")
    assert atd(t).tolist() == pytest.approx([((500 - 300) + (500 - 500) + (1200 - 800)) / 3])
    assert al(t).tolist() == pytest.approx([(500 + 500 - 400 + 1200 - 800) / 3])
    # 100 ms of computing for the first word, 50 ms more for the third, which makes it later than the speech
    aware = timing([[500.0, 500.0, 1200.0]], [1200.0], [3], elapsed=[[600.0, 600.0, 1350.0]], source="speech")
    assert atd(aware).tolist() == pytest.approx([((600 - 300) + (600 - 500) + (1250 - 800)) / 3])
    assert al(aware).tolist() == pytest.approx([(600 + 600 - 400 + 1350 - 800) / 3])


def test_the_first_delay_beyond_the_source_is_the_lagging():
    t = timing([[900.0, 1000.0]], [800.0], [2], source="speech")
    assert (al(t).tolist(), laal(t).tolist()) == ([900.0], [900.0])


def test_lengths_of_references():
    assert reference_length("", "word") == 1
    assert reference_length("a  b\u00a0c\n", "word") == 3
    assert reference_length(" 猫が 好き\n", "char") == 5


# -- edges ------------------------------------------------------------------------------------------------------------


def test_empty_hypotheses_are_left_out_and_counted():
    t = timing([[], [1, 2], [], [2, 2]], [0, 2, 3, 2], [1, 2, 3, 2])
    assert (t.kept.tolist(), t.skipped) == ([1, 3], 2)
    score = scores(t, ["al"])["al"]
    assert (score.n, score.value, score.segments) == (2, 1.5, (None, 1.0, None, 2.0))
    assert score.note == "2 of 4 hypotheses are empty and left out"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[], []], [1, 1], [1, 1]), "none of 2 hypotheses has a word"),
        (([], [], []), "none of 0 hypotheses"),
        (([[1], [0]], [1, 0], [1, 1]), "sentence 2: words were written for an empty source"),
        (([[1], [1]], [1, math.nan], [1, 1]), "sentence 2: the length of the source is not a finite number"),
        (([[1], [1, math.nan]], [1, 1], [1, 1]), "sentence 2: a delay is negative or not finite"),
        (([[1], [-1]], [1, 1], [1, 1]), "sentence 2: a delay is negative"),
        (([[], [2, 1]], [1, 2], [1, 1]), "sentence 2: a delay is shorter than the one before it"),
        (([[1]], [1, 2], [1]), "delays of 1 sentences, but 2 sources"),
        (([[1]], [1], [1], [2]), "not those of the delays"),
        ((np.ones((1, 2)), [1], [1]), "padded delays need the numbers"),
        ((np.ones((1, 2)), [1], [1], [3]), "do not fit delays of shape"),
    ],
)
def test_what_has_no_latency_is_named(arguments, message):
    with pytest.raises(MetricError, match=message):
        timing(*arguments)


def test_elapsed_times_are_checked():
    with pytest.raises(MetricError, match="two: there are not as many elapsed"):
        timing([[], [1, 2]], [1, 2], [1, 2], elapsed=[[], [1]], names=["one", "two"])
    with pytest.raises(MetricError, match="two: every elapsed time is 0"):
        timing([[], [1, 2]], [1, 2], [1, 2], elapsed=[[], [0, 0]], names=["one", "two"])


def test_a_reference_without_characters():
    t = timing([[], [1, 2]], [1, 2], [1, reference_length(" ", "char")])
    for metric in (al, ap):
        with pytest.raises(MetricError, match="sentence 2: the reference has no characters"):
            metric(t)
    assert laal(t).tolist() == dal(t).tolist() == [1.0]


def test_a_padded_array_is_the_same_as_lists():
    padded = np.array([[1, 2, 9], [3, 3, 3], [7, 7, 7]])
    t = timing(padded, [2, 3, 4], [2, 3, 1], [2, 3, 0])
    assert t.times.tolist() == [1, 2, 3, 3, 3]
    assert al(t).tolist() == al(timing([[1, 2], [3, 3, 3], []], [2, 3, 4], [2, 3, 1])).tolist()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("all", "did you mean 'laal'|did you mean 'al'"),
        ("al:units=char", "did you mean 'unit'"),
        ("al:unit=words", "is one of word, char"),
        ("al:computation_aware=1", "is one of true, false"),
        ("dal:reference_length=false", "DAL reads no references; leave reference_length out"),
        ("atd:reference_length=true", "ATD reads no references"),
        ("al:unit", "written as name=value"),
    ],
)
def test_unknown_names(spec, message):
    with pytest.raises(MetricError, match=message):
        named(spec)


def test_intervals_are_over_sentences_and_shared():
    t = timing([wait(k, 9, 9) for k in (1, 2, 3, 5, 7)], [9] * 5, [9] * 5)
    both = scores(t, ["laal", "dal"], bootstrap=200)
    alone = scores(t, ["dal"], bootstrap=200)["dal"]
    assert both["dal"] == alone
    low, high = interval([float(s[0]) / 5 for s in resampled_sums(dal(t)[:, None], 200)])
    assert (alone.low, alone.high) == pytest.approx((low, high))
    assert alone.low < alone.value < alone.high
    assert scores(t, ["al"], bootstrap=0)["al"].low is None
    assert "|reflen:split-blank|bs:200|seed:12345|" in both["laal"].signature
    assert "reflen" not in alone.signature


# -- properties -------------------------------------------------------------------------------------------------------


@st.composite
def corpora(draw, speech=False):
    unit = 130.0 if speech else 1
    sentences = []
    for _ in range(draw(st.integers(1, 6))):
        source = draw(st.integers(1, 12))
        delays = sorted(draw(st.lists(st.integers(0, source), max_size=14)))
        pauses = draw(st.lists(st.integers(1, 500), min_size=len(delays), max_size=len(delays)))
        elapsed = np.add(np.multiply(delays, unit), np.cumsum(pauses)).tolist() if delays else []
        sentences.append(([d * unit for d in delays], source * unit, draw(st.integers(1, 14)), elapsed))
    delays, sources, references, elapsed = map(list, zip(*sentences, strict=True))
    return (delays if any(delays) else [[unit], *delays[1:]]), sources, references, elapsed


@settings(max_examples=150, deadline=None)
@given(corpora(), st.sampled_from(sorted(METRICS)))
def test_text_is_as_word_by_word(corpus, name):
    delays, sources, references, _ = corpus
    expected = [slow(name, d, x, y) for d, x, y in zip(delays, sources, references, strict=True) if d]
    assert METRICS[name].values(timing(delays, sources, references)).tolist() == pytest.approx(expected, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(corpora(speech=True), st.sampled_from(sorted(METRICS)), st.booleans())
def test_speech_is_as_word_by_word(corpus, name, aware):
    delays, sources, references, elapsed = corpus
    clocks = [e if d and len(e) == len(d) else [x + 1.0 for x in d] for d, e in zip(delays, elapsed, strict=True)]
    t = timing(delays, sources, references, elapsed=clocks if aware else None, source="speech")
    rows = [row for row in zip(delays, sources, references, clocks, strict=True) if row[0]]
    expected = [slow(name, d, x, y, e if aware else None, "speech") for d, x, y, e in rows]
    assert METRICS[name].values(t).tolist() == pytest.approx(expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.data())
def test_wait_k_copies_lag_by_k(length, data):
    k = data.draw(st.integers(1, length))
    t = timing([wait(k, length, length)], [length], [length])
    for metric in (al, laal, dal, atd):
        assert metric(t).tolist() == pytest.approx([k])
    assert yaal(t).tolist() == pytest.approx([k if k < length else math.nan], nan_ok=True)


@settings(max_examples=80, deadline=None)
@given(corpora())
def test_inequalities(corpus):
    delays, sources, references, _ = corpus
    t = timing(delays, sources, references)
    assert (laal(t) >= al(t) - 1e-9).all()  # LAAL's steps are never longer than AL's
    same = t.references >= t.hypotheses
    assert np.array_equal(laal(t)[same], al(t)[same])
    proportion = ap(t)
    assert (proportion >= 0).all()
    assert (proportion <= t.hypotheses / t.references + 1e-9).all()
    assert np.isfinite(np.stack([metric.values(t) for name, metric in METRICS.items() if name != "yaal"])).all()
    assert np.array_equal(np.isnan(yaal(t)), t.times[t.starts] >= t.sources)
    assert (yaal(t)[~np.isnan(yaal(t))] < t.sources[~np.isnan(yaal(t))]).all()
    order = np.arange(len(delays))[::-1]
    turned = timing(*([values[i] for i in order] for values in (delays, sources, references)))
    for metric in METRICS.values():
        assert np.allclose(metric.values(turned)[::-1], metric.values(t), equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(corpora(), st.integers(2, 1000))
def test_laggings_scale_with_the_unit(corpus, factor):
    delays, sources, references, _ = corpus
    words = timing(delays, sources, references)
    scaled = timing([[d * factor for d in row] for row in delays], [x * factor for x in sources], references)
    for metric in (al, laal, dal):
        assert (metric(words) * factor).tolist() == pytest.approx(metric(scaled).tolist())
    assert ap(words).tolist() == pytest.approx(ap(scaled).tolist())


# -- logs -------------------------------------------------------------------------------------------------------------


def instance(index=0, **changes):
    row = {
        "index": index,
        "prediction": "a b c",
        "delays": [1, 2, 3],
        "elapsed": [0, 0, 0],
        "prediction_length": 3,
        "reference": "x y z",
        "source": "A B C",
        "source_length": 3,
    }
    return row | changes


CUT = gzip.compress(json.dumps([instance()] * 999).encode(), mtime=0)[:-30]
"""An archive whose end is missing."""


def log(path, *rows):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


def test_a_log_comes_back_as_it_was_written(tmp_path):
    path = log(tmp_path / "in.log", instance(), instance(1, prediction="é\u2028è\u00a0", metric={"x": 1}))
    speech = instance(2, source=["a.wav", "rate: 16000"], source_length=900.5, delays=[300.0, 600.0, 900.5])
    speech["elapsed"] = [400.0, 700.0, 1000.25]
    log(tmp_path / "speech.log", speech)
    for name, given_rows in (("in.log", 2), ("speech.log", 1)):
        first = read(tmp_path / name)
        assert len(first) == given_rows
        write(tmp_path / "out.log", first)
        again = read(tmp_path / "out.log")
        strip = [Instance(*(getattr(i, f) for f in Instance.__slots__[:-1])) for i in first]
        assert [Instance(*(getattr(i, f) for f in Instance.__slots__[:-1])) for i in again] == strip
    assert json.loads((tmp_path / "out.log").read_text()) == speech
    assert list(json.loads((tmp_path / "out.log").read_text())) == list(speech)
    assert source_type(read(path)) == "text"
    assert source_unit(read(path)) == "word"
    assert source_type(again) == "speech"


LINES = [
    ('{"index": 1, "predic', ":2: not JSON"),
    ("[]", ":2: expected a JSON object, found list"),
    (instance(), ":2: index 0 stood at bad.log:1 already"),
    ({"index": 1, "prediction": ""}, ":2: no 'delays'"),
    (instance("1"), ":2: 'index' is not a whole number"),
    (instance(1, prediction=None), ":2: 'prediction' is not a text"),
    (instance(1, reference=3), ":2: 'reference' is not a text"),
    (instance(1, source=3), ":2: 'source' is neither"),
    (instance(1, delays="123"), ":2: 'delays' is not a list of numbers"),
    (instance(1, delays=[1, "2", 3]), ":2: 'delays' is not a list of numbers"),
    (instance(1, delays=[1, True, 3]), ":2: 'delays' is not a list of numbers"),
    (instance(1, delays=[1, 2]), ":2: 'prediction_length' is 3, but there are 2 delays"),
    (instance(1, elapsed=[1]), ":2: 3 delays, but 1 elapsed"),
    (instance(1, source=None, source_length=None), ":2: no 'source_length'"),
    (instance(1, source_length="3"), ":2: 'source_length' is not a number"),
    (instance(1, durations=[1.0]), ":2: 'durations' belong to spoken output"),
    (instance(1, source="", source_length=0), ":2: words were written for an empty source"),
    (instance(1, delays=[1, 3, 2]), ":2: a delay is shorter"),
    (instance(1, delays=[1, 2, math.nan]), ":2: a delay is negative or not finite"),
    (instance(1, delays=[1, 2, -math.inf]), ":2: a delay is negative or not finite"),
    (instance(1, source_length=math.nan), "bad.log:2"),
    (instance(1, source_length=-1), "bad.log:2"),
    (json.dumps(instance(1))[:-1] + ', "x": ' + "1" * 5000 + "}", ":2: not JSON"),
    (" ", ":2: not JSON"),
]
ROWS = [
    *(
        Bad(
            str(line)[:70],
            "score.py instances bad.log --metric al --bootstrap 0",
            [message],
            {
                "bad.log": "".join(
                    (row if isinstance(row, str) else json.dumps(row)) + "\n" for row in (instance(), line)
                )
            },
        )
        for line, message in LINES
    ),
    *(
        Bad(what, f"score.py instances bad.log {arguments}", [said], {"bad.log": content})
        for what, content, arguments, said in [
            (
                "computation-aware, all elapsed 0",
                json.dumps(instance()),
                "--computation-aware",
                "bad.log:1: every elapsed time is 0",
            ),
            (
                "NaN for an elapsed time",
                json.dumps(instance(elapsed=[1, 2, math.nan])),
                "--computation-aware",
                "bad.log:1: an elapsed time",
            ),
            ("an unknown metric", json.dumps(instance()), "--metric yal", "unknown latency metric 'yal'; did you mean"),
            ("an unknown option", json.dumps(instance()), "--metric al:unti=word", "did you mean 'unit'"),
            (
                "references for metrics that read none",
                json.dumps(instance()),
                "--metric dal atd --no-reference-length",
                "--no-reference-length is for al, laal, ap, yaal",
            ),
            ("an empty log", "", "", "bad.log: no instances"),
            (
                "a cut archive",
                CUT,
                "",
                "bad.log is cut off",
            ),
            ("not UTF-8", b"\xff\n", "", "bad.log:1: byte 0 (0xff) is not UTF-8"),
        ]
    ),
    Bad("a log that is not there", "score.py instances bad.log", ["bad.log cannot be read: No such file"]),
]


@over(ROWS, least=33)
def test_refused(bad, tmp_path):
    refuse(bad, tmp_path)


def test_an_empty_log_and_one_of_empty_hypotheses(tmp_path):
    with pytest.raises(MetricError, match="no instances"):
        read(log(tmp_path / "empty.log"))
    silent = instance(prediction="", delays=[], elapsed=[], prediction_length=0)
    with pytest.raises(MetricError, match="none of 1 hypotheses"):
        score_logs([log(tmp_path / "silent.log", silent)], ["al"])


def test_options_name_their_columns_and_notes_tell(tmp_path):
    aware = {"source": None, "source_length": 900.0, "delays": [300.0, 600.0, 900.0], "elapsed": [350.0, 700.0, 999.0]}
    bare = instance(2, **aware)
    del bare["reference"]
    silent = instance(1, prediction="", delays=[], elapsed=[], prediction_length=0)
    path = log(tmp_path / "x.log", instance(0, **aware), silent, bare)
    found = score_logs([path], ["al", "al:computation_aware=true", "laal:reference_length=false", "al"], bootstrap=9)
    assert [r.metric for r in found] == ["al", "al:computation_aware=true", "laal:reference_length=false"]
    assert [r.value for r in found] == pytest.approx([300, mean([350, 400, 399]), 300])
    assert "|time:elapsed|source:ms|target:word|" in found[1].signature
    assert "reflen:hypothesis" in found[2].signature
    assert "1 of 3 hypotheses are empty" in found[0].note
    assert "1 sentences have no reference" in found[0].note
    assert "no reference" not in found[2].note
    assert [r.metric for r in score_logs([path], ["al"], computation_aware=True)] == ["al:computation_aware=true"]
    with pytest.raises(MetricError, match=r"y.log:1: no elapsed times"):
        score_logs([log(tmp_path / "y.log", instance(elapsed=[]))], ["al"], computation_aware=True)
    with pytest.raises(MetricError, match=r"z.log:1: every elapsed time is 0"):
        score_logs([log(tmp_path / "z.log", instance())], ["al"], computation_aware=True)


def test_the_wrong_unit_is_noticed(tmp_path):
    path = log(tmp_path / "x.log", instance(prediction="abc"))
    with pytest.raises(MetricError, match="choose unit 'char'"):
        score_logs([path], ["al"])
    assert score_logs([path], ["al"], unit="char")[0].signature.startswith("AL|time:delays|source:words|target:char|")
    odd = log(tmp_path / "odd.log", instance(prediction="a bc d e"))  # neither: others may detokenise afterwards
    assert score_logs([odd], ["al"])[0].note == "1 hypotheses do not have a delay per word"


# -- what others computed ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def simul(shared_data):
    folder = shared_data / "simul"
    if not folder.is_dir():
        pytest.skip("the shared data hold no simultaneous logs")
    return folder


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_published_scores_of_speech_logs(simul):
    rows = table(simul / "logs_published_scores.tsv")
    assert len(rows) == 10
    for row in rows:
        found = score_logs([simul / "logs" / row["file"]], list(METRICS), unit=row["latency_unit"], bootstrap=0)
        assert found[0].n == int(row["n"])
        for record in found:
            if record.metric != "yaal":  # SimulEval has none
                assert record.value == pytest.approx(float(row[record.metric.upper()]), abs=0.001), (
                    row["file"],
                    record,
                )


def test_published_scores_with_computing(simul):
    expected = {r["metric"]: float(r["value"]) for r in table(simul / "omnisteval_mustc_ende.first400.scores.tsv")}
    expected |= {"YAAL (CU)": 1137.9603, "YAAL (CA)": 1278.8709}  # what OmniSTEval 0.1.10 prints for the same log
    path = simul / "omnisteval_mustc_ende.first400.jsonl.gz"
    for aware, mark in ((False, "CU"), (True, "CA")):
        for record in score_logs([path], ["al", "laal", "ap", "dal", "yaal"], computation_aware=aware, bootstrap=0):
            name = record.metric.partition(":")[0].upper()
            assert record.value == pytest.approx(expected[f"{name} ({mark})"], abs=0.001), (name, mark)


def test_text_to_text_under_every_policy(simul, tmp_path):
    for row in table(simul / "t2t" / "simuleval_scores.tsv"):
        with gzip.open(simul / "t2t" / row["file"], "rt", encoding="utf-8", newline="\n") as file:
            instances = [json.loads(line) for line in file]
        for each in instances:
            each["delays"] = each["delays"][row["policy"]]
        t = timing_of(read(log(tmp_path / "instances.log", *instances)))
        assert (len(instances), t.skipped) == (int(row["n_instances"]), int(row["n_skipped_empty"]))
        assert t.source == "text"
        for name, metric in METRICS.items():
            if name != "yaal":
                assert metric.values(t).mean() == pytest.approx(float(row[name.upper()]), abs=2e-6), (row, name)


def test_the_first_agent_of_the_manual(simul):
    # SimulEval's quick start: wait-3 on lines whose target is the source gives AL 3.0 and DAL 3.0. The AP printed
    # there, 0.688, is not that of these ten lines, 0.676; it would be that of a line of twelve words.
    lengths = [len(line.split()) for line in (simul / "simuleval_quickstart.source.txt").read_text().splitlines()]
    t = timing([wait(3, n, n) for n in lengths], lengths, lengths)
    assert [round(float(metric(t).mean()), 3) for metric in (al, dal, ap)] == [3.0, 3.0, 0.676]


# -- the command ------------------------------------------------------------------------------------------------------


def run(*arguments):
    command = [sys.executable, str(SCRIPTS / "score.py"), "instances", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)


def test_the_command_prints_records_and_nothing_else(tmp_path):
    path = log(tmp_path / "instances.log", instance(), instance(1, delays=[3, 3, 3]))
    done = run(path, "--metric", *METRICS, "--pair", "en-de")
    assert (done.returncode, done.stderr) == (0, "")
    found = [records.from_dict(json.loads(line)) for line in done.stdout.splitlines()]
    assert [r.metric for r in found] == list(METRICS)
    assert [r.value for r in found] == pytest.approx([2, 2, (6 / 9 + 1) / 2, 2, 2, 1])
    assert {(r.system, r.pair, r.n, r.low, r.high) for r in found if r.metric == "al"} == {
        ("instances.log", "en-de", 2, 1.0, 3.0)
    }
    assert set(found[0].made_from) == {"instances"}
    assert done.stdout.splitlines() == [r.line() for r in found]
    silent = instance(2, prediction="", delays=[], elapsed=[], prediction_length=0)
    path = log(tmp_path / "instances.log", instance(), silent, instance(1, delays=[3, 3, 3]))
    done = run(path, "--metric", "al", "yaal", "--sentences", "--bootstrap", "0")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["metric"], row.get("sentence"), row["value"]) for row in rows] == [
        *(("al", None, 2), ("al", 1, 1), ("al", 2, None), ("al", 3, 3)),
        *(("yaal", None, 1), ("yaal", 1, 1), ("yaal", 2, None), ("yaal", 3, None)),
    ]
    plain = run(path, "--bootstrap", "0", "--no-reference-length", "--unit", "word").stdout.splitlines()
    assert [json.loads(line)["low"] for line in plain] == [None] * 6
