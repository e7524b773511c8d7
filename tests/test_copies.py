"""Checkouts that are copied or changed: what a result does not depend on makes nothing again, all else does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY, copy_checkout
from dragoman.configfile import PROMPTS
from dragoman.grammar import lexicon
from opened import seen, watch
from support.workflow import snakemake

CONFIG = """
corpora:
  demo: {provider: demo, train: 20, test: 12}
models:
  m: {source: scratch, architecture: llama, text: {corpus: demo, languages: [en, fr], count: 20}}
experiments:
  simulmask:
    title: No model is trained
    paper: simulmask
    model: m
    prompt: short
    test: {corpus: demo, pairs: [en-fr]}
    systems:
      copy: {decoder: {name: copy}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, from the corpus to the page, that was watched."""
    folder = tmp_path_factory.mktemp("small")
    done = snakemake(folder, "--cores", "1", config=CONFIG, variables=watch(folder / "opened"))
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


def again(finished: Path, checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What another checkout would make again."""
    done = snakemake(finished, "--dry-run", *options, config=CONFIG, repository=checkout)
    assert done.returncode == 0, done.stderr
    return done


def test_copy_elsewhere_with_other_comments_has_nothing_to_do(finished: Path, checkout: Path) -> None:
    for path in (checkout / "scripts").rglob("*.py"):
        text = path.read_text(encoding="utf-8").replace('"""', '"""New. ', 1)
        path.write_text(f"{text}\n# a comment at the end\n", encoding="utf-8")
    done = again(finished, checkout)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_no_path_of_this_machine_enters_a_result(finished: Path) -> None:
    """Nor what Snakemake keeps to see whether a result is up to date."""
    paths = [*(finished / "results").rglob("*"), *(finished / ".snakemake" / "metadata").rglob("*")]
    paths = [path for path in paths if path.is_file() and finished / "results" / "logs" not in path.parents]
    here = [str(each).encode() for each in (REPOSITORY, sys.prefix, Path.home(), finished)]
    assert len(paths) > 20
    assert [path for path in paths for each in here if each in path.read_bytes()] == []


def test_every_file_of_the_checkout_that_a_step_reads_counts(finished: Path, tmp_path: Path) -> None:
    """Known here is whatever a step opens besides code. Changed, it changes the step's parameters."""
    scripts = {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    readers: dict[str, set[str]] = {}
    for script, paths in seen(finished / "opened").items():
        for path in paths if script in scripts else ():
            code = path.suffix == ".py" or path.parent.name == "__pycache__"
            if path.is_relative_to(REPOSITORY) and not code and path.is_file():
                name = path.relative_to(REPOSITORY)
                if not name.parts[0].startswith(".venv"):  # packages; their versions are in `code`
                    readers.setdefault(name.as_posix(), set()).add(script)
    for path in [*readers]:
        # named like the module that they belong to
        if path.startswith("scripts/dragoman/reporting/"):
            assert readers.pop(path) == {"table" if "/table_files." in path else "report"}
    # prompts, models, and names and scripts of languages are in the parameter `spec`; versions of libraries in `code`
    others = ("envs/main.txt", "scripts/dragoman/languages/languages.tsv")
    for path in (*others, *(f"config/{name}" for name in PROMPTS)):
        del readers[path]
    assert readers == {
        "config/claims.yaml": {"claims"},
        # by `claims` to see whether a claim's paper is known, which no result depends on
        "config/published/comparison.yaml": {"claims", "report"},
        "config/published/simulmask.tsv": {"claims", "report"},
        "config/published/langaware.tsv": {"claims"},
        "config/published/pretty.tsv": {"claims"},
        **{f"config/lexicon/{name}.tsv": {"prepare"} for name in lexicon.TABLES},
    }
    made = {"prepare": "corpora/demo/en-fr/manifest.json", "claims": "claims.jsonl", "page": "report/index.html"}
    for rules, changed in (
        (["prepare", "claims"], [name for name in readers if "published" not in name]),
        (["claims"], [name for name in readers if name.endswith(".tsv") and "published" in name]),
        (["page"], ["config/published/comparison.yaml"]),
    ):
        checkout = tmp_path / "-".join(rules)
        copy_checkout(checkout)
        for name in changed:
            with open(checkout / name, "a", encoding="utf-8") as file:
                file.write("\n")
        # of the allowed rules none comes before another, so the only reason to run one is its own
        targets = [f"results/{made[rule]}" for rule in rules]
        done = again(finished, checkout, "--allowed-rules", *rules, "--", *targets)
        reason = r"rule (\w+):\n(?:    .*\n)*?    reason: Params have changed"
        assert {*re.findall(reason, done.stdout + done.stderr)} == {*rules}
