"""What a Python file imports, and a digest of its syntax tree without docstrings.

Parsing all files of the library takes about a second, which every `snakemake -n` would take anew. What is found in a
file of this checkout is therefore kept beside Python's bytecode, under the same conditions: not in a checkout that
cannot be written, and not with PYTHONDONTWRITEBYTECODE. It is used only while the bytes of the file, and those of this
module, are the same.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import sys
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, NamedTuple

from dragoman.command import REPOSITORY
from dragoman.storage import replacing, sha256

SCRIPTS = REPOSITORY / "scripts"
KEPT = Path(cache_from_source(__file__)).with_suffix(".json")
"""The file in which findings are kept: the digest of this module, and `Found` by file name, after the file's digest."""


class Found(NamedTuple):
    """What is found in a Python file."""

    code: str
    """SHA-256 of its syntax tree without docstrings, in hex; the same for Python 3.11 to 3.13."""
    imports: list[str]
    """Modules that it imports, and names that it imports from them, which may be modules, too; sorted."""


_new: dict[str, list[Any]] = {}


@cache
def found(path: Path) -> Found:
    """What is found in a Python file; `keep` keeps it for the next process."""
    if not path.is_relative_to(SCRIPTS):
        return read(path)
    name, content = path.relative_to(SCRIPTS).as_posix(), sha256(path)
    before, *kept = _kept().get(name, [""])
    if before == content:
        return Found(*kept)
    result = read(path)
    _new[name] = [content, *result]
    return result


def keep() -> None:
    """Write what this process has found, if it is new, and if Python would write bytecode here."""
    if not _new or sys.dont_write_bytecode:
        return
    _kept.cache_clear()  # other processes may have kept more since
    files = _kept() | _new
    with contextlib.suppress(OSError), replacing(KEPT) as file:
        json.dump({"by": _own(), "files": files}, file)
    _new.clear()


@cache
def _kept() -> dict[str, list[Any]]:
    """What is kept, by file name; nothing if another version of this module kept it."""
    try:
        held = json.loads(KEPT.read_bytes())
    except (OSError, ValueError):  # not there, or no longer whole: it is written again
        return {}
    return held["files"] if isinstance(held, dict) and held.get("by") == _own() else {}


@cache
def _own() -> str:
    return sha256(Path(__file__))


def read(path: Path) -> Found:
    """What is found in a Python file when it is parsed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts: list[str] = []
    _write(tree, parts)
    return Found(hashlib.sha256("\n".join(parts).encode()).hexdigest(), _imports(tree))


def _imports(tree: ast.Module) -> list[str]:
    modules: set[str] = set()
    waiting: list[ast.AST] = [tree]
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
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(modules)


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
