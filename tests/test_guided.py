"""Decoders that keep an answer in the target language: tokens that are held back, and language vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from transformers import PreTrainedModel

from conftest import save_model
from dragoman import models
from dragoman.config import Decoder
from dragoman.configfile import ConfigError, load_config
from dragoman.decoding import Context, Item, Row, gated, offline, steered
from dragoman.plan import DecodeRun, Plan
from support.animals import SENTENCES
from support.trainings import PROMPT

LINES = {**SENTENCES, "ru": ["красный кот"] * 9}
WORDS = " ".join(line for text in SENTENCES.values() for line in text[:6]).split()
ITEMS = [Item(i, " ".join(WORDS[i::count]), "") for i, count in enumerate((19, 11, 8, 5))]
DECODERS = {"gated": gated.Decoder, "steered": steered.Decoder, "offline": offline.Decoder}
MOST = 6


@pytest.fixture(scope="module", params=["llama", "falcon-alibi"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes different things, and text of each language."""
    folder = tmp_path_factory.mktemp(request.param)
    every = [line for text in LINES.values() for line in text]
    save_model(folder / "model", request.param, sharpness=10, texts=every, vocabulary=420)
    for language, text in LINES.items():
        (folder / language).write_text("\n".join(text), encoding="utf-8")
    return folder


def made(folder: Path, name: str, languages: str = "de en fr", **options: Any) -> Any:
    """A decoder from German into French."""
    files = {} if name == "offline" else {"files": {code: str(folder / code) for code in languages.split()}}
    settings = TypeAdapter(Decoder).validate_python({"name": name, "max_new_tokens": MOST} | files | options)
    return DECODERS[name](Context(folder / "model", "de-fr", PROMPT), settings)


def rows(decoder: Any, items: Sequence[Item] = ITEMS) -> list[Row]:
    return [row for (row,) in decoder.decode(items)]


def greedy(decoder: Any, item: Item, choose: Any = lambda logits, step: logits) -> list[int]:
    """The answer to a sentence, token by token, without cache, padding or `generate`."""
    (prompt,) = decoder.prompts([item])
    written: list[int] = []
    with torch.inference_mode():
        while len(written) < MOST and (not written or written[-1] not in decoder.ends):
            logits = decoder.model(torch.tensor([prompt + written])).logits[0, -1]
            written.append(int(choose(logits, len(written)).argmax()))
    return written


# --------------------------------------------------------------------------------------------------------------- gate


def test_shares_by_hand() -> None:
    """Token 2 makes up half of the French text and a quarter of the English text: its French share is two thirds."""
    uses = {"fr": Counter({1: 2, 2: 2}), "en": Counter({2: 1, 3: 3})}
    assert gated.foreign(uses, "fr", 0.0) == {3}
    assert gated.foreign(uses, "fr", 0.66) == {3}
    assert gated.foreign(uses, "fr", 0.67) == {2, 3}
    assert gated.foreign(uses, "en", 0.0) == {1}
    twice = {"fr": uses["fr"], "en": Counter({2: 2, 3: 6})}
    assert gated.foreign(twice, "fr", 0.66) == {3}, "a longer text is no larger share"


def test_scripts_of_letters() -> None:
    assert gated.scripts("Été 12, Дом!") == {"LATIN", "CYRILLIC"}
    assert gated.scripts("Ａ 1ª") == {"LATIN"}
    assert gated.scripts("猫とネコー") == {"CJK", "HIRAGANA", "KATAKANA"}
    assert gated.scripts("12 €") == set()


def test_scores_by_hand() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [0.0, 5.0, 4.0]])
    held = torch.tensor([False, False, True])
    expected = torch.tensor([[1.0, 2.0, -torch.inf], [0.0, 5.0, -torch.inf]])
    for length in (4, 5):
        ids = torch.zeros(2, length, dtype=torch.long)
        assert torch.equal(gated.Gate(held)(ids, scores), expected)
        assert torch.equal(gated.Gate(held, only=4)(ids, scores), expected if length == 4 else scores)


def test_tokens_that_are_held_back(folder: Path) -> None:
    decoder = made(folder, "gated")
    held = {decoder.tokenizer.decode([token]).strip() for token in decoder.held.nonzero().flatten().tolist()}
    assert {"red", "green", "blau"} & held, "words of English and German"
    assert "кот" in held, "no text has it, and its script is not French's"
    assert not {"rouge", "bleu", "o", "."} & held
    assert not decoder.held[[*decoder.ends, *decoder.tokenizer.all_special_ids]].any()
    russian = made(folder, "gated", "de en fr ru").held
    assert (russian >= decoder.held).all(), "text of another language can only hold back more"


@pytest.mark.parametrize("where", ["everywhere", "first"])
def test_gated_is_the_best_of_what_is_left(folder: Path, where: str) -> None:
    decoder = made(folder, "gated", where=where)
    decoder.held[::2] |= where == "everywhere"  # so that the model wants to write what is held back

    def choose(logits: torch.Tensor, step: int) -> torch.Tensor:
        return logits.masked_fill(decoder.held, -torch.inf) if where == "everywhere" or step == 0 else logits

    found = decoder.continuations(decoder.prompts(ITEMS))
    assert found == [greedy(decoder, item, choose) for item in ITEMS]
    assert found != [greedy(decoder, item) for item in ITEMS], "a gate that changes nothing would prove nothing"
    if where == "first":
        encoded = decoder.tokenizer([f" {line}" for line in LINES["fr"]], add_special_tokens=False)["input_ids"]
        assert {ids[0] for ids in encoded} == set((~decoder.held).nonzero().flatten().tolist())


def test_a_gate_without_differences_is_offline_decoding(folder: Path) -> None:
    every = "\n".join(line for text in LINES.values() for line in text)
    files = {}
    for code in ("de", "fr"):
        (folder / f"all-{code}").write_text(every, encoding="utf-8")
        files[code] = str(folder / f"all-{code}")
    assert rows(made(folder, "gated", files=files)) == rows(made(folder, "offline"))


# ----------------------------------------------------------------------------------------------------------- steering


def test_directions_by_hand() -> None:
    """The mean of three languages is (1, 1), so French is (2, -1) and German (-1, 2)."""
    means = {"en": torch.zeros(1, 2), "fr": torch.tensor([[3.0, 0.0]]), "de": torch.tensor([[0.0, 3.0]])}
    assert steered.directions(means, "de-fr", 1.0, unit=False).tolist() == [[3.0, -3.0]]
    assert steered.directions(means, "de-fr", 0.0, unit=False).tolist() == [[2.0, -1.0]]
    assert steered.directions(means, "en-fr", 1.0, unit=True).tolist() == [[1.0, 0.0]]
    same = dict.fromkeys(("de", "fr"), torch.ones(1, 2))
    assert steered.directions(same, "de-fr", 1.0, unit=True).tolist() == [[0.0, 0.0]], "no direction, no division by 0"


def test_lengths_by_hand() -> None:
    hidden = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]])
    expected = torch.tensor([[5.0, 0.0], [0.894427, -1.788854], [0.0, 0.0]])
    torch.testing.assert_close(steered.steered(hidden, torch.tensor([1.0, -4.0])), expected)
    assert torch.equal(steered.steered(hidden, torch.zeros(2)), hidden)


@torch.inference_mode()
def test_means_are_those_of_hidden_states(folder: Path) -> None:
    model = models.load(folder / "model").eval()
    texts = [[5, 6, 7, 8], [9, 10], [11, 12, 13]]
    found = steered.mean_states(model, texts)
    states = [model(torch.tensor([ids]), output_hidden_states=True).hidden_states for ids in texts]
    for layer in range(len(found) - 1):  # transformers gives the last one after the final normalisation
        expected = torch.stack([each[layer + 1][0, 1:].double().mean(0) for each in states]).mean(0)
        torch.testing.assert_close(found[layer], expected, atol=1e-5, rtol=1e-5)
    assert len(found) == model.config.num_hidden_layers >= 2


def blocks(model: PreTrainedModel) -> Any:
    return model.transformer.h if model.config.model_type == "falcon" else model.model.layers


@pytest.mark.parametrize("options", [{"strength": 3.0}, {"length": "own", "source": 0.5, "layers": [-1]}])
def test_steered_is_the_formula_at_every_token_but_the_first(folder: Path, options: dict[str, Any]) -> None:
    decoder = made(folder, "steered", **options)
    found = decoder.continuations(decoder.prompts(ITEMS))
    plain = [greedy(decoder, item) for item in ITEMS]

    def hook(layer: int) -> Any:
        def called(module: Any, inputs: Any, result: Any) -> Any:
            hidden = result[0] if isinstance(result, tuple) else result
            moved = hidden + decoder.added[layer]
            moved = moved / moved.norm(dim=-1, keepdim=True) * hidden.norm(dim=-1, keepdim=True)
            moved[:, 0] = hidden[:, 0]
            return (moved, *result[1:]) if isinstance(result, tuple) else moved

        return called

    chosen = options.get("layers", range(len(blocks(decoder.model))))
    count = len(blocks(decoder.model))
    handles = [blocks(decoder.model)[layer].register_forward_hook(hook(layer % count)) for layer in chosen]
    try:
        assert found == [greedy(decoder, item) for item in ITEMS]
    finally:
        for handle in handles:
            handle.remove()
    assert found != plain, "vectors that change nothing would prove nothing"
    assert [greedy(decoder, item) for item in ITEMS] == plain, "the model is as it was"


def test_strength_0_is_offline_decoding(folder: Path) -> None:
    assert rows(made(folder, "steered", strength=0.0)) == rows(made(folder, "offline"))


@pytest.mark.parametrize("name", ["gated", "steered"])
@pytest.mark.parametrize("beam", [1, 2])
def test_a_batch_is_one_by_one(folder: Path, name: str, beam: int) -> None:
    decoder = made(folder, name, beam=beam, **{"strength": 0.3} if name == "steered" else {})
    found = rows(decoder)
    assert len({*map(tuple, decoder.continuations(decoder.prompts(ITEMS)))}) > 1
    assert found == [row for item in ITEMS for row in rows(decoder, [item])]


# ------------------------------------------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "gated"}, "give either `files` or `corpus`"),
        ({"name": "steered", "corpus": "x", "files": {"fr": "f"}}, "give either `files` or `corpus`"),
        ({"name": "gated", "corpus": "x", "share": 1.0}, "less than 1"),
        ({"name": "gated", "corpus": "x", "where": "first", "share": 0.1}, "`share` has no effect"),
        ({"name": "gated", "corpus": "x", "where": "last"}, "'everywhere' or 'first'"),
        ({"name": "gated", "corpus": "x", "engine": "vllm"}, "`gated` needs `engine: transformers`"),
        ({"name": "steered", "corpus": "x", "monolingual": True}, "give it to an `offline` decoder"),
        ({"name": "steered", "corpus": "x", "strength": -1.0}, "greater than or equal to 0"),
        ({"name": "steered", "corpus": "x", "layers": []}, "at least 1 item"),
        ({"name": "steered", "corpus": "x", "share": 0.1}, "Extra inputs"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Decoder).validate_python(options)


def test_text_and_layers_that_are_not_there(folder: Path) -> None:
    for name, options, message in [
        ("gated", {"languages": "de en"}, "no text of the target language 'fr'"),
        ("steered", {"languages": "en fr"}, "no text of the language 'de'"),
        ("steered", {"layers": [2]}, "`layers` has 2, and the model has layers 0 to 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            made(folder, name, **options)
    (folder / "empty").write_text("\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match="empty has no text; give text of the language"):
        made(folder, "gated", files={"fr": str(folder / "empty")})


CONFIG = """\
corpora:
  demo: {provider: demo, train: 10, test: 5}
  untrained: {provider: demo, test: 5}
  own: {provider: files, pairs: {en-fr: {train: {path: TEXT}}}}
models:
  tiny: {source: scratch, architecture: llama, text: {corpus: demo, languages: [en, fr], count: 10}}
experiments:
  first:
    title: First
    model: tiny
    prompt: short
    train: {corpus: demo, pairs: [en-fr, fr-en, en-de]}
    test: {corpus: demo, pairs: [en-fr, de-nl]}
    systems:
      guided: {decoder: {name: gated, corpus: demo}}
"""


def loaded(folder: Path, old: str = "", new: str = "") -> Plan:
    assert CONFIG.count(old) == 1 or not old
    (folder / "t.tsv").write_text("en\tfr\na\tb\n", encoding="utf-8")
    text = CONFIG.replace("TEXT", str(folder / "t.tsv"))
    (folder / "c.yaml").write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return Plan(load_config(folder / "c.yaml"))


@pytest.mark.parametrize("decoder", ["{name: gated, corpus: demo}", "{name: steered, corpus: demo}"])
def test_text_is_that_of_training_pairs_first(tmp_path: Path, decoder: str) -> None:
    """English, French and German are targets of training pairs, Dutch of a test pair."""
    plan = loaded(tmp_path, "{name: gated, corpus: demo}", decoder)
    run = DecodeRun(plan, "first", "guided", "de-nl", 1)
    pairs = {"de": "en-de", "en": "fr-en", "fr": "en-fr", "nl": "de-nl"}
    settings = run.decoder
    assert settings.corpus is None
    assert settings.files == {code: f"results/corpora/demo/{pair}/train.parquet" for code, pair in pairs.items()}
    assert run.decoder_files == [Path(f"results/corpora/demo/{pairs[code]}/manifest.json") for code in pairs]
    assert {plan.text("demo", pair) for pair in pairs.values()} <= set(plan.texts_used)
    without = loaded(tmp_path, "    train: {corpus: demo, pairs: [en-fr, fr-en, en-de]}\n")
    assert [*DecodeRun(without, "first", "guided", "de-nl", 1).decoder.files.values()] == [
        f"results/corpora/demo/{pair}/train.parquet" for pair in ("nl-de", "fr-en", "en-fr", "de-nl")
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("corpus: dem", ["guided.decoder.corpus = 'dem'", "did you mean 'demo'"]),
        ("corpus: untrained", ["guided.decoder.corpus = 'untrained'", "no training text in 'de'", "give `files`"]),
        ("corpus: own", ["guided.decoder.corpus = 'own'", "no training text in 'de'"]),
        ("files: {fr: c.yaml}", ["guided.decoder.files = 'de'", "unknown language"]),
        (
            "files: {fr: c.yaml, de: c.yaml, en: c.yaml, nl: none.txt}",
            ["guided.decoder.files.nl = 'none.txt'", "no such file"],
        ),
    ],
)
def test_missing_text_is_found_before_any_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, wanted: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "{name: gated, corpus: demo}", f"{{name: gated, {given}}}")
    for text in wanted:
        assert text in str(caught.value)
