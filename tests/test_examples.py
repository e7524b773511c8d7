"""Sentences that the page shows side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dragoman.reporting.examples import Hypothesis, Output, choose, marked, pick, spread, visible


def test_differing_words_are_marked_as_runs():
    pieces = marked("the cat sat on the mat.", "the dog sat on a big mat.")
    assert [p.text for p in pieces if p.differs] == ["dog", "a big"]
    assert "".join(p.text for p in pieces) == "the dog sat on a big mat."
    assert [p.text for p in marked("我很好。", "我不好。") if p.differs] == ["不"]
    assert marked("x", "") == []


def test_examples_come_from_every_pair_and_keep_gaps():
    rows = [{"id": i, "source": "s", "reference": "r", "hypothesis": f"h{i}"} for i in range(100)]
    a, b = Output("a", "", rows), Output("b", "", rows[:1])
    found = choose({"en-de": [a, b], "en-fr": [Output("a", "", rows[:3])]}, 20)
    assert len(found) == 13
    assert [e.pair for e in found[:4]] == ["en-de", "en-fr", "en-de", "en-fr"]
    assert found[-1].hypotheses[1] == Hypothesis("b", "", False, None)
    assert spread(200, 4) == [25, 75, 125, 175]
    assert choose({}, 20) == []


def test_examples_are_spread_astray_or_far_apart():
    gaps = [float(i == 7) for i in range(40)]
    astray = [i in (2, 3, 30) for i in range(40)]
    # every tenth; of three astray two; the one where systems differ, and the first of the others
    assert pick(gaps, astray, 8) == sorted([5, 15, 25, 35, *(2, 30), *(7, 0)])
    assert pick([0.0] * 3, [False] * 3, 20) == [0, 1, 2]
    assert pick([], [], 20) == []


def test_differences_are_between_first_settings_and_other_languages_are_named():
    def rows(*hypotheses):
        return [{"id": i, "source": "s", "reference": "ein Haus", "hypothesis": h} for i, h in enumerate(hypotheses)]

    outputs = [
        Output("a", "k=1", rows("ein Haus", "ein Haus"), astray=["", ""]),
        Output("a", "k=3", rows("zzz", "zzz"), folded=True, astray=["", "Dutch"]),
        Output("b", "k=1", rows("ein Haus", "zzz"), astray=["", ""]),
    ]
    same, apart = choose({"en-de": outputs}, 9)
    assert (same.gap, apart.gap) == (0, 100)
    assert (same.astray, apart.astray) == (False, True)
    assert [h.astray for h in apart.hypotheses] == ["", "Dutch", ""]
    assert [h.name for h in apart.hypotheses if not h.folded] == ["a, k=1", "b, k=1"]


def test_words_stand_where_they_were_written():
    pieces = marked("der alte Mann will", "der alte  Mann geht")
    hypothesis = Hypothesis("a", "k=1", False, pieces, words=["der", "alte", "Mann", "geht"], delays=[0, 2, 2, 4])
    assert hypothesis.columns(5) == ["der", "alte Mann", "", "geht", ""]
    with pytest.raises(ValueError, match="shorter"):
        replace(hypothesis, delays=[1]).columns(5)


def test_separators_of_lines_part_words_as_decoders_do():
    row = {"id": 0, "source": "one\u2028two\x85three", "reference": "eins", "hypothesis": "eins\u2029zwei\ufeffdrei"}
    (example,) = choose({"en-de": [Output("a", "k=1", [row | {"delays": [1, 3]}])]}, 1)
    assert (example.source, example.words) == ("one⟨U+2028⟩two⟨U+0085⟩three", ["one", "two", "three"])
    assert example.hypotheses[0].columns(len(example.words)) == ["eins", "", "zwei\ufeffdrei"]
    assert example.timed


def test_characters_stand_where_they_were_written():
    """Of text in which signs stand for what cannot be seen."""
    row = {"id": 0, "source": "猫\u202e a", "reference": "我爱", "hypothesis": "我 \u202e爱茶", "delays": [1, 2, 2, 3]}
    (example,) = choose({"zh-ja": [Output("a", "k=1", [row])]}, 1)
    assert example.words == ["猫", "⟨U+202E⟩", "a"]
    assert example.hypotheses[0].columns(3) == ["我", "⟨U+202E⟩爱", "茶"]
    assert example.timed


def test_invisible_characters_become_visible():
    assert visible("a\x00b\u202ec\u2028\t") == "a␀b⟨U+202E⟩c⟨U+2028⟩␉"
