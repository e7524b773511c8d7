"""Cross-entropy a few rows at a time: torch's numbers, without its memory."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, PreTrainedModel

from dragoman.config import Lora, Training
from dragoman.methods import IGNORE
from dragoman.training import entropy, losses
from dragoman.training import trainable as trainable_module
from dragoman.training.trainable import trainable
from small_models import described


def made(rows: int, vocabulary: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = (4 * torch.randn(rows, vocabulary, generator=generator)).to(dtype).requires_grad_()
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    targets[::3] = IGNORE
    return logits, targets


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything counts as large."""
    monkeypatch.setattr(entropy, "LARGE", 0)


@pytest.mark.parametrize("step", [1, 50, 170, 10**6])
def test_loss_and_gradient_are_torchs(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(entropy, "ROWS", step)
    logits, targets = made(13, 37)
    expected = functional.cross_entropy(logits, targets, reduction="sum", ignore_index=IGNORE)
    (slope,) = torch.autograd.grad(3 * expected, logits)
    found = entropy.summed(logits, targets)
    (ours,) = torch.autograd.grad(3 * found, logits)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours, slope, rtol=1e-6, atol=1e-6)
    assert not ours[::3].any()


def test_half_precision_is_computed_in_float32() -> None:
    logits, targets = made(13, 37, torch.bfloat16)
    found = entropy.summed(logits, targets)
    expected = functional.cross_entropy(logits.float(), targets, reduction="sum", ignore_index=IGNORE)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    (slope,) = torch.autograd.grad(found, logits)
    assert slope.dtype == torch.bfloat16


class Results(TorchDispatchMode):
    """The sizes in bytes of all results of operations, views of what was there before left out."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [0]

    @property
    def largest(self) -> int:
        return max(self.sizes)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        given = {each.untyped_storage().data_ptr() for each in tree_leaves(args) if isinstance(each, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, torch.Tensor) and each.untyped_storage().data_ptr() not in given:
                self.sizes.append(each.untyped_storage().nbytes())
        return result


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing larger than the gradient is made, and only the logits themselves are kept until then."""
    monkeypatch.setattr(entropy, "ROWS", 2 * 1000)
    logits, targets = made(64, 1000, torch.bfloat16)
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() != logits.untyped_storage().data_ptr():
            kept.append(tensor.numel() * tensor.element_size())
        return tensor

    with Results() as results, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = entropy.summed(logits, targets)
    assert results.largest <= 2 * 1000 * 4, "forward: a step of the loop, in float32"
    assert sum(kept) <= 64 * (8 + 4), "targets and norms"
    with Results() as results:
        loss.backward()
    assert results.largest == 64 * 1000 * 2, "backward: the gradient in the precision of the logits"


# ------------------------------------------------------------------------------------------------- from hidden states


def small(kind: str, vocabulary: int = 400) -> PreTrainedModel:
    """Models whose output layers differ: tied or not, with a cap on logits, with an adapter."""
    torch.manual_seed(1)
    config = described("gemma3", vocabulary, num_hidden_layers=1)
    config.tie_word_embeddings = kind != "untied"
    config.final_logit_softcapping = 0.2 if kind == "capped" else None
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    targets = ["lm_head", "q_proj"] if kind == "adapted" else None
    adapter = Lora(rank=2, dropout=0.0, targets=targets) if targets else None
    return trainable(model, Training(steps=1, adapter=adapter))


def batch_of(rows: int = 4, length: int = 12, vocabulary: int = 400) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(vocabulary, (rows, length), generator=generator)
    ids[:, -1] = ids[:, -2]  # tokens that come twice
    labels = ids.clone()
    for row in range(rows):
        labels[row, : 3 + row] = IGNORE
    return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}


def step(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Loss and gradients of two micro-batches."""
    model.zero_grad()
    halves = [{name: column[rows] for name, column in batch.items()} for rows in (slice(0, 2), slice(2, 4))]
    parts = [losses.cross_entropy(model, half, torch.tensor(30)) for half in halves]
    for loss in parts:
        loss.backward()
    return sum(parts).detach(), [weight.grad for weight in model.parameters() if weight.requires_grad]


@pytest.mark.parametrize("rows", [1, 5, 100])
@pytest.mark.parametrize("kind", ["tied", "untied", "capped", "adapted"])
def test_loss_of_hidden_states_is_the_loss(monkeypatch: pytest.MonkeyPatch, kind: str, rows: int) -> None:
    """Whatever the model does to logits after its output layer, in micro-batches, however many rows at a time."""
    batch = batch_of()
    expected, slopes = step(small(kind), batch)
    for module in (losses, trainable_module):
        monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(entropy, "ROWS", rows * 400)
    model = small(kind)
    assert model.get_input_embeddings().sparse == (kind in ("tied", "capped"))
    found, ours = step(model, batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours, slopes, rtol=1e-4, atol=1e-6)
    assert all(slope.layout == torch.strided for slope in ours)
    assert max(slope.abs().max() for slope in ours) > 1e-3


def test_logits_are_made_where_labels_are_and_never_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 of 48 positions have a label; with 5 rows at a time nothing as large as 6 rows of logits is made, but for the
    gradient of the output layer, which a frozen one does not have."""
    vocabulary = 5000
    batch, made_of = batch_of(vocabulary=vocabulary), []
    monkeypatch.setattr(losses, "LARGE", 0)
    monkeypatch.setattr(entropy, "ROWS", 5 * vocabulary)
    for frozen in (True, False):
        model = small("tied", vocabulary)
        if frozen:
            model.get_output_embeddings().weight.requires_grad_(False)
        made_of.clear()
        hook = model.get_output_embeddings().register_forward_hook(lambda _, given, out: made_of.append(out.shape))
        with Results() as results:
            losses.cross_entropy(model, batch, torch.tensor(30)).backward()
        hook.remove()
        assert sum(shape[:-1].numel() for shape in made_of) == 4 * 12 - (3 + 4 + 5 + 6)
        table = 0 if frozen else model.get_output_embeddings().weight.numel()
        assert results.largest <= 4 * max(5 * vocabulary, table)


def test_the_output_layer_is_copied_once_for_lower_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accelerate has each call of the model in an autocast of its own, which copies the weights that the call uses."""
    vocabulary, batch = 5000, batch_of(vocabulary=5000)
    monkeypatch.setattr(losses, "LARGE", 0)
    model = small("untied", vocabulary)
    model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    with Results() as results:
        loss = losses.cross_entropy(model, batch, torch.tensor(30))
    weights, logits = model.get_output_embeddings().weight.numel(), 30 * vocabulary
    halves, wholes = results.sizes.count(2 * weights), results.sizes.count(4 * weights)
    assert (halves, wholes) == (2, 1), "bfloat16: the copy and the gradient; float32: the gradient"
    assert results.sizes.count(2 * logits) == 2, "logits and their gradient, which an index would copy"
    loss.backward()
