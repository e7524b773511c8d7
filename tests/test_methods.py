"""What is trained for simultaneous translation: examples by hand, what must hold for any sentence, and the loss."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import Pages, Prompt, ScratchModel, Training
from dragoman.decoding.streaming import Stream
from dragoman.imports import closure
from dragoman.languages.units import Unit
from dragoman.methods import IGNORE, Example, ParallelText, converse, prefix, sft, simulmask
from dragoman.models import attention
from dragoman.policies import links
from dragoman.training import batches, loop, losses
from dragoman.training.losses import Forward
from support.aligned import LINKS, ONE, PROMPT, QUOTING, SOURCE, TARGET, TEXT


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """One token for every source word and for `les`, `petits`, `chats`; several for the other target words."""
    return models.train_tokenizer([f" {SOURCE}", "\nAnswer:", " J ai me les petits chats no irs"] * 30, 330)


def build(architecture: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    pages = Pages(corpus="x", languages=["en", "fr"], count=5)
    spec = ScratchModel(source="scratch", architecture=architecture, text=pages, layers=2, width=16, heads=2)
    return models.build(spec, tokenizer).eval()


def wait(*ks: int) -> list[dict[str, object]]:
    return [{"name": "wait-k", "k": k} for k in ks]


def masked_examples(text: ParallelText, tokenizer: PreTrainedTokenizerBase, **options: object) -> list[Example]:
    return simulmask.examples([text], PROMPT, tokenizer, simulmask.Options.model_validate(options))


def predicted(example: Example) -> list[int]:
    return [label for label in example["labels"] if label != IGNORE]


def batched(
    made: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    batch = batches.Collator(tokenizer.pad_token_id)(list(made))
    return batch, (batch["labels"] != IGNORE).sum()


# -------------------------------------------------------------------------------------------------------- simulmask


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # source words read when the token after the query is written; the rows of the mark first
        ("exact", [1, 1, 1, *[1, 1, 1, 2], 3, 4, 5, *[5, 5, 5], 5]),
        # every token of word t sees g(t + 1)
        ("official", [1, 1, 1, *[2, 2, 2, 2], 3, 4, 5, *[5, 5, 5], 5]),
    ],
)
def test_simulmask_by_hand(tokenizer: PreTrainedTokenizerBase, mode: str, expected: list[int]) -> None:
    (example,) = masked_examples(ONE, tokenizer, policies=wait(1), visibility=mode)
    response = [tokenizer.decode([token]) for token in example["input_ids"]][-len(expected) :]
    words = [" J", "'", "ai", "me", " les", " petits", " chats", " no", "ir", "s"]
    assert response == ["\n", "Answer", ":", *words, "<|endoftext|>"]
    before = len(example["input_ids"]) - len(expected) - 5
    assert example["visible"] == [0] * before + [1, 2, 3, 4, 5] + expected
    (ordinary,) = sft.examples([ONE], PROMPT, tokenizer, sft.Options())
    assert {name: example[name] for name in ordinary} == ordinary


def test_a_sentence_pair_draws_its_policy_by_its_number(tokenizer: PreTrainedTokenizerBase) -> None:
    several = masked_examples(TEXT, tokenizer, policies=wait(1, 3, 9))
    single = [masked_examples(TEXT, tokenizer, policies=wait(k)) for k in (1, 3, 9)]
    drawn = [[row[i]["visible"] for row in single].index(example["visible"]) for i, example in enumerate(several)]
    assert set(drawn) == {0, 1, 2}
    fewer = ParallelText("en-fr", *(column[:7] for column in TEXT[1:]))
    assert masked_examples(fewer, tokenizer, policies=wait(1, 3, 9)) == several[:7]
    other = ParallelText("en-de", *TEXT[1:])
    assert [e["visible"][-9:] for e in masked_examples(other, tokenizer, policies=wait(1, 3, 9))] != [
        e["visible"][-9:] for e in several
    ]


def test_alignment_decides_what_is_read(tokenizer: PreTrainedTokenizerBase) -> None:
    (example,) = masked_examples(ONE, tokenizer, policies=[{"name": "alignment"}])
    # J'aime needs word 2, les nothing more, petits word 3, chats word 5
    assert example["visible"][-14:] == [2] * 7 + [3] + [5] * 6


@pytest.mark.parametrize(
    ("alignment", "message"),
    [
        ("", r"sentence pair 2 of en-fr: no word alignment, .* `alignment`"),
        ("0-9", r"sentence pair 2 of en-fr: alignment 0-9 is outside a source of 5 and a target of 5 words"),
        ("0:0", r"sentence pair 2 of en-fr: a word alignment is like '0-0 1-2', not '0:0'"),
    ],
)
@pytest.mark.parametrize("method", [simulmask, prefix, converse])
def test_a_pair_without_its_alignment_is_named(
    tokenizer: PreTrainedTokenizerBase, method: ModuleType, alignment: str, message: str
) -> None:
    text = ParallelText("en-fr", TEXT.sources[:2], TEXT.targets[:2], [LINKS, alignment])
    options = {} if method is converse else {"policies": [{"name": "alignment"}]}
    with pytest.raises(ValueError, match=message):
        method.examples([text], PROMPT, tokenizer, method.Options.model_validate(options))
    if options:
        assert method.examples([text], PROMPT, tokenizer, method.Options.model_validate({"policies": wait(2)}))


@pytest.mark.parametrize(
    ("positions", "alibi"),
    [("modified", True), ("group", False), ("plain", None), ("none", None)],
)
def test_positions_that_a_model_must_have(tokenizer: PreTrainedTokenizerBase, positions: str, alibi: bool) -> None:
    """What is said before a run is what the loss accepts."""
    options = simulmask.Options.model_validate({"policies": wait(2), "positions": positions})
    assert simulmask.alibi(options) is alibi
    batch, count = batched(masked_examples(ONE, tokenizer, policies=wait(2)), tokenizer)
    for architecture in ("falcon-alibi", "llama"):
        model = build(architecture, tokenizer)
        if alibi is None or attention.uses_alibi(model) == alibi:
            assert simulmask.loss(Forward(model), batch, count, options).isfinite()
        else:
            with pytest.raises(ValueError, match=f"not '{positions}'"):
                simulmask.loss(Forward(model), batch, count, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policies": []}, "at least 1 item"),
        ({"policies": wait(1), "origin": 4}, "`origin` belongs to `positions: group`"),
        ({"policies": wait(1), "unit": "character"}, "write it under the experiment"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        simulmask.Options.model_validate(options)


@pytest.mark.parametrize("mode", ["exact", "official"])
@pytest.mark.parametrize("architecture", ["falcon-alibi", "falcon-rotary", "llama"])
def test_with_all_the_source_the_loss_is_the_ordinary_one(
    tokenizer: PreTrainedTokenizerBase, architecture: str, mode: str
) -> None:
    model = build(architecture, tokenizer)
    found = {}
    for k in (1, 5):
        options = {"policies": wait(k), "positions": "plain", "visibility": mode}
        batch, count = batched(masked_examples(TEXT, tokenizer, **options), tokenizer)
        found[k] = simulmask.loss(Forward(model), batch, count, simulmask.Options.model_validate(options))
    ordinary = losses.cross_entropy(model, batch, count)
    exact = 0 if attention.uses_alibi(model) else 1e-6
    torch.testing.assert_close(found[5], ordinary, atol=exact, rtol=0)
    assert abs(found[1] - ordinary) > 1e-5


@pytest.mark.parametrize(
    ("architecture", "positions"),
    [("falcon-alibi", {"positions": "modified"}), ("llama", {"positions": "group", "origin": 3})],
)
def test_the_loss_is_that_of_word_by_word_translation(
    tokenizer: PreTrainedTokenizerBase, architecture: str, positions: dict[str, object]
) -> None:
    """Cross-entropy of the references, streamed with a kept cache; and gradients are finite."""
    model = build(architecture, tokenizer)
    options = {"policies": wait(1, 2), **positions}
    made = masked_examples(TEXT, tokenizer, **options)[:4]
    total = torch.zeros(())
    for example in made:
        ids, visible = example["input_ids"], example["visible"]
        start = visible.index(1)
        end, answer = start + max(visible), len(ids) - len(predicted(example))
        stream = Stream(model, ids[:start], ids[end:answer], origin=int(positions.get("origin", 0)))
        read = 0
        for place in range(answer, len(ids)):
            if visible[place - 1] > read:
                stream.read(ids[start + read : start + visible[place - 1]])
                read = visible[place - 1]
            total -= stream.logits().log_softmax(-1)[ids[place]]
            stream.write(ids[place])
    batch, count = batched(made, tokenizer)
    loss = simulmask.loss(Forward(model), batch, count, simulmask.Options.model_validate(options))
    torch.testing.assert_close(loss, total / sum(len(predicted(example)) for example in made))
    loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


# ----------------------------------------------------------------------------------------------------------- prefix


def shown(example: Example, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """Text of an example, and of what carries a loss."""
    return tokenizer.decode(example["input_ids"]), tokenizer.decode(predicted(example))


@pytest.mark.parametrize("method", ["prefix", "converse"])
def test_a_change_of_simulmask_trains_no_other_method_anew(method: str) -> None:
    names = {path.name for path in closure("finetune", ("method", method))}
    assert {"reading.py", "strict.py", f"{method}.py"} <= names
    assert not {"simulmask.py", "wait_k.py"} & names
    assert "wait_k.py" in {path.name for path in closure("finetune", ("method", method), ("policy", "wait-k"))}


def test_prefixes_by_hand(tokenizer: PreTrainedTokenizerBase) -> None:
    made = prefix.examples([ONE, ONE], PROMPT, tokenizer, prefix.Options.model_validate({"policies": wait(2)}))
    expected = [
        ("I like", "J'aime", " J'aime"),
        ("I like small", "J'aime les", " les"),
        ("I like small black", "J'aime les petits", " petits"),
        (SOURCE, "J'aime les petits chats", " chats"),
        (SOURCE, TARGET, " noirs"),
        (SOURCE, f"{TARGET}<|endoftext|>", "<|endoftext|>"),
    ]
    texts = [(f"English to French: {source}\nAnswer: {target}", answer) for source, target, answer in expected]
    assert [shown(example, tokenizer) for example in made] == texts * 2
    assert made[-1] == made[5]
    with pytest.raises(IndexError):
        made[12]


def test_the_end_is_learnt_from_the_whole_source(tokenizer: PreTrainedTokenizerBase) -> None:
    text = ParallelText("en-fr", [SOURCE], ["chats"], [""])
    made = prefix.examples([text], PROMPT, tokenizer, prefix.Options.model_validate({"policies": wait(1)}))
    assert [shown(example, tokenizer) for example in made] == [
        ("English to French: I\nAnswer: chats", " chats"),
        (f"English to French: {SOURCE}\nAnswer: chats<|endoftext|>", "<|endoftext|>"),
    ]


sentences = st.text("ab é'.\u3000我😀-", max_size=20)
policies = st.one_of(
    st.builds(lambda k: {"name": "wait-k", "k": k}, st.integers(1, 6)),
    st.builds(lambda k, n: {"name": "wait-k-stride", "k": k, "stride": n}, st.integers(1, 4), st.integers(1, 3)),
)


@given(
    st.lists(st.tuples(sentences, sentences), min_size=1, max_size=3),
    st.lists(policies, min_size=1, max_size=2),
    st.sampled_from(["word", "character"]),
    st.sampled_from([PROMPT, QUOTING]),
)
@settings(deadline=None, max_examples=60)
def test_every_target_token_is_learnt_once_from_what_was_read(
    tokenizer: PreTrainedTokenizerBase,
    pairs: list[tuple[str, str]],
    chosen: list[dict[str, object]],
    unit: Unit,
    prompt: Prompt,
) -> None:
    """The prefixes of a sentence pair have, token for token, the contexts that SimulMask's mask leaves visible."""
    text = ParallelText("en-fr", [s for s, _ in pairs], [t for _, t in pairs], [""] * len(pairs), (unit, "auto"))
    options = {"policies": chosen}
    made = list(prefix.examples([text], prompt, tokenizer, prefix.Options.model_validate(options)))
    masked = simulmask.examples([text], prompt, tokenizer, simulmask.Options.model_validate(options))
    for example in masked:
        ids, size = example["input_ids"], max(example["visible"])
        before = example["visible"].index(1) if size else 0
        place = len(ids) - len(predicted(example))
        while place < len(ids):
            found = made.pop(0)
            place += len(predicted(found))
            begins = place - len(predicted(found))
            read = size if place == len(ids) else example["visible"][begins - 1]
            assert found["input_ids"] == ids[: before + read] + ids[before + size : place]
            assert found["labels"] == [IGNORE] * (len(found["input_ids"]) - place + begins) + ids[begins:place]
    assert not made


def test_long_prefixes_are_left_out_without_a_copy(tokenizer: PreTrainedTokenizerBase) -> None:
    made = prefix.examples([TEXT], PROMPT, tokenizer, prefix.Options.model_validate({"policies": wait(1)}))
    limit = sorted(len(example["input_ids"]) for example in made)[len(made) // 2]
    kept = loop.drop_long(made, limit)
    assert kept.dataset is made
    assert list(kept) == [example for example in made if len(example["input_ids"]) <= limit]


# --------------------------------------------------------------------------------------------------------- converse


class Fixed(random.Random):
    """Draws what it is told, and checks the limits it is asked within."""

    def __init__(self, numbers: list[tuple[int, int, int]], cuts: Sequence[bool] = ()) -> None:
        super().__init__(0)
        self.numbers, self.cuts = iter(numbers), iter(cuts)

    def randint(self, a: int, b: int) -> int:
        low, high, number = next(self.numbers)
        assert (a, b) == (low, high)
        return number

    def random(self) -> float:
        return 0.1 if next(self.cuts) else 0.9


@pytest.mark.parametrize(
    ("g", "expected"),
    [
        ([2, 2, 3, 5, 5, 5], [(2, 2), (3, 3), (5, 5)]),
        ([1, 2, 3, 3], [(1, 1), (2, 2), (3, 3)]),
        ([1, 2, 5], [(1, 1), (5, 2)]),  # the source goes on after its last aligned word
        ([1, 4], [(4, 1)]),
    ],
)
def test_segments(g: list[int], expected: list[tuple[int, int]]) -> None:
    assert converse.segments(np.array(g)) == expected


def test_turns_by_hand() -> None:
    """Segments of one source word and 3, 3, 1, 1, 2 target words, in turns of 2, 1 and 2 segments."""
    ends = [(1, 3), (2, 6), (3, 7), (4, 8), (5, 10)]
    options = converse.Options(turn_length=[1, 2])
    merges = [(1, 2, 2), (1, 2, 1), (1, 2, 2)]
    assert converse.turns(ends, options, Fixed(merges, [False])) == [(2, 6, False), (3, 7, False), (5, 10, False)]

    # 4 of 6 words stay; the other 2 go to the next turn, which then has 3, and keeps them all
    draws = [(1, 2, 2), (2, 6, 4), (1, 2, 1), (2, 3, 3), (1, 2, 2)]
    assert converse.turns(ends, options, Fixed(draws, [True, True])) == [(2, 4, True), (3, 7, False), (5, 10, False)]

    # what was put off is put off again
    draws = [(1, 2, 2), (2, 6, 2), (1, 2, 1), (2, 5, 3), (1, 2, 2)]
    assert converse.turns(ends, options, Fixed(draws, [True, True])) == [(2, 2, True), (3, 5, True), (5, 10, False)]

    # with fewer segments left than a turn has at least, they are the last turn
    assert converse.turns(ends[:3], converse.Options(turn_length=[2, 2]), Fixed([(2, 2, 2), (1, 1, 1)], [False])) == [
        (2, 6, False),
        (3, 7, False),
    ]


def test_conversation_by_hand(tokenizer: PreTrainedTokenizerBase) -> None:
    options = converse.Options(turn_length=[1, 1], shift=0.0)
    (example,) = converse.examples([ONE], PROMPT, tokenizer, options)
    turns = [("I like", "J'aime les"), ("small", "petits"), ("black cats", "chats noirs")]
    dialogue = "".join(f" {source}\nAnswer: {target}<|endoftext|>" for source, target in turns)
    assert shown(example, tokenizer) == (
        f"English to French:{dialogue}",
        "".join(f" {target}<|endoftext|>" for _, target in turns),
    )
    assert all(label in (IGNORE, token) for label, token in zip(example["labels"], example["input_ids"], strict=True))

    (whole,) = converse.examples([ONE], PROMPT, tokenizer, converse.Options(turn_length=[9, 9]))
    (ordinary,) = sft.examples([ONE], PROMPT, tokenizer, sft.Options())
    assert whole == ordinary, "one turn is ordinary fine-tuning"


def test_turns_that_are_cut_carry_no_loss(tokenizer: PreTrainedTokenizerBase) -> None:
    options = {"turn_length": [1, 1], "shift": 1.0, "keep": 1}
    silent, loud = (
        converse.examples([TEXT], PROMPT, tokenizer, converse.Options(**options, loss_on_cut_turns=learnt))
        for learnt in (False, True)
    )
    assert [example["input_ids"] for example in silent] == [example["input_ids"] for example in loud]
    texts = [(shown(a, tokenizer)[1], shown(b, tokenizer)[1]) for a, b in zip(silent, loud, strict=True)]
    assert texts[0][1].replace("<|endoftext|>", "") == f" {TARGET}"
    cut = [(a, b) for a, b in texts if a != b]
    assert 0 < len(cut) < len(texts), "a turn may keep all its words"
    assert all(b.endswith(a) for a, b in cut if a.count("<|endoftext|>") == 1)
    assert (" les petits<|endoftext|> chats noirs<|endoftext|>") in {a for a, _ in texts}


@st.composite
def aligned_texts(draw: st.DrawFn) -> ParallelText:
    word = st.text("abé.'", min_size=1, max_size=4)
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        source, target = (draw(st.lists(word, min_size=1, max_size=12)) for _ in range(2))
        link = st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))
        found = draw(st.lists(link, min_size=1, max_size=14))
        rows.append((" ".join(source), "  ".join(target), " ".join(f"{s}-{t}" for s, t in found)))
    return ParallelText("en-fr", *map(list, zip(*rows, strict=True)))


@given(aligned_texts(), st.integers(1, 3), st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_conversations_say_the_whole_sentence_in_time(
    tokenizer: PreTrainedTokenizerBase, text: ParallelText, fewest: int, more: int, shift: float, keep: int
) -> None:
    """All chunks of either side, in order, are the sentence; no target word comes before what it is aligned to."""
    options = converse.Options(turn_length=[fewest, fewest + more], shift=shift, keep=keep, loss_on_cut_turns=True)
    for number, example in enumerate(converse.examples([text], PROMPT, tokenizer, options)):
        told, _ = shown(example, tokenizer)
        *turns, after = told.removeprefix("English to French:").split("<|endoftext|>")
        assert after == ""
        chunks = [turn.split("\nAnswer:") for turn in turns]
        source = [chunk.split() for chunk, _ in chunks]
        target = [chunk.split() for _, chunk in chunks]
        assert list(chain(*source)) == text.sources[number].split()
        assert list(chain(*target)) == text.targets[number].split()
        assert all(source) and all(target), "no turn is empty"
        turn_of = [[place for place, chunk in enumerate(side) for _ in chunk] for side in (source, target)]
        assert all(turn_of[0][s] <= turn_of[1][t] for s, t in links(text.alignments[number]))
        assert shown(example, tokenizer)[1] == "".join(f" {' '.join(chunk)}<|endoftext|>" for chunk in target)


def test_conversations_depend_on_pair_and_number_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    options = converse.Options(turn_length=[1, 2])
    made = converse.examples([TEXT], PROMPT, tokenizer, options)
    assert len({str(example["input_ids"]) for example in made[::2]}) > 1, "the same sentence, drawn anew"
    fewer = ParallelText("en-fr", *(column[:5] for column in TEXT[1:]))
    assert converse.examples([fewer], PROMPT, tokenizer, options) == made[:5]
    with pytest.raises(ValidationError, match="the minimum and the maximum of segments, not"):
        converse.Options(turn_length=[3, 2])


# --------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("method", "options", "architecture"),
    [
        (simulmask, {"policies": [*wait(1, 3), {"name": "alignment"}]}, "falcon-alibi"),
        (simulmask, {"policies": wait(2), "positions": "group"}, "llama"),
        (prefix, {"policies": wait(2)}, "llama"),
        (converse, {"turn_length": [1, 2]}, "falcon-alibi"),
    ],
    ids=["simulmask-alibi", "simulmask-group", "prefix", "converse"],
)
def test_a_model_learns(
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    method: ModuleType,
    options: dict[str, object],
    architecture: str,
) -> None:
    chosen = method.Options.model_validate(options)
    examples = loop.drop_long(method.examples([TEXT], PROMPT, tokenizer, chosen), 64)
    fitted = loop.fit(
        build(architecture, tokenizer),
        tokenizer,
        examples,
        Training(steps=30, batch_size=8, micro_batch=4, log_every=1, learning_rate=1e-2, optimizer="muon"),
        seed=1,
        work=tmp_path,
        label="test",
        loss=losses.of_method(method, chosen),
    )
    curve = [row["loss"] for row in fitted.curve]
    assert np.mean(curve[-5:]) < 0.75 * curve[0]
