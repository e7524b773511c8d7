"""Interleaved source and target: the training sequence by hand, and a decoder that follows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from conftest import save_model
from dragoman import models
from dragoman.config import InterleavedDecoder
from dragoman.decoding import Context, Item, interleaved
from dragoman.decoding.lockstep import Batch
from dragoman.decoding.options import LEVELS
from dragoman.decoding.prediction import Prediction
from dragoman.languages.units import units
from dragoman.methods import IGNORE, ParallelText, interleave
from dragoman.methods.interleave import chunks
from dragoman.models import attention
from support.aligned import LINKS, OTHER, PROMPT, QUOTING, SOURCE, TARGET, TEXT

CLOSE = 1e-4
"""As in test_mirror.py."""
CHINESE = ParallelText("zh-en", ["买 红车"] * 4, ["buy red cars"] * 4, ["0-0 1-1 2-2"] * 4)


@pytest.fixture(scope="module", params=["llama", "falcon-alibi"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(request.param)
    save_model(made, request.param, sharpness=6, texts=[f" {SOURCE} {TARGET}", "\nAnswer: low latency.", "买 红车"])
    return made


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return models.load_tokenizer(folder)


def levels_of(text: ParallelText, **options: int) -> dict[str, int]:
    """The first sentence pair of each level."""
    found: dict[str, int] = {}
    drawn = interleave.random.Random(f"interleave-{text.pair}").choices(LEVELS, k=len(text.sources))
    for number, level in enumerate(drawn):
        found.setdefault(level, number)
    return found


@pytest.mark.parametrize(
    ("together", "expected"), [(1, [(1, 2), (2, 4), (5, 7)]), (2, [(2, 4), (5, 7)]), (3, [(5, 7)]), (9, [(5, 7)])]
)
def test_segments_become_chunks(together: int, expected: list[tuple[int, int]]) -> None:
    assert chunks([(1, 2), (2, 4), (5, 7)], together) == expected


def test_a_sequence_by_hand(tokenizer: PreTrainedTokenizerBase) -> None:
    text = ParallelText("en-fr", [SOURCE] * 24, [TARGET] * 24, [LINKS] * 24)
    made = interleave.examples([text], PROMPT, tokenizer, interleave.Options())
    spoken = {
        "low": [("I like", "J'aime les"), ("small", "petits"), ("black cats", "chats noirs")],
        "medium": [("I like small", "J'aime les petits"), ("black cats", "chats noirs")],
        "high": [(SOURCE, TARGET)],
    }
    for level, number in levels_of(text).items():
        after = "".join(f" {source}\nAnswer: {target}<|endoftext|>" for source, target in spoken[level])
        example = made[number]
        assert tokenizer.decode(example["input_ids"]) == f"English to French: {level} latency.{after}"
        learnt = [token for token in example["labels"] if token != IGNORE]
        assert tokenizer.decode(learnt) == after, "the loss is on all that follows the instruction"
        assert example["labels"][-len(learnt) :] == learnt == example["input_ids"][-len(learnt) :]
    fewer = ParallelText("en-fr", *(column[:7] for column in text[1:4]))
    assert interleave.examples([fewer], PROMPT, tokenizer, interleave.Options()) == made[:7]
    whole = interleave.examples([text], PROMPT, tokenizer, interleave.Options(low=9, medium=9, high=9))
    assert {example["input_ids"].count(tokenizer.eos_token_id) for example in whole} == {1}


def test_a_prompt_without_an_instruction_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ValueError, match="needs an instruction before the source"):
        interleave.examples([TEXT], QUOTING, tokenizer, interleave.Options())


class Forced(interleaved.Reader):
    """A row that is told what comes next, and keeps what the model would say."""

    def force(self, sequence: list[int]) -> Forced:
        self.sequence, self.said = sequence, dict[int, torch.Tensor]()
        return self

    def take(self, best: int, prediction: Prediction | None = None) -> None:
        assert prediction is not None
        place = len(self.context) + len(self.response)
        assert self.context + self.response == self.sequence[:place]
        self.said[place] = prediction.logits
        super().take(self.sequence[place])


@pytest.mark.parametrize("text", [TEXT, CHINESE], ids=["words", "characters"])
@torch.no_grad()
def test_the_decoder_follows_the_training_sequence(
    folder: Path, tokenizer: PreTrainedTokenizerBase, text: ParallelText, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word by word with a kept cache, and many rows at once, it has the tokens that one causal pass trains, and the
    logits of that pass at every decision."""
    monkeypatch.setattr(interleaved, "Reader", Forced)
    options = InterleavedDecoder(name="interleaved")
    decoder = interleaved.Decoder(Context(folder, text.pair, PROMPT), options)
    made = interleave.examples([text], PROMPT, tokenizer, interleave.Options())
    rows = []
    for level, number in levels_of(text).items():
        unit = text.counted.source
        talks = decoder._talks(units(text.sources[number], unit))
        rows.append(talks[LEVELS.index(level)].force(made[number]["input_ids"]))
    Batch(decoder.model, decoder.vocabulary, rows, "plain", tokenizer.pad_token_id).run()
    for row in rows:
        assert row.done and row.context + row.response == row.sequence[:-1], "the last end is not fed"
        ids = torch.tensor([row.sequence])
        logits = attention.causal(decoder.model, ids, torch.ones_like(ids))
        logits = decoder.vocabulary.possible(logits[0], [False] * ids.shape[1])
        for place, said in row.said.items():
            finite = said.isfinite()
            assert (said - logits[place - 1])[finite].abs().max() < CLOSE
        answers = "".join(tokenizer.decode(answer) for answer in row.answers).split()
        assert answers == text.targets[0].split() or answers == OTHER[1].split()
        assert [turn.read for turn in row.turns] == sorted({turn.read for turn in row.turns})
        assert len(row.said) > len(row.words), "it was asked after every source word"


def test_a_batch_is_one_by_one(folder: Path) -> None:
    options = InterleavedDecoder(name="interleaved", latency=["high", "low"], max_turn_tokens=4)
    decoder = interleaved.Decoder(Context(folder, "en-fr", PROMPT), options)
    items = [Item(number, text, "") for number, text in enumerate([SOURCE, OTHER[0], "", SOURCE[:6]])]
    rows = decoder.decode(items)
    assert rows == [decoder.decode([item])[0] for item in items]
    for item, each in zip(items, rows, strict=True):
        assert [row["setting"] for row in each] == ["latency=high", "latency=low"]
        for row in each:
            assert len(row["delays"]) == len(row["hypothesis"].split())
            assert row["delays"] == sorted(row["delays"])
            assert max(row["delays"], default=0) <= len(item.source.split())


@torch.no_grad()
def test_it_writes_when_the_model_ends_reading(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """By hand: the model is made to end its reading after two words, and each answer after one token."""
    options = InterleavedDecoder(name="interleaved", latency=["low"])
    decoder = interleaved.Decoder(Context(folder, "en-fr", PROMPT), options)
    (row,) = decoder._talks(SOURCE.split())
    word, end = tokenizer.encode(" les")[0], tokenizer.eos_token_id
    for best in (word, row.mark[0], word, end, end, row.mark[0], word, end, row.mark[0], word, end):
        assert not row.done
        row.take(best)
    assert row.done
    said = " I like\nAnswer: les<|endoftext|> small black\nAnswer: les<|endoftext|> cats\nAnswer: les"
    assert tokenizer.decode(row.response) == said
    assert decoder._result("latency=low", row)["delays"] == [2, 4, 5]
