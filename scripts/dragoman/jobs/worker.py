"""A worker: one process that has imported the libraries that jobs need, and forks for each job.

A job spends 3 CPU seconds on importing torch, transformers and the like, often more than on its work. So on one
machine the workflow starts a worker, which imports them once (`start`). A job's command is then a small client
(`client.py`), which sends its arguments, environment, folder and open files to the worker. The worker forks. The copy
runs the script as `python SCRIPT ...` would; the client forwards signals to it, and ends with its exit code.

    the client ends early, also by SIGKILL     its job is killed
    the worker ends early                      its jobs are killed, and their clients fail
    Snakemake ends                             the worker ends
    there is no worker, or it is not ready     the client becomes `python SCRIPT ...` itself
    this library's code changes                the same, since the worker accepts no more jobs

Only on Linux and without a GPU, since the state of a GPU driver does not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import NoReturn

SCRIPTS = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(SCRIPTS)  # Python has put the folder of this file there

from dragoman.jobs.client import BUSY, BYTES, READY, send  # noqa: E402

PRELOADED = (
    "accelerate",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "pandas",
    "pyarrow.parquet",
    "sacrebleu.metrics",
    "transformers.models.falcon.modeling_falcon",
    "transformers.models.llama.modeling_llama",
    "dragoman.claims",
    "dragoman.decoding.contrastive",
    "dragoman.decoding.conversation",
    "dragoman.decoding.prefilled",
    "dragoman.metrics.divergence",
    "dragoman.metrics.scoring",
    "dragoman.jobs.prepared",
    "dragoman.reporting.page",
    "dragoman.training.loop",
)
"""Modules that the worker imports. A job imports all others itself."""

FEWEST = 6
"""Minimum number of jobs for which a worker saves more time than its own start takes."""

PR_SET_PDEATHSIG = 1
"""Operation of prctl: set the signal that a process gets when its parent ends."""


def suits(jobs: int) -> bool:
    """Whether a run of this many jobs is faster with a worker, and a worker is possible on this machine."""
    accelerators = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]
    return jobs >= FEWEST and sys.platform == "linux" and not accelerators


def start(log: Path, threads: int) -> str:
    """Start a worker that ends with this process.

    Args:
        log: file for the worker's own messages; empty unless it fails.
        threads: CPU threads of every job. Libraries read the number when they are imported.

    Returns:
        A bash command that defines one function for each file of `scripts/`, with the file's name, which runs the file
        in the worker. The functions are in a file, so that Snakemake prints short commands if a job fails. The worker
        removes the file at its end; later jobs run without a worker.
    """
    # a socket's path has at most 107 characters, so the results folder may be too deep
    address = Path(tempfile.mkdtemp(prefix="dragoman-")) / "worker"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONDONTWRITEBYTECODE": ""}
    with open(log, "w", encoding="utf-8") as file:
        subprocess.Popen(
            [sys.executable, __file__, str(address), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )
    client = shlex.join([sys.executable, "-I", "-S", str(SCRIPTS / "dragoman" / "jobs" / "client.py"), str(address)])
    functions = [f'{path.name}() {{ {client} {shlex.quote(str(path))} "$@"; }}\n' for path in SCRIPTS.glob("*.py")]
    (address.parent / "scripts.sh").write_text("".join(functions), encoding="utf-8")
    place = shlex.quote(str(address.parent / "scripts.sh"))
    return f"if [ -f {place} ]; then . {place}; fi;"


def _state_of_code() -> list[tuple[str, int]]:
    """Every Python file of this library, with the time of its last change in nanoseconds."""
    return sorted((str(path), path.stat().st_mtime_ns) for path in SCRIPTS.rglob("*.py"))


class Worker:
    """The process that forks for each job."""

    def __init__(self, address: Path, owner: int) -> None:
        """
        Args:
            address: path of the socket, which does not exist yet.
            owner: process id of Snakemake; the worker ends when this process ends.

        Raises:
            ProcessLookupError: Snakemake has ended already.
        """
        self.selector = selectors.DefaultSelector()
        self.clients: dict[int, socket.socket] = {}
        """Process id of a job -> connection to its client."""
        self._watch(os.pidfd_open(owner), "owner")
        for name in PRELOADED:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()  # a collection in a copy would write to the pages of all imported objects, and so duplicate them
        self.code = _state_of_code()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{address}.new")
        self.listener.listen(64)
        Path(f"{address}.new").rename(address)  # from now on clients find it
        self._watch(self.listener, "request")

    def _watch(self, file: socket.socket | int, what: str, job: int = 0) -> None:
        self.selector.register(file, selectors.EVENT_READ, (what, job))

    def serve(self) -> list[str] | None:
        """Fork a copy for each request. Returns None in the worker when the owner has ended, and the command to run in
        a copy."""
        while True:
            for key, _ in self.selector.select():
                match key.data:
                    case ("owner", _):
                        return None
                    case ("request", _) if command := self._request():
                        return command
                    case ("ended", job):
                        self.selector.unregister(key.fileobj)
                        os.close(key.fd)
                        self._report(job)
                    case ("client", job) if job in self.clients:  # clients send nothing more, so this one has ended
                        self.selector.unregister(key.fileobj)
                        _kill(job)

    def _request(self) -> list[str] | None:
        connection, _ = self.listener.accept()
        with connection, contextlib.suppress(ConnectionError, ValueError):  # the client was killed during its request
            current = _state_of_code() == self.code
            send(connection, READY if current else BUSY)
            if not current:
                return None
            head, files, _, _ = socket.recv_fds(connection, BYTES, 3)
            request = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
            command, folder, environment = json.loads(request)
            worker, job = os.getpid(), os.fork()
            if not job:
                self._become_a_job(worker, files, folder, environment)
                return command
            for each in files:
                os.close(each)
            self.clients[job] = connection.dup()
            self._watch(os.pidfd_open(job), "ended", job)
            self._watch(self.clients[job], "client", job)
            send(connection, job)
        return None

    def _report(self, job: int) -> None:
        """Send the client the exit code of its job."""
        _, status = os.waitpid(job, 0)
        code = os.waitstatus_to_exitcode(status)
        with self.clients.pop(job) as connection:
            if connection in self.selector.get_map():  # else the client ended first
                self.selector.unregister(connection)
                with contextlib.suppress(OSError):
                    send(connection, code if code >= 0 else 128 - code)

    def _become_a_job(self, worker: int, files: list[int], folder: str, environment: dict[str, str]) -> None:
        os.setsid()  # a process group of its own, so that the job can be killed with its children
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:  # the worker ended before prctl, so there will be no signal
            os._exit(1)
        self.selector.close()
        self.listener.close()
        for each in self.clients.values():
            each.close()
        for number, each in enumerate(files):
            os.dup2(each, number)
            os.close(each)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)


def _kill(job: int) -> None:
    try:
        os.killpg(job, signal.SIGKILL)
    except ProcessLookupError:  # the job has not called setsid yet
        os.kill(job, signal.SIGKILL)


def _run(command: list[str]) -> NoReturn:
    """Run a script, and exit without the interpreter's finalisation, which takes up to 2 seconds with these imports."""
    sys.argv, code = command, 0
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()  # type: ignore[attr-defined]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(address: Path, owner: int) -> None:
    """Serve the process `owner` until it ends."""
    command = None
    with contextlib.suppress(ProcessLookupError):
        command = Worker(address, owner).serve()
    if command is not None:
        _run(command)
    shutil.rmtree(address.parent, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
