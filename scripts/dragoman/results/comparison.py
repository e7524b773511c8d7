"""Compares two results folders: which numbers changed, and whether by more than chance.

A number is the mean over its training seeds. The numbers of folders A and B are compared

- on the test sentences, by approximate randomisation for each seed (`metrics/significance.py`), if both folders still
  hold the scored hypotheses and these translate the same text;
- otherwise by their 95 % intervals, as if the two numbers were independent: this normal approximation has less power.

Numbers with different signatures were measured in different ways and are never compared. If the seeds of a number
disagree on the direction of a change, the change counts as chance.
"""

from __future__ import annotations

import logging
import math
import re
import statistics as moments
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from dragoman import claims
from dragoman.config.sweeps import joined, split
from dragoman.metrics import MetricError, columns_of, parse, presentation, significance
from dragoman.metrics.significance import Statistics
from dragoman.results import records
from dragoman.results.records import Record
from dragoman.storage import read_jsonl, sha256

log = logging.getLogger(__name__)

ALPHA = 0.05
"""Two-sided significance level."""
SECONDS_BETWEEN_LINES = 10
"""Seconds between two lines of progress in the log."""

Verdict = Literal[
    "better",
    "worse",
    "higher",
    "lower",
    "within chance",
    "untested",
    "not comparable",
    "only in A",
    "only in B",
    "same",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""`higher` and `lower` are for metrics for which neither direction is better. `untested`: the number changed, but it
has neither hypotheses nor an interval to test the change with."""


class Place(NamedTuple):
    """Identifies a number in a results folder."""

    experiment: str
    system: str
    setting: str
    pair: str
    metric: str


@dataclass(frozen=True, slots=True)
class Change:
    """A number in both folders. `difference` is B minus A."""

    place: Place
    verdict: Verdict
    a: float | None = None
    b: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    """95 % interval of the difference over the test sentences."""
    spread: float | None = None
    """Standard deviation (n - 1) of the difference over the seeds."""
    p: float | None = None
    """Two-sided p-value."""
    p_holm: float | None = None
    """The p-value after Holm's correction (1979) for the number of changes tested."""
    seeds: int = 0
    test: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """A claim with different verdicts in the two folders; None: the folder does not have the claim."""

    id: str
    statement: str
    a: str | None
    b: str | None


class Folder:
    """A results folder with its records and hypotheses."""

    def __init__(self, path: Path) -> None:
        """Read the records.

        Raises:
            ValueError: the folder or its records do not exist, or two records are of the same number.
        """
        self.path = path
        if not path.is_dir():
            raise ValueError(f"{path}: no such folder; give the results folder of a finished run")
        file = path / "records.jsonl"
        if not file.is_file():
            raise ValueError(f"{path}: no records.jsonl; finish its run, or give the folder that holds one")
        self.records: dict[Place, dict[int, Record]] = {}
        for record in records.read(file):
            place = Place(record.experiment, *record.system_and_setting, record.pair, record.metric)
            if record.seed in self.records.setdefault(place, {}):
                raise ValueError(f"{file}: two records for one number: {', '.join(place)}, seed {record.seed}")
            self.records[place][record.seed] = record
        self.rows = cache(self._rows)

    def _rows(self, experiment: str, system: str, pair: str, seed: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """(SHA-256 of the file, setting) -> rows of hypotheses. Records hold the same SHA-256 in `made_from`."""
        by_file: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for path in sorted(self.path.glob(f"decodes/{experiment}/*/{pair}/seed-{seed}/hypotheses.jsonl")):
            name, point = split(path.parents[2].name)
            if name == system:
                whole = sha256(path)
                for row in read_jsonl(path):
                    by_file.setdefault((whole, joined(point, str(row["setting"]))), []).append(row)
        return by_file

    def hypotheses(self, place: Place, seed: int) -> list[dict[str, Any]] | None:
        """The rows of hypotheses from which a record was made; None if they no longer exist."""
        whole = self.records[place][seed].made_from.get("hypotheses", "")
        return self.rows(place.experiment, place.system, place.pair, seed).get((whole, place.setting))


def compare(a: Folder, b: Folder) -> list[Change]:
    """The change of every number of either folder: first the numbers of A, then the numbers that only B has."""
    changes = {}
    places = list(dict.fromkeys([*a.records, *b.records]))
    shown = time.monotonic()
    for number, place in enumerate(places, 1):
        changes[place] = _change(place, a, b)
        if (now := time.monotonic()) - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            log.info("%d of %d numbers compared", number, len(places))
    tested = [place for place, change in changes.items() if change.p is not None]
    for place, p in zip(tested, significance.holm([changes[place].p or 0.0 for place in tested]), strict=True):
        changes[place] = replace(changes[place], p_holm=p)
    return list(changes.values())


def _change(place: Place, a: Folder, b: Folder) -> Change:
    ours, theirs = a.records.get(place, {}), b.records.get(place, {})
    first, second = (_mean(each.values()) for each in (ours, theirs))
    notes = [record.note for each in (ours, theirs) for record in each.values() if record.value is None and record.note]
    if first is None or second is None:
        verdict: Verdict = "only in A" if first is not None else "only in B" if second is not None else "same"
        return Change(place, verdict, first, second, note="; ".join(dict.fromkeys(notes)))
    if reason := _obstacle(ours.values(), theirs.values()):
        return Change(place, "not comparable", first, second, note=reason)
    pairs = _in_step(ours, theirs)
    if pairs is None:
        text = f"seeds {' '.join(map(str, sorted(ours)))} in A, {' '.join(map(str, sorted(theirs)))} in B"
        return Change(place, "not comparable", first, second, note=text)
    one, other = [ours[seed] for seed, _ in pairs], [theirs[seed] for _, seed in pairs]
    differences = [_value(last) - _value(before) for before, last in zip(one, other, strict=True)]
    note = "" if len(pairs) == len(ours) == len(theirs) else f"of seeds {' '.join(str(seed) for seed, _ in pairs)} only"
    first, second = _mean(one), _mean(other)
    facts = Change(place, "same", first, second, moments.fmean(differences), seeds=len(pairs), note=note)
    if not any(differences):
        return facts
    if len(differences) > 1:
        facts = replace(facts, spread=moments.stdev(differences))
    try:
        facts = _on_sentences(facts, a, b, pairs)
    except _Unpaired as why:
        facts = _by_intervals(facts, one, other, str(why))
    if facts.p is None:
        return replace(facts, verdict="untested")
    if len({difference > 0 for difference in differences if difference}) > 1:
        return replace(facts, verdict="within chance", note="; ".join(filter(None, (facts.note, "seeds disagree"))))
    return replace(facts, verdict=_verdict(facts))


def _mean(chosen: Iterable[Record]) -> float | None:
    scored = list(chosen)
    if not scored or any(record.value is None for record in scored):
        return None
    return moments.fmean(map(_value, scored))


def _value(record: Record) -> float:
    assert record.value is not None
    return record.value


def _obstacle(ours: Iterable[Record], theirs: Iterable[Record]) -> str:
    """Why two numbers were measured in different ways; empty if they were measured alike. Parts of the signature about
    the bootstrap are ignored, since they change only the interval."""

    def measured(measurements: Iterable[Record]) -> list[str]:
        parts = [part for each in measurements for part in each.signature.split("|")]
        return list(dict.fromkeys(part for part in parts if not re.match(r"(bs|seed):", part)))

    first, second = measured(ours), measured(theirs)
    if set(first) == set(second):
        return ""
    left, right = ([part for part in one if part not in other] for one, other in ((first, second), (second, first)))
    return f"other signature: {'|'.join(left) or 'nothing'} in A, {'|'.join(right) or 'nothing'} in B"


def _in_step(ours: dict[int, Record], theirs: dict[int, Record]) -> list[tuple[int, int]] | None:
    """Pairs of a seed of A and a seed of B. Shared seeds are paired with themselves. If no seed is shared, seeds are
    paired in order; None if their numbers differ."""
    if shared := sorted(ours.keys() & theirs.keys()):
        return [(seed, seed) for seed in shared]
    return list(zip(sorted(ours), sorted(theirs), strict=True)) if len(ours) == len(theirs) else None


class _Unpaired(Exception):  # noqa: N818
    """Two numbers cannot be tested on their sentences; the message gives the reason."""


def _on_sentences(facts: Change, a: Folder, b: Folder, pairs: Sequence[tuple[int, int]]) -> Change:
    """The change with interval and p-value, from a test on the sentences.

    Args:
        pairs: seeds of A and B, from `_in_step`.

    Raises:
        _Unpaired: the folders do not hold the scored hypotheses, or these do not translate the same text.
    """
    place = facts.place
    made: tuple[list[Statistics], list[Statistics]] = ([], [])
    for seeds in pairs:
        own = [
            folder.records[place][seed].made_from.get("references") for folder, seed in zip((a, b), seeds, strict=True)
        ]
        if own[0] != own[1]:
            raise _Unpaired("other test sentences")
        both = []
        for name, folder, seed in zip("AB", (a, b), seeds, strict=True):
            rows = folder.hypotheses(place, seed)
            if rows is None:
                raise _Unpaired(f"{name} no longer has the hypotheses that were scored")
            both.append({row["id"]: row for row in rows})
        texts = [{key: (row["source"], row["reference"]) for key, row in rows.items()} for rows in both]
        if texts[0] != texts[1]:
            raise _Unpaired("other test sentences")
        for name, folder, seed, rows, kept in zip("AB", (a, b), seeds, both, made, strict=True):
            computed = _statistics(place, folder.records[place][seed], [rows[key] for key in both[0]])
            recorded = _value(folder.records[place][seed])
            if not math.isclose(computed.value, recorded, rel_tol=1e-7, abs_tol=1e-5):
                raise _Unpaired(f"the hypotheses of {name} give {computed.value:g} now, not {recorded:g}")
            kept.append(computed)
    tested = significance.randomisation(made[1], made[0])
    # `tested.p`, as in sacrebleu, counts only swaps with a larger difference than observed: if a single sentence
    # differed, no swap would have a larger one, and p would be nearly 0. One-sided p-values count equal ones, too.
    p = min(1.0, 2 * min(tested.above, tested.below))
    return replace(facts, low=tested.low, high=tested.high, p=p, test=tested.signature)


def _statistics(place: Place, record: Record, rows: Sequence[dict[str, Any]]) -> Statistics:
    name, written = parse(place.metric)
    options: dict[str, Any] = {}
    # options that the plan chose for this metric can be read from the signature
    chosen = dict(part.split(":", 1) for part in record.signature.split("|") if ":" in part)
    if name == "offtarget" and "languages" not in written:
        options = {"languages": chosen["langs"]} if "langs" in chosen else {}
    elif "delays" in columns_of(name) and chosen.keys() >= {"source", "target"}:
        options = {"source_unit": chosen["source"].removesuffix("s"), "unit": chosen["target"]}
    references = [[row["reference"]] if isinstance(row["reference"], str) else row["reference"] for row in rows]
    try:
        return significance.statistics(
            place.metric,
            [row["hypothesis"] for row in rows],
            [list(lines) for lines in zip(*references, strict=True)],
            [row["source"] for row in rows],
            place.pair,
            {column: [row[column] for row in rows] for column in columns_of(name)},
            **options,
        )
    except (KeyError, MetricError) as error:
        raise _Unpaired(str(error.args[0])) from None


def _by_intervals(facts: Change, one: Sequence[Record], other: Sequence[Record], why: str) -> Change:
    """The change with interval and p-value, from the intervals of both numbers. Widths are averaged over seeds, since
    all seeds share their test sentences."""
    note = "; ".join(filter(None, (facts.note, why)))
    bounds = [(record.low, record.high) for record in (*one, *other)]
    if any(low is None or high is None for low, high in bounds):
        return replace(facts, note=f"{note}; no interval")
    halves = [moments.fmean((r.high or 0.0) - (r.low or 0.0) for r in each) / 2 for each in (one, other)]
    half = math.hypot(*halves)
    assert facts.difference is not None
    if half == 0:
        return replace(facts, note=f"{note}; intervals without width")
    low, high = facts.difference - half, facts.difference + half
    deviation = half / moments.NormalDist().inv_cdf(1 - ALPHA / 2)
    p = math.erfc(abs(facts.difference) / deviation / math.sqrt(2))
    return replace(facts, low=low, high=high, p=p, test="intervals, normal approximation", note=note)


def _verdict(facts: Change) -> Verdict:
    assert facts.p is not None and facts.difference is not None
    if facts.p >= ALPHA:
        return "within chance"
    up, better = facts.difference > 0, presentation(facts.place.metric).better
    if better is None:
        return "higher" if up else "lower"
    return "better" if up == (better == "higher") else "worse"


def compare_claims(a: Folder, b: Folder) -> list[ClaimChange]:
    """Claims whose verdicts differ; empty if one of the folders has tested no claims."""
    files = [folder.path / "claims.jsonl" for folder in (a, b)]
    if not all(file.is_file() for file in files):
        return []
    first, second = (claims.by_id(claims.read(file)) for file in files)
    changed = []
    for key in dict.fromkeys([*first, *second]):
        left, right = (_verdicts(each[key]) if key in each else None for each in (first, second))
        if left != right:
            changed.append(ClaimChange(key, (second.get(key) or first[key])[0].statement, left, right))
    return changed


def _verdicts(results: Sequence[claims.Result]) -> str:
    """A claim's verdict; if it was tested in several experiments, the verdict in each."""
    if len(results) == 1:
        return results[0].verdict
    return ", ".join(f"{result.experiment}: {result.verdict}" for result in results)


def counts(changes: Iterable[Change]) -> dict[Verdict, int]:
    """Number of changes with each verdict, in the order of `VERDICTS`."""
    tally = Counter(change.verdict for change in changes)
    return {verdict: tally[verdict] for verdict in VERDICTS}
