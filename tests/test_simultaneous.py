"""Simultaneous decoding: many rows at once write the same words, with the same delays, as one sentence at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import ConversationDecoder, ScratchModel, SimultaneousDecoder, Training
from dragoman.configfile import prompts
from dragoman.decoding import Context, Item, conversation, simultaneous, streaming
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.legacy import LegacySentence
from dragoman.decoding.simultaneous import by_tokens
from dragoman.decoding.streaming import Interpreter, Stream
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.decoding.writer import Writer
from dragoman.languages.spelling import cut
from dragoman.methods import ParallelText, sft
from dragoman.policies.wait_k import WaitK
from dragoman.prompts import encode, joined
from dragoman.training import loop
from small_models import small
from support.simultaneous import ENGLISH, FRENCH, ITEMS, PROMPT, translate, without_cost

ODD = [Item(i, line, "") for i, line in enumerate(["The  cat\u00a0sleeps. ", "\u202fone", "a\tb \u200b c\u2028d"], 200)]
"""Sources with white space of other kinds than single blanks."""


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([*ENGLISH, *FRENCH], 500)


def build(architecture: str, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    """A model that has learnt a little, so that its sentences are like sentences, and end."""
    spec = ScratchModel.model_construct(architecture=architecture, layers=2, width=32, heads=4, seed=1)
    text = ParallelText("en-fr", ENGLISH, FRENCH, [""] * len(ENGLISH))
    made = sft.examples([text], PROMPT, tokenizer, sft.Options())
    settings = Training(steps=120, batch_size=32, optimizer="muon", learning_rate=0.01)
    model = models.build(spec, tokenizer)
    model = loop.fit(model, tokenizer, made, settings, seed=1, work=folder / "work", label="test").model
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def falcon(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("falcon-alibi", tokenizer, tmp_path_factory.mktemp("falcon"))


@pytest.fixture(scope="module")
def llama(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("llama", tokenizer, tmp_path_factory.mktemp("llama"))


# ------------------------------------------------------------------------------------------------- batch and stream


def test_batch_is_stream_for_80_sentences(falcon: Path) -> None:
    items = ITEMS[:80]
    batched = without_cost(translate(simultaneous, falcon, items))
    assert batched == translate(streaming, falcon, items)
    rows = [row for each in batched for row in each]
    assert {row["ended"] for row in rows} == {True, False}, "some sentences end, others are stopped"
    assert len({row["hypothesis"] for row in rows}) > 80
    lengths = [len(item.source.split()) for item in items]
    early = [row[0]["ended"] and row[0]["delays"][-1:] < [n] for row, n in zip(batched, lengths, strict=True)]
    assert any(early), "some sentences end before their source has been read"


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("falcon", {"recompute": True}),
        ("falcon", {"stride": 3, "max_lag": 4}),
        ("llama", {"positions": "group"}),
        ("llama", {"positions": "group", "origin": 60}),  # beyond the longest source
        ("llama", {"positions": "plain"}),
        ("llama", {"positions": "none"}),
        ("falcon", {"positions": "none"}),
        ("llama", {"positions": "plain", "recompute": True}),
    ],
    ids=str,
)
def test_batch_is_stream(architecture: str, options: dict[str, object], request: pytest.FixtureRequest) -> None:
    folder, items = request.getfixturevalue(architecture), ITEMS[:12] + ODD
    assert without_cost(translate(simultaneous, folder, items, **options)) == translate(
        streaming, folder, items, **options
    )


def test_an_origin_has_an_effect_and_needs_a_group(llama: Path) -> None:
    at = [translate(simultaneous, llama, ITEMS[:6], positions="group", origin=origin) for origin in (0, 60)]
    assert at[0] != at[1]
    with pytest.raises(ValidationError, match="`origin` belongs to `positions: group`"):
        translate(simultaneous, llama, ITEMS[:1], origin=3)


@pytest.mark.parametrize("kind", [*models.OWN_ATTENTION, "gemma2", "xglm"])
@pytest.mark.parametrize("options", [{}, {"positions": "none"}, {"recompute": True}], ids=str)
def test_batch_is_stream_without_sdpa(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, options: dict[str, object], kind: str
) -> None:
    small(kind, len(tokenizer), spread=0.15).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    batched = without_cost(translate(simultaneous, tmp_path, ITEMS[:4], k=[1, 5], max_lag=5, **options))
    assert batched == translate(streaming, tmp_path, ITEMS[:4], k=[1, 5], max_lag=5, **options)
    assert len({row["hypothesis"] for rows in batched for row in rows}) > 2


def test_batches_do_not_matter(falcon: Path) -> None:
    """However many rows there are, neighbours change nothing; not even the order of ks does."""
    items = ITEMS[:24]
    for recompute in (False, True):
        whole = translate(simultaneous, falcon, items, recompute=recompute)
        assert translate(simultaneous, falcon, items, recompute=recompute, batch_tokens=700) == whole
        backwards = translate(simultaneous, falcon, items[::-1], recompute=recompute, k=[7, 3])
        assert [[row[3], row[1]] for row in whole] == backwards[::-1]


def test_recomputing_is_an_ordinary_pass(llama: Path, falcon: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """With nothing kept, each token is the likeliest one after an ordinary prompt with the source read by then."""
    for folder in (llama, falcon):
        model = models.load(folder).eval()
        rows = translate(simultaneous, folder, ITEMS[:5], recompute=True, k=[2])
        for item, (row,) in zip(ITEMS[:5], rows, strict=True):
            assert (row["hypothesis"], row["delays"]) == by_hand(model, tokenizer, item.source.split(), k=2)


@torch.inference_mode()
def by_hand(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: list[str], k: int
) -> tuple[str, list[int]]:
    written: list[list[int]] = []
    delays: list[int] = []
    while True:
        read = min(k + len(written), len(source))
        pieces = encode(PROMPT, tokenizer, "en-fr", [" ".join(source[:read])])[0]
        word: list[int] = []
        while len(word) < 3:
            ids = joined(pieces) + [token for each in written for token in each] + word
            logits = model(torch.tensor([ids])).logits[0, -1]
            logits[tokenizer.pad_token_id] = -torch.inf
            if written and not word:
                for token in range(len(tokenizer)):
                    if token != tokenizer.eos_token_id and not tokenizer.decode([token]).startswith((" ", "\n")):
                        logits[token] = -torch.inf
            token = int(logits.argmax())
            if token == tokenizer.eos_token_id or (word and tokenizer.decode([token])[:1].isspace()):
                break
            word.append(token)
        if word:
            written.append(word)
            delays += [read] * len(tokenizer.decode(word).split())
        if not word or len(written) - read > 2:
            return " ".join(" ".join(map(tokenizer.decode, written)).split()), delays


def test_delays_are_those_of_the_policy(falcon: Path) -> None:
    for each, item in zip(translate(simultaneous, falcon, ITEMS[:20], k=[2, 50]), ITEMS, strict=False):
        size = len(item.source.split())
        for k, row in zip((2, 50), each, strict=True):
            words = row["hypothesis"].split()
            assert row["delays"] == [min(k + t, size) for t in range(len(words))]


def test_long_memory_is_bounded() -> None:
    batches = list(by_tokens([5, 40, 10, 300, 20], copies=4, budget=400))
    assert batches == [[3], [1], [4, 2], [0]], "longest first; one sentence may exceed the budget, two may not"


# --------------------------------------------------------------------------------------------------- words and ends


class Scripted:
    """A model that says what it was told to."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *said: str) -> None:
        self.tokens = iter(
            tokenizer.eos_token_id if text == "END" else tokenizer.convert_tokens_to_ids(piece)
            for text in said
            for piece in ([text] if text == "END" else tokenizer.tokenize(text))
        )


@pytest.fixture(scope="module")
def letters() -> PreTrainedTokenizerBase:
    """Every character its own token, and every blank one with the letter after it."""
    return models.train_tokenizer([f" {c}" for c in "abcdefgh3"] * 5, 300)


def writer_of(tokenizer: PreTrainedTokenizerBase, k: int, **options: int) -> Writer:
    settings = {"max_lag": 10, "max_word_tokens": 50} | options
    return Writer(Vocabulary(tokenizer), tokenizer, WaitK(name="wait-k", k=k), **settings)


def test_words_end_where_the_next_begins(letters: PreTrainedTokenizerBase) -> None:
    """`ab 3.5 c` under wait-1 with three source words: inner punctuation cuts nothing, the last word is there."""
    writer, read = writer_of(letters, 1), 1
    actions = []
    for token in Scripted(letters, " ab", " 3", " 3.5", " c", " c", "END").tokens:
        action = writer.take(token, read, over=read == 3)
        actions.append(action)
        if action == "read":
            read = min(writer.want, 3)
    assert writer.words == ["ab", "3.5", "c"]
    assert writer.delays == [1, 2, 3]
    assert writer.ended
    # " 3" was asked for twice, before and after the second source word was read, and so was " c"
    assert actions == ["write", "write", "read", "write", "write", "write", "read", "write", "end"]


def test_early_end_long_words_and_lag(letters: PreTrainedTokenizerBase) -> None:
    writer = writer_of(letters, 2)
    assert [writer.take(token, 2, over=False) for token in Scripted(letters, " a", "END").tokens] == ["write", "read"]
    assert writer.take(letters.eos_token_id, 3, over=False) == "end", "the end may come before the source's"
    assert (writer.words, writer.delays, writer.ended) == (["a"], [2], True)

    writer = writer_of(letters, 1, max_word_tokens=3)
    assert [writer.take(token, 1, over=True) for token in Scripted(letters, " abcd").tokens][3] == "read"
    assert writer.words == ["abc"]
    assert writer.starting, "a word that was cut is followed by a new one"

    writer = writer_of(letters, 1, max_lag=2)
    actions = [writer.take(token, 1, over=True) for token in Scripted(letters, " a b c d e f").tokens]
    assert actions[:5] == ["write"] * 4 + ["end"], "three more than read are too many"
    assert not writer.ended


def legacy(tokenizer: PreTrainedTokenizerBase, words: int, k: int, *said: str) -> LegacySentence:
    ends = list(range(1, words + 2))
    row = LegacySentence(
        [0] * (words + 1), ends, [5, 6], tokenizer, " ", WaitK(name="wait-k", k=k).needs, False, 10, 50
    )
    for token in Scripted(tokenizer, *said).tokens:
        assert not row.done
        row.take(token)
    return row


def test_legacy_faults(letters: PreTrainedTokenizerBase) -> None:
    """What the published agent does: numbers cut at their point, the last word lost, empty words counted."""
    row = legacy(letters, 5, 1, " 3.", "5", " a", " a", "END")
    assert row.words == ["3.", "5"], "the point ends a word, and the word before the end is lost"
    assert row.delays == [1, 2]
    assert row.ended
    row = legacy(letters, 5, 1, " a", " b", " b.", "END")
    assert (row.words, row.delays) == (["a", "b."], [1, 2]), "with a final point nothing is lost"


# ------------------------------------------------------------------------------------------------ cutting the prompt


@pytest.mark.parametrize("name", ["short", "simulmask", "alpaca", "alpaca-post-ins", "headed"])
def test_cut_prompts_are_whole_again(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = prompts()[name]
    sources = ["The cat sleeps.", "one", "“No,” she said – twice!", "naïve 3.5 %", *ENGLISH[:5]]
    for source, item in zip(sources, cut(prompt, tokenizer, "en-fr", sources), strict=True):
        assert len(item.source) == len(source.split())
        expected = joined(encode(prompt, tokenizer, "en-fr", [source])[0])
        assert item.context + item.mark == expected
        assert item.ends[-1] == len(item.context)
        text = [tokenizer.decode(word).strip() for word in item.source]
        assert text == source.split()


def test_what_cannot_be_cut_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    bare = PROMPT.model_copy(update={"segments": [s for s in PROMPT.segments if s.role != "mark"]})
    with pytest.raises(ValueError, match="needs a mark"):
        cut(bare, tokenizer, "en-fr", ["one"])


def test_interpreter_takes_words_as_they_come(falcon: Path) -> None:
    options = SimultaneousDecoder(name="streaming", k=[3], max_word_tokens=3, max_lag=2)
    interpreter = Interpreter(Context(falcon, "en-fr", PROMPT), options)
    item = max(ITEMS, key=lambda item: len(item.source))
    (row,), *_ = translate(simultaneous, falcon, [item], k=[3])
    for _ in range(2):
        interpreter.reset()
        assert interpreter.read(item.source.split()[0]) == [], "wait-3 writes nothing after one word"
        found = [word for source in item.source.split()[1:] for word in interpreter.read(source)]
        assert found + interpreter.finish() == row["hypothesis"].split()
        assert interpreter.done
    with pytest.raises(ValueError, match="one word"):
        interpreter.read("two words")


# ----------------------------------------------------------------------------------------------------- conversation


def test_conversation_is_turn_after_turn(falcon: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Every turn is what the untouched model would write after all that came before."""
    model = models.load(falcon).eval()
    options = ConversationDecoder(name="conversation", chunk=[2, 5], max_turn_tokens=6)
    decoder = conversation.Decoder(Context(falcon, "en-fr", PROMPT), options)
    items = ITEMS[:8]
    rows = decoder.decode(items)
    alone = [decoder.decode([item])[0] for item in items]
    assert rows == alone
    for item, each in zip(items[:4], rows, strict=False):
        for n, row in zip((2, 5), each, strict=True):
            source, ids, words, delays = item.source.split(), [], [], []
            for start in range(0, len(source), n):
                chunk = " ".join(source[start : start + n])
                pieces = encode(PROMPT, tokenizer, "en-fr", [chunk])[0]
                ids += joined(pieces if not ids else pieces[1:])
                answer: list[int] = []
                while len(answer) < 6:
                    with torch.no_grad():
                        logits = model(torch.tensor([ids + answer])).logits[0, -1]
                    logits[tokenizer.pad_token_id] = -torch.inf
                    if (token := int(logits.argmax())) == tokenizer.eos_token_id:
                        break
                    answer.append(token)
                ids += [*answer, tokenizer.eos_token_id]
                found = tokenizer.decode(answer).split()
                words += found
                delays += [min(start + n, len(source))] * len(found)
            assert (row["hypothesis"], row["delays"], row["setting"]) == (" ".join(words), delays, f"n={n}")


# ------------------------------------------------------------------------------------------------------------- cost


def test_cost_is_what_torch_counts(falcon: Path, llama: Path) -> None:
    """Token by token, so that no masked pair is computed; torch counts every product it makes."""
    for folder in (falcon, llama):
        model = models.load(folder).eval()
        stream, work = Stream(model, [3], [4], positions="plain"), Work()
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            stream.read([])
            stream.context, stream.response = [3], []  # first the instruction alone
            stream.logits()
            work.feed(1, 0, predictions=1)
            for number, token in enumerate([4, 9, 8, 7]):
                stream.write(token)
                stream.logits()
                work.feed(1, 1 + number, predictions=1)
        assert Price(model).gflops(work) == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-5)


def test_cost_of_a_sentence_by_hand(falcon: Path) -> None:
    model = models.load(falcon)
    price = Price(model)
    assert price.pair == 4 * 2 * 32
    assert price.prediction == 2 * 32 * model.config.vocab_size
    assert price.token == 2 * 2 * (3 * 32 * 32 + 32 * 32 + 8 * 32 * 32)  # qkv, output and MLP of two layers
    work = Work()
    work.feed(3, 0)
    work.feed(2, 3, predictions=1)
    assert (work.tokens, work.pairs, work.predictions) == (5, 1 + 2 + 3 + 4 + 5, 1)


def test_recomputing_costs_more(falcon: Path) -> None:
    kept, again = (translate(simultaneous, falcon, ITEMS[:10], k=[2], recompute=flag) for flag in (False, True))
    assert sum(r[0]["gflops"] for r in again) > 1.3 * sum(r[0]["gflops"] for r in kept)
