"""Provenance of the numbers: commit, versions of packages, and digests of corpora and models, without time of day, host
name or path."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from dragoman.command import REPOSITORY
from dragoman.plan import Plan
from dragoman.reporting.gather import manifest
from dragoman.storage import digest

PACKAGES = ("torch", "transformers", "tokenizers", "sacrebleu", "numpy", "pandas", "snakemake")


def commit() -> str:
    """The commit of this checkout, with a note if tracked files differ from it; empty if the checkout is not the root
    of a git repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(REPOSITORY), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != REPOSITORY:
            return ""
        changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
        return git("rev-parse", "HEAD") + changed
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> list[tuple[str, str]]:
    """(name, version) of Python and of the packages that numbers depend on."""
    installed = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            installed.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def hashes(plan: Plan) -> list[tuple[str, str]]:
    """(folder, digest of its files) of every corpus and model that exists; equal digests mean equal files."""
    folders = [made.folder for made in (*plan.texts_used, *plan.models_used, *plan.tuning_runs)]
    return [
        (folder.relative_to(plan.results).as_posix(), digest(made["files"]))
        for folder in folders
        if (made := manifest(folder)) and "files" in made
    ]
