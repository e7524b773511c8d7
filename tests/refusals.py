"""Bad inputs as tables: what is given to which command, and what the message must hold.

A row is run as a user would run it, in an empty folder, but without a process of its own. `pytest -s` prints every row
with the message it got.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from dragoman import command

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
Content = str | bytes
RESUMED = (".work", ".fetching", ".config", "sacrebleu")
"""Parts of hidden places that the next attempt goes on from: what is left there is no result."""


class Bad(NamedTuple):
    """One bad input."""

    what: str
    """In words."""
    command: str | Callable[[], object]
    """A script of ours and its arguments; or a function that reads what no script reads by itself."""
    said: Sequence[str]
    """What the message must hold."""
    files: Mapping[str, Content] = {}
    """Files that lie in the folder, by name."""
    code: int = 1
    lines: int = 1
    """Lines of the message; 0: any number, as the command line's own parser prints its usage first."""


def over(rows: Sequence[Bad], least: int = 1) -> pytest.MarkDecorator:
    """Run a test over the rows of a table, which has `least` rows at least, so that none gets lost when it is moved."""
    assert len(rows) >= least, f"{len(rows)} rows; there were {least}"
    return pytest.mark.parametrize("bad", rows, ids=[f"{_entry(bad)}: {bad.what}" for bad in rows])


def lay(folder: Path, files: Mapping[str, Content]) -> None:
    """Write files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@cache
def script(name: str) -> ModuleType:
    """A script of ours as a module."""
    found = importlib.util.spec_from_file_location(f"script_{Path(name).stem}", SCRIPTS / name)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def called(given: str | Callable[[], object]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    out, error = io.StringIO(), io.StringIO()
    name, *arguments = shlex.split(given) if isinstance(given, str) else ["reading"]
    before = sys.argv
    sys.argv = [name, *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            command.run(script(name).main if isinstance(given, str) else lambda argv: given())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1, out.getvalue(), error.getvalue()
    finally:
        sys.argv = before
    return 0, out.getvalue(), error.getvalue()


def refuse(bad: Bad, folder: Path, within: contextlib.AbstractContextManager[object] | None = None) -> str:
    """Run a row in `folder` (and `within`, where things are made worse for it alone).

    Returns:
        Its message, after a check that it is one, and that nothing half-made is left.
    """
    lay(folder, bad.files)
    before, here = _contents(folder), Path.cwd()
    os.chdir(folder)
    try:
        with within or contextlib.nullcontext():
            code, out, message = called(bad.command)
    finally:
        os.chdir(here)
    print(f"{_entry(bad):<12} {bad.what}\n{'':<12} -> {message.strip()}")
    assert code == bad.code, message
    assert not out, "what goes to standard output is a result"
    for part in bad.said:
        assert part in message, message
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == bad.lines or not bad.lines, message
    assert _contents(folder) == before, "a refused input leaves everything as it was"
    return message


def _entry(bad: Bad) -> str:
    if isinstance(bad.command, str):
        return bad.command.split()[0].removesuffix(".py")
    return "reading"


def _contents(folder: Path) -> dict[str, str]:
    """Every file by name, and what it holds; but for what the next attempt goes on from."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(mark in (name := path.relative_to(folder).as_posix()) for mark in RESUMED)
    }
