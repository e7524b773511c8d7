"""Preference tuning: what is rejected, the loss by hand, and what training does to the rejected answers."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import Training
from dragoman.methods import IGNORE, ParallelText, preference, sft
from dragoman.methods.paired import Answers
from dragoman.training import batches, loop, losses
from dragoman.training.losses import Forward
from support.trainings import PROMPT, spec

WORDS = {"en": "see the cat", "fr": "vois le chat noir", "de": "sieh die Katze", "it": "vedi il gatto che dorme"}
PAIRS = ["en-fr", "fr-en", "en-de", "de-en", "en-it", "it-en"]


def text(pair: str, count: int = 8) -> ParallelText:
    source, target = pair.split("-")
    return ParallelText(pair, *([f"{WORDS[code]} {n}" for n in range(count)] for code in (source, target)), [])


TEXTS = [text(pair) for pair in PAIRS]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for each in TEXTS for side in (*each.sources, *each.targets)], 320)


def model(tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Random weights, large enough that every token's probability differs."""
    made = models.build(spec(), tokenizer).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
    return made


def options(**given: object) -> preference.Options:
    return preference.Options(**given)


# ------------------------------------------------------------------------------------------------------- the rejects


def rejects(pair: str, rejected: str, texts: list[ParallelText] = TEXTS) -> list[str | None]:
    return preference.rejects(text(pair), preference.said(texts), options(rejected=rejected))


def test_source_is_copied() -> None:
    assert rejects("de-en", "source") == text("de-en").sources


@pytest.mark.parametrize(("pair", "language"), [("en-fr", "en"), ("fr-en", "fr"), ("fr-de", "en")])
def test_english_is_found_through_the_pairs_that_have_it(pair: str, language: str) -> None:
    """From English it is the source; into English there is none, so the source, too; else the same sentence's."""
    assert rejects(pair, "english", [*TEXTS, text("fr-de")]) == [f"{WORDS[language]} {n}" for n in range(8)]


def test_other_is_the_same_sentence_in_a_third_language() -> None:
    for pair, third in (("en-fr", {"de", "it"}), ("it-en", {"fr", "de"})):
        found = rejects(pair, "other")
        assert {code for code in WORDS for answer in found if str(answer).startswith(WORDS[code])} == third
        assert [str(answer)[-1] for answer in found] == list("01234567")
    assert rejects("en-fr", "other") == rejects("en-fr", "other"), "draws depend on their seed alone"


def test_sentence_without_a_third_language_is_left_out(
    tokenizer: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [text("en-fr"), text("en-de", 5)]
    with caplog.at_level(logging.INFO):
        made = preference.examples(texts, PROMPT, tokenizer, options())
    assert len(made) == 10
    assert "3 of 13 sentence pairs have no answer to reject" in caplog.text
    apart = [texts[0], ParallelText("en-de", ["something else"], ["etwas anderes"], [])]
    with pytest.raises(ValueError, match="no training sentence is there in another language"):
        preference.examples(apart, PROMPT, tokenizer, options())


@pytest.mark.parametrize(
    ("pairs", "rejected", "wrong"),
    [
        (["en-fr", "fr-en"], "other", "sentences of en-fr in a third language"),
        (["en-fr", "de-it"], "other", "sentences of en-fr in a third language"),
        (["fr-de", "de-it"], "english", "sentences of fr-de in English"),
        (["en-fr", "en-de"], "other", ""),
        (["fr-de", "en-de"], "english", ""),
        (["en-fr"], "english", ""),
        (["en-fr"], "source", ""),
    ],
)
def test_pairs_without_anything_to_reject_are_refused(pairs: list[str], rejected: str, wrong: str) -> None:
    if not wrong:
        preference.check(pairs, PROMPT, options(rejected=rejected))
        return
    with pytest.raises(ValueError, match=wrong):
        preference.check(pairs, PROMPT, options(rejected=rejected))


def test_examples_are_those_of_ordinary_fine_tuning_and_an_answer_to_reject(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    made = preference.examples(TEXTS, PROMPT, tokenizer, options(rejected="source"))
    ordinary = sft.examples(TEXTS, PROMPT, tokenizer, sft.Options())
    assert [{name: row[name] for name in ("input_ids", "labels")} for row in made] == ordinary
    read = tokenizer.decode(made[3]["other_ids"])
    assert read == f"English to French: {WORDS['en']} 3\nAnswer: {WORDS['en']} 3{tokenizer.eos_token}"
    answer = [token for token, part in zip(made[3]["other_ids"], made[3]["other_parts"], strict=True) if part == 2]
    assert tokenizer.decode(answer) == f" {WORDS['en']} 3{tokenizer.eos_token}"


# ----------------------------------------------------------------------------------------------------------- the loss


def answers(probabilities: list[list[float]]) -> Answers:
    """One row each; a token has the probability, the only other one the rest."""
    flat = [p for row in probabilities for p in row]
    logits = torch.tensor([[math.log(p), math.log(1 - p)] for p in flat])
    rows = torch.tensor([number for number, row in enumerate(probabilities) for _ in row])
    return Answers(logits, torch.zeros(len(flat), dtype=torch.long), rows)


def test_preference_by_hand() -> None:
    """log p(y) - log p(z): of the first ln(0.5 x 0.5) - ln 0.125 = ln 2, of the second ln 0.8 - ln(0.8 x 0.5) = ln 2
    again, of the third 0. With beta 1, sigmoid(ln 2) = 2/3."""
    own, other = answers([[0.5, 0.5], [0.8], [0.3]]), answers([[0.125], [0.8, 0.5], [0.3]])
    expected = torch.tensor([-math.log(2 / 3), -math.log(2 / 3), math.log(2)])
    torch.testing.assert_close(preference.preference(own, other, options(beta=1.0)), expected)
    sharper = torch.tensor([math.log(1 + 2**-3.0)] * 2 + [math.log(2)])
    torch.testing.assert_close(preference.preference(own, other, options(beta=3.0)), sharper)
    swapped = torch.tensor([-math.log(1 / 3)] * 2 + [math.log(2)])
    torch.testing.assert_close(preference.preference(other, own, options(beta=1.0)), swapped)


def test_orpo_and_simpo_by_hand() -> None:
    """Geometric means: of y 1/2 and 4/5, of z 1/8 and 1/2 = sqrt(5/8 2/5). Odds: 1 and 4, 1/7 and 1."""
    own, other = answers([[0.5, 0.5], [0.8]]), answers([[0.125], [0.625, 0.4]])
    orpo = torch.tensor([math.log(1 + 1 / 7), math.log(1 + 1 / 4)])
    torch.testing.assert_close(preference.preference(own, other, options(form="orpo")), orpo)
    # beta 2: the squares of the ratios 4 and 8/5; gamma = ln 2 halves them
    simpo = torch.tensor([math.log(1 + 2 / 16), math.log(1 + 2 / 2.56)])
    chosen = options(form="simpo", beta=2.0, gamma=math.log(2))
    torch.testing.assert_close(preference.preference(own, other, chosen), simpo)


TRL = {
    "orpo": (0.04766657320681008, 2.3122017234148187, 0.33218470059287725),
    "simpo": (0.038041371687783126, 4.511047744848594, 1.444125188356568),
}


def test_orpo_and_simpo_as_trl_computes_them() -> None:
    """Made with TRL 0.9.6 in float64: `odds_ratio_loss`, without its sign; and `cpo_loss` with `loss_type="simpo"`,
    beta 2.5 and `simpo_gamma` 1.25. Both are given the mean log probabilities of the answers."""
    means = zip((-0.3, -1.7, -0.02), (-2.1, -0.4, -0.05), strict=True)
    for (own, other), orpo, simpo in zip(means, TRL["orpo"], TRL["simpo"], strict=True):
        both = answers([[math.exp(own)] * 3]), answers([[math.exp(other)] * 2])
        assert preference.preference(*both, options(form="orpo")).item() == pytest.approx(orpo, rel=1e-4)
        chosen = options(form="simpo", beta=2.5, gamma=1.25)
        assert preference.preference(*both, chosen).item() == pytest.approx(simpo, rel=1e-4)


def test_certain_answers_have_a_finite_loss_and_gradient() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    certain = Answers(logits, torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long))
    found = preference.preference(certain, answers([[0.5]]), options(form="orpo"))
    found.sum().backward()
    assert 0 <= found.item() < 1e-5
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"form": "orpo", "beta": 0.1}, "orpo` has no beta"),
        ({"form": "simpo"}, "needs its own `beta`"),
        ({"gamma": 0.5}, "cpo` has no gamma"),
        ({"form": "orpo", "gamma": 0.5}, "orpo` has no gamma"),
        ({"form": "dpo"}, "'cpo', 'orpo' or 'simpo'"),
    ],
)
def test_options_of_another_form_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        options(**given)


def test_loss_equals_one_sentence_at_a_time(tokenizer: PreTrainedTokenizerBase) -> None:
    """Own computation: no batch, no padding, probabilities in float64; whole, and in pieces that are accumulated."""
    chosen = options(alpha=0.7, beta=0.02)
    made, weights = preference.examples(TEXTS, PROMPT, tokenizer, chosen)[3:43:4], model(tokenizer)
    nats, preferred, tokens = 0.0, 0.0, 0

    def likelihood(prompt: list[int], answer: list[int]) -> float:
        with torch.no_grad():
            found = weights(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1)
        return sum(float(found[t, token]) for t, token in enumerate(answer))

    for row in made:
        answer = [label for label in row["labels"] if label != IGNORE]
        own = likelihood(row["input_ids"][: -len(answer)], answer)
        start = row["other_parts"].count(1)
        other = likelihood(row["other_ids"][:start], row["other_ids"][start:])
        nats, tokens = nats - own, tokens + len(answer)
        preferred += math.log(1 + math.exp(-0.02 * (own - other)))
    assert (
        len({row["other_parts"].count(2) - len([label for label in row["labels"] if label >= 0]) for row in made}) > 1
    )
    expected = torch.tensor(nats / tokens + 0.7 * preferred / len(made))
    assert any(row["other_parts"].count(2) != sum(label != IGNORE for label in row["labels"]) for row in made)
    batch = batches.Collator(tokenizer.pad_token_id)(made)
    predicted, whole = (batch["labels"] != IGNORE).sum(), {"examples": torch.tensor(len(made))}
    with torch.no_grad():
        found = preference.loss(Forward(weights), batch | whole, predicted, chosen)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        parts = [{name: column[rows] for name, column in batch.items()} for rows in (slice(0, 3), slice(3, None))]
        summed = sum(preference.loss(Forward(weights), part | whole, predicted, chosen) for part in parts)
        torch.testing.assert_close(summed, expected, rtol=1e-4, atol=1e-5)
        ordinary = preference.loss(Forward(weights), batch | whole, predicted, options(alpha=0.0))
        assert torch.equal(ordinary, losses.cross_entropy(weights, batch, predicted))


def test_training_makes_rejected_answers_unlikely(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """Against the same steps of ordinary fine-tuning; in micro-batches, whose losses must add up."""
    batch = batches.Collator(tokenizer.pad_token_id)(preference.examples(TEXTS, PROMPT, tokenizer, options()))
    margins = {}
    for alpha in (0.0, 1.0):
        chosen = options(alpha=alpha, beta=1.0)
        made = preference.examples(TEXTS, PROMPT, tokenizer, chosen)
        settings = Training(steps=30, batch_size=16, micro_batch=8, learning_rate=1e-2)
        loss = losses.of_method(preference, chosen)
        start = models.build(spec(), tokenizer)
        work = tmp_path / str(alpha)
        fitted = loop.fit(start, tokenizer, made, settings, seed=1, work=work, label="t", loss=loss).model.eval()
        with torch.no_grad():
            own, other = preference.paired.answers(fitted, batch)
        margins[alpha] = float(preference.preference(own, other, options(beta=1.0)).mean())
    assert margins[1.0] < 0.4 * margins[0.0]
