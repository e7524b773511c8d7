"""What every entry point shares: one clear line for a mistake of the user's, a traceback only when asked for."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """An argument parser whose help ends with a command that can be pasted."""
    return argparse.ArgumentParser(
        description=description, epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option `--config`; the workflow gives it through the environment, which keeps its commands short."""
    default = Path(os.environ.get("DRAGOMAN_CONFIG", "config/config.yaml"))
    parser.add_argument("--config", type=Path, default=default, help=f"configuration file (default: {default})")


def bar(done: int, total: int, seconds_left: float, width: int = 20) -> str:
    """A progress bar in one line of text, which a log file can hold: `[=====     ] 5/20, 1:40 left`."""
    filled = width * done // max(total, 1)
    left = f"{int(seconds_left) // 60}:{int(seconds_left) % 60:02d}"
    return f"[{'=' * filled}{' ' * (width - filled)}] {done}/{total}, {left} left"


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Call `main` with the command line; turn errors into one line on standard error and exit code 1.

    `DRAGOMAN_DEBUG=1` shows the traceback too.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        main(None)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("DRAGOMAN_DEBUG"):
            raise
        # A mistake in what the user gave speaks for itself; anything else is ours, and named by its type.
        if isinstance(error, ValueError | OSError):
            print(error, file=sys.stderr)
        elif isinstance(error, KeyError):
            print(error.args[0], file=sys.stderr)
        else:
            print(f"{type(error).__name__}: {error} (DRAGOMAN_DEBUG=1 shows where)", file=sys.stderr)
        sys.exit(1)
