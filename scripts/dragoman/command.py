"""What every entry point shares: one clear line for a mistake of the user's, a traceback only when asked for."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dragoman.jobs import running
from dragoman.registry import UnknownNameError

# Progress bars of libraries would fill the logs. Both are read when those libraries are imported.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

# Large tensors lie on huge pages (Linux), since a large model's step allocates and frees gigabytes: with ordinary
# pages of 4 kB, the kernel takes a third of the time. PyTorch reads this at its first allocation.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

REPOSITORY = Path(__file__).resolve().parents[2]
_FULL = "make room there, or name a folder elsewhere, and run again"
_FORBIDDEN = "name a folder that you may write to, or have its owner allow it"
REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "files of that size are not allowed here (`ulimit -f`); allow them, or name a folder elsewhere",
    errno.EROFS: _FORBIDDEN,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a file stands where a folder should; remove it or name another folder",
    errno.EEXIST: "a file stands where a folder should; remove it or name another folder",
    errno.EISDIR: "a folder stands where a file should; name a file in it",
}
"""What to do about an error of the operating system."""


def located(path: str) -> Path:
    """The file that a configuration names: from the working directory, else from the checkout, for its own examples."""
    return next((each for each in (Path(path), REPOSITORY / path) if each.exists()), Path(path))


DEBUG = "--debug"
BENCHMARK = "DRAGOMAN_BENCHMARK"
"""Environment variable: the file to which a script that ends well writes how much time and memory it took."""


class Parser(argparse.ArgumentParser):
    """An argument parser that knows `--debug`, as those of its commands do."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_argument(DEBUG, action="store_true", help="show where an error comes from, as DRAGOMAN_DEBUG=1 does")


def parser(description: str, example: str) -> Parser:
    """An argument parser whose help ends with a command that can be pasted."""
    return Parser(
        description=description, epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option `--config`; the workflow gives it through the environment, which keeps its commands short."""
    default = Path(os.environ.get("DRAGOMAN_CONFIG", "config/config.yaml"))
    parser.add_argument("--config", type=Path, default=default, help=f"configuration file (default: {default})")


def add_run(parser: argparse.ArgumentParser, *parts: str) -> None:
    """The options that name a run of a configuration: `--config`, one for each part, and `--seed`."""
    add_config(parser)
    for part in parts:
        parser.add_argument(f"--{part}", required=True)
    parser.add_argument("--seed", type=int, default=1)


def bar(done: int, total: int, seconds_left: float, width: int = 20) -> str:
    """A progress bar in one line of text, which a log file can hold: `[=====     ] 5/20, 1:40 left`."""
    filled = width * done // max(total, 1)
    left = f"{int(seconds_left) // 60}:{int(seconds_left) % 60:02d}"
    return f"[{'=' * filled}{' ' * (width - filled)}] {done}/{total}, {left} left"


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Call `main` with the command line; turn errors into one line on standard error and exit code 1.

    `--debug` shows the traceback too.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if results := os.environ.get("DRAGOMAN_RESULTS"):  # a job of the workflow
        running.job(Path(results))
    began = time.monotonic()
    try:
        main(None)
        sys.stdout.flush()
        if path := os.environ.get(BENCHMARK):
            write_cost(Path(path), time.monotonic() - began)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try to write the rest again
        sys.exit(141)
    except Exception as error:
        if DEBUG in sys.argv or os.environ.get("DRAGOMAN_DEBUG"):
            raise
        print(printable(told(error)), file=sys.stderr)
        sys.exit(1)


def peak_memory() -> float:
    """The most memory that this process, or the largest it started and waited for, held so far, in MB."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def write_cost(path: Path, seconds: float) -> None:
    """Write a table of one row, with the column names that Snakemake's benchmarks have.

    Args:
        path: file to write; of several processes that share a training, the first writes what it took itself.
        seconds: from start to end.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    from dragoman.storage import replacing

    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy = sum(each.ru_utime + each.ru_stime for each in both)
    with replacing(path) as file:
        file.write(f"s\tmax_rss\tcpu_time\n{seconds:.2f}\t{peak_memory():.1f}\t{busy:.2f}\n")


def printable(text: str) -> str:
    """Text with all that a terminal would obey, or take for a line end, written as escapes."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def told(error: Exception) -> str:
    """An error as a user is told of it: what happened, where, and what to do."""
    if isinstance(error, OSError) and error.errno in REMEDIES and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}; {REMEDIES[error.errno]}"
    # A mistake in what the user gave speaks for itself; anything else is ours, and named by its type.
    if isinstance(error, ValueError | OSError | UnknownNameError):
        return str(error)
    return f"{type(error).__name__}: {error} ({DEBUG} shows where)"
