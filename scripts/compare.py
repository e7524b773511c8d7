#!/usr/bin/env python3
"""Compare two results folders: list the numbers that differ, and test whether they differ by more than chance."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.metrics import score_cache
from dragoman.reporting import sidebyside
from dragoman.results import comparison
from dragoman.storage import replacing


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line, compare, and print the differences."""
    parser = command.parser(
        f"{__doc__} Differences are B minus A.",
        "python scripts/compare.py results ../theirs/results --csv changes.csv",
    )
    parser.add_argument("a", type=Path, metavar="A", help="results folder of a finished run, with records.jsonl")
    parser.add_argument(
        "b", type=Path, metavar="B", help="another one, for example a colleague's, or of another commit"
    )
    parser.add_argument("--csv", type=Path, help="file for all numbers, including equal ones")
    parser.add_argument("--markdown", type=Path, help="file for the numbers that differ")
    parser.add_argument("--html", type=Path, help="the same as a web page")
    given = parser.parse_args(argv)
    a, b = comparison.Folder(given.a), comparison.Folder(given.b)
    score_cache.use(None, *(folder / ".cache" / "scores" for folder in (given.a, given.b)))
    sides = sidebyside.Sides(given.a, given.b, comparison.compare(a, b), comparison.compare_claims(a, b))
    sys.stdout.write(sidebyside.text(sides))
    for kind in ("csv", "markdown", "html"):
        if path := getattr(given, kind):
            with replacing(path) as file:
                file.write(getattr(sidebyside, kind)(sides))


if __name__ == "__main__":
    command.run(main)
