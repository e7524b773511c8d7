"""Language confusion: by hand, and the numbers that the authors' own code gives."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import fasttext_files
from dragoman import metrics
from dragoman.claims.results import NotRun, Results
from dragoman.configfile import parse
from dragoman.languages import identify
from dragoman.metrics import MetricError, NoValueError, confusion, score, significance
from dragoman.metrics.scoring import score_files, score_hypotheses
from dragoman.plan import Plan
from support.claimed import config

ENGLISH = "The dog sleeps in the garden today."
GERMAN = "Der Hund schläft heute im Garten."
RUSSIAN = "Сегодня собака спит в саду дома."
MIXED = "Сегодня собака спит в саду beautiful дома."
CHINESE, CHINESE_MIXED = "这是一本关于历史的书。", "这是一本关于beautiful历史的书。"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A list of English words, as of a dictionary of Unix."""
    path = tmp_path / "words"
    path.write_text("Beautiful\nbeautiful\ngarden\nthe\nIBM\n", encoding="utf-8")
    return path


def test_lines_by_hand() -> None:
    answers = [
        GERMAN,
        ENGLISH,
        f"{GERMAN}\n{ENGLISH}",  # one wrong line of two
        f"{GERMAN}\nOK, yes.",  # a line of two words is not looked at
        "Ja, gut.",  # no line of five words: not counted
        "",
        f"{GERMAN}\n{GERMAN}",
    ]
    found = score("confusion", answers, [[GERMAN] * 6 + [ENGLISH]], pair="en-de")
    assert found.segments == (100, 0, 0, 100, None, None, 100)
    assert found.value == 60
    assert 0 <= found.low < 60 < found.high <= 100
    assert found.n == 7
    assert found.note == f"5 of 7 hypotheses counted; references: {100 * 6 / 7:.1f} %"
    assert found.signature.startswith("LPR|id:fasttext|version:fasttext-predict-")
    assert "|model:lid.176.ftz(8f3472cfe873)|langs:all|least:0.3|words:5|tok:blanks|bs:1000|" in found.signature


def test_words_by_hand(words: Path) -> None:
    spec = f"confusion:of=word,words={words}"
    answers = [RUSSIAN, MIXED, ENGLISH, "Да.", "Сегодня собака Beautiful спит IBM в the саду дома."]
    found = score(spec, answers, [], pair="en-ru")
    # only lower-case words of more than three letters count; an answer that fails LPR is not looked at
    assert found.segments == (100, 0, None, None, 100)
    assert found.value == pytest.approx(100 * 2 / 3)
    assert found.note == "3 of 5 hypotheses counted"
    assert "|tok:blanks|dictionary:words(" in found.signature
    assert score(f"{spec},bootstrap=0", [CHINESE, CHINESE_MIXED], [], pair="en-zh").segments == (100, 0)
    assert "tok:characters" in score(spec, [CHINESE], [], pair="en-zh").signature


def test_punctuation_is_no_part_of_a_word(words: Path) -> None:
    spec = f"confusion:of=word,words={words}"
    assert score(spec, [MIXED.replace("beautiful", "«beautiful»")], [], pair="en-ru").value == 100
    assert score(spec, [MIXED.replace("beautiful", "(beautiful),")], [], pair="en-ru").value == 0
    assert score(spec, [MIXED.replace("beautiful", "спит—beautiful—")], [], pair="en-ru").value == 0


def test_an_unsure_answer_is_wrong(tmp_path: Path) -> None:
    """Of four labels, the winner has a probability of 1/4 plus a little, or clearly more than 0.3."""
    labels = ["de", "en", "fr", "it"]
    fasttext_files.write(tmp_path / "tiny.bin", labels, {"</s>": {}, "a": {"de": 0.1}, "b": {"de": 2}})
    spec = f"confusion:model={tmp_path / 'tiny.bin'}"
    [(language, chance)] = identify.identifier("fasttext", None, str(tmp_path / "tiny.bin")).first(["a a a a a"])
    assert (language, 0.25 < chance < 0.3) == ("de", True)
    assert score(spec, ["a a a a a", "b b b b b"], [], pair="en-de").segments == (0, 100)


@pytest.mark.parametrize(
    ("spec", "answers", "pair", "why"),
    [
        ("confusion:of=word", [GERMAN], "en-de", "WPR has no value: de is written in Latin letters"),
        ("confusion:of=word", [ENGLISH], "ru-en", "WPR has no value: en is written in Latin letters"),
        (
            "confusion:of=word,words={}",
            [ENGLISH],
            "en-ru",
            "no hypothesis with a line of 5 words passes LPR",
        ),
        ("confusion", ["Ja.", ""], "en-de", "LPR has no value: no line has 5 words"),
        ("confusion:of=word,words={}", ["Да.", ""], "en-ru", "WPR has no value: no hypothesis with a line of 5 words"),
    ],
)
def test_where_there_is_no_value(spec: str, answers: list[str], pair: str, why: str, words: Path) -> None:
    with pytest.raises(NoValueError, match=why):
        score(spec.format(words), answers, [], pair=pair)


def test_a_record_without_a_value_says_why(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_text(f"{GERMAN}\n", encoding="utf-8")
    none, line = score_files([path], [], None, "en-de", ["confusion:of=word", "confusion"])
    assert (none.value, none.low, none.n, none.signature) == (None, None, 1, "")
    assert none.note.startswith("WPR has no value: de is written")
    assert line.value == 100
    path = tmp_path / "hypotheses.jsonl"
    row = {"id": 0, "setting": "", "source": "a", "reference": GERMAN, "hypothesis": GERMAN}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    place = {"paper": "p", "experiment": "e", "system": "s", "pair": "en-de", "seed": 1}
    [record] = score_hypotheses(path, place, ["confusion:of=word"])
    assert (record.value, record.note) == (None, none.note)


def test_differences_are_tested_on_what_is_counted(words: Path) -> None:
    spec = f"confusion:of=word,words={words}"
    statistics = significance.statistics(spec, [RUSSIAN, MIXED, "Да."], [], [], "en-ru")
    assert statistics.table.tolist() == [[100, 1], [0, 1], [0, 0]]
    assert statistics.value == 50


def test_a_claim_without_a_value_is_not_run(tmp_path: Path) -> None:
    plan = Plan(parse(config("results")))
    plan.results = tmp_path
    run = plan.decode_runs[0]
    path = run.hypotheses
    path.parent.mkdir(parents=True)
    row = {"id": 0, "setting": "", "source": "a", "reference": GERMAN, "hypothesis": GERMAN}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(NotRun, match=f"{run.system}, {run.pair}: WPR has no value"):
        Results(plan).statistics(run.experiment, run.system, "", run.pair, run.seed, "confusion:of=word")


def test_what_it_needs(file_server, glotlid_file, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = words.read_bytes()
    file_server.files["/words"] = content
    known = confusion.DICTIONARY._replace(url=f"{file_server.url}/words", sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(confusion, "DICTIONARY", known)
    assert metrics.requisites("confusion", ["en-ru"]) == []
    assert metrics.requisites("confusion:of=word", ["en-de", "ru-en"]) == []
    [find] = metrics.requisites("confusion:of=word", ["en-de", "en-ru"])
    assert find() == f"the list of English words {known.path}, sha256:{known.sha256}"
    assert score("confusion:of=word", [RUSSIAN, MIXED], [], pair="en-ru").value == 50
    assert len(metrics.requisites("confusion:of=word,identifier=glotlid", ["en-ru"])) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("of=lines", "unknown kind of language confusion 'lines'; did you mean 'line'"),
        ("identifier=fastext", "did you mean 'fasttext'"),
        ("words=none", "which only of=word reads"),
        ("of=word,words=none", "no file 'none'; name a list of English words"),
        ("model=lid.178", "no file 'lid.178'"),
        ("bootstrap=-1", "from 0, not -1"),
        ("languages=en+de", "unknown option of confusion 'languages'"),
    ],
)
def test_errors_say_what_to_do(options: str, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        score(f"confusion:{options}", [GERMAN], [], pair="en-de")
    with pytest.raises(MetricError, match=message):
        confusion.check(["en-de"], **metrics.parse(f"confusion:{options}")[1])


def test_a_target_that_the_identifier_does_not_know() -> None:
    for call in (lambda: score("confusion", [GERMAN], [], pair="en-bm"), lambda: confusion.check(["en-bm"])):
        with pytest.raises(MetricError, match="fasttext does not know the language 'bm'"):
            call()
