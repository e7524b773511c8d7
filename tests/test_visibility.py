"""What a query may see: the worked example of the papers' code, and a brute-force agent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman import models
from dragoman.config import Prompt, Segment
from dragoman.languages.spelling import pairs as spelled_pairs
from dragoman.languages.units import Unit, Units
from dragoman.models import visibility
from dragoman.models.visibility import Words, fill, vectors
from dragoman.policies.wait_k import WaitK
from dragoman.policies.wait_k_stride import WaitKStride
from support.mirrors import alibi_bias, dense, span

PROMPT = Prompt(
    segments=[
        Segment(
            role="instruction", text="Translate the following sentence from {source_language} to {target_language}:"
        ),
        Segment(role="source", text=" {source}"),
        Segment(role="mark", text="\nAssistant:"),
        Segment(role="target", text=" {target}"),
    ]
)


def sized(sizes: list[int]) -> Words:
    """Words of so many tokens each."""
    return Words(np.repeat(np.arange(len(sizes)) + 1, sizes), np.array([sum(sizes)]), np.array([len(sizes)]))


# --------------------------------------------------------------------------------------------------- worked example

SOURCE = [1, 1, 1, 1, 1]
TARGET = [4, 1, 2, 1, 2]
"""Tokens of each word: `I like small black cats` and `J-'-a-ime les pet-its chats no-irs`."""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # by running create_masks of the authors' code (Simul-LLM, examples/simulmask/utils.py) on this pair
        ("official", [1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 5, 5, 5]),
        # source words that the agent has read when the token after the query is written, by hand
        ("exact", [1, 1, 1, 1, 1, 1, 2, 3, 3, 4, 5, 5, 5]),
    ],
)
def test_worked_example(mode: str, expected: list[int]) -> None:
    """`I like small black cats` to `J'aime les petits chats noirs` with k = 1; the first row is `\\n`."""
    before, mark = 10, 3
    source, target = sized(SOURCE), sized(TARGET)
    g = WaitK(name="wait-k", k=1).schedule(5, 5)
    (visible,) = fill(np.array([before]), source, np.array([mark]), target, [g], mode)
    start, end = before, before + len(SOURCE)
    assert visible[:start].tolist() == [0] * before
    assert visible[start:end].tolist() == [1, 2, 3, 4, 5]
    assert visible[end:-1].tolist() == expected
    assert visible[-1] == 5, "the end-of-sequence token, as a query, predicts nothing and is not restricted"
    columns = dense(visible)[end:-1, start:end]
    assert (columns == (np.arange(5) < np.array(expected)[:, None])).all()


# ------------------------------------------------------------------------------------------------------- properties


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, list[int], int, list[int], np.ndarray]:
    """Tokens before, tokens of each source word, of the mark, of each target word, and a schedule."""
    sizes = st.lists(st.integers(1, 6), min_size=1, max_size=6)
    source, target = draw(sizes), draw(sizes)
    k, stride = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    g = WaitKStride(name="wait-k-stride", k=k, stride=stride).schedule(len(source), len(target))
    return draw(st.integers(0, 3)), source, draw(st.integers(1, 3)), target, g


def vector(case: tuple[int, list[int], int, list[int], np.ndarray], mode: str) -> np.ndarray:
    before, source, mark, target, g = case
    parts = np.array([before]), sized(source), np.array([mark]), sized(target)
    return fill(*parts, [g], mode)[0]


@given(pairs())
def test_exact_is_what_an_agent_does(case: tuple[int, list[int], int, list[int], np.ndarray]) -> None:
    """An agent that reads g(t) words, then feeds what word t lacks, token by token."""
    before, source, mark, target, g = case
    seen: list[int] = [0] * before + list(range(1, sum(source) + 1))
    fed = mark - 1  # of the response; the last token of the mark is fed when the first word is due
    seen += [sum(source[: g[0]])] * fed
    for t, size in enumerate([*target, 1], 1):
        read = sum(source[: g[t - 1]])
        seen += [read] * size  # the last token of the word before, and all but the last of this one
    seen.append(sum(source))
    assert vector(case, "exact").tolist() == seen


@given(pairs(), st.sampled_from(["exact", "official"]))
def test_vectors_rise_within_the_source(case: tuple[int, list[int], int, list[int], np.ndarray], mode: str) -> None:
    before, source, mark, target, g = case
    visible = vector(case, mode)
    size, end = sum(source), before + sum(source)
    assert len(visible) == end + mark + sum(target) + 1
    assert (np.diff(visible[end:]) >= 0).all(), "what was seen stays seen"
    assert visible[end:].min() >= 1 and visible.max() == size
    assert span(visible) == (before, end)
    if g[0] >= len(source):
        assert (dense(visible) == np.tri(len(visible), dtype=bool)).all(), "all is read first: causal"
    if mode == "official":
        exact = vector(case, "exact")
        assert (visible >= exact).all(), "the published mask never shows less"
        if max(target) == 1:
            assert (visible == exact).all(), "and no more where words are single tokens"


@settings(deadline=None)
@given(pairs())
def test_every_form_of_the_mask_is_the_same(case: tuple[int, list[int], int, list[int], np.ndarray]) -> None:
    before, source, _, _, _ = case
    visible = vector(case, "exact")
    size, length = sum(source), len(visible)
    mask = dense(visible)
    for i in range(length):
        for j in range(length):
            in_source = before <= j < before + size
            assert mask[i, j] == (j <= i and not (in_source and j - before >= visible[i]))
    tensor = torch.from_numpy(visible)
    assert (dense(tensor).numpy() == mask).all()

    padded = torch.stack([torch.nn.functional.pad(tensor, (0, 2)), torch.nn.functional.pad(tensor, (2, 0))])
    ask = visibility.mask_mod(padded, torch.tensor([[1] * length + [0] * 2, [0] * 2 + [1] * length]))
    b, i, j = (torch.arange(n) for n in (2, length + 2, length + 2))
    flex = ask(b[:, None, None], torch.tensor(0), i[None, :, None], j[None, None, :])
    assert (flex[0, :length, :length].numpy() == mask).all()
    assert (flex[1, 2:, 2:].numpy() == mask).all()

    slopes = np.array([0.5, 0.25])
    bias = alibi_bias(visible, slopes)
    assert (alibi_bias(tensor, torch.from_numpy(slopes)).numpy() == bias).all()
    for i in range(before + size, length):
        # keys renumbered one by one over those that are seen: the definition in the paper's code
        assert (bias[:, i, mask[i]] == slopes[:, None] * np.arange(mask[i].sum())).all()


# --------------------------------------------------------------------------------------------- with a real tokenizer

TEXTS = [
    "The  old cat, it slept.",
    "She's unbelievably fast",
    "Où est-elle née ?",
    "naïve  Ärzte",
    "我 爱 小 猫",
    "😀!",
]


@pytest.mark.parametrize("unit", ["word", "character"])
@pytest.mark.parametrize("mode", ["exact", "official"])
def test_vectors_fit_the_examples(mode: str, unit: Unit) -> None:
    tokenizer = models.train_tokenizer(TEXTS[:3] * 5, 320)
    prompts = [
        PROMPT,
        Prompt(
            bos=True,
            segments=[
                Segment(role="source", text='"{source}" in {target_language}?'),
                Segment(role="mark", text="\nIt is"),
                Segment(role="instruction", text=":"),
                Segment(role="target", text=' "{target}"'),
            ],
        ),
    ]
    for prompt in prompts:
        counted = Units(unit, unit)
        made = list(spelled_pairs(prompt, tokenizer, "en-fr", TEXTS, TEXTS[::-1], counted))
        schedules = [WaitK(name="wait-k", k=1).schedule(len(each.source.source), each.count) for each in made]
        for each, row, source in zip(made, vectors(made, schedules, mode), TEXTS, strict=True):
            assert len(row) == len(each.ids)
            start, end = span(np.array(row))
            assert tokenizer.decode(each.ids[start:end]).strip() == " ".join(source.split())
            assert row[-1] == end - start


def test_mistakes_are_named() -> None:
    parts = np.array([0]), sized(SOURCE), np.array([1]), sized(TARGET)
    with pytest.raises(ValueError, match="example 0 has 2 steps for 5 target words"):
        fill(*parts, [np.ones(2, dtype=int)], "exact")
    with pytest.raises(ValueError, match="more words than the source has"):
        fill(*parts, [np.full(6, 6)], "exact")


@settings(max_examples=20)
@given(st.lists(pairs(), min_size=1, max_size=4))
def test_no_example_depends_on_its_neighbours(cases: list[tuple[int, list[int], int, list[int], np.ndarray]]) -> None:
    def joint(column: int) -> Words:
        alone = [sized(case[column]) for case in cases]
        return Words(*(np.concatenate(part) for part in zip(*alone, strict=True)))

    before, mark = (np.array([case[column] for case in cases]) for column in (0, 2))
    together = fill(before, joint(1), mark, joint(3), [case[4] for case in cases], "exact")
    for case, row in zip(cases, together, strict=True):
        assert (row == vector(case, "exact")).all()
