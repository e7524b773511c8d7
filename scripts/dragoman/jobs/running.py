"""Locks of a results folder, so that only one run of the workflow, with its jobs, uses it at a time.

`RESULTS/.running` has a file for each of these processes. The process keeps it locked while it lives, and removes it
when it ends. The lock is the operating system's, so it ends with its process, also by a kill or a power loss.
Snakemake's own lock and its marks on incomplete files are files that remain: after a kill it refuses to run until
--unlock and --rerun-incomplete are given.
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
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

RUN = "snakemake"
"""The file of the run; every other file is a job's."""


def folder(results: Path) -> Path:
    """Where the files of the processes are."""
    return results.absolute() / ".running"


def lock(path: Path, wait: bool = False) -> int | None:
    """Lock a file, which is made if it is not there, and write into it who has it.

    Args:
        wait: until another process gives it up.

    Returns:
        Its descriptor, for `unlock`; None where another process has the lock.

    Raises:
        OSError: the file cannot be written, or its file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # its last owner may have removed it since it was opened, and then another process could make a new one
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
    """Remove a file that `lock` has locked, and give up the lock."""
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
    """Count as a job of a results folder until this process ends."""
    path = folder(results) / f"{socket.gethostname()}-{os.getpid()}"
    with suppress(OSError):  # without locks there, the run could not see them either
        if (descriptor := lock(path)) is not None:
            atexit.register(unlock, path, descriptor)


@contextmanager
def run(results: Path) -> Iterator[None]:
    """Be the only run of a results folder. Jobs that a killed run has left behind are waited for: they still write.

    Raises:
        BlockingIOError: another run is at work; the message names it.
        OSError: nothing can be locked there.
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
    """Remove the files of jobs that have ended, and wait for those that have not, if so asked."""
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
    """Make a Snakemake workflow the only run of its results folder, let it make incomplete files again by itself, and
    keep its scheduler from idle work.

    A Snakefile is read before Snakemake puts the settings of the command line into `workflow`, so it cannot change them
    itself. `workflow.execute` is called next, with all settings in force, and only for runs and dry runs: not for
    --unlock, --report and the like. So this wraps it.

    Raises:
        SystemExit: by `workflow.execute`, where another run is at work.
    """
    from snakemake_interface_executor_plugins.settings import ExecMode

    execute = workflow.execute

    def guarded(**given: Any) -> None:
        with ExitStack() as held:
            if workflow.exec_mode == ExecMode.DEFAULT:  # else it is the Snakemake inside a job, and its run is guarded
                workflow.dag_settings.force_incomplete = True
                _without_default_limit(workflow.scheduling_settings)
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


def _without_default_limit(settings: Any) -> None:
    """Remove Snakemake's default limit of 100 jobs a second; another limit, which somebody asked for, stays.

    With a limit, the scheduler of Snakemake 9.27 sets a timer when jobs are waiting, and one more for every job that
    has ended. Each timer makes it look at all ready jobs once a second. In a run of 700 jobs, that took over 250 CPU
    seconds for the first 183 jobs.
    """
    limit = settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        settings.max_jobs_per_timespan = None
