"""Two prompts for one answer: conflicting instructions (language-aware tuning) and copies (consistency)."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import Prompt, Segment, Training
from dragoman.configfile import prompts
from dragoman.instructions import PAIR, asked, parts
from dragoman.methods import IGNORE, Example, ParallelText, consistency, language_aware, paired, sft
from dragoman.training import batches, loop, losses
from dragoman.training.losses import Forward
from support.trainings import PROMPT, same, spec

IWSLT = ["en-it", "it-en", "en-nl", "nl-en", "en-ro", "ro-en"]
LENGTHS = {"en": "see", "it": "vedi un po' di gatti", "nl": "zie de kat", "ro": "vezi"}
TEXTS = [
    ParallelText(
        pair, [f"{LENGTHS[pair[:2]]} {n}" for n in range(8)], [f"{LENGTHS[pair[3:]]} {n}" for n in range(8)], []
    )
    for pair in IWSLT
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for text in TEXTS for side in (*text.sources, *text.targets)], 320)


@pytest.fixture(scope="module", params=["llama", "falcon-alibi", "gpt-neox"])
def model(request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Random weights, large enough that every token's probability differs."""
    made = models.build(spec(request.param), tokenizer).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
    return made


def examples(tokenizer: PreTrainedTokenizerBase, **options: object) -> list[Example]:
    return language_aware.examples(TEXTS, PROMPT, tokenizer, language_aware.Options(**options))


def batch_of(tokenizer: PreTrainedTokenizerBase, made: list[Example]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    batch = batches.Collator(tokenizer.pad_token_id)(made)
    return batch, (batch["labels"] != IGNORE).sum()


def answer_probabilities(model: PreTrainedModel, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Distribution before each answer token: one sentence, no padding, no batch."""
    with torch.no_grad():
        return model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].double().softmax(-1)


# ------------------------------------------------------------------------------------------------------- the sampler


def share_of_right_targets(pairs: list[str], **options: object) -> float:
    drawn = language_aware.conflicting(pairs, PROMPT, language_aware.Options(**options))
    return sum(pair[3:] == other[3:] for pair, other in zip(pairs, drawn, strict=True)) / len(pairs)


def test_official_sampler_names_the_right_target_for_a_fifth() -> None:
    """Of the 5 other directions of x-en 2 end in English too; of those of en-x none ends in x."""
    assert share_of_right_targets(IWSLT * 2000) == pytest.approx(0.2, abs=0.01)


def test_official_sampler_goes_by_frequency() -> None:
    """Newstest 2017-2020: de-en meets zh-en for 13397 of 38996 examples, zh-en meets de-en for 12202 of 37801."""
    pairs = ["de-en", "en-de"] * 12202 + ["zh-en", "en-zh"] * 13397
    expected = (12202 * 13397 / 38996 + 13397 * 12202 / 37801) / len(pairs)
    assert expected == pytest.approx(0.166, abs=5e-4)
    assert share_of_right_targets(pairs) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("directions", [[], ["it-nl", "nl-ro", "en-it"]])
def test_other_samplers_never_name_the_right_target(directions: list[str]) -> None:
    sampler = "zero-shot-aware" if directions else "target-differs"
    assert share_of_right_targets(IWSLT * 100, sampler=sampler, directions=directions or None) == 0


def test_zero_shot_aware_draws_all_directions_alike() -> None:
    options = language_aware.Options(sampler="zero-shot-aware", directions=["it-nl", "nl-it", "en-it"])
    drawn = Counter(language_aware.conflicting(["it-en"] * 3000, PROMPT, options))
    assert set(drawn) == {"it-nl", "nl-it", "en-it"}
    assert min(drawn.values()) > 900


def test_draws_depend_on_their_seed_only() -> None:
    first, again, other = (
        list(language_aware.conflicting(IWSLT * 20, PROMPT, language_aware.Options(seed=seed))) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert all(pair != drawn for pair, drawn in zip(IWSLT * 20, first, strict=True))


def test_pairs_whose_instruction_reads_the_same_do_not_conflict() -> None:
    """The official sampler compares instructions, not pairs."""
    roles = {"instruction": "To {target_language}:", "source": "{source}", "target": "{target}"}
    prompt = Prompt(segments=[Segment(role=role, text=text) for role, text in roles.items()])
    drawn = list(language_aware.conflicting(["it-en", "nl-en", "en-it"] * 50, prompt, language_aware.Options()))
    assert set(drawn[0::3] + drawn[1::3]) == {"en-it"}
    assert set(drawn[2::3]) == {"it-en", "nl-en"}


@pytest.mark.parametrize(
    ("pairs", "sampler", "directions", "message"),
    [
        (
            ["en-it"],
            "official",
            [],
            r"the training pairs \(en-it\) have no other instruction .* of en-it; add .*train.pairs",
        ),
        (["it-en", "nl-en"], "target-differs", [], "no other instruction of another target language to conflict with"),
        (
            ["en-it"],
            "zero-shot-aware",
            ["nl-it"],
            r"the directions \(nl-it\) have no other .* add .* options.directions",
        ),
    ],
)
def test_nothing_to_conflict_with(pairs: list[str], sampler: str, directions: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        language_aware.conflicting(
            pairs, PROMPT, language_aware.Options(sampler=sampler, directions=directions or None)
        )


@pytest.mark.parametrize("options", [{"sampler": "zero-shot-aware"}, {"directions": ["it-nl"]}, {"alpha": -0.1}])
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        language_aware.Options(**options)


# ------------------------------------------------------------------------------------------------------ the examples


def test_examples_are_those_of_ordinary_fine_tuning(tokenizer: PreTrainedTokenizerBase) -> None:
    ordinary = sft.examples(TEXTS, PROMPT, tokenizer, sft.Options())
    for made in (
        examples(tokenizer),
        consistency.examples(TEXTS, PROMPT, tokenizer, consistency.Options()),
    ):
        assert [{name: row[name] for name in ("input_ids", "labels")} for row in made] == ordinary


@pytest.mark.parametrize("name", ["alpaca", "alpaca-post-ins"])
def test_only_the_instruction_changes(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Before the input or after it; and back to the own instruction once more."""
    prompt, options = prompts()[name], language_aware.Options()
    made = language_aware.examples(TEXTS, prompt, tokenizer, options)
    drawn = language_aware.conflicting([text.pair for text in TEXTS for _ in text.sources], prompt, options)
    languages = {"en": "English", "it": "Italian", "nl": "Dutch", "ro": "Romanian"}
    for row, own, other in zip(made, [text.pair for text in TEXTS for _ in range(8)], drawn, strict=True):
        wrong = f"from {languages[other[:2]]} to {languages[other[3:]]}."
        right = f"from {languages[own[:2]]} to {languages[own[3:]]}."
        text = tokenizer.decode(row["other_ids"])
        assert wrong in text
        assert text.replace(wrong, right) == tokenizer.decode(row["input_ids"])
        answer = [token for token, part in zip(row["other_ids"], row["other_parts"], strict=True) if part == 2]
        assert answer == [label for label in row["labels"] if label != IGNORE]
        assert row["other_parts"] == sorted(row["other_parts"])


def test_copies_name_the_target_language_twice(tokenizer: PreTrainedTokenizerBase) -> None:
    row = consistency.examples(TEXTS, PROMPT, tokenizer, consistency.Options())[3]
    assert tokenizer.decode(row["other_ids"]) == (
        "Italian to Italian: vedi un po' di gatti 3\nAnswer: vedi un po' di gatti 3" + tokenizer.eos_token
    )


def test_collator_pads_each_column_to_its_own_longest() -> None:
    rows = [
        {"input_ids": [5, 6], "labels": [IGNORE, 6], "other": [1, 2, 2]},
        {"input_ids": [7], "labels": [7], "other": [1]},
    ]
    batch = batches.Collator(pad=9)(rows)
    assert {name: column.tolist() for name, column in batch.items()} == {
        "input_ids": [[5, 6], [7, 9]],
        "labels": [[IGNORE, 6], [7, IGNORE]],
        "other": [[1, 2, 2], [1, 0, 0]],
        "attention_mask": [[1, 1], [1, 0]],
    }


# ----------------------------------------------------------------------------------------------------------- the loss


@pytest.mark.parametrize(
    ("probability", "floor", "expected"),
    [
        (0.5, 1e-9, math.log(2)),
        (0.9, 1e-9, math.log(10)),
        (1e-6, 1e-9, 1e-6),
        (1 - 1e-8, 1e-9, math.log(1e8)),
        (1 - 1e-12, 1e-9, 20.723266),  # the authors' clamp
        (1 - 1e-12, None, math.log(1e12)),
        (0.99, 0.5, math.log(2)),
    ],
)
def test_unlikelihood_by_hand(probability: float, floor: float | None, expected: float) -> None:
    """Three tokens; the last has the probability, the others share the rest."""
    rest = (1 - probability) / 2 if probability < 0.999 else float(f"{1 - probability:.0e}") / 2
    logits = torch.tensor([[math.log(rest), math.log(rest), math.log(probability)]])
    found = language_aware.unlikelihood(logits, torch.tensor([2]), floor)
    torch.testing.assert_close(found, torch.tensor([expected]), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("logit", [0.0, 18.420681, 25.0, 300.0])
def test_gradients_stay_finite_in_bfloat16(logit: float) -> None:
    """18.42 is p = 1 - 1e-8, which neither bfloat16 nor float32 can hold."""
    logits = torch.tensor([[logit, 0.0, -3.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = language_aware.unlikelihood(logits.float(), torch.tensor([0]), None)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad is not None
    p = float(logits.detach().double().softmax(1)[0, 0])
    assert float(logits.grad[0, 0]) == pytest.approx(p, rel=0.01), "the gradient by a token's own logit is p"
    assert logits.grad.abs().max() <= 1


def test_beyond_the_floor_there_is_no_gradient() -> None:
    logits = torch.tensor([[25.0, 0.0]], requires_grad=True)
    language_aware.unlikelihood(logits, torch.tensor([0]), 1e-9).sum().backward()
    assert logits.grad is not None and not logits.grad.any()


def test_alpha_zero_is_ordinary_fine_tuning(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    batch, predicted = batch_of(tokenizer, examples(tokenizer)[4:20])
    ordinary = losses.cross_entropy(model, batch, predicted)
    assert torch.equal(
        language_aware.loss(Forward(model), batch, predicted, language_aware.Options(alpha=0.0)), ordinary
    )
    assert torch.equal(consistency.loss(Forward(model), batch, predicted, consistency.Options(alpha=0.0)), ordinary)
    almost = language_aware.loss(Forward(model), batch, predicted, language_aware.Options(alpha=1e-30))
    torch.testing.assert_close(almost, ordinary)


@pytest.mark.parametrize("method", [language_aware, consistency])
def test_loss_equals_one_sentence_at_a_time(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, method: object
) -> None:
    """Own computation: no batch, no padding, probabilities in float64; prompts of the two rows differ in length."""
    options = method.Options(alpha=0.3)
    made = method.examples(TEXTS, PROMPT, tokenizer, options)[5:45:3]
    assert len({len(row["other_ids"]) - len(row["input_ids"]) for row in made}) > 1
    likely, other_term, tokens = 0.0, 0.0, 0
    for row in made:
        answer = [label for label in row["labels"] if label != IGNORE]
        own = answer_probabilities(model, row["input_ids"][: -len(answer)], answer)
        other = answer_probabilities(model, row["other_ids"][: -len(answer)], answer)
        for t, token in enumerate(answer):
            likely -= math.log(own[t, token])
            if method is language_aware:
                other_term -= math.log(1 - other[t, token])
            else:
                other_term += sum(float(p * (p / q).log()) for p, q in zip(own[t], other[t], strict=True))
        tokens += len(answer)
    batch, predicted = batch_of(tokenizer, made)
    expected = torch.tensor((likely + 0.3 * other_term) / tokens)
    with torch.no_grad():
        torch.testing.assert_close(
            method.loss(Forward(model), batch, predicted, options), expected, rtol=1e-4, atol=1e-5
        )
        halves = [{name: column[rows] for name, column in batch.items()} for rows in (slice(0, 5), slice(5, None))]
        summed = sum(method.loss(Forward(model), half, predicted, options) for half in halves)
    torch.testing.assert_close(summed, expected, rtol=1e-4, atol=1e-5)


def test_consistency_of_equal_prompts_is_perfect(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    ordinary = sft.examples(TEXTS[:1], PROMPT, tokenizer, sft.Options())
    made = []
    for row in ordinary:
        answers = [int(label != IGNORE) + 1 for label in row["labels"]]
        made.append(row | {"other_ids": row["input_ids"], "other_parts": answers})
    batch, predicted = batch_of(tokenizer, made)
    found = consistency.loss(Forward(model), batch, predicted, consistency.Options(alpha=10.0))
    torch.testing.assert_close(found, losses.cross_entropy(model, batch, predicted), rtol=1e-4, atol=1e-4)


def test_both_prompts_take_one_forward_pass(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    batch, predicted = batch_of(tokenizer, examples(tokenizer)[:6])
    rows = []
    handle = model.register_forward_pre_hook(
        lambda _, __, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    language_aware.loss(Forward(model), batch, predicted, language_aware.Options())
    handle.remove()
    assert rows == [12]
    own, other = paired.answers(model, batch)
    assert own.logits.shape == other.logits.shape == (int(predicted), len(tokenizer))
    told = [[label for label in row if label != IGNORE] for row in batch["labels"].tolist()]
    for half in (own, other):
        assert half.tokens.tolist() == [token for row in told for token in row]
        assert half.rows.tolist() == [number for number, row in enumerate(told) for _ in row]


# ------------------------------------------------------------------------------------------------------- the training


def fit(tokenizer: PreTrainedTokenizerBase, work: Path, method: object, options: object, **settings: object):
    def loss(model: PreTrainedModel, batch: dict[str, torch.Tensor], predicted: torch.Tensor) -> torch.Tensor:
        return method.loss(Forward(model), batch, predicted, options)

    made = method.examples(TEXTS, PROMPT, tokenizer, options)
    chosen = Training(**{"steps": 150, "batch_size": 16, "optimizer": "muon", "learning_rate": 1e-2} | settings)
    model = models.build(spec(), tokenizer)
    return loop.fit(
        model, tokenizer, made, chosen, seed=1, work=work, label="test", loss=loss if hasattr(method, "loss") else None
    )[0]


def test_training_with_alpha_zero_gives_the_weights_of_ordinary_training(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    ordinary = fit(tokenizer, tmp_path / "a", sft, sft.Options(), steps=4)
    aware = fit(tokenizer, tmp_path / "b", language_aware, language_aware.Options(alpha=0.0), steps=4)
    other = fit(tokenizer, tmp_path / "c", language_aware, language_aware.Options(alpha=0.5), steps=4)
    assert same(ordinary.state_dict(), aware.state_dict())
    assert not same(ordinary.state_dict(), other.state_dict())


def test_training_makes_conflicting_answers_unlikely(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """Against the same steps of ordinary fine-tuning, which leaves a wrong instruction's answer about as likely."""
    options = {"sampler": "target-differs"}
    batch, _ = batch_of(tokenizer, examples(tokenizer, **options))

    def likelihoods(alpha: float) -> tuple[float, float]:
        model = fit(
            tokenizer, tmp_path / str(alpha), language_aware, language_aware.Options(alpha=alpha, **options)
        ).eval()
        with torch.no_grad():
            halves = paired.answers(model, batch)
        return tuple(float(x.logits.log_softmax(1).gather(1, x.tokens[:, None]).mean()) for x in halves)

    plain, aware = likelihoods(0.0), likelihoods(0.5)
    assert aware[1] < plain[1] - 1, "answers of conflicting instructions, nats per token"
    assert aware[0] > plain[0] - 0.3, "answers of right instructions"


# ------------------------------------------------------------------------ instructions that ask for no translation, too

TASKS = [("Name a colour.", "", "Blue."), ("Count {them}.", "a b", "Two."), ("Count {them}.", "a b c", "Three.")]
MIXED = [
    ParallelText("en-it", ["see one", "see two"], ["vedi uno", "vedi due"], []),
    ParallelText(PAIR, [asked(task, given) for task, given, _ in TASKS], [answer for *_, answer in TASKS], []),
]
TRANSLATE = "Translate the following sentences from English to Italian."


def mixed(tokenizer: PreTrainedTokenizerBase, seed: int = 1234) -> list[Example]:
    options = language_aware.Options(seed=seed)
    return language_aware.examples(MIXED, prompts()["alpaca"], tokenizer, options)


def test_mixed_examples_are_those_of_ordinary_fine_tuning(tokenizer: PreTrainedTokenizerBase) -> None:
    ordinary = sft.examples(MIXED, prompts()["alpaca"], tokenizer, sft.Options())
    made = mixed(tokenizer)
    assert [{name: row[name] for name in ("input_ids", "labels")} for row in made] == ordinary
    assert [tokenizer.decode(row["input_ids"]) for row in ordinary[2:]] == [
        tokenizer.eos_token + asked(task, given) + answer + tokenizer.eos_token for task, given, answer in TASKS
    ]


def test_conflicting_instructions_come_from_everything(tokenizer: PreTrainedTokenizerBase) -> None:
    """Over many seeds, each example is asked every other instruction, never its own; its input and answer stay."""
    own = [TRANSLATE, TRANSLATE, *(task for task, *_ in TASKS)]
    given = ["see one", "see two", *(text for _, text, _ in TASKS)]
    answers = ["vedi uno", "vedi due", *(answer for *_, answer in TASKS)]
    drawn: list[Counter[str]] = [Counter() for _ in own]
    for seed in range(60):
        for place, row in enumerate(mixed(tokenizer, seed)):
            shown = tokenizer.decode(row["other_ids"]).removeprefix(tokenizer.eos_token)
            assert shown.endswith(answers[place] + tokenizer.eos_token)
            instruction, text = parts(shown.removesuffix(answers[place] + tokenizer.eos_token)) or ("", "")
            assert text == given[place] and instruction != own[place]
            assert row["other_ids"][0] == row["input_ids"][0]
            drawn[place][instruction] += 1
    for place, counts in enumerate(drawn):
        assert set(counts) == set(own) - {own[place]}
    # of the four others of the first task, two ask to translate and two to count
    assert drawn[2][TRANSLATE] == pytest.approx(30, abs=12)


def test_a_mix_makes_one_direction_enough(tokenizer: PreTrainedTokenizerBase) -> None:
    """Translations of one direction conflict with instructions of other kinds; of one kind alone, nothing does."""
    assert len(mixed(tokenizer)) == 5
    lone = [ParallelText(PAIR, [asked("Same.")] * 2, ["a", "b"], [])]
    with pytest.raises(ValueError, match="all training examples have one instruction"):
        language_aware.examples(lone, prompts()["alpaca"], tokenizer, language_aware.Options())
    with pytest.raises(ValueError, match=r"not in Alpaca's template: 'Do it.'"):
        language_aware.examples(
            [ParallelText(PAIR, ["Do it."], ["a"], [])], prompts()["alpaca"], tokenizer, language_aware.Options()
        )


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ("alpaca", {"sampler": "target-differs"}, "`sampler: target-differs` goes by target languages"),
        ("alpaca", {"sampler": "zero-shot-aware", "directions": ["it-nl"]}, "write `sampler: official` or leave `mix`"),
        ("alpaca-post-ins", {}, r"this prompt has another.*write `prompt: alpaca`"),
        ("short", {}, "this prompt has another"),
        ("alpaca-in-de", {}, "this prompt has another"),
    ],
)
def test_what_cannot_be_mixed(prompt: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        language_aware.check_mixed(prompts()[prompt], language_aware.Options(**options))
    language_aware.check_mixed(prompts()["alpaca"], language_aware.Options())
