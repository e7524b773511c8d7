"""Cross-entropy a few rows at a time: torch's numbers, without its memory."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dragoman import entropy, training
from dragoman.methods import IGNORE


def made(rows: int, vocabulary: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = (4 * torch.randn(rows, vocabulary, generator=generator)).to(dtype).requires_grad_()
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    targets[::3] = IGNORE
    return logits, targets


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


class Largest(TorchDispatchMode):
    """The most bytes that any one result of an operation has, views of what was there before left out."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        given = {each.untyped_storage().data_ptr() for each in tree_leaves(args) if isinstance(each, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, torch.Tensor) and each.untyped_storage().data_ptr() not in given:
                self.bytes = max(self.bytes, each.untyped_storage().nbytes())
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

    with Largest() as largest, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = entropy.summed(logits, targets)
    assert largest.bytes <= 2 * 1000 * 4, "forward: a step of the loop, in float32"
    assert sum(kept) <= 64 * (8 + 4), "targets and norms"
    with Largest() as largest:
        loss.backward()
    assert largest.bytes == 64 * 1000 * 2, "backward: the gradient in the precision of the logits"


def test_training_uses_it_where_logits_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, _ = made(4 * 6, 50)
    labels = torch.randint(50, (4, 6))
    labels[:, :2] = IGNORE

    def loss() -> torch.Tensor:
        return training.token_mean(lambda keep: logits.view(4, 6, 50)[:, -keep:], labels, torch.tensor(16))

    usual = loss()
    monkeypatch.setattr(training, "LARGE", 10)
    monkeypatch.setattr(training, "summed", lambda *given: (called.append(1), entropy.summed(*given))[1])
    called: list[int] = []
    torch.testing.assert_close(loss(), usual, rtol=1e-6, atol=1e-6)
    assert called
