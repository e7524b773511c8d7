"""Training: batches, loss, and that a run which was stopped ends in the same weights as one that was not."""

from __future__ import annotations

import signal
import statistics
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import Lora, Pages, Training
from dragoman.methods import IGNORE, sft
from dragoman.pages import examples as page_examples
from dragoman.pages import make
from dragoman.prompts import encode, joined
from dragoman.training import loop, losses, progress
from dragoman.training.batches import Batches, Collator
from dragoman.training.optimizers import Muon, orthogonalised
from support.trainings import PROMPT, SENTENCES, TEXT, StoppedError, parameters, same, spec, train


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for pair in SENTENCES for side in pair], 320)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("llama", {"optimizer": "muon"}),
        ("falcon-alibi", {"optimizer": "adamw", "micro_batch": 4}),
        ("llama", {"adapter": {"rank": 2, "dropout": 0.5}, "schedule": "inverse_sqrt"}),
        ("falcon-alibi", {"adapter": {"rank": 2, "targets": ["dense", "word_embeddings"]}}),
        ("llama", {"steps": 20, "checkpoint_every": 8}),  # stops in the middle of a later epoch
        ("llama", {"steps": 20, "checkpoint_every": 8, "order": "random"}),
        ("llama", {"schedule": "constant", "at_end": True}),  # stops before the result is written
        ("llama", {"adapter": {"rank": 2, "targets": ["q_proj", "lm_head"]}, "schedule": "constant", "at_end": True}),
    ],
)
def test_resumed_equals_unbroken(
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    options: dict[str, object],
) -> None:
    options = dict(options)
    moment = "on_train_end" if options.pop("at_end", False) else "on_step_end"
    steps = int(options.get("steps", 6))
    stop_at = steps if moment == "on_train_end" else steps // 2 + 2
    whole, curve = train(tokenizer, tmp_path / "whole", architecture, **options)

    def stop(self: progress.Progress, args: object, state: object, *rest: object, **kwargs: object) -> None:
        if state.global_step == stop_at:  # type: ignore[attr-defined]
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(progress.Progress, moment, stop)
        with pytest.raises(StoppedError):
            train(tokenizer, tmp_path / "broken", architecture, **options)
    kept = list((tmp_path / "broken" / "checkpoints").iterdir())
    assert len(kept) == 1, "only the newest checkpoint is kept"
    resumed, resumed_curve = train(tokenizer, tmp_path / "broken", architecture, **options)
    assert same(parameters(whole), parameters(resumed))
    assert resumed_curve == curve


def test_a_training_that_is_told_to_stop_saves_first(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM in step 3: the checkpoint is of step 4, the next logged one, and the run goes on to the same weights."""
    options = {"steps": 10, "log_every": 2, "checkpoint_every": 10}
    whole, curve = train(tokenizer, tmp_path / "whole", **options)
    before = signal.getsignal(signal.SIGTERM)

    def tell(self: progress.Progress, args: object, state: object, *rest: object, **kwargs: object) -> None:
        if state.global_step == 2:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(progress.Progress, "on_step_begin", tell)
        with pytest.raises(SystemExit) as stopped:
            train(tokenizer, tmp_path / "told", **options)
    assert stopped.value.code == 143, "what a shell says of a program that SIGTERM ended"
    assert signal.getsignal(signal.SIGTERM) == before
    assert [path.name for path in (tmp_path / "told" / "checkpoints").iterdir()] == ["step-4"]
    resumed, resumed_curve = train(tokenizer, tmp_path / "told", **options)
    assert same(parameters(whole), parameters(resumed))
    assert resumed_curve == curve


def test_a_training_told_to_stop_in_its_last_step_is_done(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(self: progress.Progress, args: object, state: object, *rest: object, **kwargs: object) -> None:
        if state.global_step == 3:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(progress.Progress, "on_step_begin", tell)
    _, curve = train(tokenizer, tmp_path, steps=4, log_every=2)
    assert [row["step"] for row in curve] == [2, 4]


def test_the_last_step_has_no_checkpoint(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """The finished model is saved next, and a checkpoint is three times its size."""
    train(tokenizer, tmp_path, steps=5, log_every=1, checkpoint_every=2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-4"]


@pytest.mark.parametrize(
    ("precision", "width", "instructions", "expected"),
    [
        ("auto", 640, "amx_bf16", True),
        ("auto", 512, "amx_bf16", True),
        ("auto", 640, "avx512_bf16", True),
        ("auto", 128, "amx_bf16", False),  # attention's backward pass takes longer than the products save
        ("auto", 640, "avx512_f", False),  # bfloat16 would be emulated
        ("float32", 640, "amx_bf16", False),
        ("bfloat16", 128, "avx512_f", True),
    ],
)
def test_bfloat16_on_a_cpu(
    precision: str, width: int, instructions: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instructions: True})
    assert models.use_bfloat16(precision, width) is expected
    assert models.made_with(precision, width)["arithmetic"] == ("bfloat16" if expected else "float32")


def test_seed_decides_an_adapters_weights(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """Whatever was drawn before: a checkpoint that was loaded, not built, seeds nothing."""
    found = []
    for name in ("a", "b"):
        model = models.build(spec(), tokenizer)
        torch.rand(len(found) + 1)
        made = sft.examples([TEXT], PROMPT, tokenizer, sft.Options())
        settings = Training(steps=2, batch_size=8, adapter=Lora(rank=2), learning_rate=1e-2)
        found.append(loop.fit(model, tokenizer, made, settings, seed=1, work=tmp_path / name, label="test").model)
    assert same(parameters(found[0]), parameters(found[1]))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_schedule_laid_out_for_more_steps_is_that_of_a_longer_run(
    optimizer: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Four steps of eight: every loss and learning rate is that of the longer run, and of no run of four."""
    options = {"warmup": 0.25, "optimizer": optimizer}
    curves = {
        name: train(tokenizer, tmp_path / name, **options, **steps)[1]
        for name, steps in {
            "early": {"steps": 4, "schedule_steps": 8},
            "long": {"steps": 8},
            "short": {"steps": 4},
        }.items()
    }
    assert [row["step"] for row in curves["early"]] == [1, 2, 3, 4]
    assert curves["early"] == curves["long"][:4]
    rates = [[row["learning_rate"] for row in curves[name]] for name in ("early", "short")]
    assert rates[0] != rates[1]


@pytest.mark.parametrize("given", [{"epochs": 1.0, "schedule_steps": 9}, {"steps": 10, "schedule_steps": 9}])
def test_a_schedule_is_not_shorter_than_its_run(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"schedule_steps \(9\) needs `steps`, and must be at least as large"):
        Training(**given)


def test_half_written_checkpoint_is_not_taken_up(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    train(tokenizer, tmp_path / "a")
    checkpoint = next((tmp_path / "a" / "checkpoints").iterdir())
    assert loop.newest_checkpoint(checkpoint.parent) == checkpoint
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert loop.newest_checkpoint(checkpoint.parent) is None
    assert not checkpoint.exists()


def test_micro_batches_change_only_rounding(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """Adam enlarges rounding where a gradient is near 0: weights are compared as a whole, with how far they moved."""
    start = parameters(models.build(spec(), tokenizer))
    whole, cut = (train(tokenizer, tmp_path / str(size), micro_batch=size)[0] for size in (8, 2))
    one, other = parameters(whole), parameters(cut)
    for name, before in start.items():
        assert (one[name] - other[name]).norm() < 1e-2 * (one[name] - before).norm()


def test_micro_batch_without_room_is_halved(
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a while, as when long examples come; what was learnt by then is kept, and a batch is still a batch."""
    made = sft.examples([TEXT], PROMPT, tokenizer, sft.Options())
    how = Training(steps=6, batch_size=8, log_every=1, checkpoint_every=2, learning_rate=1e-2, precision="float32")

    def fitted(name: str) -> loop.Fitted:
        found = loop.fit_in_memory(
            lambda: models.build(spec(), tokenizer), tokenizer, made, how, seed=1, work=tmp_path / name, label="test"
        )
        assert found is not None
        return found

    whole = fitted("whole")
    compute = loop.Run.compute_loss

    def crowded(self: loop.Run, model: PreTrainedModel, inputs: dict[str, torch.Tensor], **rest: object) -> object:
        if self.state.global_step >= 3 and len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(self, model, inputs, **rest)

    monkeypatch.setattr(loop.Run, "compute_loss", crowded)
    with caplog.at_level("INFO"):
        halved = fitted("halved")
    said = [text for text in caplog.messages if "continuing" in text]
    assert said == [
        "test: out of memory with micro_batch 8; continuing with 4",
        "test: continuing from step-2",
        "test: out of memory with micro_batch 4; continuing with 2",
        "test: continuing from step-2",
    ]
    for row, expected in zip(halved.curve, whole.curve, strict=True):
        assert row == pytest.approx(expected, rel=1e-3)
    monkeypatch.setattr(loop.Run, "compute_loss", lambda *_, **__: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(torch.OutOfMemoryError):
        fitted("never")


def test_training_learns(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    _, curve = train(tokenizer, tmp_path, steps=40, checkpoint_every=40, optimizer="muon", muon_learning_rate=0.02)
    assert curve[-1]["loss"] < curve[0]["loss"] / 2


def test_loss_is_on_target_and_end_only(tokenizer: PreTrainedTokenizerBase) -> None:
    example = sft.examples([TEXT], PROMPT, tokenizer, sft.Options())[7]
    predicted = [label for label in example["labels"] if label != IGNORE]
    assert tokenizer.decode(predicted) == " le chat numéro 7 dort ici" + tokenizer.eos_token
    assert tokenizer.decode(example["input_ids"]).startswith(
        "English to French: the cat number 7 sleeps here\nAnswer: le"
    )
    assert len(example["labels"]) == len(example["input_ids"])


def test_cross_entropy_by_hand(tokenizer: PreTrainedTokenizerBase) -> None:
    """A model that gives every token the same probability loses log(vocabulary) nats a token."""
    model = models.build(spec(), tokenizer)
    torch.nn.init.zeros_(model.get_input_embeddings().weight)
    example = sft.examples([TEXT], PROMPT, tokenizer, sft.Options())[0]
    batch = Collator(tokenizer.pad_token_id)([example])
    predicted = torch.tensor(sum(label != IGNORE for label in example["labels"]))
    expected = torch.log(torch.tensor(float(len(tokenizer))))
    torch.testing.assert_close(losses.cross_entropy(model, batch, predicted), expected)


@pytest.mark.parametrize("architecture", ["falcon-alibi", "llama"])
def test_cross_entropy_equals_the_library(tokenizer: PreTrainedTokenizerBase, architecture: str) -> None:
    """The model's own loss over the same labels; and micro-batches of one step add up to the whole batch."""
    model = models.build(spec(architecture), tokenizer)
    batch = Collator(tokenizer.pad_token_id)(sft.examples([TEXT], PROMPT, tokenizer, sft.Options())[:6])
    predicted = (batch["labels"] != IGNORE).sum()
    loss = losses.cross_entropy(model, batch, predicted)
    torch.testing.assert_close(loss, model(**batch).loss)
    halves = [{name: column[rows] for name, column in batch.items()} for rows in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(sum(losses.cross_entropy(model, half, predicted) for half in halves), loss)


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
def test_orthogonalised_singular_values_are_about_one(shape: tuple[int, int]) -> None:
    """Against the singular value decomposition, which gives U V^T exactly."""
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape)
    found = orthogonalised(matrices)
    assert ((torch.linalg.svdvals(found) - 1).abs() < 0.35).all(), "the quintic ends within this band, not at 1"
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(found.flatten(1), (u @ v).flatten(1)).min() > 0.97


def test_muon_agrees_with_torch() -> None:
    """Same rule as torch's, but for the bfloat16 in which torch's rounds."""
    torch.manual_seed(0)
    first = torch.nn.Parameter(torch.randn(24, 8))
    second = torch.nn.Parameter(first.detach().clone())
    ours, torchs = Muon([first], lr=0.1, weight_decay=0.1), torch.optim.Muon([second], lr=0.1, weight_decay=0.1)
    for _ in range(3):
        first.grad = torch.randn(24, 8)
        second.grad = first.grad.clone()
        ours.step()
        torchs.step()
    torch.testing.assert_close(first, second, atol=0.01, rtol=0)


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    lengths = [i % 17 for i in range(100)]

    def epoch(seed: int, number: int) -> list[list[int]]:
        batches = Batches(lengths, 10, 5, seed)
        batches.set_epoch(number)
        return list(batches)

    assert epoch(1, 0) == epoch(1, 0)
    assert epoch(1, 0) != epoch(1, 1) != epoch(2, 1)
    assert sorted(i for batch in epoch(1, 0) for i in batch) == list(range(100))
    assert all(len(batch) == 5 for batch in epoch(1, 0))
    spread = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in epoch(1, 0)]
    assert max(spread) <= 3, "a batch holds examples of like length"


@pytest.mark.parametrize("order", ["length", "random"])
def test_fewer_examples_than_a_batch(order: str) -> None:
    batches = Batches([1, 2, 3], 8, 8, 1, order=order)
    (batch,) = batches
    assert len(batch) == 8
    assert set(batch) == {0, 1, 2}
    assert batches.left_out == 0


def test_order_decides_which_examples_make_a_batch() -> None:
    """By length, batches differ in their mean length; at random, hardly, and their order within changes nothing."""
    lengths = [n % 100 for n in range(3200)]
    spread = {}
    for order in ("length", "random"):
        batches = Batches(lengths, 32, 8, 1, order=order)
        found = list(batches)
        assert len(found) == len(batches) == 400
        means = [sum(lengths[i] for part in found[n : n + 4] for i in part) / 32 for n in range(0, 400, 4)]
        spread[order] = statistics.stdev(means)
        assert sorted(i for part in found for i in part) == list(range(3200))
        assert all(lengths[a[-1]] <= lengths[b[0]] for n, (a, b) in enumerate(pairwise(found)) if n % 4 < 3)
    assert spread["length"] > 25
    assert spread["random"] == pytest.approx(statistics.pstdev(range(100)) / 32**0.5, rel=0.25)


def test_the_last_batch_of_an_epoch() -> None:
    """At random it is filled up with the first examples of the epoch; by length it is left out, which is said."""
    epochs = {}
    for order, steps, left_out in (("length", 6, 4), ("random", 7, 0)):
        batches = Batches([5] * 64, 10, 5, 3, order=order)
        assert (batches.steps, batches.left_out) == (steps, left_out)
        epochs[order] = [i for part in batches for i in part]
        assert len(epochs[order]) == 10 * steps
    counts = Counter(epochs["random"])
    assert counts.keys() == set(range(64))
    assert Counter(counts.values()) == {1: 58, 2: 6}
    assert len(set(epochs["length"])) == 60


def test_what_an_epoch_leaves_out_is_said(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        train(tokenizer, tmp_path / "length", steps=1)
        train(tokenizer, tmp_path / "random", steps=1, order="random")
    said = [message for message in caplog.messages if "leaves out" in message]
    assert said == ["test: every epoch leaves out 4 of 60 examples, too few for a batch"]


def test_batch_size_must_be_a_multiple_of_micro_batch() -> None:
    with pytest.raises(ValueError, match=r"batch_size \(10\) must be a multiple of micro_batch \(4\)"):
        Batches([1] * 20, 10, 4, 1)


def test_too_long_examples_are_left_out() -> None:
    made = [{"input_ids": [1] * n, "labels": [1] * n} for n in (3, 5, 9)]
    assert len(loop.drop_long(made, 5)) == 2
    with pytest.raises(ValueError, match="none of 3 training examples has at most max_length = 2"):
        loop.drop_long(made, 2)


def test_tokenizer_is_reproducible_and_cuts_rare_words(tmp_path: Path) -> None:
    texts = ["the cat sleeps"] * 50 + ["extraordinarily"]
    for name in ("a", "b"):
        models.train_tokenizer(texts, 280).save_pretrained(tmp_path / name)
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (tmp_path / "b" / "tokenizer.json").read_bytes()
    tokenizer = models.train_tokenizer(texts, 280)
    assert len(tokenizer(" cat", add_special_tokens=False)["input_ids"]) == 1
    assert len(tokenizer(" extraordinarily", add_special_tokens=False)["input_ids"]) > 3
    text = "日本語 🙂 ŝ"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_pages_hold_no_instruction_and_all_kinds() -> None:
    pages = Pages(corpus="x", languages=["en", "fr"], count=300, seed=3)
    made = make(pages, {"en-fr": SENTENCES})
    assert made == make(pages, {"en-fr": SENTENCES})
    headed = [page for page in made if page.startswith(("English: ", "French: "))]
    assert 80 < len(headed) < 160
    assert any(page.startswith("French: ") for page in headed)
    assert not any("Translate" in page for page in made)
    with pytest.raises(ValueError, match="no training text"):
        make(pages, {"en-fr": []})


def test_pages_train_every_token(tokenizer: PreTrainedTokenizerBase) -> None:
    (example,) = page_examples(["the cat"], tokenizer)
    assert example["labels"] == example["input_ids"]
    assert example["input_ids"][-1] == tokenizer.eos_token_id


def test_prompt_boundaries_do_not_depend_on_neighbours(tokenizer: PreTrainedTokenizerBase) -> None:
    """What decoding feeds is, token for token, the beginning of what training saw."""
    with_target = encode(PROMPT, tokenizer, "en-fr", TEXT.sources, TEXT.targets)
    without = encode(PROMPT, tokenizer, "en-fr", TEXT.sources)
    for whole, prompt in zip(with_target, without, strict=True):
        assert joined(whole)[: len(joined(prompt))] == joined(prompt)
        assert [piece.role for piece in whole] == ["instruction", "source", "mark", "target"]


def test_braces_in_a_sentence_stay_braces(tokenizer: PreTrainedTokenizerBase) -> None:
    (pieces,) = encode(PROMPT, tokenizer, "en-fr", ["{target} {source} {x}"], ["{source}"])
    assert tokenizer.decode(pieces[1].ids) == " {target} {source} {x}"
    assert tokenizer.decode(pieces[3].ids[:-1]) == " {source}"


@pytest.mark.parametrize("architecture", ["falcon-alibi", "falcon-rotary", "llama", "mistral", "qwen3", "gpt-neox"])
def test_every_architecture_can_be_built_saved_and_loaded(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, architecture: str
) -> None:
    model = models.build(spec(architecture), tokenizer).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    ids = torch.tensor([[5, 6, 7, 8]])
    loaded = models.load(tmp_path).eval()
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits)
    assert same(parameters(models.build(spec(architecture), tokenizer)), parameters(model)), "seeded weights differ"


def test_weights_that_could_run_code_are_refused(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    model = models.build(spec(), tokenizer)
    model.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no \*\.safetensors weights"):
        models.load(tmp_path)


def test_how_a_tokenizer_was_read_is_not_saved(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """transformers keeps whether a hub could be asked, which depends on the environment."""
    tokenizer.save_pretrained(tmp_path / "first")
    models.load_tokenizer(tmp_path / "first").save_pretrained(tmp_path / "second")
    assert "local_files_only" not in (tmp_path / "second" / "tokenizer_config.json").read_text(encoding="utf-8")
