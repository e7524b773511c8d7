"""A fingerprint of the code behind a script's result, for a rule to hold among its parameters.

Snakemake sees neither that a script changed (it runs a shell command) nor that a module it imports did; parameters it
compares by value. Files of the hall are left out: what they contribute (names, checks, paths) reaches a job as
parameters of its own; were they in, registering a new metric would train every model again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.storage import digest

SCRIPTS = REPOSITORY / "scripts"
HALL = {
    "checks",
    "command",
    "config",
    "configfile",
    "hub",
    "hub_requests",
    "imports",
    "languages",
    "plan",
    "registry",
    "sweeps",
}
"""The hub client among them: what it fetches is pinned by its revision."""


def _file_of(module: str) -> Path | None:
    base = SCRIPTS.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imported(path: Path) -> frozenset[Path]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] != "dragoman" or (len(parts) > 1 and parts[1] in HALL):
                continue
            if (file := _file_of(name)) is not None:
                found.add(file)
    return frozenset(found)


def fingerprint(paths: Iterable[Path]) -> str:
    """A digest of files by content; neither their time stamps nor where the repository lies count."""
    return digest([[path.name, path.read_text(encoding="utf-8")] for path in paths])


@cache
def code(script: str, *names: tuple[str, str]) -> str:
    """Fingerprint of all files behind `scripts/<script>.py` and the registered `(kind, name)`s."""
    return fingerprint(closure(script, *names))


def closure(script: str, *names: tuple[str, str]) -> list[Path]:
    """Files behind `scripts/<script>.py`: itself, all it imports, and what the registry holds under `(kind, name)`."""
    todo = [SCRIPTS / f"{script}.py"]
    todo += [path for kind, name in names if (path := _file_of(registry.REGISTRY[kind][name].partition(":")[0]))]
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            # templates, styles and scripts belong to the module they are named after
            seen.update(file for file in path.parent.glob(f"{path.stem}.*") if file.suffix in (".j2", ".css", ".js"))
            todo.extend(_imported(path))
    return sorted(seen)
