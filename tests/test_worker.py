"""Jobs that are copies of one process: they run as `python SCRIPT` would, and nobody is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

SCRIPT = """
import json, os, signal, sys, time
here = {"argv": sys.argv[1:], "cwd": os.getcwd(), "color": os.environ.get("COLOR")}
here |= {"path": sys.path[0], "name": __name__}
print(json.dumps(here | {"pid": os.getpid(), "stdin": sys.stdin.read()}), flush=True)
print("warned", file=sys.stderr, flush=True)
if "wait" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    time.sleep(60)
if "raise" in sys.argv:
    raise RuntimeError("broken")
if "say" in sys.argv:
    sys.exit("a reason")
if "die" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(7)
"""


class Running(NamedTuple):
    """A worker, and how to give it a job."""

    process: int
    address: Path
    functions: str
    library: Path

    def job(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Run the script in the worker, as a shell command of the workflow would."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = ["bash", "-c", f'{self.functions} script.py "$@"', "bash", *arguments]
        return subprocess.Popen(command, text=True, **streams | options)  # type: ignore[call-overload]


def eventually(true: Callable[[], bool]) -> bool:
    """Whether something becomes true within ten seconds."""
    for _ in range(1000):
        if true():
            return True
        time.sleep(0.01)
    return False


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


OWNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from dragoman.jobs import worker
print(worker.start(Path("worker.log"), 1), flush=True)
time.sleep(60)
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A worker that imports next to nothing, of a copy of the library that holds next to nothing."""
    library = tmp_path / "scripts"
    (library / "dragoman" / "jobs").mkdir(parents=True)
    for name in ("__init__.py", "jobs/__init__.py", "jobs/client.py", "jobs/worker.py"):
        shutil.copy(REPOSITORY / "scripts" / "dragoman" / name, library / "dragoman" / name)
    module = library / "dragoman" / "jobs" / "worker.py"
    text = module.read_text(encoding="utf-8")
    start = text.index("PRELOADED = (")
    module.write_text(text[:start] + 'PRELOADED = ("csv",' + text[text.index("\n)", start) :], encoding="utf-8")
    (library / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-c", OWNER, str(library)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        functions = owner.stdout.readline()
        address = Path(functions.split()[3]).parent / "worker"
        assert eventually(address.exists), (tmp_path / "worker.log").read_text()
        (child,) = Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()
        yield Running(int(child), address, functions, library)
        owner.kill()
    assert eventually(lambda: not alive(int(child))), "the worker ends with its owner"
    assert eventually(lambda: not address.parent.exists()), "and leaves nothing"
    assert (tmp_path / "worker.log").read_text() == ""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the worker is for Linux only")


def test_a_job_runs_as_the_script_would_by_itself(running: Running, tmp_path: Path) -> None:
    options = {"cwd": tmp_path, "env": os.environ | {"COLOR": "grün"}, "stdin": subprocess.PIPE}
    inside = running.job("a b", "$x", "é", **options)
    script = [sys.executable, str(running.library / "script.py"), "a b", "$x", "é"]
    alone = subprocess.Popen(script, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]
    found = []
    for process in (inside, alone):
        out, error = process.communicate("piped\n")
        row = json.loads(out)
        row.pop("pid")
        found.append((row, error, process.returncode))
    assert found[0] == found[1]
    assert found[0][0]["argv"] == ["a b", "$x", "é"]
    assert found[0][1:] == ("warned\n", 7)


@pytest.mark.parametrize(
    ("how", "code", "said"), [("raise", 1, "RuntimeError: broken"), ("say", 1, "a reason"), ("die", 137, "")]
)
def test_how_a_job_ends_is_how_its_command_ends(running: Running, how: str, code: int, said: str) -> None:
    job = running.job(how)
    _, error = job.communicate()
    assert job.returncode == code
    assert said in error


def started(job: subprocess.Popen[str]) -> int:
    """The process of a job that has begun."""
    assert job.stdout is not None
    return int(json.loads(job.stdout.readline())["pid"])


def test_a_signal_reaches_the_job(running: Running) -> None:
    job = running.job("wait")
    process = started(job)
    (client,) = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(client), signal.SIGTERM)
    assert job.wait() == 143
    assert eventually(lambda: not alive(process))


def test_a_job_is_killed_with_its_client(running: Running) -> None:
    job, other = running.job("wait"), running.job("wait")
    process, left = started(job), started(other)
    (client,) = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(client), signal.SIGKILL)
    assert job.wait() == 137
    assert eventually(lambda: not alive(process))
    assert alive(left), "the other goes on"
    os.kill(left, signal.SIGTERM)
    assert other.wait() == 143


def test_jobs_are_killed_with_the_worker(running: Running) -> None:
    job = running.job("wait")
    process = started(job)
    os.kill(running.process, signal.SIGKILL)
    _, error = job.communicate()
    assert job.returncode == 1
    assert "the process that runs the jobs has ended" in error
    assert eventually(lambda: not alive(process))
    shutil.rmtree(running.address.parent)


def test_without_a_worker_a_job_runs_by_itself(running: Running) -> None:
    job = running.job()
    assert job.wait() == 7
    (running.library / "dragoman" / "new.py").write_text("")
    changed = running.job("wait")
    process = started(changed)
    status = Path(f"/proc/{process}/status").read_text()
    assert f"PPid:\t{running.process}\n" not in status, "code that changed since is not what was imported"
    os.kill(process, signal.SIGTERM)
    assert changed.wait() == 143
    running.address.unlink()
    assert running.job().wait() == 7
