"""The workflow, as a user runs it, on the smoke configuration and on a smaller one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from conftest import REPOSITORY, save_model
from dragoman.storage import sha256

SMOKE = (REPOSITORY / "config" / "smoke.yaml").read_text(encoding="utf-8")


def snakemake(
    folder: Path,
    *arguments: str,
    config: str = SMOKE,
    repository: Path = REPOSITORY,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the workflow of a checkout in `folder`, with `config` as its configuration file."""
    path = folder / "config.yaml"
    path.write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")]
    command += ["--configfile", str(path)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    environment |= variables or {}
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, env=environment)


def planned(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Jobs per rule that a dry run announces."""
    text = done.stdout + done.stderr
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE)}


APART = ("logs/", "benchmarks/", "timings/", "tensorboard/", "tables/training-cost.", "report/", ".config/")
"""Where the clock leaves its mark, and dry runs of other configurations theirs."""


def contents(results: Path) -> dict[str, str]:
    """The hash of every result, by name."""
    names = [path.relative_to(results).as_posix() for path in sorted(results.rglob("*")) if path.is_file()]
    return {name: sha256(results / name) for name in names if not name.startswith(APART)}


SCRIPT = REPOSITORY / "tests" / "slurm.sh"
PROFILE = REPOSITORY / "workflow" / "profiles" / "slurm"
CONFIG = """
corpora:
  demo: {provider: demo, train: 60, test: 8}
models:
  tiny: {source: local, path: tiny, parameters: 20000}
experiments:
  e:
    title: Small enough for a test
    model: tiny
    prompt: simulmask
    train: {corpus: demo, pairs: [en-fr]}
    test: {corpus: demo, pairs: [en-fr]}
    tunings:
      sft: {method: sft, training: {steps: 2000, batch_size: 4, log_every: 20, checkpoint_every: 2000}}
    systems:
      copy: {decoder: {name: copy}}
      tuned: {tuning: sft, decoder: {name: offline, max_new_tokens: 8}}
"""

# no accounting here, so that only squeue knows how a job ended; and all on one machine, so nothing is late
ALONE = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5"]


def given(folder: Path) -> Path:
    """A working directory with the model that CONFIG names."""
    save_model(folder / "tiny")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return folder
