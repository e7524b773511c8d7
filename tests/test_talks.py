"""Translations of whole talks: divided by OmniSTEval, scored as it scores them."""

from __future__ import annotations

import json
import math
import random
import subprocess
from pathlib import Path

import pytest

from conftest import environment
from dragoman.metrics import MetricError, talks
from dragoman.metrics.talks import Sentence, long_yaal, score_talks, sentences_by_mweralign, stream_laal
from refusals import Bad, over, refuse

GERMAN = "der alte mann kauft ein rotes auto und die frau sieht den hund im garten nach dem essen"
WORDS = {"en-de": GERMAN.split(), "en-zh": list("我们今天在学校里学习中文然后一起回家吃饭")}


def world(folder: Path, pair: str) -> tuple[Path, Path, Path]:
    """Two talks of five sentences: a log, places and references. A word in ten is lost; all are late by up to 2.5 s."""
    draw, blank = random.Random(1), " " if pair == "en-de" else ""
    places, references, rows = [], [], []
    for talk in range(2):
        written: list[str] = []
        delays: list[float] = []
        begin = 1.0
        for _ in range(5):
            reference = [draw.choice(WORDS[pair]) for _ in range(draw.randint(5, 12))]
            places.append({"wav": f"talk{talk}.wav", "offset": round(begin, 3), "duration": 0.4 * len(reference)})
            references.append(blank.join(reference))
            for number, word in enumerate(reference, 1):
                if draw.random() > 0.1:
                    due = 1000 * (begin + 0.4 * number + draw.uniform(0, 2.5))
                    written.append(word)
                    delays.append(max(due, *delays[-1:], 0))
            begin += 0.4 * len(reference) + 0.7
        row = {"index": talk, "prediction": blank.join(written), "delays": delays, "elapsed": [d + 200 for d in delays]}
        rows.append(row | {"source": [f"talk{talk}.wav", "samplerate: 16000"], "source_length": 1000 * begin})
    files = folder / "log", folder / "places.yaml", folder / "reference.txt"
    texts = ("\n".join(map(json.dumps, rows)), json.dumps(places), "\n".join(references))
    for path, text in zip(files, texts, strict=True):
        path.write_text(f"{text}\n", encoding="utf-8")
    return files


@pytest.mark.parametrize(
    ("delays", "end", "expected"),
    [
        ([1000, 2000, 3000], math.inf, 1000 + (0 + 1000 - 500 + 2000 - 2 * 500) / 3),  # a word for each half second
        ([-500, 2000], math.inf, (-500 + 2000 - 500) / 2),  # written before its sentence begins
        (
            [1000, 2500, 9000],
            9000,
            (1000 + 2500 - 500) / 2,
        ),  # past its own sentence counts, past the recording does not
        ([9000, 9000], 9000, math.nan),
        ([], 9000, math.nan),
    ],
)
def test_long_yaal_by_hand(delays: list[float], end: float, expected: float) -> None:
    """Two seconds of source, four words of reference."""
    found = long_yaal(Sentence("", "a b c d", 2000, end, delays), "word")
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([1000, 1500, 1900], 1000 + (0 + 500 - 500 + 900 - 2 * 500) / 3),
        ([-500, 2000, 9000], (-500 + 2000 - 500) / 2),  # the last that counts is the first after the sentence
        ([2500, 2600], 2500),
        ([], math.nan),
    ],
)
def test_stream_laal_by_hand(delays: list[float], expected: float) -> None:
    """Two seconds of source, four words of reference."""
    found = stream_laal(Sentence("", "a b c d", 2000, math.inf, delays), "word")
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("pair", "expected", "aware"),
    [("en-de", 2138.1729077621348, 2344.072223597802), ("en-zh", 2012.7241173631996, 2177.7878769036536)],
)
def test_stream_laal_is_that_of_simulstream(pair: str, expected: float, aware: float, tmp_path: Path) -> None:
    """The numbers are those of simulstream 1.0.0 with mweralign 1.4.1, on the same files."""
    environment("omnisteval", "OmniSTEval")
    files = world(tmp_path, pair)
    (record,) = score_talks(*files, pair, ["laal"])
    assert record.value == pytest.approx(expected, abs=1e-9)
    assert (record.low < record.value < record.high, record.n) == (True, 10)
    assert record.signature.startswith("StreamLAAL|time:delays|source:ms|target:")
    assert record.signature.endswith("|segments:mweralign-1.4.1")
    (record,) = score_talks(*files, pair, ["laal"], computation_aware=True)
    assert record.value == pytest.approx(aware, abs=1e-9)


def test_a_delay_for_every_word(tmp_path: Path) -> None:
    environment("omnisteval", "OmniSTEval")
    log, places, reference = world(tmp_path, "en-de")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    rows[1]["prediction"] += " Hund"
    log.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = len(rows[1]["delays"])
    with pytest.raises(MetricError, match=f"log:2: {words} delays, but {words + 1} words"):
        sentences_by_mweralign(log, places, reference, "en-de")


@pytest.mark.parametrize("pair", WORDS)
def test_the_numbers_are_omnistevals(pair: str, tmp_path: Path) -> None:
    programs = environment("omnisteval", "OmniSTEval")
    log, places, reference = world(tmp_path, pair)
    how = ["--word_level", "--lang", "de"] if pair == "en-de" else ["--char_level", "--bleu_tokenizer", "zh"]
    files = ["--hypothesis_file", log, "--speech_segmentation", places, "--ref_sentences_file", reference]
    subprocess.run(
        [programs / "omnisteval", "longform", *how, *files, "--output_folder", tmp_path],
        check=True,
        capture_output=True,
    )
    lines = (tmp_path / "scores.tsv").read_text(encoding="utf-8").splitlines()[1:]
    theirs = {name: float(value) for name, value in (line.split("\t") for line in lines)}
    ours = score_talks(log, places, reference, pair, ["bleu", "chrf", "yaal"])
    aware = score_talks(log, places, reference, pair, ["yaal"], computation_aware=True)
    names = ("BLEU", "chrF", "LongYAAL (CU)", "LongYAAL (CA)")
    for record, name in zip([*ours, *aware], names, strict=True):
        assert record.value == pytest.approx(theirs[name], abs=1e-4), name
        assert record.low < record.value < record.high
        assert record.n + record.note.startswith("1 of 10 sentences have no word") == 10
    assert theirs["LongYAAL (CU)"] != pytest.approx(theirs["LongLAAL (CU)"], abs=1), "the same would prove nothing"
    assert ours[2].signature.startswith("LongYAAL|time:delays|source:ms|target:")
    assert ours[2].signature.endswith("|segments:OmniSTEval-0.1.10")
    assert ours[0].note == "sentences of talks, divided by OmniSTEval-0.1.10"


ROW = {"index": 0, "prediction": "a b", "delays": [1500, 2500], "source": ["t.wav"], "source_length": 9000}
PLACE = {"wav": "t.wav", "offset": 1.0, "duration": 2.0}
FILES = {"log": json.dumps(ROW), "places.yaml": json.dumps([PLACE]), "reference.txt": "a b\n"}
COMMAND = "score.py talks log --segments places.yaml --reference reference.txt --pair en-de"


@over(
    [
        Bad("no list", COMMAND, ["places.yaml: entry 1 is not a sentence", "wav"], FILES | {"places.yaml": "a: 1"}),
        Bad("no YAML", COMMAND, ["places.yaml: not YAML or JSON"], FILES | {"places.yaml": "- {a"}),
        Bad(
            "a number in quotes",
            COMMAND,
            ["entry 2", "offset and duration (seconds)"],
            FILES | {"places.yaml": json.dumps([PLACE, PLACE | {"offset": "3"}])},
        ),
        Bad(
            "a line too many",
            COMMAND,
            ["places.yaml has 1 sentences", "has 2 lines"],
            FILES | {"reference.txt": "a\nb\n"},
        ),
        Bad(
            "another recording",
            COMMAND,
            ["log:1", "no sentence of the recording 'u.wav'"],
            FILES | {"log": json.dumps(ROW | {"source": ["u.wav"]})},
        ),
        Bad(
            "a talk is missing",
            COMMAND,
            ["log has 1 talks, but places.yaml has 2 recordings"],
            FILES | {"places.yaml": json.dumps([PLACE, PLACE | {"wav": "u.wav"}]), "reference.txt": "a\nb\n"},
        ),
        Bad("a metric of sources", f"{COMMAND} --metric comet", ["'comet' is no metric of talks", "yaal"], FILES),
        Bad("an option of laal", f"{COMMAND} --metric laal:unit=char", ["laal of talks has no options"], FILES),
        Bad("an option of yaal", f"{COMMAND} --metric yaal:unit=char", ["yaal of talks has no options"], FILES),
    ]
)
def test_refused(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talks, "version", lambda: "0")
    refuse(bad, tmp_path)


def test_without_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talks, "PROGRAM", tmp_path / "bin" / "omnisteval")
    refuse(Bad("no environment", COMMAND, ["run `make env-omnisteval`"], FILES), tmp_path)
