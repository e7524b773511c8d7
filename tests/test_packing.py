"""Several examples in a row: each has the logits, the loss and the gradient that it has alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models, registry
from dragoman.config import Training
from dragoman.configfile import ConfigError, parse
from dragoman.methods import IGNORE, Example, ParallelText, packs
from dragoman.models import attention
from dragoman.models.attention import mirroring
from dragoman.pages import examples as page_examples
from dragoman.training import batches, loop, losses
from support.claimed import config
from support.mirrors import ARCHITECTURES, CLOSE, END, FAR, POLICIES, build, elementwise, sentences
from support.trainings import PROMPT, SENTENCES, spec

SOURCES = [" ".join(["the", *["red"] * (5 * i % 7), f"cat number {i} sleeps here"]) for i in range(12)]
PAIRS = {
    "en-fr": [f"le chat {'rouge ' * (3 * i % 5)}numéro {i} dort ici" for i in range(12)],
    "en-de": [f"die {'rote ' * (2 * i % 5)}Katze Nummer {i} schläft hier" for i in range(12)],
}
TEXTS = [ParallelText(pair, SOURCES, targets, ["0-0 1-1"] * 12) for pair, targets in PAIRS.items()]
POLICY = {"policies": [{"name": "wait-k", "k": k} for k in (1, 3)]}
METHODS = [
    ("sft", {}),
    ("prefix", POLICY),
    ("converse", {}),
    ("simulmask", POLICY | {"positions": "plain"}),
    ("language-aware", {"alpha": 0.5}),
    ("consistency", {"alpha": 0.5}),
    ("preference", {"rejected": "other"}),
    ("interleave", {}),
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for pair in SENTENCES for side in pair], 320)


# ----------------------------------------------------------------------------------------------------------- logits


def rows_of(examples: Sequence[Example], size: int) -> dict[str, torch.Tensor]:
    return batches.Collator(END, size)(examples)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("positions", ["plain", "mirroring"])
@torch.no_grad()
def test_logits_are_those_of_each_example_alone(architecture: str, positions: str) -> None:
    model = build(architecture)
    positions = mirroring(model) if positions == "mirroring" else positions
    origin = 9 if positions == "group" else 0
    made = [sentence for policy in POLICIES for sentence in sentences(policy, 2)]
    examples = [{"input_ids": s.ids(), "labels": s.ids(), "visible": s.visible("exact")} for s in made]
    batch = rows_of(examples, 150)
    assert len(batch["input_ids"]) < len(made) / 2, "rows hold several examples"
    assert (batch["documents"] == 0).any(), "and some of them padding"

    def masked(documents: torch.Tensor, keep: int | torch.Tensor = 0) -> torch.Tensor:
        return attention.masked(
            model, batch["input_ids"], batch["visible"], documents, positions, origin=origin, keep=keep
        )

    logits, one_sequence = masked(batch["documents"]), masked(batch["attention_mask"])
    broken = 0.0
    for number, sentence in enumerate(made, 1):
        ids, visible = (torch.tensor([column]) for column in (sentence.ids(), sentence.visible("exact")))
        alone = attention.masked(model, ids, visible, torch.ones_like(ids), positions, origin=origin)[0]
        own = batch["documents"] == number
        assert (logits[own] - alone).abs().max() < CLOSE
        broken = max(broken, (one_sequence[own] - alone).abs().max().item())
    assert broken > FAR, "without boundaries examples would see each other"
    kept = (batch["labels"] != IGNORE) & (torch.arange(logits.shape[1]) % 3 == 0)
    assert (masked(batch["documents"], kept) - logits[kept]).abs().max() < CLOSE


@pytest.mark.parametrize("architecture", ["falcon-alibi", "llama"])
@torch.no_grad()
def test_flex_attention_is_given_the_same_boundaries(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention.Flex, "kernel", staticmethod(elementwise))
    model = build(architecture)
    made = [sentence for policy in POLICIES[:2] for sentence in sentences(policy, 2, subwords=1)]
    examples = [{"input_ids": s.ids(), "labels": s.ids(), "visible": s.visible("exact")} for s in made]
    batch = rows_of(examples, 40)
    assert len(batch["input_ids"]) < len(made)
    given = batch["input_ids"], batch["visible"], batch["documents"]
    for positions in ("plain", mirroring(model)):
        dense, flex = (attention.masked(model, *given, positions, kernel=kernel) for kernel in ("sdpa", "flex"))
        real = batch["documents"] > 0
        assert (dense[real] - flex[real]).abs().max() < CLOSE


# ------------------------------------------------------------------------------------------------ losses and gradients


def found(
    model: PreTrainedModel, loss: losses.Loss, batches: Sequence[dict[str, torch.Tensor]]
) -> tuple[float, torch.Tensor]:
    """Loss and gradient of one optimizer step."""
    predicted = torch.as_tensor(sum((batch["labels"][:, 1:] != IGNORE).sum() for batch in batches))
    model.zero_grad()
    total = 0.0
    for batch in batches:
        part = loss(model, batch | {"examples": torch.tensor(COUNT)}, predicted)
        part.backward()
        total += part.item()
    return total, torch.cat([weight.grad.flatten() for weight in model.parameters()])


COUNT = 9


@pytest.mark.parametrize(
    ("architecture", "method", "options"),
    [(architecture, *METHODS[0]) for architecture in ARCHITECTURES]
    + [("llama", *method) for method in METHODS[1:]]
    + [
        ("falcon-alibi", "language-aware", {"alpha": 0.5}),
        ("falcon-alibi", "simulmask", POLICY | {"positions": "modified"}),
        ("qwen3", "simulmask", POLICY | {"positions": "group", "origin": 5}),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_loss_and_gradient_are_those_of_each_example_alone(
    tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    method: str,
    options: dict[str, object],
    large: bool,
) -> None:
    if large:
        monkeypatch.setattr(losses, "LARGE", 0)
    module = registry.module_of("method", method)
    chosen = module.Options.model_validate(options)
    examples = [*module.examples(TEXTS, PROMPT, tokenizer, chosen)][::3][:COUNT]
    model = models.build(spec(architecture), tokenizer)
    loss = losses.of_method(module, chosen) or losses.cross_entropy
    alone = [batches.Collator(tokenizer.pad_token_id)([example]) for example in examples]
    packed = batches.Collator(tokenizer.pad_token_id, 200)(examples)
    assert len(packed["input_ids"]) < COUNT / 2
    expected, gradient = found(model, loss, alone)
    value, slope = found(model, loss, [packed])
    assert value == pytest.approx(expected, abs=1e-4)
    torch.testing.assert_close(slope, gradient, atol=1e-4, rtol=1e-4)
    assert gradient.abs().max() > 1e-2, "gradients so small would prove nothing"


@pytest.mark.parametrize("kind", ["sft", "pages"])
def test_training_packed_is_training_padded(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Over the same batches, normalised alike: also where an example's first token has a label, as in pages."""
    module = registry.module_of("method", "sft")
    made = module.examples(TEXTS, PROMPT, tokenizer, module.Options())
    if kind == "pages":
        made = page_examples([*SOURCES, *PAIRS["en-fr"]], tokenizer)
    made_of, shapes = batches.Collator.__call__, []

    def watched(self: batches.Collator, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        batch = made_of(self, examples)
        shapes.append(batch["input_ids"].shape)
        return batch

    def fitted(name: str) -> loop.Fitted:
        how = {"steps": 6, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-2, "log_every": 1, "max_length": 200}
        shapes.clear()
        found = loop.fit(
            models.build(spec(), tokenizer),
            tokenizer,
            made,
            Training(precision="float32", packing=400, **how),
            seed=1,
            work=tmp_path / name,
            label="test",
        )
        assert found is not None
        return found

    monkeypatch.setattr(batches.Collator, "__call__", watched)
    packed = fitted("packed")
    assert len(shapes) == 12 and {count for count, _ in shapes} == {1}
    tokens = [sum(width for _, width in shapes[step : step + 2]) for step in range(0, 12, 2)]
    assert max(abs(2 * width - tokens[i // 2]) for i, (_, width) in enumerate(shapes)) < 40, "passes of about one size"
    monkeypatch.setattr(batches, "_packed", lambda examples, size: examples)
    padded = fitted("padded")
    assert max(count for count, _ in shapes) > 3
    assert packed.timing["tokens"] == padded.timing["tokens"]
    for row, expected in zip(packed.curve, padded.curve, strict=True):
        assert row == pytest.approx(expected, rel=1e-3)


# ------------------------------------------------------------------------------------------------------------- rows


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(60, 200))
def test_no_example_is_cut_or_lost(lengths: list[int], size: int) -> None:
    placed = batches.rows(lengths, size)
    assert sorted(example for row in placed for example in row) == list(range(len(lengths)))
    filled = [sum(lengths[example] for example in row) for row in placed]
    assert min(filled) > 0 and max(filled) <= size
    assert len(placed) <= 1 + 2 * sum(lengths) // size, "at worst rows are half full"
    assert max(filled) - min(filled) <= max(lengths)
    assert placed == batches.rows(lengths, size)


@given(st.lists(st.integers(1, 60), min_size=16, max_size=60), st.sampled_from([(1, 8), (1, 2), (2, 4)]))
def test_packed_batches_hold_every_example_once(lengths: list[int], cut: tuple[int, int]) -> None:
    """Of a process or of two, in passes of about as many tokens; the same ones for the same seed."""
    world, micro_batch = cut

    def epoch(rank: int = 0, world: int = 1, seed: int = 1) -> list[list[int]]:
        return list(batches.Batches(lengths, 16, micro_batch, seed, rank, world, packed=True))

    passes = epoch()
    used = [example for part in passes for example in part]
    assert len(used) == len(set(used)) == len(lengths) // 16 * 16
    assert passes == epoch()
    accumulated = 16 // micro_batch
    for start in range(0, len(passes), accumulated):
        sizes = [sum(lengths[i] for i in part) for part in passes[start : start + accumulated]]
        assert min(sizes) > 0 and max(sizes) - min(sizes) <= max(lengths)
    dealt = [epoch(rank, world) for rank in range(world)]
    assert {len(part) for part in dealt} == {len(batches.Batches(lengths, 16, micro_batch, 1, 0, world))}
    assert [part for turn in zip(*dealt, strict=True) for part in turn] == passes


def test_columns_stay_together() -> None:
    examples = [{"input_ids": [n] * n, "labels": [n] * n, "other_ids": [n] * (9 - n)} for n in range(1, 9)]
    batch = batches.Collator(0, 20)(examples)
    assert batch["input_ids"].sum() == sum(n * n for n in range(1, 9))
    assert (batch["documents"] == batch["input_ids"]).all() and (batch["other_documents"] == batch["other_ids"]).all()
    starts = batch["documents"] != torch.nn.functional.pad(batch["documents"][:, :-1], (1, 0))
    assert (batch["labels"][starts] == IGNORE).all(), "nothing predicts the first token of an example"
    assert (batch["attention_mask"] == (batch["documents"] > 0)).all()


def mean(logits: torch.Tensor, batch: dict[str, torch.Tensor], predicted: torch.Tensor) -> torch.Tensor:
    following = batch["labels"][:, 1:]
    kept = following != IGNORE
    return torch.nn.functional.cross_entropy(logits[:, :-1][kept], following[kept], reduction="sum") / predicted


def of_model(model: Any, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Any) -> torch.Tensor:
    return mean(model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits, batch, predicted)


def of_forward(forward: Any, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Any) -> torch.Tensor:
    return mean(forward(batch), batch, predicted)


def test_a_loss_that_calls_the_model_itself_is_not_packed(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would train on other logits; with `forward` in its place, the same loss is right."""
    sft = registry.module_of("method", "sft")
    mine = SimpleNamespace(Options=sft.Options, examples=sft.examples, loss=of_model)
    monkeypatch.setitem(sys.modules, "mine_unpacked", mine)
    monkeypatch.setitem(registry.REGISTRY["method"], "mine", "mine_unpacked")
    world = config("results")
    tuning = world["experiments"]["simulmask"]["tunings"]["t"]
    tuning |= {"method": "mine"}
    assert parse(world)
    tuning["training"] |= {"packing": 600}
    with pytest.raises(ConfigError, match=r"tunings\.t\.training\.packing = 600: the loss of 'mine' calls the model"):
        parse(world)

    examples = sft.examples(TEXTS, PROMPT, tokenizer, sft.Options())[:5]
    model = models.build(spec(), tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6 if weight.dim() == 2 else 1)  # so that what a token sees matters
    padded, packed = (batches.Collator(tokenizer.pad_token_id, size)(examples) for size in (None, 300))
    predicted = (padded["labels"] != IGNORE).sum()
    wrong = losses.of_method(mine, None)
    mine.loss = of_forward
    right = losses.of_method(mine, None)
    assert parse(world)
    with torch.no_grad():
        expected = losses.cross_entropy(model, padded, predicted).item()
        assert abs(wrong(model, packed, predicted).item() - expected) > 1e-3
        assert right(model, packed, predicted).item() == pytest.approx(expected, abs=1e-5)


def test_all_methods_here_can_be_packed() -> None:
    assert sorted(name for name, _ in METHODS) == registry.names("method")
    assert all(packs(registry.module_of("method", name)) for name, _ in METHODS)


def test_rows_have_room_for_every_example() -> None:
    with pytest.raises(ValueError, match="an example is longer than a row of 5 tokens"):
        batches.rows([3, 6], 5)
    with pytest.raises(ValidationError, match=r"packing \(256\) must be at least max_length \(512\)"):
        Training(steps=1, packing=256)
