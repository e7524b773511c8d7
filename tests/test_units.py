"""Words and characters: one definition, by which schedules that are trained are the delays that are decoded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unicodedata import normalize

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import one_hot
from transformers import PreTrainedTokenizerBase

from dragoman.config import Prompt, Segment
from dragoman.configfile import prompts
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.decoding.writer import Writer
from dragoman.languages.spelling import Spelled, Spelling, cut, pairs
from dragoman.languages.units import Unit, Units, joined, of_pair, units
from dragoman.methods import ParallelText, converse, prefix, simulmask
from dragoman.policies.wait_k_stride import WaitKStride
from dragoman.prompts import encode
from dragoman.prompts import joined as ids_of
from dragoman.text import table
from tokenizer_kinds import KINDS

SHORT, ALPACA = prompts()["short"], prompts()["alpaca"]
QUOTING = Prompt(
    bos=True,
    segments=[
        Segment(role="source", text='In {source_language}: "{source}".'),
        Segment(role="mark", text="\n{target_language}:"),
        Segment(role="target", text="{target}"),
    ],
)
PROMPTS = {"short": SHORT, "alpaca": ALPACA, "quoting": QUOTING}
BLANKS = [" ", "  ", "\u00a0", "\u202f", "\t", "\n", "\u3000", "\u2009", "\u2028", " \u00a0", "\u202f ", "\n\n", "\x1c"]
SOLID = ["the", "history,", "maison", "«Où»", "a\u200bb", "\u200b", "3.5", "1234", "she's", "naïve", "e\u0301t\u00e9"]
SOLID += ["我们", "语言。", "猫が", "แมว", "ตัวเล็ก", "😀!", "…", "(twice)", "\ufeff", "Python"]
TEXTS = 12
"""Texts of each kind that are tried."""


def odd_text(rng: random.Random) -> str:
    """Words with white space of every kind between them and around them."""
    words = [rng.choice(SOLID) for _ in range(rng.randint(0, 7))]
    inner = "".join(word + rng.choice(BLANKS) for word in words)
    return rng.choice(["", *BLANKS]) + (inner if rng.random() < 0.5 else inner[:-1])


# ------------------------------------------------------------------------------------------------------------ the text


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        (" the history,  a\u00a0species\n", "word", ["the", "history,", "a", "species"]),
        ("a\u200bb \u200b", "word", ["a\u200bb", "\u200b"]),  # zero width is no white space
        ("我爱 Python 3。", "character", ["我", "爱", " P", "y", "t", "h", "o", "n", " 3", "。"]),
        ("\u3000彼は\u3000\u00a0言う\t", "character", ["彼", "は", " 言", "う"]),
        ("ไป", "character", ["ไ", "ป"]),
        ("", "word", []),
        (" \u202f", "character", []),
    ],
)
def test_units_of_a_text(text: str, unit: Unit, expected: list[str]) -> None:
    assert units(text, unit) == expected
    assert joined(expected, unit) == " ".join(text.split())


@given(st.text(max_size=40), st.sampled_from(["word", "character"]))
def test_units_lose_nothing_but_white_space(text: str, unit: Unit) -> None:
    found = units(text, unit)
    assert joined(found, unit) == " ".join(text.split())
    if unit == "character":
        assert [each.strip() for each in found] == [letter for letter in text if not letter.isspace()]


@pytest.mark.parametrize(
    ("pair", "asked", "expected"),
    [
        ("en-fr", (), ("word", "word")),
        ("zh-en", (), ("character", "word")),
        ("en-ja", (), ("word", "character")),
        ("th-km", (), ("character", "character")),
        ("lo-my", ("auto", "word"), ("character", "word")),
        ("ko-vi", (), ("word", "word")),
        ("en-zh_TW", (), ("word", "character")),
        ("zh-en", ("word", "auto"), ("word", "word")),
        ("en-de", ("auto", "character"), ("word", "character")),
    ],
)
def test_units_follow_the_language(pair: str, asked: Sequence[str], expected: tuple[Unit, Unit]) -> None:
    assert of_pair(pair, asked) == Units(*expected)


# ---------------------------------------------------------------------------------------------------------- the source


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("pair", ["en-fr", "zh-en"])
def test_what_has_been_read_is_spelled_alike_whatever_follows(kind: str, prompt: str, pair: str) -> None:
    """Read unit by unit or all at once, and with any white space: the same tokens, each the text of its unit."""
    tokenizer, rng = KINDS[kind](), random.Random(f"{kind} {prompt} {pair}")
    unit = of_pair(pair).source
    for text in [odd_text(rng) for _ in range(TEXTS // 2)]:
        (whole,) = cut(PROMPTS[prompt], tokenizer, pair, [text])
        found = units(text, unit)
        assert len(whole.source) == len(found)
        for read in range(1, len(found) + 1):
            (part,) = cut(PROMPTS[prompt], tokenizer, pair, [joined(found[:read], unit)])
            assert (part.instruction, part.source, part.mark) == (whole.instruction, whole.source[:read], whole.mark)
        spelling = Spelling.of(tokenizer, unit)
        for ids, each in zip(whole.source, found, strict=True):
            assert normalize("NFC", spelling.text(ids).strip()) == normalize("NFC", each.strip())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["short", "alpaca"])
def test_words_are_spelled_as_ever(kind: str, name: str) -> None:
    """Where a prompt has nothing but a blank around the source, reading by words changes no token."""
    tokenizer, rng = KINDS[kind](), random.Random(kind)
    plain = [" ".join(odd_text(rng).split()) for _ in range(60)]
    whole = encode(PROMPTS[name], tokenizer, "en-fr", plain)
    for pieces, found in zip(whole, cut(PROMPTS[name], tokenizer, "en-fr", plain), strict=True):
        assert [*found.context, *found.mark] == ids_of(pieces)


# ---------------------------------------------------------------------------------------- schedules trained and decoded


vocabulary_of = cache(Vocabulary)


def may_come(vocabulary: Vocabulary, writer: Writer, token: int) -> bool:
    """Whether a token is chosen where the model finds it the likeliest."""
    return vocabulary.best(one_hot(torch.tensor([token]), len(vocabulary.inside)), [writer.starting]) == [token]


def forced(
    tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], size: int, k: int, stride: int, unit: Unit
) -> tuple[Writer, list[int]]:
    """A writer that is made to write these tokens, and how many of `size` source units were read before each."""
    vocabulary = vocabulary_of(tokenizer)
    writer = Writer(vocabulary, tokenizer, WaitKStride(name="wait-k-stride", k=k, stride=stride), 1000, 1000, unit)
    read, found = min(writer.want, size), []
    for token in tokens:
        assert may_come(vocabulary, writer, token), "what a reference has may be written"
        while writer.take(token, read, over=read == size) == "read":
            assert read < min(writer.want, size)
            read = min(writer.want, size)
            assert may_come(vocabulary, writer, token)
        found.append(read)
    assert writer.ended
    return writer, found


def trained(example: dict[str, list[int]], spelled: Spelled) -> list[int]:
    """Source units that the mask shows when each target token, and the end, is predicted."""
    shown = example["visible"][-len(spelled.target) - 1 : -1]
    ends = [end - len(spelled.source.instruction) for end in spelled.source.ends]
    # of units without tokens the last: they are read together with the one before
    return [max(n for n, end in enumerate(ends) if end == each) for each in shown]


POLICIES = [(1, 1), (3, 1), (2, 3)]
SIDES = ["en-fr", "en-zh", "zh-en", "th-ja"]


def agree(tokenizer: PreTrainedTokenizerBase, pair: str, sources: list[str], targets: list[str]) -> None:
    """What is trained under each policy is what is decoded when the references are written."""
    text, counted = ParallelText(pair, sources, targets, [""] * len(sources)), of_pair(pair)
    spelled = list(pairs(SHORT, tokenizer, pair, sources, targets))
    for k, stride in POLICIES:
        policy = WaitKStride(name="wait-k-stride", k=k, stride=stride)
        made = simulmask.examples([text], SHORT, tokenizer, simulmask.Options(policies=[policy]))
        for example, each, source, target in zip(made, spelled, sources, targets, strict=True):
            assert example["input_ids"] == each.ids
            size = len(units(source, counted.source))
            writer, found = forced(tokenizer, each.target, size, k, stride, counted.target)
            assert found == trained(example, each)
            assert len(writer.words) == len(writer.delays) == each.count
            g = policy.schedule(size, each.count).tolist()
            assert found == [g[number - 1] for number in each.number] + g[-1:]
            # Qwen's tokenizer composes letters
            written, wanted = joined(writer.words, counted.target), " ".join(target.split())
            assert normalize("NFC", written) == normalize("NFC", wanted)
            if counted.target == "word":  # no token of a text with single blanks is of two words
                assert writer.delays == g[:-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pair", SIDES)
def test_schedules_trained_are_delays_decoded(kind: str, pair: str) -> None:
    """Five kinds of tokenizers, texts with any white space, words and characters on either side, three policies."""
    rng = random.Random(f"{kind} {pair}")
    agree(KINDS[kind](), pair, *([odd_text(rng) for _ in range(TEXTS)] for _ in range(2)))


@pytest.mark.parametrize("pair", ["en-fr", "en-zh", "en-ja"])
def test_schedules_of_real_text(shared_data: Path, pair: str) -> None:
    rows = [row for _, row in table(shared_data / "iwslt17" / f"tst2016.{pair}.tsv.gz")]
    odd = [row for row in rows if any(" ".join(side.split()) != side for side in row.values())][: TEXTS // 3]
    assert odd
    for kind in KINDS.values():
        agree(kind(), pair, *([row[code] for row in odd] for code in pair.split("-")))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["word", "character"])
def test_a_model_may_write_any_white_space(kind: str, unit: Unit) -> None:
    """Tokens of texts as they are: what a writer counts is what a mask over them would."""
    tokenizer, rng = KINDS[kind](), random.Random(f"{kind} {unit}")
    for text in [odd_text(rng) for _ in range(TEXTS)]:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        numbers, count = Spelling.of(tokenizer, unit).numbers(tokens)
        for k, stride in POLICIES:
            g = WaitKStride(name="wait-k-stride", k=k, stride=stride).schedule(9, count).tolist()
            writer, found = forced(tokenizer, [*tokens, tokenizer.eos_token_id], 9, k, stride, unit)
            assert found == [g[number - 1] for number in numbers] + g[-1:]
            assert len(writer.words) == count
            assert joined(writer.words, unit) == " ".join(Spelling.of(tokenizer, unit).text(tokens).split())


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_tokens_are_those_of_their_letters(kind: str) -> None:
    """In text with single blanks, against the characters that tokenizers say their tokens stand for."""
    tokenizer, rng = KINDS[kind](), random.Random(kind)
    for text in [" " + " ".join(odd_text(rng).split()) for _ in range(60)]:
        found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        numbers, count = Spelling.of(tokenizer, "word").numbers(found["input_ids"])
        words = [text[: first + 1].count(" ") or 1 for first, _ in found["offset_mapping"]]
        if text.strip():
            assert (numbers, count) == ([max(words[: n + 1]) for n in range(len(words))], text.count(" "))


def test_a_double_blank_is_one() -> None:
    """A lone blank token is no word; before this was said in one place, delays were 1, 2, 4, 5."""
    tokenizer = KINDS["gpt2"]()
    tokens = tokenizer(" the history,  a species", add_special_tokens=False)["input_ids"]
    assert " " in [tokenizer.decode([token]) for token in tokens]
    writer, _ = forced(tokenizer, [*tokens, tokenizer.eos_token_id], 9, 1, 1, "word")
    assert (writer.words, writer.delays) == (["the", "history,", "a", "species"], [1, 2, 3, 4])


def test_white_space_without_end_ends() -> None:
    tokenizer = KINDS["gpt2"]()
    (blank,) = tokenizer("\t", add_special_tokens=False)["input_ids"]
    writer = Writer(vocabulary_of(tokenizer), tokenizer, WaitKStride(name="wait-k-stride", k=1, stride=1), 10, 3)
    assert [writer.take(blank, 1, over=True) for _ in range(4)] == ["write"] * 3 + ["end"]
    assert (writer.words, writer.ended) == ([], False)


@pytest.mark.parametrize(("unit", "written"), [("word", 13), ("character", 73)])
def test_a_target_in_characters_may_be_longer(unit: Unit, written: int) -> None:
    """Stopped when ten more words than read are written, or sixty more characters."""
    tokenizer = KINDS["gpt2"]()
    tokens = tokenizer(" e" * 100, add_special_tokens=False)["input_ids"]
    writer = Writer(vocabulary_of(tokenizer), tokenizer, WaitKStride(name="wait-k-stride", k=1, stride=1), 10, 50, unit)
    next(token for token in tokens if writer.take(token, 2, over=True) == "end")
    assert len(writer.words) == written
    assert not writer.ended


# ---------------------------------------------------------------------------------------------------------- the methods


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen"])
@pytest.mark.parametrize("pair", SIDES)
def test_prefixes_are_what_the_mask_shows(kind: str, pair: str) -> None:
    tokenizer, rng = KINDS[kind](), random.Random(f"{kind} {pair}")
    sources, targets = ([odd_text(rng) for _ in range(10)] for _ in range(2))
    text, policy = ParallelText(pair, sources, targets, [""] * 10), {"name": "wait-k", "k": 2}
    made = iter(prefix.examples([text], SHORT, tokenizer, prefix.Options.model_validate({"policies": [policy]})))
    for each in pairs(SHORT, tokenizer, pair, sources, targets):
        g = WaitKStride(name="wait-k-stride", k=2, stride=1).schedule(len(each.source.source), each.count).tolist()
        g[-1] = len(each.source.source)
        own = [*each.number, each.count + 1]
        for number in sorted(set(own)):
            start, end = own.index(number), len(own) - own[::-1].index(number)
            example = next(made)
            context = each.ids[: each.source.ends[g[number - 1]]]
            assert example["input_ids"] == [*context, *each.source.mark, *each.target[:end]]
            assert example["labels"][-(end - start) :] == each.target[start:end]
    assert next(made, None) is None


def test_turns_of_characters() -> None:
    """Chunks of Chinese are joined without blanks, and a blank between two turns ends the first."""
    tokenizer = KINDS["gpt2"]()
    text = ParallelText("zh-ja", ["我爱 Go。"], ["猫 と犬"], ["0-0 1-1 4-2"])
    options = converse.Options(turn_length=[1, 1], shift=0.0)
    (example,) = converse.examples([text], SHORT, tokenizer, options)
    told = tokenizer.decode(example["input_ids"])
    end = tokenizer.eos_token
    turns = [("我", "猫 "), ("爱", "と"), ("Go。", "犬")]
    assert told == "Chinese to Japanese:" + "".join(f" {s}\nAssistant: {t}{end}" for s, t in turns)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(SIDES))
def test_all_turns_are_the_sentence(rng: random.Random, pair: str) -> None:
    tokenizer, counted = KINDS["gpt2"](), of_pair(pair)
    source, target = odd_text(rng) + "a", odd_text(rng) + "b"
    sizes = [len(units(side, unit)) for side, unit in zip((source, target), counted, strict=True)]
    links = " ".join(f"{rng.randrange(sizes[0])}-{t}" for t in range(sizes[1]))
    (example,) = converse.examples(
        [ParallelText(pair, [source], [target], [links])], SHORT, tokenizer, converse.Options(turn_length=[1, 2])
    )
    told = tokenizer.decode(example["input_ids"]).partition(":")[2]
    turns = [turn.split("\nAssistant: ") for turn in told.split(tokenizer.eos_token)[:-1]]
    written = "".join(t if counted.target == "character" else f"{t} " for _, t in turns)
    assert " ".join(written.split()) == " ".join(target.split())
    assert "".join("".join(s for s, _ in turns).split()) == "".join(source.split())
