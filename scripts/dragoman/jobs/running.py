"""Locks of a results folder, so that only one run of the workflow, with its jobs, uses it at a time.

`RESULTS/.running` has a file for each of these processes. A process locks its file while it runs, and removes it at the
end. The operating system releases the lock when the process ends, also after a kill or a power loss. Snakemake's own
lock and its marks of incomplete files are files that remain: after a kill, Snakemake refuses to run without --unlock
and --rerun-incomplete.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

RUN = "snakemake"
"""Name of the run's file; every other file belongs to a job."""

GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
"""Files of which one exists where a GPU can be used: the drivers of NVIDIA, of AMD, and of both under WSL."""


def folder(results: Path) -> Path:
    """The folder with the files of the processes."""
    return results.absolute() / ".running"


def lock(path: Path, wait: bool = False) -> int | None:
    """Lock a file, which is created if it does not exist, and write this process's number and command into it.

    Args:
        path: the file.
        wait: wait until no other process has the lock.

    Returns:
        The file's descriptor, for `unlock`; None if another process has the lock.

    Raises:
        OSError: the file cannot be written, or its file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # its last owner may have removed the file after it was opened; a lock of a removed file protects nothing
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, _this_process().encode())
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def unlock(path: Path, descriptor: int) -> None:
    """Remove a file that `lock` has locked, and release the lock."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _this_process() -> str:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return f"process {os.getpid()} on {socket.gethostname()}: {command}"


def owner(path: Path) -> str:
    """The process that has locked a file: its number, machine and command."""
    with suppress(OSError):
        if text := path.read_text(encoding="utf-8", errors="replace"):
            return text
    return "a process that has just started"


def job(results: Path) -> None:
    """Register this process as a job of a results folder until it ends."""
    path = folder(results) / f"{socket.gethostname()}-{os.getpid()}"
    with suppress(OSError):  # if the file system has no locks, the run does not use them either
        if (descriptor := lock(path)) is not None:
            atexit.register(unlock, path, descriptor)


@contextmanager
def run(results: Path) -> Iterator[None]:
    """Hold the lock of a results folder, so that this is its only run. It first waits for jobs of a killed run, since
    these jobs still write.

    Raises:
        BlockingIOError: another run uses the folder; the message names it.
        OSError: files cannot be locked there.
    """
    path = folder(results) / RUN
    if (descriptor := lock(path)) is None:
        text = f"{results}: another run uses this folder ({owner(path)}); wait until it ends, or stop it"
        raise BlockingIOError(text)
    try:
        _clear(results, wait=True)
        yield
        _clear(results, wait=False)
    finally:
        unlock(path, descriptor)


def _clear(results: Path, wait: bool) -> None:
    """Remove the files of jobs that have ended. With `wait`, wait for the other jobs, and remove their files, too."""
    for path in sorted(folder(results).iterdir()):
        if path.name == RUN:
            continue
        descriptor = lock(path)
        if descriptor is None and wait:
            log.warning(f"{results}: waiting for a job of a killed run, which is still running ({owner(path)})")
            descriptor = lock(path, wait=True)
        if descriptor is not None:
            unlock(path, descriptor)


def guard(workflow: Any, results: Path) -> None:
    """Make a Snakemake workflow the only run of its results folder, with --rerun-incomplete, without Snakemake's
    default limit of jobs, and with one job at a time on this machine's GPU.

    A Snakefile is read before Snakemake puts the settings of the command line into `workflow`, so it cannot change
    them. Therefore this wraps `workflow.execute`, which is called next, with all settings, and only for runs and dry
    runs (--unlock, --report and the like do not call it).

    Raises:
        SystemExit: raised by `workflow.execute` if another run uses the folder.
    """
    from snakemake_interface_executor_plugins.settings import ExecMode

    execute = workflow.execute

    def guarded(**given: Any) -> None:
        with ExitStack() as held:
            if workflow.exec_mode == ExecMode.DEFAULT:  # else this is Snakemake within a job, whose run has the lock
                workflow.dag_settings.force_incomplete = True
                _without_default_limit(workflow.scheduling_settings)
                if given["executor_plugin"].common_settings.local_exec:
                    _limit_gpu_jobs(workflow)
                if workflow.execution_settings.lock and not given["executor_plugin"].common_settings.dryrun_exec:
                    try:
                        held.enter_context(run(results))
                        workflow.execution_settings.lock = False
                    except BlockingIOError as error:
                        sys.exit(str(error))
                    except OSError as error:
                        log.warning(
                            f"{folder(results)} has no file locks ({error.strerror}); Snakemake's own lock is used"
                        )
            return execute(**given)

    workflow.execute = guarded


def _limit_gpu_jobs(workflow: Any) -> None:
    """Let local jobs that request a GPU run one at a time if this machine has a GPU, and side by side if it has none.

    The same jobs run on a CPU where there is no GPU. There, a limit of GPUs would leave the other cores without work,
    so one that the user set is lifted to the number of cores. On a machine with a GPU, the user's limit stays.
    """
    limited = "gpu" in workflow.global_resources
    if has_gpu() and not limited:
        workflow.register_resource("gpu", 1)
    elif limited and not has_gpu():
        log.warning("There is no GPU here, so jobs that request one run on the CPU, as many as there are cores")
        workflow.register_resource("gpu", workflow.cores)


def has_gpu() -> bool:
    """Whether jobs on this machine run on a GPU: torch was built for GPUs, and the driver of NVIDIA or AMD has devices.

    torch itself would know, but importing it takes longer than Snakemake needs to find that there is nothing to do.
    """
    with suppress(PackageNotFoundError):  # with --sdm conda, torch is in another environment
        if "+cpu" in version("torch"):
            return False
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and any(device.exists() for device in GPU_DEVICES)


def _without_default_limit(settings: Any) -> None:
    """Remove Snakemake's default limit of 100 jobs a second; any other limit was set by the user and stays.

    With a limit, the scheduler of Snakemake 9.27 sets a timer when jobs are waiting, and another one for every job that
    has ended. Each timer checks all ready jobs once a second. In a run of 700 jobs, that took over 250 CPU seconds for
    the first 183 jobs.
    """
    limit = settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        settings.max_jobs_per_timespan = None
