"""Checks on lines: what is dropped, for which reason, and what must never be."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config import Limits
from dragoman.corpora.lines import CHECKS, Checker, length, length_ratio
from dragoman.text import table

LIMITS = Limits(max_words=5, max_characters=60, max_ratio=4.0)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("", "mot", "empty-side"),
        ("word", "", "empty-side"),
        ("a\tb", "c d", "control-characters"),
        ("a b", "c\nd", "control-characters"),
        ("a\0b", "c d", "control-characters"),
        ("a\x9bb", "c d", "control-characters"),
        ("a\x7fb", "c d", "control-characters"),
        ("one two three four five", "un", "length-ratio"),
        ("one two three four five six", "un deux", "too-long"),
        ("x" * 61, "y" * 61, "too-long"),
        ("ab", "x" * 19, None),  # short sides are not compared
        ("x" * 5, "y" * 19, None),
        ("x" * 5, "y" * 20, "length-ratio"),  # exactly max_ratio times
        ("x" * 6, "y" * 20, None),
        ("a\u2028b c\u0085d e\u2029", "un deux trois", None),
        ("e\u0301te\u0301", "\u00e9t\u00e9", None),
    ],
)
def test_reason(source: str, target: str, reason: str | None) -> None:
    for split in ("test", "validation", "train"):
        assert Checker(LIMITS).reason(split, source, target) == reason
    assert Checker(LIMITS).reason("train", target, source) == reason, "a reason must not depend on the direction"


def test_the_first_failing_check_names_the_reason() -> None:
    assert list(CHECKS) == ["empty-side", "control-characters", "too-long", "length-ratio"]
    assert Checker(LIMITS).reason("train", "", "x\0" * 100) == "empty-side"


def test_ratio_can_be_switched_off() -> None:
    assert Checker(Limits(max_ratio=None)).reason("train", "x", "y" * 500) is None


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("Asseyez-vous, s'il vous plaît.", "請坐。", None),
        ("And so you might feel alone.", "孤独で", None),
        ("Please take a seat over there, would you?", "저기 앉으세요.", None),
        ("The congratulatory message said that", "贺词说", None),
        ("请坐。", "Пожалуйста, садитесь вон туда.", None),
        ("请在那边坐下，谢谢。" * 3, "Please.", "length-ratio"),  # 28 characters, as 98 letters are, and 7
        ("请坐。" * 9, "Sit.", "length-ratio"),
        ("ありがとう" * 9, "Tack", "length-ratio"),
        ("안녕하세요" * 9, "Hej", "length-ratio"),
        ("请坐。", "Please sit down. " * 9, "length-ratio"),
    ],
)
def test_sides_are_compared_across_scripts(source: str, target: str, reason: str | None) -> None:
    assert Checker(Limits()).reason("train", source, target) == reason
    assert Checker(Limits()).reason("train", target, source) == reason


def test_length_in_letters() -> None:
    assert length("請坐。") == 2 * 3.5 + 1
    assert length("ひらカタｶﾅ々") == 6 * 2 + 3.5
    assert length("한국어 a") == 3 * 2.5 + 2
    for text in ("été, Straße — «да»", "e\u0301", "हिन्दी", "ไทย", "عربي", "😀", ""):
        assert length(text) == len(text), "other scripts count as they always did"


def test_real_translations_into_chinese_and_japanese_are_kept(shared_data: Path) -> None:
    """And of pairs that are none, as many are found as of German and English."""
    found = {}
    for name, code in (("wmt17-20/zh-en.train", "zh"), ("iwslt17/tst2016.en-ja", "ja"), ("wmt17-20/de-en.train", "de")):
        rows = [cells for _, cells in table(shared_data / f"{name}.tsv.gz")][:2000]
        sides = [(row[code], row["en"]) for row in rows]
        shifted = [(a, b) for (a, _), (_, b) in zip(sides, sides[7:] + sides[:7], strict=True)]
        found[code] = [sum(length_ratio(*pair, Limits()) for pair in pairs) for pairs in (sides, shifted)]
    assert (found["zh"][0], found["ja"][0]) == (0, 0)
    assert all(0.002 * 2000 < wrong < 0.02 * 2000 for _, wrong in found.values()), found


def test_lines_of_the_test_set_are_kept_out_of_training() -> None:
    checker = Checker(LIMITS)
    assert checker.reason("test", "one", "un") is None
    assert checker.reason("test", "one", "un") == "duplicate"
    assert checker.reason("test", "two two two", "deux deux") is None
    assert checker.reason("validation", "one", "autre") == "in-test"
    assert checker.reason("validation", "other", "un") == "in-test"
    assert checker.reason("validation", "three", "trois") is None
    assert checker.reason("validation", "three", "trois") is None, "repeats are legitimate in a validation set"
    assert checker.reason("train", "one", "une") == "in-test"
    assert checker.reason("train", "three", "3") == "in-validation"
    assert checker.reason("train", "one autre", "autre") is None, "a line dropped from validation guards nothing"
    assert checker.reason("train", "un", "one") is None, "each side is compared with its own side"
    assert checker.reason("train", "un", "one") == "duplicate"
    assert checker.reason("train", "un", "One") is None


def test_pairs_are_told_apart_by_their_border() -> None:
    checker = Checker(Limits())
    assert checker.reason("train", "a b", "c") is None
    assert checker.reason("train", "a", "b c") is None


def test_overlap_can_be_kept() -> None:
    checker = Checker(Limits(overlap="keep"))
    assert checker.reason("test", "One cat.", "Un chat.") is None
    assert checker.reason("train", "One cat.", "Un chat.") is None
    assert checker.reason("train", "One cat.", "Un chat.") == "duplicate"
