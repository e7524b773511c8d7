"""Checks on lines: what is dropped, for which reason, and what must never be."""

from __future__ import annotations

import pytest

from dragoman.config import Limits
from dragoman.corpora.lines import CHECKS, Checker

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
