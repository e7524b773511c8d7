"""Language-contrastive decoding: weights, scores by hand, and equality with a computation without cache or batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from dragoman import models
from dragoman.config import ContrastiveDecoder, OfflineDecoder, Training
from dragoman.decoding import Context, Item, contrastive, offline
from dragoman.decoding.contrastive import Contrast, contrasts
from dragoman.methods import ParallelText, sft
from dragoman.training import loop
from support.animals import NAMES, SENTENCES
from support.trainings import PROMPT, spec

ITEMS = [Item(i, source, "") for i, source in enumerate(SENTENCES["de"])]


@pytest.fixture(scope="module", params=["llama", "falcon-alibi"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt a little from four English-centric directions."""
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = models.train_tokenizer([line for lines in SENTENCES.values() for line in lines], 300)
    texts = [
        ParallelText(pair, SENTENCES[pair[:2]], SENTENCES[pair[3:]], [])
        for pair in ("en-fr", "fr-en", "en-de", "de-en")
    ]
    made = sft.examples(texts, PROMPT, tokenizer, sft.Options())
    settings = Training(steps=160, batch_size=27, optimizer="muon", learning_rate=1e-2)
    model = models.build(spec(request.param), tokenizer)
    model = loop.fit(model, tokenizer, made, settings, seed=1, work=folder / "work", label="test")[0]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def translate(folder: Path, pair: str, **options: object) -> list[dict[str, object]]:
    settings = ContrastiveDecoder(**{"name": "contrastive", "max_new_tokens": 12} | options)
    decoder = contrastive.Decoder(Context(folder, pair, PROMPT), settings)
    rows = {}
    for batch in decoder.batches(ITEMS):
        rows |= dict(zip(batch, decoder.decode([ITEMS[i] for i in batch]), strict=True))
    return [row for i in range(len(ITEMS)) for row in rows[i]]


@pytest.mark.parametrize(
    ("pair", "weights", "expected"),
    [
        ("de-fr", "official", {"en": 0.5, "de": 0.5}),
        ("en-fr", "official", {"en": 1.0}),  # English and the source, which is English
        ("de-en", "official", {"de": 0.5}),
        ("de-fr", 0.5, {"en": 0.25, "de": 0.25}),
        ("en-fr", 0.5, {"en": 0.5}),
        ("de-en", 0.5, {"de": 0.5}),
    ],
)
def test_weights(pair: str, weights: object, expected: dict[str, float]) -> None:
    assert contrasts(pair, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", [0.0, 1.0, -0.5, "sane"])
def test_weights_must_leave_something_of_the_right_prompt(weights: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ContrastiveDecoder).validate_python({"name": "contrastive", "weights": weights})


def scores(right: list[float], wrong: list[list[float]], weights: list[float]) -> list[float]:
    rows = Contrast([1.0, *(-weight for weight in weights)])(torch.tensor([[0]]), torch.tensor([right, *wrong]).log())
    assert all(torch.equal(row, rows[0]) for row in rows), "all prompts of a sentence go on with the same token"
    return rows[0].tolist()


def test_scores_by_hand() -> None:
    """Prompts that nearly agree: at a total weight of 1 the likeliest token loses, at 0.5 it wins."""
    right, wrong = [0.9, 0.06, 0.04], [[0.9, 0.03, 0.07], [0.9, 0.06, 0.04]]
    assert scores(right, wrong, [0.5, 0.5]) == pytest.approx([0.0, 0.015, -0.015], abs=1e-6)
    assert scores(right, wrong, [0.25, 0.25]) == pytest.approx([0.45, 0.0375, 0.0125], abs=1e-6)
    assert scores([0.4, 0.6], [[0.1, 0.9]], [0.5]) == pytest.approx([0.35, 0.15], abs=1e-6)


def test_rows_of_a_batch_are_not_mixed() -> None:
    """Two sentences, two prompts; rows come prompt by prompt."""
    logits = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.6, 0.4]]).log()
    found = Contrast([1.0, -0.5])(torch.tensor([[0]] * 4), logits)
    torch.testing.assert_close(found, torch.tensor([[0.65, -0.15], [-0.1, 0.6]] * 2))


@pytest.mark.parametrize("weights", [0.5, "official"])
def test_equals_step_by_step(folder: Path, weights: object) -> None:
    """Three separate prompts, token by token, without cache, padding or `generate`."""
    tokenizer, model = models.load_tokenizer(folder), models.load(folder).eval()
    rows = translate(folder, "de-fr", weights=weights)
    each = 0.25 if weights == 0.5 else 0.5
    assert len({row["hypothesis"] for row in rows}) > 4, "a test of equal hypotheses would prove nothing"
    for item, row in list(zip(ITEMS, rows, strict=True))[::4]:
        written: list[int] = []
        while len(written) < 12 and (not written or written[-1] != tokenizer.eos_token_id):
            mixed = torch.zeros(len(tokenizer))
            for target, weight in (("fr", 1.0), ("en", -each), ("de", -each)):
                parts = (f"German to {NAMES[target]}:", f" {item.source}", "\nAnswer:")
                ids = [i for part in parts for i in tokenizer(part, add_special_tokens=False)["input_ids"]]
                with torch.inference_mode():
                    mixed += weight * model(torch.tensor([ids + written])).logits[0, -1].softmax(0)
            written.append(int(mixed.argmax()))
        assert row["hypothesis"] == tokenizer.decode(written, skip_special_tokens=True).strip()
        assert (row["tokens"], row["ended"]) == (len(written), written[-1] == tokenizer.eos_token_id)


def test_output_does_not_depend_on_the_batch(folder: Path) -> None:
    alone = translate(folder, "de-fr", batch_size=1)
    for size in (4, 64):
        assert translate(folder, "de-fr", batch_size=size) == alone


def test_a_tiny_lambda_is_greedy_search(folder: Path) -> None:
    plain = offline.Decoder(Context(folder, "de-fr", PROMPT), OfflineDecoder(name="offline", max_new_tokens=12))
    greedy = [row for item in ITEMS for (row,) in plain.decode([item])]
    greedy = [{key: row[key] for key in ("hypothesis", "tokens", "ended")} for row in greedy]
    assert translate(folder, "de-fr", weights=1e-7) == greedy
    assert translate(folder, "de-fr", weights=0.9) != greedy
