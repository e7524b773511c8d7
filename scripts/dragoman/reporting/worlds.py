"""Claims in several worlds: the verdicts of this run and of other results folders, and the papers' numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dragoman import claims
from dragoman.reporting.downloads import Download, table_downloads
from dragoman.reporting.evidence import claim_row

HERE = "this run"
PUBLISHED = "published"
TITLE = "The same claims in several worlds"


@dataclass(frozen=True)
class Entry:
    """The verdict on a claim in one world, on one experiment."""

    verdict: str
    shown: str
    """The comparison with the smallest margin, or the reason why there is none."""

    def __str__(self) -> str:
        return f"{self.verdict} ({self.shown})" if self.shown else self.verdict


@dataclass(frozen=True)
class Row:
    """A claim in every world."""

    id: str
    statement: str
    cells: list[list[Entry]]
    """[worlds][experiments] The verdicts on the experiments that the claim was tested on."""
    published: str
    """The paper's numbers, or the source of the claim if it printed no comparable scores."""


def rows(results: Sequence[claims.Result], worlds: Mapping[str, Sequence[claims.Result]]) -> list[Row]:
    """Every claim of this run, in its order; empty if there is no other world."""
    if not worlds:
        return []
    here, *others = (claims.by_id(each) for each in (results, *worlds.values()))
    made = []
    for key, own in here.items():
        first, everywhere = own[0], [own, *(there.get(key, []) for there in others)]
        cells = [[_entry(result, first, len(each) > 1) for result in each] for each in everywhere]
        made.append(Row(key, first.statement, cells, claim_row(first).published or first.source))
    return made


def _entry(result: claims.Result, first: claims.Result, several: bool) -> Entry:
    if result.statement != first.statement:
        return Entry("not run", "the claim was different then; run that configuration again")
    row = claim_row(result, several)
    return Entry(result.verdict, ": ".join(filter(None, (row.experiment, row.weakest or row.note))))


def downloads(claim_rows: Sequence[Row], names: Sequence[str], stem: str) -> list[Download]:
    """The table as CSV, Markdown and LaTeX; empty if there are no rows.

    Args:
        claim_rows: from `rows`.
        names: names of the other worlds.
        stem: name of the files without suffix.
    """
    header = ("Claim", "Statement", HERE, *names, PUBLISHED)
    cells = [
        (row.id, row.statement, *("; ".join(map(str, cell)) for cell in row.cells), row.published) for row in claim_rows
    ]
    columns = r"@{}l" + r"p{0.2\linewidth}" * (len(header) - 1) + "@{}"
    return table_downloads(stem, TITLE, header, cells, columns)
