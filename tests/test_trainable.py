"""What saves memory or time in training changes nothing that is trained."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from dragoman import models, registry, training
from dragoman.config import Training
from dragoman.configfile import ConfigError, load_config
from test_config import GOOD
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
    again = fit(
        tokenizer, tmp_path / "again", architecture, method, options, settings | {"gradient_checkpointing": True}
    )
    assert len(attended) == 3 * once, "every forward pass is made twice"
    assert same(parameters(kept.model), parameters(again.model))
    assert again.curve == kept.curve
    for name, fitted in (("a", kept), ("b", again)):
        fitted.model.save_pretrained(tmp_path / name)
    assert (tmp_path / "a" / "config.json").read_bytes() == (tmp_path / "b" / "config.json").read_bytes()


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler")
def test_compiled_layers_train_alike(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One compilation for all layers, whatever the lengths of batches; checkpoints and models have the same names."""
    _, method, options, settings = KINDS[2]
    counters = torch._dynamo.utils.counters
    torch._dynamo.reset()
    counters.clear()
    # finding out what this processor can do, by compiling for it, would be most of the time
    monkeypatch.setattr(torch._inductor.config.cpp, "simdlen", 1)
    monkeypatch.setattr(torch._inductor.config, "cpp_cache_precompile_headers", False)
    monkeypatch.setattr(torch._inductor.config, "compile_threads", 1)
    plain = fit(tokenizer, tmp_path / "plain", "falcon-alibi", method, options, settings | {"steps": 8})
    assert not counters["stats"]
    fast = fit(tokenizer, tmp_path / "fast", "falcon-alibi", method, options, settings | {"steps": 8, "compile": True})
    assert counters["frames"] == {"total": 1, "ok": 1}, "compiled once"
    assert not counters["graph_break"]
    for row, expected in zip(fast.curve, plain.curve, strict=True):
        assert row == pytest.approx(expected, rel=1e-3)
    assert fast.curve[-1]["loss"] < fast.curve[0]["loss"] - 0.1, "a curve without a slope would prove little"
    assert parameters(fast.model).keys() == parameters(plain.model).keys()


def test_without_a_compiler_it_is_said_at_once(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match=r"compile: true needs a C\+\+ compiler, and there is no no-such-compiler"):
        fit(tokenizer, tmp_path, "llama", "sft", {}, {"compile": True})


@pytest.mark.parametrize("key", ["gradient_checkpointing", "compile"])
def test_what_does_not_reach_into_flex_attention_is_refused(tmp_path: Path, key: str) -> None:
    sft = "sft: {method: sft, training: {steps: 2}}"
    flex = "{kernel: flex, positions: group, policies: [{name: wait-k, k: 1}]}"
    masked = f"sft: {{method: simulmask, options: {flex}, training: {{steps: 2, {key}: true}}}}"
    (tmp_path / "c.yaml").write_text(GOOD.replace(sft, masked), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"tunings.sft.training.{key} = True: FlexAttention is put in from outside"):
        load_config(tmp_path / "c.yaml")
