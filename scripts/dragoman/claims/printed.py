"""Compares a claim with the paper's own numbers (`config/published`) for its systems, pairs and settings."""

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
    """The comparisons of a claim, made from the published scores of one table each; empty if the paper has no such
    scores.

    Roles of systems are the paper's own names. Averages over settings are left out. There are no tests of
    significance, since papers print no scores of single sentences.
    """
    if claim.paper is None or claim.reading or claim.timed or claim.over_settings == MEAN:
        return []
    comparisons = []
    for (version, name, model), table in tables(claim.paper).items():
        for pair in _pairs(claim, table):
            # if the name of the table ends with the pair, the pair identifies the table
            place = pair if name.endswith(pair) else f"{pair} of {name}, {model}, {version}"
            for setting, value, other in _compared(claim, table, pair):
                limit = claim.by if other is None else claim.factor * other + claim.by
                margin = claim.sign * (value - limit)
                comparisons.append(Evidence(place, setting, value, other, limit, margin, None, None, None, None, 0, 0))
    return comparisons


@cache
def tables(paper: str) -> dict[tuple[str, str, str], Table]:
    """(version, table, base model) -> scores of the paper, without misprints."""
    scores: dict[tuple[str, str, str], dict[tuple[str, str, str, str], float]] = {}
    if (published.FOLDER / f"{paper}.tsv").is_file():
        for number in published.load(paper):
            if number.quantity == "score" and number.doubt != "misprint":
                place = (number.system, number.pair, number.setting, number.metric)
                scores.setdefault((number.version, number.table, number.model), {})[place] = number.value
    return scores


def _pairs(claim: Claim, table: Table) -> list[str]:
    """The pairs of a claim that a table has. Averages in the papers' tables are over the zero-shot directions."""
    if claim.over_pairs == MEAN:
        return [MEAN] if claim.pairs == "zero-shot" else []
    every = dict.fromkeys(pair for _, pair, _, _ in table if pair not in ("", MEAN))
    if isinstance(claim.pairs, str):
        return list(every) if claim.pairs == "all" else []
    return [pair for pair in claim.pairs if pair in every]


def _compared(claim: Claim, table: Table, pair: str) -> Iterator[tuple[str, float, float | None]]:
    """(setting or latency, score of the system, score of the other system), for each setting or latency of a claim."""
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
    """(LAAL, score) at each setting, sorted by LAAL."""
    places = [(s, p, setting) for s, p, setting, m in table if (s, p, m) == (system, pair, metric)]
    return sorted((table[(*place, "laal")], table[(*place, metric)]) for place in places if (*place, "laal") in table)
