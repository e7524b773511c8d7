#!/usr/bin/env python3
"""List the published scores that can get a verdict with these configurations, and why others cannot. Needs no
results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.command import REPOSITORY
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.reporting.markup import markdown_rows
from dragoman.results import comparable
from dragoman.results.prospects import Prospect, prospects
from dragoman.results.published import Published


def table(listed: Sequence[Prospect]) -> str:
    """A table by paper, version, table and model: number of scores, and of scores that can get a verdict."""
    places: dict[tuple[str, str, str, str], list[bool]] = {}
    for each in listed:
        number = each.published
        name = re.sub(r", [a-z]{2}-[a-z]{2}$", "", number.table)  # figures have one name per pair
        place = (number.paper, number.version, name, number.model)
        places.setdefault(place, []).append(not each.reason)
    rows = [(*place, str(len(can)), str(sum(can))) for place, can in places.items()]
    every = [can for own in places.values() for can in own]
    rows.append(("all", "", "", "", str(len(every)), str(sum(every))))
    header = ("Paper", "Version", "Table", "Model", "Scores", "Can get a verdict")
    return markdown_rows("Published scores", header, rows)


def reasons(listed: Sequence[Prospect]) -> list[str]:
    """The reasons why the other scores cannot, the most frequent first, each with its systems, pairs and metrics."""
    kinds: dict[tuple[str, str, str], list[Published]] = {}
    for each in listed:
        if each.reason:
            reason = re.sub(
                r"(other signature): .*, (without)", r"\1, \2", each.reason
            )  # signatures differ between pairs
            kinds.setdefault((each.published.paper, each.published.version, reason), []).append(each.published)
    lines = []
    for (paper, version, reason), numbers in sorted(kinds.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(numbers):5}  {paper} {version}: {reason}")
        for title, key in (("systems", "system"), ("pairs", "pair"), ("metrics", "metric")):
            names = sorted({getattr(number, key) for number in numbers} - {""})
            lines += [f"       {title}: {', '.join(names)}"] if names else []
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/verdicts.py")
    papers = sorted((REPOSITORY / "config" / "papers").glob("*.yaml"))
    parser.add_argument(
        "config", type=Path, nargs="*", default=papers, metavar="CONFIG", help="(default: config/papers/*.yaml)"
    )
    given = parser.parse_args(argv)
    plans = [Plan(load_config(path)) for path in given.config]
    tables = [path.stem for path in comparable.FOLDER.glob("*.tsv")]
    listed = [each for name in comparable.load().papers if name in tables for each in prospects(plans, name)]
    print(table(listed))
    print("\n".join(reasons(listed)))


if __name__ == "__main__":
    command.run(main)
