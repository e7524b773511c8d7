"""What saves memory or time in training changes nothing that is trained."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models, registry
from dragoman.config import Lora, Training
from dragoman.configfile import ConfigError, load_config
from dragoman.methods import IGNORE, sft
from dragoman.prompts import encode, joined
from dragoman.training import batches, loop, losses
from dragoman.training.trainable import merged, with_adapter
from small_models import described
from support.configs import GOOD
from support.mirrors import ARCHITECTURES
from support.trainings import PROMPT, SENTENCES, TEXT, parameters, same, spec

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
) -> loop.Fitted:
    module = registry.module_of("method", method)
    chosen = module.Options.model_validate(options)
    how = {"steps": 4, "batch_size": 8, "log_every": 1, "learning_rate": 1e-2, "max_length": 200} | settings
    fitted = loop.fit(
        models.build(spec(architecture), tokenizer),
        tokenizer,
        module.examples([TEXT], PROMPT, tokenizer, chosen),
        Training.model_validate({"precision": "float32"} | how),
        seed=1,
        work=work,
        label="test",
        loss=losses.of_method(module, chosen),
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


# --------------------------------------------------------------------------------------------------------- adapters


def small(architecture: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """An untrained model of any kind that is trained here; Gemma 3 scales its embeddings, which peft has to repeat."""
    if architecture != "gemma3":
        return models.build(spec(architecture), tokenizer)
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(described("gemma3", len(tokenizer)), attn_implementation="sdpa")


def layers(model: PreTrainedModel) -> list[str]:
    """Last names of all layers that can have an adapter."""
    kinds = torch.nn.Linear | torch.nn.Embedding
    return sorted({name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, kinds)})


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "gemma3"])
def test_the_saved_model_is_the_one_that_was_trained(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, architecture: str
) -> None:
    """Merged, saved and read again, whichever layer has the adapter; the embeddings and the output layer share a weight
    before."""
    ids = torch.tensor([joined(pieces) for pieces in encode(PROMPT, tokenizer, "en-fr", ["the cat sleeps"])])
    before = small(architecture, tokenizer)
    assert before.config.tie_word_embeddings
    names = layers(before)
    shared = [
        name.split(".")[-1]
        for name, module in before.named_modules()
        if module in (before.get_input_embeddings(), before.get_output_embeddings())
    ]
    assert len(shared) == 2 and {*shared} < {*names} and len(names) > 5
    for targets in [*([name] for name in names), shared, "all-linear"]:
        adapted = with_adapter(small(architecture, tokenizer), Lora(rank=2, alpha=8, dropout=0, targets=targets))
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora" in name:
                    weight.copy_(torch.randn(weight.shape, generator=generator))
        with torch.no_grad():
            plain, trained = before(ids).logits, adapted(ids).logits
        merged(adapted).save_pretrained(tmp_path)
        saved = models.load(tmp_path)
        tied = saved.config.tie_word_embeddings
        torch.testing.assert_close(saved(ids).logits, trained, rtol=1e-4, atol=1e-4, msg=f"{targets}")
        assert (trained - plain).abs().max() > 1e-2, f"an adapter on {targets} that does nothing would prove nothing"
        assert tied != bool({*shared} & {*targets}), "weights that nothing parts stay one"


def test_a_training_ends_with_the_model_that_it_trained(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.Collator(tokenizer.pad_token_id)(sft.examples([TEXT], PROMPT, tokenizer, sft.Options())[:8])
    predicted = (batch["labels"] != IGNORE).sum()
    found: list[float] = []

    def measured(model: PreTrainedModel) -> PreTrainedModel:
        found.append(losses.cross_entropy(model, batch, predicted).item())
        return merged(model)

    monkeypatch.setattr(loop, "merged", measured)
    adapter = {"rank": 4, "dropout": 0.0, "targets": ["q_proj", "embed_tokens"]}
    fitted = fit(tokenizer, tmp_path / "work", "llama", "sft", {}, {"adapter": adapter})
    assert fitted.curve[-1]["loss"] < fitted.curve[0]["loss"] - 0.05
    fitted.model.save_pretrained(tmp_path / "model")
    saved = losses.cross_entropy(models.load(tmp_path / "model"), batch, predicted).item()
    assert saved == pytest.approx(found[0], abs=1e-4)


def test_a_target_that_names_no_layer_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    """peft trains the others, and is silent."""
    model = small("llama", tokenizer)
    with pytest.raises(ValueError, match=r"adapter 'v_prj'; did you mean 'v_proj'\? \(known: .*embed_tokens.*q_proj"):
        with_adapter(model, Lora(rank=2, targets=["q_proj", "v_prj"]))
    model.model.layers[1].mlp.up_proj.weight = model.model.layers[0].mlp.up_proj.weight
    with pytest.raises(
        ValueError, match=r"layers\.0\.mlp\.up_proj and model\.layers\.1\.mlp\.up_proj share one weight"
    ):
        with_adapter(model, Lora(rank=2, targets=["up_proj"]))


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
    with pytest.raises(ConfigError, match=rf"tunings.sft.training.{key} = True: does not work with FlexAttention"):
        load_config(tmp_path / "c.yaml")
