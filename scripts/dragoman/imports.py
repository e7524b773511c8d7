"""A fingerprint of the code that a script's result depends on, for use as a parameter of its rule.

Snakemake does not notice changes in a script, since it runs a shell command, or in imported modules; but it compares
the values of parameters. The fingerprint of a Python file is a digest of its syntax tree without docstrings, since
comments and layout do not change results. It includes the versions of libraries, as Snakemake itself does for conda
environments.

The modules in `EXCLUDED` are left out: they check and plan jobs, and everything that a result uses of them is in its
parameter `spec` (dragoman/plan). If they were included, a new line in the registry would train every model again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from dragoman import registry, syntax
from dragoman.command import REPOSITORY
from dragoman.storage import digest, sha256
from dragoman.syntax import SCRIPTS

EXCLUDED = {
    "checks",
    "command",
    "config",
    "configfile",
    "hub",
    "imports",
    "jobs",
    "plan",
    "registry",
    "syntax",
    "yamlfile",
}
"""Modules and packages of `dragoman` without influence on the fingerprint. The hub client is one of them, since a
revision pins the files that it downloads."""
QUICK = {"claims", "judge", "plot", "report", "score", "table"}
"""Scripts that run quickly and are not followed by long jobs."""
FACTS = {"languages", "results.comparable"}
"""Single modules that all other scripts exclude, too, so that a new language or published test set trains nothing
again. `spec` holds the language names of prompts and pages, and the known facts about a test set."""
OTHER = {".j2", ".css", ".js", ".tsv"}
"""Extensions of files that belong to the module of the same name."""
LIBRARIES = REPOSITORY / "envs" / "main.txt"


@cache
def _file_of(module: str) -> Path | None:
    base = SCRIPTS.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imported(path: Path) -> list[tuple[str, Path]]:
    """Modules of `dragoman` that a file imports, each as (name within `dragoman`, file)."""
    ours = [name for name in syntax.found(path).imports if name.partition(".")[0] == "dragoman"]
    files = [(name.partition(".")[2], _file_of(name)) for name in ours]
    return [(name, file) for name, file in files if file is not None]


@cache
def _companions(path: Path) -> list[Path]:
    """Templates, styles, scripts and tables with the name of a module or package, which belong to it."""
    name = path.parent.name if path.stem == "__init__" else path.stem
    return [file for file in path.parent.glob(f"{name}.*") if file.suffix in OTHER]


def fingerprint(paths: Iterable[Path]) -> str:
    """A digest of the names and contents of files, independent of their time stamps and of the repository's path."""
    return digest([[path.name, content(path)] for path in paths])


def content(path: Path) -> str:
    """A digest of a Python file's syntax tree without docstrings, or of the bytes of any other file."""
    return syntax.found(path).code if path.suffix == ".py" else sha256(path)


@cache
def versions() -> dict[str, str]:
    """Import name -> version of every library in envs/main.txt, without a suffix of the build."""
    wanted = [re.split(r"[\s\[<>=!~;#]", line, maxsplit=1)[0] for line in LIBRARIES.read_text("utf-8").splitlines()]
    by_module = {}
    for name in filter(None, wanted):
        try:
            library = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        tops = {name.lower().replace("-", "_")}
        if not any(map(find_spec, tops)):  # its import name differs from its own; reading its list of files is slower
            tops = {path.parts[0].removesuffix(".py") for path in library.files or () if path.suffix == ".py"}
        by_module |= dict.fromkeys(tops, library.version.partition("+")[0])
    return by_module


@cache
def code(script: str, *names: tuple[str, str]) -> str:
    """Fingerprint of all files that `scripts/<script>.py` and the registered `(kind, name)`s use, and their
    libraries."""
    files = closure(script, *names)
    tops = {name.partition(".")[0] for path in files if path.suffix == ".py" for name in syntax.found(path).imports}
    used = {top: version for top, version in versions().items() if top in tops}
    result = digest([fingerprint(files), used])
    syntax.keep()
    return result


def closure(script: str, *names: tuple[str, str]) -> list[Path]:
    """All files that `scripts/<script>.py` uses: itself, its imports, and the registered modules `(kind, name)`."""
    todo = [SCRIPTS / f"{script}.py"]
    todo += [path for kind, name in names if (path := _file_of(registry.REGISTRY[kind][name].partition(":")[0]))]
    facts = set() if script in QUICK else FACTS
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            seen.update(_companions(path))
            todo += [
                file for name, file in _imported(path) if name.partition(".")[0] not in EXCLUDED and name not in facts
            ]
    return sorted(seen)
