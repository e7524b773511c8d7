"""What a log's numbers count: words or milliseconds. Columns in other units are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dragoman.configfile import parse
from dragoman.metrics import MetricError, significance
from dragoman.metrics.instances import read, score_logs
from dragoman.metrics.log_units import source_type
from dragoman.metrics.scoring import score_hypotheses
from dragoman.metrics.timing import timing
from refusals import Bad, over, refuse
from support.claimed import config

HOUSE = {
    "index": 0,
    "prediction": "Das Haus ist groß",
    "delays": [2, 3, 4, 5, 5],
    "elapsed": [0, 0, 0, 0, 0],
    "prediction_length": 5,
    "reference": "Das Haus ist groß.",
    "source": "The house is big",
    "source_length": 5,  # an end mark counts, too
}
CAT = {
    "index": 0,
    "prediction": "I love cats",
    "delays": [1, 2, 4],
    "reference": "I love cats very much",
    "source": "我很爱猫",
    "source_length": 4,
}
SPOKEN = {
    "index": 0,
    "prediction": "a b c",
    "delays": [300.0, 600.0, 900.0],
    "elapsed": [350.0, 700.0, 999.0],
    "reference": "x y z",
    "source_length": 900.0,
}


def log(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps({**row, "index": i}, ensure_ascii=False) + "\n" for i, row in enumerate(rows)))
    return path


def without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


@pytest.mark.parametrize(("row", "expected", "unit"), [(HOUSE, 2.0, "words"), (CAT, 4 / 3, "chars")])
def test_atd_of_text_whose_tokens_are_not_words_between_blanks(row, expected, unit, tmp_path):
    [record] = score_logs([log(tmp_path / "a.log", row)], ["atd"], bootstrap=0)
    assert record.value == pytest.approx(expected)
    assert f"|source:{unit}|" in record.signature


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (HOUSE, "text"),
        (CAT, "text"),
        (without(HOUSE, "source"), "text"),
        (without(HOUSE, "source", "reference"), "text"),
        (HOUSE | {"source": "The house is big .", "source_length": 5}, "text"),
        (HOUSE | {"delays": [2.0, 3.0, 4.0, 5.0, 5.0]}, "text"),
        (CAT | {"source": "I do not love cats", "prediction": "我 很 爱", "source_length": 5}, "text"),
        (SPOKEN, "speech"),
        (SPOKEN | {"source": ["a.wav", "samplerate: 16000 Hz"]}, "speech"),
        (SPOKEN | {"source": "talks/a.wav"}, "speech"),
        (SPOKEN | {"source": "a transcript of what was said"}, "speech"),
        (SPOKEN | {"source_length": 905.25}, "speech"),
        (without(SPOKEN, "reference", "elapsed"), "speech"),
    ],
)
def test_one_line_shows_what_it_counts(row, expected, tmp_path):
    assert source_type(read(log(tmp_path / "a.log", row))) == expected
    # a hypothesis without words shows nothing, whatever its source is
    silent = [
        each | {"prediction": "", "delays": [], "elapsed": [], "prediction_length": 0} for each in (HOUSE, SPOKEN)
    ]
    assert source_type(read(log(tmp_path / "b.log", *silent, row))) == expected


def test_a_short_utterance_with_much_text_does_not_make_a_log_mixed(tmp_path):
    babble = SPOKEN | {"prediction": "words " * 30, "delays": [60] * 30, "elapsed": [90] * 30, "source_length": 60}
    assert source_type(read(log(tmp_path / "a.log", *[SPOKEN] * 3, babble))) == "speech"


def test_what_is_said_goes_over_what_is_seen(tmp_path):
    path = log(tmp_path / "a.log", SPOKEN | {"source_length": 900, "delays": [300, 600, 900]})
    for chosen, unit in (("text", "words"), ("speech", "ms")):
        [record] = score_logs([path], ["atd"], source_type=chosen, bootstrap=0)
        assert f"|source:{unit}|" in record.signature


def bad(what: str, rows: list[dict[str, Any]], options: str, *said: str) -> Bad:
    content = "".join(json.dumps({**row, "index": i}, ensure_ascii=False) + "\n" for i, row in enumerate(rows))
    return Bad(what, f"score.py instances bad.log --metric al --bootstrap 0 {options}", said, {"bad.log": content})


CLOCK = [110.5, 220, 330]
WORDS = CAT | {"delays": [1, 2, 3]}
SECONDS = SPOKEN | {"delays": [0.3, 0.6, 0.9], "elapsed": [0.35, 0.7, 0.999], "source_length": 0.9}
HALF = {"delays": [1000, 2000, 3000], "source_length": 3000}
ROWS = [
    bad(
        "a line of text and one of speech",
        [HOUSE, SPOKEN],
        "",
        "bad.log:1: source_length 5 counts words, but that of bad.log:2, 900",
        "--source-type",
    ),
    bad(
        "text among speech, without sources",
        [SPOKEN, without(HOUSE, "source")],
        "",
        "bad.log:2: source_length 5 counts words",
    ),
    bad("a recording of 5", [HOUSE | {"source": ["a.wav"]}], "", "bad.log:1: source_length 5", "neither"),
    bad(
        "frames of 40 ms",
        [SPOKEN | {"delays": [10, 20, 30], "source_length": 30}],
        "",
        "does not show",
        "--source-type",
    ),
    bad("fewer tokens than words", [HOUSE | {"source_length": 3, "delays": [1, 2, 3, 3, 3]}], "", "neither"),
    bad("seconds", [SECONDS], "", "bad.log:1: source_length 0.9", "seconds?"),
    bad(
        "seconds, said to be speech",
        [SECONDS],
        "--source-type speech",
        "bad.log:1: its source",
        "shorter than 20 ms",
        "seconds?",
    ),
    bad("half a word", [WORDS | {"delays": [1, 2, 2.5]}], "", "bad.log:1", "neither words nor milliseconds"),
    bad(
        "half a word, said to be text", [WORDS | {"delays": [1, 2, 2.5]}], "--source-type text", "count words", "whole"
    ),
    bad("delays in seconds", [SPOKEN | {"delays": [0.3, 0.6, 0.9]}], "", "not in the same unit", "seconds"),
    bad(
        "a source in seconds",
        [SPOKEN | {"delays": [30000.0, 60000.0, 90000.0], "source_length": 90}],
        "--source-type speech",
        "not in the same unit",
    ),
    bad("more words read than there are", [WORDS | {"delays": [1, 2, 5]}], "", "bad.log:1: a delay counts more words"),
    bad(
        "characters read of a source whose length is missing",
        [without(CAT, "source_length")],
        "",
        "bad.log:1: a delay counts more words",
    ),
    bad("no length of speech", [without(SPOKEN, "source_length")], "", "bad.log:1: no 'source_length'"),
    bad("no speech at all", [SPOKEN | {"source_length": 0}], "", "bad.log:1"),
    bad("a negative delay", [SPOKEN | {"delays": [-1, 600, 900]}], "", "bad.log:1: a delay is negative"),
    bad("delays that decrease", [SPOKEN | {"delays": [600, 300, 900]}], "", "bad.log:1: a delay is shorter"),
    bad("NaN for a length", [SPOKEN | {"source_length": math.nan}], "", "bad.log:1: the length of the source"),
    bad("another number of tokens", [SPOKEN | {"prediction_length": 4}], "", "bad.log:1: 'prediction_length' is 4"),
    bad(
        "the clock of text",
        [WORDS | {"elapsed": CLOCK}],
        "--computation-aware",
        "text has no computation-aware latency",
    ),
    bad("the clock, all 0", [HOUSE], "--computation-aware", "bad.log:1: every elapsed time is 0"),
    bad(
        "a clock before the source",
        [SPOKEN | HALF | {"elapsed": [10, 20, 30]}],
        "--computation-aware",
        "bad.log:1: an elapsed time is earlier than its delay",
    ),
    bad(
        "a clock that runs back",
        [SPOKEN | HALF | {"elapsed": [3900, 3800, 3700]}],
        "--computation-aware",
        "bad.log:1: an elapsed time is earlier than the one before",
    ),
    bad(
        "a clock in seconds",
        [SPOKEN | {"elapsed": [0.35, 0.7, 0.999]}],
        "--computation-aware",
        "bad.log:1: an elapsed time is earlier than its delay",
    ),
    bad("a pair in an unknown language", [HOUSE], "--pair en-xx", "unknown language 'xx'"),
]


@over(ROWS)
def test_refused(bad, tmp_path):
    refuse(bad, tmp_path)


def test_clocks_may_be_rounded(tmp_path):
    row = SPOKEN | {"elapsed": [300, 600, 900], "delays": [300.4, 600.4, 900.0]}
    [record] = score_logs([log(tmp_path / "a.log", row)], ["al"], computation_aware=True, bootstrap=0)
    assert record.value == pytest.approx(300)


def test_delays_beyond_the_end_of_speech_are_noted(tmp_path):
    """A recogniser may wait for a pause that is longer than what was said."""
    path = log(tmp_path / "a.log", SPOKEN, SPOKEN | {"delays": [1000.0, 1000.0, 1000.0], "elapsed": [1100.0] * 3})
    al, yaal = score_logs([path], ["al", "yaal"], bootstrap=50)
    assert (al.value, al.n) == (pytest.approx((300 + 1000) / 2), 2)
    assert (yaal.value, yaal.n, yaal.low, yaal.high) == (pytest.approx(300), 1, 300, 300)
    assert al.note == "1 hypotheses have delays beyond the end of their source"
    assert yaal.note == f"1 of 2 begin after the end of the source and are left out; {al.note}"


@pytest.mark.parametrize(
    ("numbers", "note"),
    [
        ([0, 1, 2], ""),
        ([5, 6, 7], ""),  # as --start-index writes it
        ([2, 0, 1], ""),
        ([0, 2, 3], "1 sentences between the first and the last are not in this log"),
        ([7, 0], "6 sentences between the first and the last are not in this log"),
    ],
)
def test_a_log_that_lacks_sentences_says_so(numbers, note, tmp_path):
    """SimulEval 1.1.4 continues a log from its last sentence, and does not see that one before it is missing."""
    path = tmp_path / "a.log"
    path.write_text("".join(json.dumps(SPOKEN | {"index": number}) + "\n" for number in numbers))
    [record] = score_logs([path], ["al"], bootstrap=0)
    assert (record.value, record.n, record.note) == (pytest.approx(300), len(numbers), note)


def test_no_yaal_is_a_record_without_a_value(tmp_path):
    path = log(tmp_path / "a.log", SPOKEN | {"delays": [900.0] * 3, "elapsed": [950.0] * 3})
    al, yaal = score_logs([path], ["al", "yaal"], bootstrap=0)
    assert (al.value, yaal.value, yaal.signature, yaal.n) == (900, None, "", 1)
    assert "every hypothesis begins after the end of its source, so YAAL does not exist" in yaal.note


def test_numbers_of_the_workflow_are_checked_too():
    with pytest.raises(MetricError, match="sentence 2: a delay counts more words"):
        timing([[1, 2], [1, 3]], [2, 2], [2, 2])
    with pytest.raises(MetricError, match="text has no computation-aware"):
        timing([[1, 2]], [2], [2], elapsed=[[10, 20]])


def test_yaal_is_a_metric_of_the_workflow(tmp_path):
    """A row whose hypothesis begins at the end of its source has none; where no row has one, the record says why."""
    row = {"setting": "", "source": "a b c", "reference": "x y z", "hypothesis": "x y z"}
    place = {"paper": "p", "experiment": "e", "system": "s", "pair": "en-de", "seed": 1}
    waiting = [{**row, "id": 1, "delays": [1, 2, 3]}, {**row, "id": 2, "delays": [3, 3, 3]}]
    for rows, value, n, note in ((waiting, 1, 1, "1 of 2 begin after"), (waiting[1:], None, 1, "YAAL does not exist")):
        path = tmp_path / "h.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        [record] = score_hypotheses(path, place, ["yaal"])
        assert (record.value, record.n, note in record.note) == (value, n, True)
    columns = {"delays": [each["delays"] for each in waiting]}
    texts = [["x y z"] * 2, [["x y z"] * 2], ["a b c"] * 2]
    assert significance.statistics("yaal", *texts, "en-de", columns).value == 1
    world = config("results")
    world["experiments"]["simulmask"]["metrics"] = ["bleu", "yaal:unit=word"]
    assert "yaal:unit=word" in parse(world).experiments["simulmask"].metrics
