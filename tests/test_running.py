"""One run at a time in a results folder, and a run that was killed goes on where it was, by the same command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import REPOSITORY
from dragoman.jobs import running
from dragoman.storage import read_manifest

TEXT = "results/smoke/corpora/demo/en-fr/manifest.json"
COMMAND = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "1"]
CONFIG = ["--configfile", str(REPOSITORY / "config" / "smoke.yaml")]


def until(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something that a process does."""
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


@contextmanager
def stuck(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose job has written its result and does not end: the pipe that it reports to is full."""
    outlet, inlet = os.pipe()
    os.set_blocking(inlet, False)
    while True:
        try:
            os.write(inlet, bytes(4096))
        except BlockingIOError:
            break
    os.set_blocking(inlet, True)
    options = {"cwd": folder, "stdout": inlet, "stderr": subprocess.DEVNULL, "start_new_session": True}
    process = subprocess.Popen([*COMMAND, *CONFIG, "--", TEXT], **options)
    try:
        until((folder / TEXT).exists, process)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(inlet)
        os.close(outlet)


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *CONFIG, *options, "--", TEXT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_killed_run_goes_on_by_the_same_command(tmp_path: Path) -> None:
    with stuck(tmp_path) as first:
        refused = snakemake(tmp_path)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        (line,) = [line for line in refused.stderr.splitlines() if "another run" in line]
        assert line.startswith("results/smoke: another run uses this folder (process ")
        assert f"process {first.pid} on {os.uname().nodename}: " in line
        assert "--cores 1" in line
        assert line.endswith("); wait until it ends, or stop it")
        planned = snakemake(tmp_path, "--dry-run")
        assert planned.returncode == 0, planned.stderr
        assert "prepare" in planned.stdout + planned.stderr, "its file is there, but not yet known to be whole"
    assert list((tmp_path / ".snakemake/incomplete").iterdir()), "Snakemake by itself would ask for --rerun-incomplete"
    done = snakemake(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rule prepare" in done.stdout + done.stderr
    assert read_manifest((tmp_path / TEXT).parent)["splits"]["test"]["rows_kept"] == 12
    assert list(running.folder(tmp_path / "results/smoke").iterdir()) == []


OWNER = """
import sys
from pathlib import Path
from dragoman.jobs import running
if sys.argv[1] == "run":
    with running.run(Path("results")):
        print("ready", flush=True)
        sys.stdin.read()
else:
    running.job(Path("results"))
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other(folder: Path, kind: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is a run or a job, until its standard input is closed."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    options = {"cwd": folder, "env": environment, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", OWNER, kind], **options)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_lock_ends_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = Path("results")
    with other(tmp_path, "run") as process, pytest.raises(BlockingIOError) as refused, running.run(results):
        pass
    assert f"another run uses this folder (process {process.pid} on " in str(refused.value)
    left = running.folder(results) / running.RUN
    assert f"process {process.pid}" in left.read_text(), "killed, it left its file"
    with running.run(results):
        assert f"process {os.getpid()}" in left.read_text()
        with pytest.raises(BlockingIOError), running.run(results):
            pass
    assert not left.exists()


def test_jobs_that_a_killed_run_left_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    results, ended = Path("results"), []

    with other(tmp_path, "job") as working, other(tmp_path, "job") as killed:
        killed.kill()
        killed.wait()
        real = running.lock

        def lock(path: Path, wait: bool = False) -> int | None:
            if wait:
                ended.append(path.name.rpartition("-")[2])
                assert working.stdin is not None
                working.stdin.close()
            return real(path, wait)

        monkeypatch.setattr(running, "lock", lock)
        with running.run(results):
            assert ended == [str(working.pid)]
            assert working.wait(timeout=60) == 0
            assert [path.name for path in running.folder(results).iterdir()] == [running.RUN]
    assert f"still running (process {working.pid} on " in caplog.text


def test_file_that_was_removed_meanwhile_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening of a file and its locking, its owner may remove it: a lock on it would keep nobody out."""
    path = tmp_path / "file"
    real, first = running.fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        if not first:
            first.append(descriptor)
            path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(running.fcntl, "flock", flock)
    descriptor = running.lock(path)
    assert descriptor is not None
    assert path.exists()
    assert running.lock(path) is None
    running.unlock(path, descriptor)
    assert not path.exists()


def test_only_the_default_limit_of_jobs_per_second_is_removed() -> None:
    from snakemake.cli import get_argument_parser
    from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

    default = get_argument_parser().get_default("max_jobs_per_timespan")
    for given, left in ((default, None), ("50/1s", 50), ("100/1m", 100)):
        settings = SchedulingSettings(max_jobs_per_timespan=MaxJobsPerTimespan.parse_choice(given))
        running._without_default_limit(settings)
        found = settings.max_jobs_per_timespan
        assert (found and found.max_jobs) == left
    settings = SchedulingSettings()
    running._without_default_limit(settings)
    assert settings.max_jobs_per_timespan is None


SNAKEFILE = """
import sys
from pathlib import Path

sys.path.insert(0, {scripts!r})
from dragoman.jobs import running

running.has_gpu = lambda: {gpu}
running.guard(workflow, Path("results"))

rule all:
    input: "1", "2"

rule train:
    output: "{{n}}"
    resources: gpu=1
    shell: {job!r}
"""

MEET = (
    "touch at-{wildcards.n}; "
    "for i in $(seq 600); do [ -e at-1 ] && [ -e at-2 ] && exec touch {output}; sleep .1; done; false"
)
ALONE = "mkdir busy; sleep .3; rmdir busy; touch {output}"


@pytest.mark.parametrize(
    ("gpu", "given", "job", "limit"),
    [
        (False, [], MEET, None),
        (False, ["--resources", "gpu=1"], MEET, "2"),
        (True, [], ALONE, "1"),
        (True, ["--resources", "gpu=2"], MEET, "2"),
    ],
    ids=["no GPU", "no GPU, and a limit", "a GPU", "a GPU, and a limit"],
)
def test_jobs_for_a_gpu_run_side_by_side_where_there_is_none(
    tmp_path: Path, gpu: bool, given: list[str], job: str, limit: str | None
) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(scripts=str(REPOSITORY / "scripts"), gpu=gpu, job=job))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    provided = re.findall(r"Provided resources: .*gpu\D+(\d+)", done.stderr)
    assert provided == ([limit] if limit else [])


def test_a_gpu_counts_only_if_torch_may_use_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(running, "version", lambda name: "2.13.0")
    monkeypatch.setattr(running, "GPU_DEVICES", (tmp_path / "missing", tmp_path))
    assert running.has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not running.has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert running.has_gpu()
    monkeypatch.setattr(running, "version", lambda name: "2.13.0+cpu")
    assert not running.has_gpu()
    monkeypatch.setattr(running, "version", lambda name: "2.13.0")
    monkeypatch.setattr(running, "GPU_DEVICES", (tmp_path / "missing",))
    assert not running.has_gpu()
