"""The workflow through the SLURM profile on a real SLURM, disturbed, ends in the bytes of a local run.

SLURM is used where its programs are installed, and installed where `DRAGOMAN_SLURM=install` asks for it (root, Debian).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.workflow import ALONE, CONFIG, PROFILE, SCRIPT, contents, given, snakemake

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can start a SLURM")
    if os.environ.get("DRAGOMAN_SLURM") == "install":
        subprocess.run([SCRIPT, "install"], check=True)
    if missing := [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed; DRAGOMAN_SLURM=install lets this test install SLURM (Debian)")
    if subprocess.run(["systemctl", "is-active", "--quiet", "slurmctld"], capture_output=True).returncode == 0:
        pytest.skip("this machine has a SLURM of its own")
    started = subprocess.run([SCRIPT, "start"], capture_output=True, text=True)
    if "has a SLURM of its own" in started.stderr:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield
    subprocess.run([SCRIPT, "stop"], check=True)


def waiting(what: str, found: Callable[[], str | None], process: subprocess.Popen[bytes], seconds: float = 600) -> str:
    """What `found` finds, as soon as it does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := found()) is not None:
            return answer
        assert process.poll() is None, f"the workflow ended before there was {what}"
        time.sleep(0.05)
    raise AssertionError(f"no {what} after {seconds} seconds")


def training_job(other_than: str = "") -> str | None:
    """The id of the running fine-tuning, which SLURM knows by the comment that names its rule."""
    command = ["squeue", "--noheader", "--states", "RUNNING", "--format", "%A %k"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"^(\d+) rule_finetune", said, flags=re.MULTILINE)
    return found[1] if found and found[1] != other_than else None


def going_on(said: str) -> int:
    """The step at which an attempt took up what another had left."""
    found = re.search(r"continuing from step-(\d+)", said)
    assert found is not None, said
    return int(found[1])


@pytest.mark.workflow
def test_disturbed_run_on_slurm_equals_a_local_one(slurm: None, tmp_path: Path) -> None:
    local, cluster = (tmp_path / name for name in ("local", "cluster"))
    for folder in (local, cluster):
        folder.mkdir()
        given(folder)
    target = "results/records.jsonl"
    done = snakemake(local, "--cores", "2", target, config=CONFIG)
    assert done.returncode == 0, done.stderr[-5000:]

    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        REPOSITORY / "Snakefile",
        "--configfile",
        "config.yaml",
    ]
    command += ["--workflow-profile", PROFILE, *ALONE, "--", target]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = cluster / "snakemake.log"
    with open(log, "wb") as file:
        run = subprocess.Popen(command, cwd=cluster, stdout=file, stderr=subprocess.STDOUT, env=environment)

    trained = cluster / "results/logs/finetune/e/sft/all/seed-1.log"

    def progress(text: str) -> Callable[[], str | None]:
        """What the running attempt says, once that is more than nothing and has `text` in it."""

        def found() -> str | None:
            said = trained.read_text(encoding="utf-8") if trained.exists() else ""
            return said if "/2000" in said and text in said else None

        return found

    try:
        waiting("progress", progress(""), run)
        first = waiting("a training to cancel", training_job, run)
        subprocess.run(["scancel", first], check=True)
        second = waiting("a second attempt", lambda: training_job(first), run)
        asked = subprocess.run(["scontrol", "show", "job", second], capture_output=True, text=True).stdout
        assert "Partition=gpu" in asked
        assert "gres:gpu:1" in asked or "gres/gpu=1" in asked
        assert "MinMemoryNode=9000M" in asked, "half as much again as the first attempt's 6000"
        saved = going_on(waiting("progress of what was saved when it was told to stop", progress("continuing"), run))
        assert 0 < saved < 2000
        urgent = ["sbatch", "--partition", "urgent", "--ntasks", "8", "--output", "/dev/null", "--wrap", "true"]
        subprocess.run(urgent, check=True, capture_output=True)
        assert run.wait(timeout=1800) == 0, log.read_text(encoding="utf-8")[-5000:]
    finally:
        if run.poll() is None:
            run.kill()
    said = log.read_text(encoding="utf-8")
    assert f"SLURM-job '{first}' failed, SLURM status is: 'CANCELLED'" in said
    assert re.search(rf"STEP {second}\.0 ON \S+ CANCELLED", said), "SIGTERM came, and SIGKILL was not waited for"
    assert f"continuing from step-{saved}" in said, "the log of a failed attempt is shown"
    assert going_on(trained.read_text(encoding="utf-8")) > saved, "preempted, it saved again"
    one, other = contents(local / "results"), contents(cluster / "results")
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    assert not list((cluster / "results/.work").glob("*")), "unfinished state is gone when all is done"
