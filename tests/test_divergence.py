"""Divergence of a foundation model and its twin: a naive float64 computation, cases by hand, a bound on memory."""

from __future__ import annotations

import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Gemma2Config, Gemma2ForCausalLM, OPTConfig, OPTForCausalLM, PreTrainedModel

from dragoman import models
from dragoman.config import OfflineDecoder, Pages, ScratchModel
from dragoman.decoding import Context, Item, offline
from dragoman.metrics import MetricError, divergence
from dragoman.metrics.divergence import Answers, Trace, by_position, summary, traced
from support.trainings import PROMPT

VOCABULARY = 331  # like no other dimension of the models here
ROWS = [
    Answers([5, 9, 2], [7, 8, 3, 3, 1], [4, 4, 1]),
    Answers([11], [12, 1], [12, 30, 31, 32, 33, 1]),
    Answers([7] * 12, [21, 22, 23], [21, 22, 1]),
    Answers([3, 4], [], []),
]


def model_of(architecture: str, seed: int, scale: float = 16.0) -> PreTrainedModel:
    """A random model whose expectations are sharp enough to differ: weights are scaled up."""
    pages = Pages(corpus="x", languages=["en", "fr"], count=50)
    spec = ScratchModel(source="scratch", architecture=architecture, text=pages, layers=2, width=16, heads=2)
    torch.manual_seed(seed)
    model = models.build(spec.model_copy(update={"seed": seed}), models.train_tokenizer(["a b"], 300))
    model.resize_token_embeddings(VOCABULARY, mean_resizing=False)
    return _sharpened(model, scale)


def _sharpened(model: PreTrainedModel, scale: float) -> PreTrainedModel:
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(scale)
    return model.eval()


def naive(foundation: PreTrainedModel, twin: PreTrainedModel, row: Answers, reading: str) -> list[list[float]]:
    """Position by position: the whole context through both models in float64, and the formulas as they are written."""
    found = []
    for t in range(len(row.twin) if reading == "teacher" else min(len(row.twin), len(row.foundation))):
        own = row.twin if reading == "teacher" else row.foundation
        logits = []
        for model, text in ((twin, row.twin), (foundation, own)):
            with torch.inference_mode():
                logits.append(model(torch.tensor([[*row.given, *text[:t]]])).logits[0, -1].numpy())
        p, q = (np.exp(each - each.max()) / np.exp(each - each.max()).sum() for each in logits)
        token, m = int(p.argmax()), (p + q) / 2
        found.append(
            [
                1 + sum(other > q[token] for other in q),
                q[token],
                (p * np.log(p / q)).sum(),
                (q * np.log(q / p)).sum(),
                ((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2,
                -(p * np.log(q)).sum(),
            ]
        )
    return found


@pytest.mark.parametrize("architecture", ["llama", "falcon-alibi", "gpt-neox"])
@pytest.mark.parametrize("reading", ["teacher", "free"])
def test_equals_naive_float64(architecture: str, reading: divergence.Reading) -> None:
    foundation, twin = model_of(architecture, 1), model_of(architecture, 2)
    one = 4 * VOCABULARY * divergence.ALIVE
    wide = traced(foundation, twin, ROWS, reading)
    narrow = traced(foundation, twin, ROWS, reading, budget=2 * one, batch_size=2)
    foundation, twin = foundation.double(), twin.double()
    for row, *traces in zip(ROWS, wide, narrow, strict=True):
        expected = np.array(naive(foundation, twin, row, reading)).reshape(-1, len(Trace._fields)).T
        for trace in traces:
            np.testing.assert_allclose(np.array(trace), expected, rtol=1e-5, atol=1e-5)
    pooled = np.concatenate([np.array(trace) for trace in wide], axis=1)
    assert pooled[2].max() > 0.5, "a test of equal models would prove nothing"
    assert len(set(pooled[0])) > 5


def test_a_model_and_itself() -> None:
    model = model_of("llama", 1)
    whole = summary(traced(model, model, ROWS))
    assert whole["positions"] == 10
    assert whole["agreement@1"] == whole["unshifted"] == whole["rank"] == 1
    assert whole["shifted"] == 0
    for name in ("kl_twin", "kl_foundation", "jensen_shannon"):
        assert whole[name] == pytest.approx(0, abs=1e-6)


def test_far_apart() -> None:
    """Expectations without a common token: Jensen-Shannon ends at log 2, and nothing overflows."""
    foundation, twin = model_of("llama", 1), model_of("llama", 2)
    for model in (foundation, twin):
        model.lm_head.weight = torch.nn.Parameter(torch.zeros(VOCABULARY, 16))
    with torch.no_grad():
        foundation.lm_head.weight[0], twin.lm_head.weight[1] = 1e4, 1e4
        state = foundation.model(torch.tensor([[5]])).last_hidden_state[0, 0].sum()
        other = twin.model(torch.tensor([[5]])).last_hidden_state[0, 0].sum()
        foundation.lm_head.weight[0] *= state.sign()
        twin.lm_head.weight[1] *= other.sign()
    (trace,) = traced(foundation, twin, [Answers([5], [6])])
    assert trace.jensen_shannon[0] == pytest.approx(math.log(2), abs=1e-6)
    assert trace.kl_twin[0] == pytest.approx(1e4 * abs(float(state)), rel=1e-5)
    assert trace.kl_foundation[0] == pytest.approx(1e4 * abs(float(other)), rel=1e-5)
    assert trace.probability[0] == 0


def test_averages_by_hand() -> None:
    def trace(*ranks: float) -> Trace:
        column = np.array(ranks)
        return Trace(column, 1 / column, column / 10, column, column, column * 2)

    traces = [trace(1, 2, 21), trace(), trace(4), trace(1, 3)]
    whole = summary(traces)
    assert {name: whole[name] for name in ("positions", "unshifted", "marginal", "shifted")} == {
        "positions": 6,
        "unshifted": pytest.approx(2 / 6),
        "marginal": pytest.approx(2 / 6),
        "shifted": pytest.approx(2 / 6),
    }
    assert [whole[f"agreement@{k}"] for k in (1, 5, 10, 20)] == pytest.approx([2 / 6, 5 / 6, 5 / 6, 5 / 6])
    assert whole["cross_entropy"] == pytest.approx(64 / 6)
    curve = by_position(traces)
    assert [(each["position"], each["positions"]) for each in curve] == [(1, 3), (2, 2), (3, 1)]
    assert [each["agreement@1"] for each in curve] == pytest.approx([2 / 3, 0, 0])
    assert [each["kl_twin"] for each in curve] == pytest.approx([0.2, 0.25, 2.1])
    for name, (low, high) in whole["intervals"].items():
        assert low <= whole[name] <= high
    assert curve[2]["intervals"]["kl_twin"] == pytest.approx((2.1, 2.1)), "one answer, drawn again and again"
    assert curve[0]["intervals"]["rank"] == pytest.approx((1, 4)), "ranks 1, 4 and 1, of which three are drawn"
    assert by_position([]) == []
    with pytest.raises(MetricError, match="every answer is empty"):
        summary([trace()])


class Alive(TorchDispatchMode):
    """Counts the bytes of living tensors whose last dimension is the vocabulary, weights and their kin left out."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.dim() > 1 and result.shape[-1] == VOCABULARY:
            storage = result.untyped_storage()
            # the transposed head has the vocabulary last, too, but shares the storage of a weight
            if func is not torch.ops.aten.t.default and storage.data_ptr() not in self.bytes:
                self.bytes[storage.data_ptr()] = storage.nbytes()
                weakref.finalize(storage, self.bytes.pop, storage.data_ptr(), None)
                self.peak = max(self.peak, sum(self.bytes.values()))
        return result


@pytest.mark.parametrize("positions", [1, 3, 40])
def test_memory_stays_below_the_budget(positions: int) -> None:
    foundation, twin = model_of("llama", 1), model_of("llama", 2)
    rows = [Answers([5, 6], [7] * 13)] * 7
    budget = positions * 4 * VOCABULARY * divergence.ALIVE
    with Alive() as alive:
        traced(foundation, twin, rows, budget=budget)
    assert alive.peak == budget
    with Alive() as alive:
        twin(torch.tensor([[*rows[0].given, *rows[0].twin]] * 7))
    assert alive.peak == 7 * 15 * 4 * VOCABULARY, "the spy sees what it is to see"


def test_what_is_refused() -> None:
    foundation, twin = model_of("llama", 1), model_of("llama", 2)
    with pytest.raises(ValueError, match=r"budget of 100 bytes is too small: one position needs \d+"):
        traced(foundation, twin, ROWS, budget=100)
    with pytest.raises(ValueError, match="row 1 gives no token"):
        traced(foundation, twin, [ROWS[0], Answers([], [1])])
    with pytest.raises(ValueError, match=r"bfloat16 and torch.float32; load both models in float32"):
        traced(model_of("llama", 1).bfloat16(), twin, ROWS)
    with torch.no_grad():
        twin.lm_head.weight[3, 3] = math.nan
    with pytest.raises(MetricError, match="logits are not finite"):
        traced(foundation, twin, ROWS)
    twin.resize_token_embeddings(VOCABULARY + 1, mean_resizing=False)
    with pytest.raises(ValueError, match="331 vocabulary entries and its twin 332"):
        traced(foundation, twin, ROWS)


def test_models_that_cap_their_logits() -> None:
    config = Gemma2Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        final_logit_softcapping=2.0,
    )
    torch.manual_seed(1)
    foundation, twin = (_sharpened(Gemma2ForCausalLM(config), 9.0) for _ in range(2))
    (trace,) = traced(foundation, twin, ROWS[:1])
    expected = naive(foundation.double(), twin.double(), ROWS[0], "teacher")
    np.testing.assert_allclose(np.array(trace).T, expected, rtol=1e-5, atol=1e-5)
    assert "forward" not in vars(foundation.model), "the model is left as it was"


def test_models_of_another_build_are_refused() -> None:
    torch.manual_seed(1)
    config = OPTConfig(
        vocab_size=VOCABULARY, hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2, init_std=0.5
    )
    odd = OPTForCausalLM(config).eval()
    inner = odd.forward
    odd.forward = lambda *args, **kwargs: _shifted(inner(*args, **kwargs), kwargs)
    with pytest.raises(ValueError, match="models of type 'opt' cannot be compared"):
        traced(odd, odd, ROWS)


def _shifted(output: Any, given: dict[str, Any]) -> Any:
    """A model that looks at more than its hidden states: its input ids, which `_logits` does not have."""
    if given.get("input_ids") is not None:
        output.logits = output.logits + torch.arange(VOCABULARY)
    return output


def test_answers_are_what_the_models_write(tmp_path: Path) -> None:
    tokenizer = models.train_tokenizer(["the cat sleeps", "le chat dort"], 320)
    decoders = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        pages = Pages(corpus="x", languages=["en", "fr"], count=50)
        spec = ScratchModel(source="scratch", architecture="llama", text=pages, layers=1, width=16, heads=2, seed=seed)
        _sharpened(models.build(spec, tokenizer), 6.0).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        options = OfflineDecoder(name="offline", max_new_tokens=6, batch_size=2)
        decoders.append(offline.Decoder(Context(folder, "en-fr", PROMPT), options))
    foundation, twin = decoders
    prompts = foundation.prompts([Item(i, text, "") for i, text in enumerate(("the cat", "a", "sleeps the cat"))])
    bare = divergence.answers(foundation, twin, prompts)
    rows = bare + [row for n in (1, 3, 6) for row in divergence.after_prior(foundation, bare, n)]
    assert len(bare) == 3 < len(rows)
    for row in rows:
        (written,) = foundation.continuations([row.given])
        assert len(row.foundation) >= min(len(row.twin), len(written))
        assert [*row.foundation] == written[: len(row.foundation)]
    for row in rows:
        prompt = next(prompt for prompt in prompts if row.given[: len(prompt)] == prompt)
        assert [row.given[len(prompt) :] + row.twin] == twin.continuations([prompt])
    # along its own greedy text, a model's first choice is always the token that comes
    assert summary(traced(twin.model, twin.model, rows))["unshifted"] == 1
    alone = [Answers(row.given, row.foundation, row.twin) for row in rows]
    first = [(t.kl_twin[0], t.kl_foundation[0]) for t in traced(foundation.model, twin.model, rows)]
    swapped = [(t.kl_foundation[0], t.kl_twin[0]) for t in traced(twin.model, foundation.model, alone, "free")]
    np.testing.assert_allclose(first, swapped, rtol=1e-5, atol=1e-6)
