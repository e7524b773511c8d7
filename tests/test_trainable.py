"""What saves memory or time in training changes nothing that is trained."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models, registry, training
from dragoman.config import Training

from test_training import PROMPT, SENTENCES, TEXT, parameters, same, spec

READING = {"policies": [{"name": "wait-k", "k": 2}]}
KINDS = [
    ("llama", "sft", {}, {"optimizer": "muon"}),
    ("llama", "sft", {}, {"adapter": {"rank": 2, "dropout": 0.5}}),
    ("falcon-alibi", "simulmask", READING | {"positions": "modified"}, {"micro_batch": 4, "packing": 200}),
    ("qwen3", "simulmask", READING | {"positions": "group"}, {"precision": "bfloat16"}),
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for pair in SENTENCES for side in pair], 320)


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every call of attention."""
    calls, attend = [], torch.nn.functional.scaled_dot_product_attention

    def counted(*arguments: torch.Tensor, **named: object) -> torch.Tensor:
        calls.append(1)
        return attend(*arguments, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    return calls


def fit(
    tokenizer: PreTrainedTokenizerBase,
    work: Path,
    architecture: str,
    method: str,
    options: dict[str, object],
    settings: dict[str, object],
) -> training.Fitted:
    module = registry.module_of("method", method)
    chosen = module.Options.model_validate(options)
    how = {"steps": 4, "batch_size": 8, "log_every": 1, "learning_rate": 1e-2, "max_length": 200} | settings
    fitted = training.fit(
        models.build(spec(architecture), tokenizer),
        tokenizer,
        module.examples([TEXT], PROMPT, tokenizer, chosen),
        Training.model_validate({"precision": "float32"} | how),
        seed=1,
        work=work,
        label="test",
        loss=partial(module.loss, options=chosen) if hasattr(module, "loss") else None,
    )
    assert fitted is not None
    return fitted


@pytest.mark.parametrize(("architecture", "method", "options", "settings"), KINDS)
def test_activations_computed_again_change_not_a_bit(
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    attended: list[int],
    architecture: str,
    method: str,
    options: dict[str, object],
    settings: dict[str, object],
) -> None:
    """Dropout included; and what is saved does not tell."""
    kept = fit(tokenizer, tmp_path / "kept", architecture, method, options, settings)
    once = len(attended)
    again = fit(tokenizer, tmp_path / "again", architecture, method, options, settings | {"gradient_checkpointing": True})
    assert len(attended) == 3 * once, "every forward pass is made twice"
    assert same(parameters(kept.model), parameters(again.model))
    assert again.curve == kept.curve
    for name, fitted in (("a", kept), ("b", again)):
        fitted.model.save_pretrained(tmp_path / name)
    assert (tmp_path / "a" / "config.json").read_bytes() == (tmp_path / "b" / "config.json").read_bytes()
