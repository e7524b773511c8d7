"""RALCP: the vote by hand, the beam search against transformers' own, and decoding by whole candidates."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from conftest import save_model
from dragoman.config import SimultaneousDecoder
from dragoman.decoding import Context, beams, lockstep
from dragoman.decoding.prediction import Prediction
from dragoman.decoding.streaming import Interpreter
from dragoman.policies.ralcp import RALCP, agreed
from support.adaptive import PROMPT, SOURCES, ByHand

BEAM = 4


@pytest.mark.parametrize(
    ("candidates", "gamma", "shared"),
    [
        (["abc", "abd", "abe"], 1.0, "ab"),
        (["abc", "abc", "xbc"], 1.0, ""),
        (["abc", "abd", "xbc"], 0.6, "abc"),  # 2 of 3, 3 of 3, 2 of 3: also the one that lost the first vote votes
        (["abc", "abd", "xbc"], 0.7, ""),
        (["abc", "abd", "ab"], 0.66, "ab"),  # c has one vote of three
        (["abcd", "abc", "ab"], 0.66, "abc"),  # a candidate that is over does not vote on c
        (["abcd", "abc", "ab"], 0.67, "ab"),
        (["ab", "ab", "ab", "xy", "xy"], 0.6, "ab"),  # 3 of 5 are 0.6
        (["ab", "cd", "ab", "cd"], 0.5, "ab"),  # as many votes: the best candidate counts
        (["abc"], 1.0, "abc"),
        (["", ""], 0.5, ""),
        ([], 0.5, ""),
    ],
)
def test_the_vote(candidates: list[str], gamma: float, shared: str) -> None:
    assert "".join(map(chr, agreed([[*map(ord, each)] for each in candidates], gamma))) == shared


def test_gamma_1_is_the_longest_common_prefix() -> None:
    rng = torch.Generator().manual_seed(3)
    for _ in range(200):
        lengths = torch.randint(0, 6, (3,), generator=rng).tolist()
        found = [torch.randint(0, 2, (length,), generator=rng).tolist() for length in lengths]
        columns = takewhile(lambda column: len({*column}) == 1, zip(*found, strict=False))
        assert agreed(found, 1.0) == [column[0] for column in columns]


class Only(LogitsProcessor):
    """Makes tokens impossible, as `Vocabulary.possible` does; scores are log probabilities of those that are left."""

    def __init__(self, hand: ByHand, start: int, starting: bool) -> None:
        self.vocabulary, self.start, self.starting = hand.vocabulary, start, starting

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        starting = self.starting and input_ids.shape[1] == self.start
        return self.vocabulary.possible(scores.clone(), [starting] * len(scores)).log_softmax(-1)


def generated(hand: ByHand, read: int, written: list[int], starting: bool, length: int) -> list[list[int]]:
    """The candidates of transformers' beam search after `read` source words."""
    prompt = hand.cut(read)
    ids = torch.tensor([prompt.context + prompt.mark + written])
    end = hand.tokenizer.eos_token_id
    found = hand.model.generate(
        ids,
        num_beams=BEAM,
        num_return_sequences=BEAM,
        early_stopping=True,
        max_new_tokens=length,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=hand.tokenizer.pad_token_id,
        logits_processor=LogitsProcessorList([Only(hand, ids.shape[1], starting)]),
    )
    rows = [row[ids.shape[1] :].tolist() for row in found]
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


@pytest.mark.parametrize("name", ["llama", "falcon-alibi"])
def test_what_is_written_is_what_candidates_agree_on(tmp_path: Path, name: str) -> None:
    """All of it, whenever a word has been read, by a search that starts anew each time."""
    save_model(tmp_path, name, sharpness=3, texts=SOURCES)
    counts = {count for gamma in (0.5, 0.75, 1.0) for count in written_at_once(tmp_path, gamma)}
    assert len(counts) > 2, counts


def written_at_once(folder: Path, gamma: float, length: int = 6) -> list[int]:
    """Tokens written after each source word, once they are what the candidates of transformers agree on."""
    hand = ByHand(folder)
    policy = {"name": "ralcp", "gamma": gamma, "candidates": BEAM, "length": length}
    options = SimultaneousDecoder(name="streaming", recompute=True, policy=policy, max_lag=99, max_word_tokens=99)
    interpreter, counts = Interpreter(Context(folder, "en-fr", PROMPT), options), []
    end, written = hand.tokenizer.eos_token_id, list[int]()
    for read, word in enumerate(hand.source[:-1], 1):
        shared = agreed(generated(hand, read, written, interpreter.writer.starting, length), gamma)
        written += shared[: shared.index(end)] if end in shared else shared
        interpreter.read(word)
        assert interpreter.writer.tokens == written
        counts.append(len(shared))
    return counts


def test_steps_and_first_words(tmp_path: Path) -> None:
    """Source words are read `step` at a time, and k at first."""
    save_model(tmp_path, sharpness=6, texts=SOURCES)
    policy = {"name": "ralcp", "gamma": 1, "candidates": BEAM, "length": 5, "step": 3, "k": 2}
    options = SimultaneousDecoder(name="streaming", policy=policy, positions="group", origin=30)
    interpreter, asked = Interpreter(Context(tmp_path, "en-fr", PROMPT), options), []
    writes = RALCP.writes

    def noted(self: RALCP, state: object) -> list[int]:
        asked.append(len(interpreter.source))
        return writes(self, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RALCP, "writes", noted)
        for word in SOURCES[0].split():
            interpreter.read(word)
    assert asked == [2, 5, 8]


def test_a_search_by_hand() -> None:
    """Tokens a, b and the end: after a, the end has 0.9; after b, all are alike."""
    after = {0: [0.05, 0.05, 0.9], 1: [1 / 3] * 3}

    def step(parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return torch.tensor([after[token] for token in tokens.tolist()]).log()

    first = torch.tensor([[0.5, 0.4, 0.1], [0.1, 0.9, 0.0]]).log()
    found = beams.search(first, step, 2, [3, 1], [2])
    # 0.5 * 0.9 ends first, with the mean of two logs; of what goes on, b a (0.4/3) is ahead of b b, and ends with 0.9
    assert found[0].tokens == [[0, 2], [1, 0, 2]]
    assert found[0].passes == 2
    assert found[1] == ([[1], [0]], 0), "a length of 1 needs no pass"
    alone = beams.search(first, step, 1, [9, 9], [2])
    assert [each.tokens for each in alone] == [[[0, 2]], [[1, 0, 2]]], "one beam is greedy"


@pytest.mark.parametrize(
    ("positions", "room", "length"),
    [("plain", None, 9), ("plain", 20, 9), ("plain", 12, 5), ("group", 12, 9), ("group", 6, 4), ("plain", 8, 1)],
)
def test_no_candidate_outgrows_the_model(positions: str, room: int | None, length: int) -> None:
    """After 5 tokens of context and 3 of the response. The last token of a candidate is not fed."""
    assert lockstep.longest(9, 5, 3, positions, room) == length
    assert not lockstep.outgrown(5, 3 + length - 1, positions, room)


def test_an_origin_takes_positions_too() -> None:
    assert lockstep.longest(9, 5, 3, "group", 12, origin=6) == 4
    assert not lockstep.outgrown(5, 3 + 3, "group", 12, origin=6)
    assert "needs 13 positions" in lockstep.outgrown(5, 3 + 4, "group", 12, origin=6)


def test_candidates_must_be_asked_for() -> None:
    with pytest.raises(ValueError, match="must say how many"):
        Prediction(torch.zeros(3)).candidates()
