#!/usr/bin/env python3
"""Write the files that are made from others: the JSON Schema of configurations and the conda environments."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.command import REPOSITORY
from dragoman.config import Config
from dragoman.storage import replacing

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.json"
ENVIRONMENTS = REPOSITORY / "envs"
PYTHON = "3.11"


def schema() -> str:
    """JSON Schema of everything a configuration may say, for editors."""
    found = Config.model_json_schema()
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def conda(name: str) -> str:
    """A conda environment with the direct needs of `envs/<name>.txt` at the versions of `envs/<name>.lock`.

    Everything comes through pip, from the same pins as the ordinary environment, so that both hold the same.
    """
    lock = (ENVIRONMENTS / f"{name}.lock").read_text(encoding="utf-8")
    pins = [line for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    lines = [
        f"# Made by scripts/generate.py from envs/{name}.lock: for `snakemake --sdm conda`.",
        f"name: dragoman-{name}",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {pin}" for pin in pins),
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/generate.py")
    parser.add_argument("--check", action="store_true", help="only say whether a file is out of date (exit code 1)")
    arguments = parser.parse_args(argv)
    made: dict[Path, str] = {SCHEMA: schema()}
    for lock in sorted(ENVIRONMENTS.glob("*.lock")):
        made[lock.with_suffix(".yaml")] = conda(lock.stem)
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if arguments.check:
            print(f"{path.relative_to(REPOSITORY)} is out of date; run python scripts/generate.py", file=sys.stderr)
        else:
            with replacing(path) as file:
                file.write(made[path])
            print(f"wrote {path.relative_to(REPOSITORY)}")
    if stale and arguments.check:
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
