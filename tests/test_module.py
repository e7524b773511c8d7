"""The workflow as a module of another: from another folder, beside rules of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.storage import read_manifest

REPOSITORY = Path(__file__).resolve().parents[1]
SMOKE = REPOSITORY / "config" / "smoke.yaml"
SNAKEFILE = f"""
configfile: "study.yaml"


module dragoman:
    snakefile:
        "{REPOSITORY}/Snakefile"
    config:
        config["translation"]


use rule * from dragoman as dragoman_*


rule words:
    default_target: True
    input:
        "results/smoke/corpora/demo/en-fr/manifest.json",
    output:
        "words.txt",
    shell:
        "wc -c {{input:q}} > {{output:q}}"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    config = {"translation": yaml.safe_load(SMOKE.read_text(encoding="utf-8")), "ours": 1}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_a_rule_of_theirs_takes_a_result_of_ours(study: Path) -> None:
    done = snakemake(study)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "manifest.json" in (study / "words.txt").read_text(encoding="utf-8")
    assert read_manifest(study / "results/smoke/corpora/demo/en-fr")["splits"]["test"]["rows_kept"] == 12


def test_every_rule_is_there(study: Path) -> None:
    done = snakemake(study, "--dry-run", "results/smoke/report/index.html")
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = dict(re.findall(r"^dragoman_(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    plan = Plan(load_config(SMOKE))
    assert int(jobs["finetune"]) == len(plan.tuning_runs)
    assert int(jobs["decode"]) == len(plan.decode_runs)


def test_a_mistake_is_one_message(study: Path) -> None:
    path = study / "study.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("model: llama-smoke", "model: lama-smoke"), encoding="utf-8"
    )
    done = snakemake(study, "--dry-run")
    assert done.returncode != 0
    assert "unknown model 'lama-smoke'; did you mean 'llama-smoke'?" in done.stderr
    assert "Traceback" not in done.stderr
