"""General ability: what a model can do besides what it was tuned for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import NoPrior, OfflineDecoder, PrefilledDecoder
from dragoman.configfile import ConfigError
from dragoman.decoding import Context, Item, offline
from dragoman.metrics import MetricError, score, significance
from test_langaware_wiring import loaded
from test_training import PROMPT, SENTENCES, spec


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for pair in SENTENCES for side in pair], 320)


# ---------------------------------------------------------------------------------------------- monolingual text, bits


def test_bits_by_hand() -> None:
    """8 bits over 4 characters and 2 over 1: 10 bits over 5 characters, whatever the hypotheses."""
    columns = {"nats": [8 * math.log(2), 2 * math.log(2)]}
    found = score("bits", ["", "x"], [["abcd", "e"]], [], "en-fr", columns)
    assert found.value == pytest.approx(2)
    assert found.low == found.high == pytest.approx(2), "both lines have two bits per character"
    made = significance.statistics("bits", ["", "x"], [["abcd", "e"]], [], "en-fr", columns)
    assert made.value == pytest.approx(found.value)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_no_bits_without_a_number(wrong: float) -> None:
    with pytest.raises(MetricError, match="sentence 2: no number of nats"):
        score("bits", ["a", "b"], [["a", "b"]], [], "en-fr", {"nats": [1.0, wrong]})


@pytest.mark.parametrize("architecture", ["llama", "falcon-alibi"])
def test_decoder_measures_references_as_lines_of_a_page(
    architecture: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Own computation: one line at a time, no padding, float64. More lines than are measured at once; one is empty."""
    model = models.build(spec(architecture), tokenizer).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    references = [target for _, target in SENTENCES[:20]] + ["", "le chat"]
    items = [Item(3 * number, f"the cat {number}", line) for number, line in enumerate(references)]
    options = OfflineDecoder(name="offline", max_new_tokens=2, batch_size=19, monolingual=True)
    decoder = offline.Decoder(Context(tmp_path, "en-fr", PROMPT), options)
    rows = {}
    for batch in decoder.batches(items):
        rows |= dict(zip(batch, (row for (row,) in decoder.decode([items[i] for i in batch])), strict=True))
    for number, line in enumerate(references):
        before = tokenizer(references[number - 1] + "\n", add_special_tokens=False)["input_ids"]
        wanted = tokenizer(line, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([before + wanted])).logits[0].double().log_softmax(-1)
        nats = -sum(float(logits[len(before) - 1 + t, token]) for t, token in enumerate(wanted))
        assert rows[number]["nats"] == pytest.approx(nats, abs=1e-3)
    silent = offline.Decoder(Context(tmp_path, "en-fr", PROMPT), options.model_copy(update={"monolingual": False}))
    silent.batches(items)
    assert "nats" not in silent.decode(items[:1])[0][0]


def test_bits_need_a_system_that_measures_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics.1 = 'bits': no system measures them; .*monolingual: true"):
        loaded(tmp_path, ("[bleu, offtarget]", "[bleu, bits]"))
    measured = ("ours: {tuning: ours}\n", "ours: {tuning: ours, decoder: {name: offline, monolingual: true}}\n")
    loaded(tmp_path, ("[bleu, offtarget]", "[bleu, bits]"), measured)
    with pytest.raises(ValidationError, match="`monolingual` measures a model without any prior"):
        PrefilledDecoder(name="prefilled", prior=NoPrior(kind="none"), monolingual=True)
