"""Decoding in shards: the parts, joined, are the bytes of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import decode
import fetch_model
import prepare
from conftest import save_model
from dragoman import models
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.plan.estimates import jobs
from dragoman.storage import read_jsonl
from support.workflow import planned, snakemake

SYSTEMS = {
    "copy": "{name: copy}",
    "greedy": "{name: offline, max_new_tokens: 10, batch_size: 4}",
    "beam": "{name: offline, max_new_tokens: 10, beam: 3}",
    "wait-k": "{name: simultaneous, k: [1, 3], max_lag: 3, max_word_tokens: 3, batch_tokens: 2000}",
    "random": "{name: prefilled, n: [1, 2], max_new_tokens: 6, prior: {kind: random, corpus: demo}}",
    "contrast": "{name: contrastive, max_new_tokens: 8}",
    "gated": "{name: gated, corpus: demo, max_new_tokens: 6}",
    "steered": "{name: steered, corpus: demo, strength: 0.1, max_new_tokens: 6}",
    "measured": "{name: offline, max_new_tokens: 10, monolingual: true}",
    "talk": "{name: contextual, max_new_tokens: 6}",
}
CONFIG = """
shards: 2
corpora:
  demo: {provider: demo, train: 60, test: 25}
models:
  tiny: {source: local, path: tiny, parameters: 20000}
experiments:
  e:
    title: Small enough for a test
    model: tiny
    prompt: simulmask
    test: {corpus: demo, pairs: [en-fr]}
    systems:
""" + "".join(f"      {name}: {{decoder: {decoder}}}\n" for name, decoder in SYSTEMS.items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes different things, and text."""
    folder = tmp_path_factory.mktemp("shards")
    save_model(folder / "tiny", sharpness=9)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plan = Plan(load_config("config.yaml"))
        fetch_model.main(["--config", "config.yaml", "--model", "tiny"])
        for text in plan.texts_used:
            prepare.main(["--config", "config.yaml", "--corpus", text.corpus, "--pair", text.pair,
                          "--downloads", "none", "--out", str(text.folder)])  # fmt: skip
    return folder


@pytest.mark.parametrize("system", sorted(SYSTEMS.keys() - {"copy", "talk"}))
def test_two_shards_are_the_bytes_of_the_whole(folder: Path, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    arguments = ["--config", "config.yaml", "--experiment", "e", "--system", system, "--pair", "en-fr"]
    plan = Plan(load_config("config.yaml"))
    run = plan.decode_run("e", system, "en-fr", 1)
    result = run.hypotheses
    decode.main(arguments)
    whole = result.read_bytes()
    result.unlink()
    for shard in (1, 2):
        decode.main([*arguments, "--shard", str(shard), "--of", "2"])
    parts = run.shards
    decode.main([*arguments, "--gather", *map(str, parts)])
    assert result.read_bytes() == whole
    assert len({row["hypothesis"] for row in read_jsonl(result)}) > 10, "a test of equal hypotheses would prove nothing"
    assert {row["id"] for row in read_jsonl(parts[0])} == set(range(12))
    assert {row["id"] for row in read_jsonl(parts[1])} == set(range(12, 25))


def test_more_shards_than_sentences(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    arguments = ["--config", "config.yaml", "--experiment", "e", "--system", "greedy", "--pair", "en-fr"]
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("no model is needed for no sentence"))
    decode.main([*arguments, "--shard", "1", "--of", "30"])
    (part,) = folder.glob("results/**/shard-1-of-30.jsonl")
    assert part.read_bytes() == b""
    with pytest.raises(ValueError, match=r"--shard must be a number from 1 to 3 \(--of\), not 4"):
        decode.main([*arguments, "--shard", "4", "--of", "3"])


def test_workflow_splits_what_has_a_model_and_no_talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = CONFIG.replace("greedy: {", "greedy: {shards: 3, ").replace("random: {", "random: {shards: 1, ")
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    found = planned(snakemake(tmp_path, "--dry-run", config=config))
    assert (found["decode"], found["decode_shard"]) == (10, 3 + 6 * 2)
    plan = Plan(load_config(tmp_path / "config.yaml"))
    assert found.items() >= jobs(plan).items()
    whole = Plan(plan.config.model_copy(update={"shards": 7})).decode_run("e", "beam", "en-fr", 1)
    assert plan.decode_run("e", "beam", "en-fr", 1).spec == whole.spec, "shards are no part of the result"
