"""A fingerprint of the code behind a script's result, for a rule to hold among its parameters.

Snakemake sees neither that a script changed (it runs a shell command) nor that a module it imports did; parameters it
compares by value. What counts of a Python file is its syntax tree without docstrings: comments and layout change no
result. The versions of libraries count too, as in a conda environment, where Snakemake itself looks at them.

Modules of the hall are left out: they check and place what a job is asked to do, and whatever a result takes from them
is in its parameter `spec` (dragoman/plan). Were they in, registering a new metric would train every model again.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.storage import digest, sha256

SCRIPTS = REPOSITORY / "scripts"
HALL = {
    "checks",
    "command",
    "config",
    "configfile",
    "hub",
    "hub_requests",
    "imports",
    "plan",
    "registry",
    "running",
    "yamlfile",
}
"""The hub client among them: what it fetches is pinned by its revision."""
QUICK = {"claims", "judge", "plot", "report", "score", "table"}
"""Scripts after which nothing long has to run again."""
FACTS = {"comparable", "languages"}
"""Of the hall for all other scripts, so that a new language or published test set trains nothing again: the names that
prompts and pages use, and what is known of a test set, are in `spec`."""
OTHER = {".j2", ".css", ".js", ".tsv"}
"""Files that may lie beside a module and are part of it."""
LIBRARIES = REPOSITORY / "envs" / "main.txt"


def _file_of(module: str) -> Path | None:
    base = SCRIPTS.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _names(path: Path) -> frozenset[str]:
    """Modules that a file imports, and whatever it imports from them, which may be modules too."""
    found: set[str] = set()
    waiting: list[ast.AST] = [_tree(path)]
    while waiting:
        node = waiting.pop()
        for part in (
            "body",
            "handlers",
            "orelse",
            "finalbody",
            "cases",
        ):  # statements alone: expressions import nothing
            waiting += getattr(node, part, ())
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def _imported(path: Path) -> list[tuple[str, Path]]:
    """Modules of ours that a file imports: where in `dragoman` each is, and its file."""
    parts = [(name.split("."), name) for name in _names(path)]
    ours = [(rest[0] if rest else "", _file_of(name)) for (top, *rest), name in parts if top == "dragoman"]
    return [(place, file) for place, file in ours if file is not None]


@cache
def _companions(path: Path) -> list[Path]:
    """Templates, styles, scripts and tables, which belong to the module that they are named after."""
    return [file for file in path.parent.glob(f"{path.stem}.*") if file.suffix in OTHER]


def fingerprint(paths: Iterable[Path]) -> str:
    """A digest of files by what they hold; neither their time stamps nor where the repository lies count."""
    return digest([[path.name, content(path)] for path in paths])


def content(path: Path) -> str:
    """A digest of a Python file's syntax tree without docstrings, of any other file's bytes."""
    return _code_of(path) if path.suffix == ".py" else sha256(path)


@cache
def _code_of(path: Path) -> str:
    parts: list[str] = []
    _write(_tree(path), parts)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _write(node: Any, parts: list[str]) -> None:
    """Append a syntax tree to a list. The list is the same for Python 3.11 to 3.13."""
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(node, ast.JoinedStr):  # Python 3.12 puts empty texts into some f-strings
                value = [each for each in value if not (_is_text(each) and each.value == "")]
            if value is not None and value != []:  # fields that a newer Python has added are empty
                parts.append(name)
                _write(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        for each in node:
            if not (isinstance(each, ast.Expr) and _is_text(each.value)):  # a docstring, or one under a field
                _write(each, parts)
        parts.append("]")
    else:
        parts.append(repr(node))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@cache
def versions() -> dict[str, str]:
    """Import name -> version of every library that we ask for by name (envs/main.txt), without a build's suffix."""
    wanted = [re.split(r"[\s\[<>=!~;#]", line, maxsplit=1)[0] for line in LIBRARIES.read_text("utf-8").splitlines()]
    found = {}
    for name in filter(None, wanted):
        try:
            library = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        tops = {name.lower().replace("-", "_")}
        if not any(map(find_spec, tops)):  # imported by another name, which its files say; to read them takes longer
            tops = {path.parts[0].removesuffix(".py") for path in library.files or () if path.suffix == ".py"}
        found |= dict.fromkeys(tops, library.version.partition("+")[0])
    return found


@cache
def code(script: str, *names: tuple[str, str]) -> str:
    """Fingerprint of the files behind `scripts/<script>.py` and the registered `(kind, name)`s, and their libraries."""
    files = closure(script, *names)
    tops = {name.partition(".")[0] for path in files if path.suffix == ".py" for name in _names(path)}
    return digest([fingerprint(files), {top: version for top, version in versions().items() if top in tops}])


def closure(script: str, *names: tuple[str, str]) -> list[Path]:
    """Files behind `scripts/<script>.py`: itself, all it imports, and what the registry holds under `(kind, name)`."""
    todo = [SCRIPTS / f"{script}.py"]
    todo += [path for kind, name in names if (path := _file_of(registry.REGISTRY[kind][name].partition(":")[0]))]
    hall = HALL if script in QUICK else HALL | FACTS
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            seen.update(_companions(path))
            todo += [file for place, file in _imported(path) if place not in hall]
    return sorted(seen)
