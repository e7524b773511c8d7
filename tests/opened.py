"""Which files the jobs of a workflow read: an audit hook in every Python that a job starts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

HOOK = """
import atexit, os, sys
from pathlib import Path

opened = set()


def hook(event, details):
    if event == "open" and isinstance(details[0], str):
        opened.add(os.path.abspath(details[0]))


def write():
    lines = [sys.argv[0], *opened]
    Path(FOLDER, str(os.getpid())).write_text("\\n".join(lines), encoding="utf-8", errors="replace")


sys.addaudithook(hook)
atexit.register(write)
"""
"""A `sitecustomize`, which Python imports when it starts."""


def watch(folder: Path) -> dict[str, str]:
    """Prepare a folder for what is seen; the environment variables that a process must have to be watched."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"FOLDER = {str(folder)!r}\n{HOOK}", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def seen(folder: Path) -> dict[str, set[Path]]:
    """Every file that a process opened, by the name of the script that it ran."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in folder.iterdir():
        if path.name.isdecimal():
            script, *opened = path.read_text(encoding="utf-8").split("\n")
            found[Path(script).stem] |= {*map(Path, opened)}
    return found
