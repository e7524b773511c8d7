"""The time before a job begins its work: planning the workflow, and imports."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dragoman import command
from dragoman.benchmarks import Timing, timed, with_unit

PAPERS = ("simulmask", "langaware-revised", "langaware-v1", "pretty")
CONFIGURATIONS = ("config.yaml", *(f"papers/{name}.yaml" for name in PAPERS))
"""Configurations whose dry runs are measured."""


def workflow() -> Iterator[Timing]:
    """Dry runs of the demonstration and of the papers' configurations, and the imports of a decoding."""
    python = [sys.executable, "-m", "snakemake", "--snakefile", command.REPOSITORY / "Snakefile", "--cores", "1"]
    for path in CONFIGURATIONS:
        config = command.REPOSITORY / "config" / path
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config").symlink_to(command.REPOSITORY / "config")

            def plan(config: Path = config, folder: str = folder) -> int:
                dry = [*python, "--configfile", config, "--dry-run", "--forceall"]
                said = subprocess.run(dry, cwd=folder, capture_output=True, text=True, check=True).stdout
                return int(re.findall(r"^total +(\d+)$", said, flags=re.MULTILINE)[-1])

            yield Timing("dry run", path, *with_unit(timed(plan), "jobs"))

    def start() -> int:
        imports = "import dragoman.corpora, dragoman.plan, dragoman.decoding.offline"
        subprocess.run([sys.executable, "-c", imports], cwd=command.REPOSITORY / "scripts", check=True)
        return 1

    yield Timing("start of a job", "what a decoding imports", *with_unit(timed(start), "jobs"))
