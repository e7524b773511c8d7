"""Policies: schedules worked out by hand, and what holds for all of them."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dragoman import registry
from dragoman.policies import Policy, kinds, links
from dragoman.policies.alignment import Alignment
from dragoman.policies.wait_k import WaitK
from dragoman.policies.wait_k_stride import WaitKStride

POLICY = TypeAdapter(kinds.Trained)


@pytest.mark.parametrize(
    ("k", "source", "target", "expected"),
    [
        (1, 5, 5, [1, 2, 3, 4, 5, 5]),
        (3, 5, 4, [3, 4, 5, 5, 5]),
        (9, 2, 2, [2, 2, 2]),
        (2, 6, 1, [2, 3]),  # a short target may end before the source does
        (1, 3, 0, [1]),
    ],
)
def test_wait_k(k: int, source: int, target: int, expected: list[int]) -> None:
    assert WaitK(name="wait-k", k=k).schedule(source, target).tolist() == expected


def test_stride_writes_words_in_chunks() -> None:
    policy = WaitKStride(name="wait-k-stride", k=2, stride=3)
    assert policy.schedule(9, 8).tolist() == [2, 2, 2, 5, 5, 5, 8, 8, 8]
    assert policy.schedule(6, 7).tolist() == [2, 2, 2, 5, 5, 5, 6, 6]


def test_alignment_reads_just_enough() -> None:
    policy = Alignment(name="alignment")
    # "le chat noir dort" <- "the black cat sleeps": adjective and noun change places
    assert policy.schedule(4, 4, links("0-0 1-2 2-1 3-3")).tolist() == [1, 3, 3, 4, 4]
    assert policy.schedule(3, 2, []).tolist() == [1, 1, 3], "unaligned words wait for nothing, the end for everything"
    assert policy.schedule(3, 2, links("2-0 0-0 1-1")).tolist() == [3, 3, 3]


@pytest.mark.parametrize(("source", "target"), [(1, 1), (1, 3), (2, 2), (3, 2), (2, 3)])
def test_alignment_reads_least_of_all_schedules(source: int, target: int) -> None:
    """Against every schedule there is, under every alignment there is."""
    every = list(product(range(1, source + 1), repeat=target + 1))
    rising = [g for g in every if list(g) == sorted(g) and g[-1] == source]
    cells = list(product(range(source), range(target)))
    for count in range(len(cells) + 1):
        for alignment in combinations(cells, count):
            allowed = [g for g in rising if all(g[t] > s for s, t in alignment)]
            least = [min(g[t] for g in allowed) for t in range(target + 1)]
            assert tuple(least) in allowed
            assert Alignment(name="alignment").schedule(source, target, alignment).tolist() == least


@st.composite
def cases(draw: st.DrawFn) -> tuple[Policy, int, int, list[tuple[int, int]]]:
    source, target = draw(st.integers(1, 12)), draw(st.integers(0, 12))
    policy = draw(
        st.one_of(
            st.builds(WaitK, name=st.just("wait-k"), k=st.integers(1, 15)),
            st.builds(WaitKStride, name=st.just("wait-k-stride"), k=st.integers(1, 15), stride=st.integers(1, 5)),
            st.just(Alignment(name="alignment")),
        )
    )
    link = st.tuples(st.integers(0, source - 1), st.integers(0, max(0, target - 1)))
    return policy, source, target, draw(st.lists(link, max_size=12)) if target else []


@given(cases())
def test_schedules_rise_within_the_source(case: tuple[Policy, int, int, list[tuple[int, int]]]) -> None:
    policy, source, target, alignment = case
    g = policy.schedule(source, target, alignment)
    assert g.shape == (target + 1,)
    assert g.min() >= 1 and g.max() <= source
    assert (np.diff(g) >= 0).all()
    if isinstance(policy, Alignment):
        for s, t in alignment:
            assert (g[t:] > s).all(), "every aligned word has been read"
        assert g[-1] == source
    if isinstance(policy, WaitKStride):
        turns = WaitK(name="wait-k", k=policy.k).schedule(source, target)[:: policy.stride]
        assert (g == np.repeat(turns, policy.stride)[: target + 1]).all(), "wait-k, held for a whole turn"


def test_a_policy_is_registered_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.REGISTRY["policy"], "wait", "dragoman.policies.wait_k:WaitK")
    with pytest.raises(TypeError, match=r"calls WaitK 'wait', so its `name` must be Literal\['wait'\]"):
        kinds.registered()


@pytest.mark.parametrize(
    "options",
    [
        {"name": "wait-k", "k": 0},
        {"name": "wait-k"},
        {"name": "wait-k", "k": 3, "stride": 2},
        {"name": "wait-k-stride", "k": 3, "stride": 0},
        {"name": "alignment", "k": 1},
        {"name": "wait"},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        POLICY.validate_python(options)


def test_alignments_are_checked() -> None:
    assert links("") == [] and links("0-0 12-3") == [(0, 0), (12, 3)]
    for broken in ("0", "0-", "a-b", "0:1", "-1-0"):
        with pytest.raises(ValueError, match="0-0 1-2"):
            links(broken)
    with pytest.raises(ValueError, match="outside"):
        Alignment(name="alignment").schedule(2, 2, [(2, 0)])
    assert WaitK(name="wait-k", k=1).schedule(2, 2, [(9, 9)]).tolist() == [1, 2, 2], "not needed, not read"
