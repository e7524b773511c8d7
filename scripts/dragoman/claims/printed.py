"""A claim held against the paper's own numbers (`config/published`): those of its systems, pairs and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np

from dragoman.claims.outcomes import Evidence
from dragoman.claims.statements import Claim
from dragoman.results import published
from dragoman.results.published import MEAN

Table = Mapping[tuple[str, str, str, str], float]
"""(system, pair, setting, metric) -> value."""


def printed(claim: Claim) -> list[Evidence]:
    """Each comparison of a claim that can be made of scores of one table; none where the paper printed no such scores.

    The paper's system names are the roles. Averages over settings are not formed, and nothing is tested: a paper prints
    no scores of single sentences.
    """
    if claim.paper is None or claim.reading or claim.timed or claim.over_settings == MEAN:
        return []
    found = []
    for (version, name, model), table in tables(claim.paper).items():
        for pair in _pairs(claim, table):
            # a table of one pair needs no further name
            place = pair if name.endswith(pair) else f"{pair} of {name}, {model}, {version}"
            for setting, value, other in _compared(claim, table, pair):
                limit = claim.by if other is None else claim.factor * other + claim.by
                margin = claim.sign * (value - limit)
                found.append(Evidence(place, setting, value, other, limit, margin, None, None, None, None, 0, 0))
    return found


@cache
def tables(paper: str) -> dict[tuple[str, str, str], Table]:
    """The scores of a paper by version, table and base model."""
    found: dict[tuple[str, str, str], dict[tuple[str, str, str, str], float]] = {}
    if (published.FOLDER / f"{paper}.tsv").is_file():
        for number in published.load(paper):
            if number.quantity == "score" and number.doubt != "misprint":
                place = (number.system, number.pair, number.setting, number.metric)
                found.setdefault((number.version, number.table, number.model), {})[place] = number.value
    return found


def _pairs(claim: Claim, table: Table) -> list[str]:
    """The pairs of a table that a claim speaks of. The averages that papers print are over zero-shot directions."""
    if claim.over_pairs == MEAN:
        return [MEAN] if claim.pairs == "zero-shot" else []
    every = dict.fromkeys(pair for _, pair, _, _ in table if pair not in ("", MEAN))
    if isinstance(claim.pairs, str):
        return list(every) if claim.pairs == "all" else []
    return [pair for pair in claim.pairs if pair in every]


def _compared(claim: Claim, table: Table, pair: str) -> Iterator[tuple[str, float, float | None]]:
    """Setting or latency, and the scores of both systems there."""
    systems = [claim.system] if claim.against is None else [claim.system, claim.against]
    if claim.lags:
        curves = [_curve(table, system, pair, claim.metric) for system in systems]
        for lag in claim.lags:
            if all(curve and curve[0][0] <= lag <= curve[-1][0] for curve in curves):
                ours, theirs = (float(np.interp(lag, *zip(*curve, strict=True))) for curve in curves)
                yield f"LAAL {lag:g}", ours, theirs
        return
    others = claim.against_settings or claim.settings
    others = others * len(claim.settings) if len(others) == 1 else others
    for setting, other in zip(claim.settings, others, strict=True):
        value = table.get((claim.system, pair, setting, claim.metric))
        against = table.get((claim.against or "", pair, other, claim.metric))
        if value is not None and (against is not None or claim.against is None):
            yield setting, value, against


def _curve(table: Table, system: str, pair: str, metric: str) -> list[tuple[float, float]]:
    """LAAL and score at each setting, in the order of LAAL."""
    places = [(s, p, setting) for s, p, setting, m in table if (s, p, m) == (system, pair, metric)]
    return sorted((table[(*place, "laal")], table[(*place, metric)]) for place in places if (*place, "laal") in table)
