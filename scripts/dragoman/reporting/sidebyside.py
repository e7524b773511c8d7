"""A comparison of two results folders, for the terminal, and as CSV, Markdown and a page."""

from __future__ import annotations

import csv as comma_separated
import io
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dragoman.metrics import presentation
from dragoman.reporting.html import template
from dragoman.reporting.markup import markdown_text, pipes
from dragoman.reporting.tables import named
from dragoman.results.comparison import ALPHA, Change, ClaimChange, counts

HEADER = ("Experiment", "System", "Pair", "Metric", "A", "B", "B - A", "p", "Verdict")
WIDTH = 110
"""Width of running text on a terminal, in characters."""


@dataclass(frozen=True)
class Sides:
    """A comparison of the results folders `a` and `b`."""

    a: Path
    b: Path
    changes: Sequence[Change]
    claims: Sequence[ClaimChange]

    @property
    def shown(self) -> list[Change]:
        """Numbers that are in both folders and differ, in the order of the verdicts, the smallest p first."""
        order = list(counts(()))
        shown = [change for change in self.changes if not change.verdict.startswith(("only", "same"))]
        return sorted(shown, key=lambda c: (order.index(c.verdict), 2.0 if c.p is None else c.p))

    @property
    def alone(self) -> list[tuple[str, str, int]]:
        """(name, verdict, number of scores) of each experiment, or system of an experiment, that one folder lacks."""
        verdicts: dict[str, set[str]] = {}
        for change in self.changes:
            verdicts.setdefault(change.place.experiment, set()).add(change.verdict)
        numbers: Counter[tuple[str, str]] = Counter()
        for change in self.changes:
            if change.verdict.startswith("only"):
                whole = len(verdicts[change.place.experiment]) == 1
                numbers[" / ".join(change.place[: 1 if whole else 2]), change.verdict] += 1
        return [(name, verdict, number) for (name, verdict), number in numbers.items()]

    @property
    def equal(self) -> bool:
        """Whether no number and no verdict on a claim differs."""
        return not self.claims and all(change.verdict == "same" for change in self.changes)

    @property
    def summary(self) -> str:
        """One sentence with the number of scores by verdict, or that nothing differs."""
        if self.equal:
            return f"Nothing differs between {self.a} and {self.b} ({len(self.changes)} numbers compared)."
        parts = [f"{number} {verdict}" for verdict, number in counts(self.changes).items() if number]
        return f"{len(self.changes)} numbers: {', '.join(parts)}."

    @property
    def caution(self) -> str:
        """The expected number of chance results among the tests; empty if nothing was tested."""
        tested = [change for change in self.changes if change.p is not None]
        if not tested:
            return ""
        chance, sure = len(tested) * ALPHA, sum(map(is_sure, tested))
        return (
            f"{len(tested)} numbers were tested, each at the level of {100 * ALPHA:g} %. If nothing had changed, about "
            f"{chance:.1f} of them would be called changes by chance. After Holm's correction, {sure} of them are "
            "changes; an asterisk marks these. In brackets: 95 % interval of the difference."
        )


def is_sure(change: Change) -> bool:
    """Whether a change is significant after Holm's correction for the number of tests."""
    return change.p_holm is not None and change.p_holm < ALPHA


def cells(change: Change) -> list[str]:
    """A change as a row of the table, in the order of `HEADER`."""
    place, digits = change.place, presentation(change.place.metric).digits

    def shown(value: float | None, sign: str = "") -> str:
        return "" if value is None else f"{value:{sign}.{digits}f}"

    difference = shown(change.difference, "+")
    if change.low is not None:
        difference += f" [{shown(change.low, '+')}, {shown(change.high, '+')}]"
    if change.spread is not None:
        difference += f" ± {shown(change.spread)}"
    p = "" if change.p is None else f"{change.p:.4f}{'*' if is_sure(change) else ''}"
    own = [place.experiment, named(place.system, place.setting), place.pair, presentation(place.metric).label]
    return [*own, shown(change.a), shown(change.b), difference, p, change.verdict]


def notes(changes: Sequence[Change]) -> list[tuple[str, int]]:
    """(note, number of changes with it), the most frequent first."""
    return Counter(change.note for change in changes if change.note).most_common()


def text(sides: Sides) -> str:
    """The comparison for a terminal; one line if nothing differs."""
    if sides.equal:
        return f"{sides.summary}\n"
    lines = [f"A  {sides.a}", f"B  {sides.b}", "", *textwrap.wrap(sides.summary, WIDTH)]
    if sides.shown:
        rows = [list(HEADER), *map(cells, sides.shown)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
        right = (4, 5, 7)
        lines.append("")
        for row in rows:
            padded = [
                c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(padded).rstrip())
    if sides.alone:
        lines += ["", *(f"{verdict}: {name}, {number} numbers" for name, verdict, number in sides.alone)]
    if sides.claims:
        lines += ["", "Claims:", *(f"  {c.id}: {c.a or 'absent'} -> {c.b or 'absent'}" for c in sides.claims)]
    if remarks := notes(sides.shown):
        lines += ["", "Notes:", *(f"  {note} ({number} of the numbers above)" for note, number in remarks)]
    if sides.caution:
        lines += ["", *textwrap.wrap(sides.caution, WIDTH)]
    return "\n".join(lines) + "\n"


def csv(sides: Sides) -> str:
    """Every number, including equal ones, with all digits."""
    file = io.StringIO()
    writer = comma_separated.writer(file, lineterminator="\n")
    values = ("a", "b", "difference", "low", "high", "spread", "p", "p_holm", "seeds", "test", "note")
    writer.writerow(["experiment", "system", "setting", "pair", "metric", "verdict", *values])
    for change in sides.changes:
        own = [getattr(change, name) for name in values]
        writer.writerow([*change.place, change.verdict, *("" if value is None else value for value in own)])
    return file.getvalue()


def markdown(sides: Sides) -> str:
    """The differences as a pipe table."""
    lines = ["# Side by side", "", f"- A: {markdown_text(str(sides.a))}", f"- B: {markdown_text(str(sides.b))}"]
    lines += ["", sides.summary]
    if sides.shown:
        rows = ([*map(markdown_text, cells(change))] for change in sides.shown)
        lines += ["", *pipes(HEADER, rows, "l" * len(HEADER))]
    if sides.alone:
        alone = (f"- {verdict}: {markdown_text(name)}, {number} numbers" for name, verdict, number in sides.alone)
        lines += ["", *alone]
    if sides.claims:
        verdicts = ([markdown_text(c.statement), c.a or "absent", c.b or "absent"] for c in sides.claims)
        lines += ["", *pipes(("Claim", "A", "B"), verdicts, "lll")]
    if remarks := notes(sides.shown):
        lines += ["", *(f"- {markdown_text(note)} ({number} numbers)" for note, number in remarks)]
    return "\n".join([*lines, *(["", sides.caution] if sides.caution else [])]) + "\n"


def html(sides: Sides) -> str:
    """The differences as a page without scripts and links to other files."""
    rows = [(change, cells(change)) for change in sides.shown]
    page = template("sidebyside.html.j2")
    return page.render(sides=sides, header=HEADER, rows=rows, notes=notes(sides.shown)) + "\n"
