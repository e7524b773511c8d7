"""Sliding windows: masked passes, streams, batches and the untouched model agree on sequences several windows long.

A window counts tokens as the model at inference has them, one after the other: hidden source takes no room in it.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3NextConfig

import fetch_model
from dragoman import decoding, models
from dragoman.config import (
    ContrastiveDecoder,
    ConversationDecoder,
    OfflineDecoder,
    PrefilledDecoder,
    SimultaneousDecoder,
)
from dragoman.configfile import ConfigError, load_config
from dragoman.decoding import Context, Item, contrastive, conversation, offline, prefilled, simultaneous, streaming
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.writer import Writer
from dragoman.metrics.scoring import score_hypotheses
from dragoman.models import attention
from dragoman.plan import Plan
from dragoman.policies.wait_k import WaitK
from dragoman.training import batches
from small_models import WINDOWED, saved, small, with_pictures
from support.configs import GOOD
from support.mirrors import (
    CLOSE,
    FAR,
    POLICIES,
    Sentence,
    batch,
    difference,
    elementwise,
    one_pass,
    sentences,
    streamed,
    two_caches,
)
from support.simultaneous import ITEMS, PROMPT, translate, without_cost

WINDOW = 12
LENGTHS = [Item(i, " ".join(["the"] * n), "le chat") for i, n in enumerate((4, 12, 40))]
"""Sources that a model with few positions can answer, answer in part, and not read."""


@pytest.fixture(scope="module", params=WINDOWED)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return small(request.param, window=WINDOW)


# ----------------------------------------------------------------------------------------------------------- logits


@torch.no_grad()
def test_mirror(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an agent that calls the untouched model, which counts its window in the tokens that it is given."""
    for policy in (POLICIES[0], POLICIES[3]):
        made = sentences(policy, 2, subwords=8)
        assert max(len(sentence.ids()) for sentence in made) >= 3 * WINDOW
        found = one_pass(model, made, "exact", "group", origin=0)
        assert difference(found, [streamed(model, sentence) for sentence in made]) < CLOSE
        assert difference(found, [two_caches(model, sentence, "group") for sentence in made]) < CLOSE
    everything_counts = attention.visibility.position
    monkeypatch.setattr(attention.visibility, "position", lambda j, *source: j)
    assert difference(one_pass(model, made, "exact", "group"), found) > FAR, "hidden source would take room"
    monkeypatch.setattr(attention.visibility, "position", everything_counts)
    monkeypatch.setattr(attention, "window", lambda model: None)
    assert difference(one_pass(model, made, "exact", "group"), found) > FAR, "every layer would see all"


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_causal_mask_is_the_models_own_to_the_last_bit(model: PreTrainedModel, side: str) -> None:
    ids, _, real = batch(sentences(POLICIES[4]), "exact", side)
    own = model(ids, attention_mask=real, position_ids=(real.cumsum(1) - 1).clamp(min=0)).logits[real.bool()]
    assert (attention.causal(model, ids, real)[real.bool()] == own).all()


@torch.no_grad()
def test_a_stream_that_recomputes_is_an_ordinary_pass(model: PreTrainedModel) -> None:
    sentence = sentences(POLICIES[0], 1, subwords=8)[0]
    found = streamed(model, sentence, positions="plain", recompute=True)
    whole = [sentence.instruction, *sentence.source, sentence.mark, *sentence.target]
    ids = torch.tensor([[token for part in whole for token in part]])
    assert ids.shape[1] >= 3 * WINDOW
    assert (found[-1] - model(ids).logits[0, -1]).abs().max() < CLOSE, "by then all the source has been read"


@torch.no_grad()
@pytest.mark.parametrize("positions", ["plain", "group"])
def test_packed_rows_may_be_longer_than_a_window(model: PreTrainedModel, positions: str) -> None:
    made = [sentence for policy in POLICIES[:3] for sentence in sentences(policy, 2)]
    examples = [{"input_ids": s.ids(), "labels": s.ids(), "visible": s.visible("exact")} for s in made]
    rows = batches.Collator(0, 120)(examples)
    logits = attention.masked(model, rows["input_ids"], rows["visible"], rows["documents"], positions)
    for number, sentence in enumerate(made, 1):
        ids, visible = (torch.tensor([column]) for column in (sentence.ids(), sentence.visible("exact")))
        alone = attention.masked(model, ids, visible, torch.ones_like(ids), positions)[0]
        assert (logits[rows["documents"] == number] - alone).abs().max() < CLOSE


@torch.no_grad()
@pytest.mark.parametrize("kind", ["gemma3", "mistral"])
@pytest.mark.parametrize("positions", ["plain", "group", "none"])
def test_flex_attention_is_given_the_windows(monkeypatch: pytest.MonkeyPatch, kind: str, positions: str) -> None:
    monkeypatch.setattr(attention.Flex, "kernel", staticmethod(elementwise))
    model = small(kind, window=4)
    made = [Sentence([1], [[2, 3], [4, 9]], [5], [[6, 7, 8], [9]], [1, 2, 2]), Sentence([1], [[2]], [5], [[6]], [1, 1])]
    ids, visible, real = batch(made, "exact")
    dense, flex = (
        attention.masked(model, ids, visible, real, positions, kernel=k)[real.bool()] for k in ("sdpa", "flex")
    )
    assert (flex - dense).abs().max() < CLOSE
    monkeypatch.setattr(attention, "window", lambda model: None)
    assert (attention.masked(model, ids, visible, real, positions)[real.bool()] - dense).abs().max() > FAR


@torch.no_grad()
def test_rows_in_one_batch_are_streams(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Two thetas, windows in some layers, in batches with rows of every length."""
    folder = saved(small("gemma3", len(tokenizer), WINDOW, spread=0.15), tokenizer, tmp_path)
    for options in ({"positions": "group"}, {"positions": "none"}, {"positions": "plain", "recompute": True}):
        options |= {"k": [1, 5], "max_lag": 8}
        batched = without_cost(translate(simultaneous, folder, ITEMS[:3], **options))
        assert batched == translate(streaming, folder, ITEMS[:3], **options)
        assert len({row["hypothesis"] for rows in batched for row in rows}) > 4


# ------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for item in ITEMS[:40] for side in (item.source, item.reference)], 320)


@torch.no_grad()
def test_the_language_model_of_one_that_takes_pictures(tmp_path: Path) -> None:
    """It is loaded by itself, with its window; saved, it is an ordinary model."""
    whole = with_pictures()
    whole.save_pretrained(tmp_path / "whole")
    text = models.load(tmp_path / "whole").eval()
    assert attention.window(text) == 8 and models.positions(whole.config) == 2048
    ids = torch.randint(61, (2, 30), generator=torch.Generator().manual_seed(1))
    expected = whole(input_ids=ids, token_type_ids=torch.zeros_like(ids)).logits
    assert (text(input_ids=ids).logits == expected).all()
    assert (attention.causal(text, ids, torch.ones_like(ids)) == expected).all()
    text.save_pretrained(tmp_path / "text")
    again = models.load(tmp_path / "text").eval()
    assert (again(input_ids=ids).logits == expected).all()
    assert Price(again).token == Price(text).token == Price(small("gemma3")).token


def test_the_cost_of_windows_by_hand() -> None:
    model = small("gemma3", window=3)
    work = Work()
    work.feed(4, 0)
    work.feed(2, 4, predictions=1)
    price = Price(model)
    full, near = 1 + 2 + 3 + 4 + 5 + 6, 1 + 2 + 3 + 3 + 3 + 3
    attended = 4 * 4 * 8 * (full + 2 * near)
    assert price.gflops(work) == pytest.approx((attended + 6 * price.token + price.prediction) / 1e9, rel=1e-5)


# ------------------------------------------------------------------------------------------------------------ limits


SHORT, MIDDLE = 36, 58
"""Positions: prompts of `LENGTHS` have 26, 34 and 62 tokens, and decoders that read in turn write more."""
SIMULTANEOUS = {"name": "simultaneous", "k": [1, 3], "max_word_tokens": 3, "max_lag": 2}
DECODERS = {
    "offline": (offline, OfflineDecoder(name="offline", max_new_tokens=5)),
    "beams": (offline, OfflineDecoder(name="offline", max_new_tokens=5, beam=2)),
    "prefilled": (prefilled, PrefilledDecoder(name="prefilled", max_new_tokens=5, prior={"kind": "gold"}, n=[0, 2])),
    "contrastive": (contrastive, ContrastiveDecoder(name="contrastive", max_new_tokens=5)),
    "simultaneous": (simultaneous, SimultaneousDecoder(**SIMULTANEOUS)),
    "recomputed": (simultaneous, SimultaneousDecoder(**SIMULTANEOUS, recompute=True)),
    "legacy": (simultaneous, SimultaneousDecoder(**SIMULTANEOUS | {"max_word_tokens": 2, "max_lag": 1}, legacy=True)),
    "conversation": (conversation, ConversationDecoder(name="conversation", chunk=[2, 4], max_turn_tokens=4)),
}


def decoded(name: str, folder: Path, count: int = 3) -> list[dict[str, object]]:
    kind, options = DECODERS[name]
    rows = kind.Decoder(Context(folder, "en-fr", PROMPT), options).decode(LENGTHS[:count])
    return [row for each in rows for row in each]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> dict[int, Path]:
    """One model with a table of positions, whole and cut short: a position beyond it would be an error of torch."""
    model, folders = small("gpt2", len(tokenizer)), {}
    for places in (500, SHORT, MIDDLE):
        table = model.transformer.wpe.weight[:places].detach().clone()
        cut = small("gpt2", len(tokenizer), max_position_embeddings=places)
        cut.load_state_dict(model.state_dict() | {"transformer.wpe.weight": table}, strict=False)
        folders[places] = saved(cut, tokenizer, tmp_path_factory.mktemp(f"table-{places}"))
    return folders


@pytest.mark.parametrize("name", DECODERS)
def test_a_row_that_outgrows_the_model_ends_alone(tables: dict[int, Path], name: str) -> None:
    """A short source is answered as without a limit, one is cut off, and the longest has no room for itself."""
    places = MIDDLE if name in ("simultaneous", "recomputed", "legacy", "conversation") else SHORT
    free, limited = (decoded(name, folder) for folder in (tables[500], tables[places]))
    assert len(free) == len(limited)
    notes = [row.get("note", "") for row in limited]
    assert "" in notes[: len(notes) // 3] and notes[-1], notes
    for row, other, note in zip(free, limited, notes, strict=True):
        assert "note" not in row
        if not note:
            assert other == row
            continue
        assert note.endswith((f"the model {places} positions", f"the model has {places}")) and not other["ended"]
        if name != "beams":  # which may lead elsewhere
            assert row["hypothesis"].startswith(other["hypothesis"].rstrip("\ufffd"))
    assert limited[-1]["hypothesis"] != free[-1]["hypothesis"]


def test_what_was_cut_short_is_in_the_log_and_in_every_score(
    tables: dict[int, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind, options = DECODERS["simultaneous"]
    found = {}
    for places in (500, MIDDLE):
        decoder = kind.Decoder(Context(tables[places], "en-fr", PROMPT), options)
        journal = decoding.Journal(tmp_path / f"journal-{places}", "key")
        rows = decoding.run(LENGTHS, decoder.batches(LENGTHS), decoder.decode, journal, "first/tuned")
        decoding.write(tmp_path / "hypotheses.jsonl", rows)
        place = {"paper": "", "experiment": "first", "system": "tuned", "pair": "en-fr", "seed": 1}
        found[places] = score_hypotheses(tmp_path / "hypotheses.jsonl", place, ["chrf", "laal"])
    assert {record.note for record in found[500]} == {""}
    assert len(found[MIDDLE]) == 4, "two settings, two metrics"
    assert all(
        re.fullmatch(r"[12] of 3 answers were cut short: needs \d+ positions; the model has 58", record.note)
        for record in found[MIDDLE]
    )
    (line,) = caplog.messages
    assert re.fullmatch(r"first/tuned: [2-4] of 6 answers were cut short: needs \d+ positions; .*", line)


def test_a_batch_ends_rows_where_a_stream_ends(tables: dict[int, Path]) -> None:
    options = {"k": [1, 3], "positions": "plain"}
    batched = without_cost(translate(simultaneous, tables[MIDDLE], LENGTHS, **options))
    assert batched == translate(streaming, tables[MIDDLE], LENGTHS, **options)
    assert {bool(row.get("note")) for rows in batched for row in rows} == {True, False}
    grouped = without_cost(translate(simultaneous, tables[MIDDLE], LENGTHS, k=[1, 3], positions="group"))
    assert grouped == translate(streaming, tables[MIDDLE], LENGTHS, k=[1, 3], positions="group")


# ---------------------------------------------------------------------------------------------- tokens of a tokenizer


def test_a_tokenizer_may_have_more_tokens_than_the_model(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Gemma 3's has 262,145 for 262,144 rows of weights: a picture's."""
    folder = saved(small("gemma3", len(tokenizer), spread=0.3), tokenizer, tmp_path)
    before = {name: decoded(name, folder, 2) for name in DECODERS}
    more = copy.deepcopy(tokenizer)
    more.add_special_tokens({"additional_special_tokens": ["<picture>"]})
    assert len(more) == len(tokenizer) + 1
    more.save_pretrained(folder)
    for name in DECODERS:
        assert decoded(name, folder, 2) == before[name]
    rows = translate(streaming, folder, LENGTHS[:1])
    more.save_pretrained(folder)
    assert rows == translate(streaming, folder, LENGTHS[:1])


def test_every_end_that_a_checkpoint_names_ends_an_answer(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Not only the tokenizer's own; but no token of text, as Falcon-RW-1B's file names that of `#`."""
    folder = saved(small("gpt2", len(tokenizer), spread=0.6), tokenizer, tmp_path)
    written = offline.Decoder(Context(folder, "en-fr", PROMPT), DECODERS["offline"][1])
    (ids,) = written.continuations(written.prompts(LENGTHS[:1]))
    turn, text = ids[2], ids[1]
    assert len({*ids[:3]}) == 3 and tokenizer.eos_token_id not in ids
    marked = copy.deepcopy(tokenizer)
    marked.add_special_tokens({"additional_special_tokens": [marked.convert_ids_to_tokens(turn)]})
    assert len(marked) == len(tokenizer)
    marked.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [text, turn]}), encoding="utf-8")
    assert models.ends(folder, models.load_tokenizer(folder), PROMPT) == [tokenizer.eos_token_id, turn]
    (row,) = decoded("offline", folder, 1)
    assert (row["tokens"], row["ended"]) == (3, True)
    for name in ("simultaneous", "conversation"):
        kind, options = DECODERS[name]
        vocabulary = kind.Decoder(Context(folder, "en-fr", PROMPT), options).vocabulary
        assert vocabulary.ends == {tokenizer.eos_token_id, turn}
        logits = torch.zeros(2, len(tokenizer)).index_fill_(1, torch.tensor([turn]), 1.0)
        assert vocabulary.best(logits, [True, False]) == [turn, turn]
        writer = Writer(vocabulary, tokenizer, WaitK(name="wait-k", k=1), 10, 50)
        assert writer.take(turn, 1, over=False) == "end" and writer.ended
    for name in ("contrastive", "prefilled"):
        kind, options = DECODERS[name]
        assert kind.Decoder(Context(folder, "en-fr", PROMPT), options).ends == [tokenizer.eos_token_id, turn]


# ----------------------------------------------------------------------------------------------------------- refusals


HYBRID = {"model_type": "qwen3_next", "layer_types": ["linear_attention", "full_attention"]}
RECURRENT = {"model_type": "falcon_h1", "mamba_d_state": 16}
WHY = {"linear_attention": HYBRID, "recurrent layers": RECURRENT}


SFT, TUNED = "method: sft, training: {steps: 2}", "{tuning: sft}"
MASKED = [
    (SFT, "method: simulmask, options: {positions: plain, policies: [{name: wait-k, k: 1}]}, training: {steps: 2}"),
    (SFT, "method: sft, training: {steps: 2, packing: 600}"),
    (TUNED, "{tuning: sft, decoder: {name: simultaneous, k: [1]}}"),
    (TUNED, "{tuning: sft, decoder: {name: streaming, k: [1]}}"),
]
KEYS = ["tunings.sft.method = 'simulmask'", "tunings.sft.training.packing = 600"]
KEYS += [f"systems.tuned.decoder.name = '{name}'" for name in ("simultaneous", "streaming")]


@pytest.mark.parametrize("why", WHY)
@pytest.mark.parametrize(("change", "key"), zip(MASKED, KEYS, strict=True))
def test_layers_that_take_no_mask_are_refused_before_anything_runs(
    tmp_path: Path, why: str, change: tuple[str, str], key: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(WHY[why]), encoding="utf-8")
    made = GOOD[GOOD.index("    source: scratch") : GOOD.index("experiments:")]
    text = GOOD.replace(made, f"    source: local\n    path: {tmp_path}/model\n")
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    load_config(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"experiments.first.{key}") as refused:
        load_config(tmp_path / "c.yaml")
    assert why in str(refused.value)


def test_they_are_refused_when_a_model_has_been_fetched(tmp_path: Path) -> None:
    """A model of a hub is not there before."""
    (tmp_path / "c.yaml").write_text(GOOD.replace(*MASKED[2]), encoding="utf-8")
    plan = Plan(load_config(tmp_path / "c.yaml"))
    Qwen3NextConfig(layer_types=["linear_attention"], num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"experiments\.first\.systems\.tuned\.decoder\.name: .* \(its model is tiny\)"
    ):
        fetch_model.check_masks(plan.model("tiny"), tmp_path)
    small("gemma3").config.save_pretrained(tmp_path)
    fetch_model.check_masks(plan.model("tiny"), tmp_path)


@pytest.mark.parametrize("kind", ["Bamba", "FalconH1", "Jamba", "Mamba", "RecurrentGemma", "Zamba2"])
def test_recurrent_layers_are_known_by_their_keys(kind: str, tmp_path: Path) -> None:
    """Their classes take a mask, and most layers leave it unused."""
    getattr(transformers, f"{kind}Config")().save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert "recurrent layers" in models.unmaskable(written)
    assert "recurrent layers" in models.unmaskable(models.described(tmp_path).to_dict())


def test_they_are_refused_at_a_pass_too() -> None:
    recurrent = small("gemma3")
    recurrent.config.mamba_d_state = 16
    with pytest.raises(ValueError, match=r"gemma3_text models have recurrent layers.*use an offline decoder"):
        attention.causal(recurrent, torch.tensor([[1, 2]]), torch.ones(1, 2, dtype=torch.long))
    model = small("gemma3")
    model.config.layer_types = ["linear_attention", "sliding_attention", "full_attention"]
    with pytest.raises(ValueError, match="gemma3_text models have layers of the kind 'linear_attention'"):
        attention.causal(model, torch.tensor([[1, 2]]), torch.ones(1, 2, dtype=torch.long))
