"""Margins of claims: by how much a score passes the threshold of its claim, and how margins are distributed under
resampling and under chance. There is one comparison per setting or latency."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dragoman.claims.outcomes import Evidence
from dragoman.claims.results import NotRun, Results
from dragoman.claims.statements import Claim
from dragoman.metrics import MetricError, significance
from dragoman.metrics.significance import Statistics

RESAMPLES = 10_000
"""More resamples than for an interval, since a p-value that is multiplied by the number of comparisons must still be
able to be small."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A comparison before its p-value is computed."""

    pair: str
    setting: str
    values: list[float]
    """[seeds] Scores of the system."""
    others: list[float] | None
    """[seeds] Scores of the other system; None: the threshold is a constant."""
    thresholds: list[float]
    """[seeds]"""
    margins: list[float]
    """[seeds] Score minus threshold, in the direction of the claim: positive margins support it."""
    samples: np.ndarray
    """float64 [resamples] Mean margin over the seeds, on resampled test sentences."""
    chance: np.ndarray
    """float64 [trials] Mean margins over the seeds under chance alone, which one-sided p-values are computed from."""
    n: int
    """Number of test sentences."""

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % interval of the margin."""
        low, high = significance.bounds(self.samples)
        return (high - low) / 2

    def sides(self, shift: float = 0.0) -> tuple[float, float]:
        """One-sided p-values of "does not hold" and "does not fail"; both are 1 if the seeds disagree.

        Args:
            shift: added to the margin of every seed.

        If all sentences are alike (for example, none is off target), every resample has the same margin. Then p is the
        probability that `n` drawn sentences are alike, although a share as large as the margin (in percent) differs.
        """
        margins = [margin + shift for margin in self.margins]
        if len({margin > 0 for margin in margins}) > 1:
            return 1.0, 1.0
        margin = statistics.fmean(margins)
        if np.ptp(self.chance) < significance.TIE < abs(margin):
            alike = max(0.0, 1 - abs(margin) / 100) ** self.n
            return (alike, 1.0) if margin > 0 else (1.0, alike)
        return significance.one_sided(margin, self.chance)

    def evidence(self) -> Evidence:
        low, high = significance.bounds(self.samples)
        return Evidence(
            pair=self.pair,
            setting=self.setting,
            value=statistics.fmean(self.values),
            against=statistics.fmean(self.others) if self.others else None,
            threshold=statistics.fmean(self.thresholds),
            margin=statistics.fmean(self.margins),
            low=low,
            high=high,
            spread=statistics.stdev(self.margins) if len(self.margins) > 1 else None,
            p=min(1.0, 2 * min(self.sides())),
            n=self.n,
            seeds=len(self.margins),
        )


def average(parts: Sequence[Part], pair: str, setting: str) -> Part:
    """The mean of several comparisons with the same seeds.

    Raises:
        ValueError: the comparisons have different numbers of seeds.
    """

    def mean(columns: Iterable[list[float]]) -> list[float]:
        return [statistics.fmean(row) for row in zip(*columns, strict=True)]

    others = [part.others for part in parts if part.others is not None]
    return Part(
        pair,
        setting,
        mean(part.values for part in parts),
        mean(others) if others else None,
        mean(part.thresholds for part in parts),
        mean(part.margins for part in parts),
        np.mean([part.samples for part in parts], axis=0),
        np.mean([part.chance for part in parts], axis=0),
        sum({part.pair: part.n for part in parts}.values()),
    )


def parts_of(claim: Claim, results: Results, pair: str) -> list[Part]:
    """The comparisons of one pair, one for each setting or latency.

    Raises:
        NotRun: results that the claim needs are missing.
        MetricError: the systems have different test sentences, or a score differs from the recorded score.
    """
    systems = [claim.system] if claim.against is None else [claim.system, claim.against]
    seeds = _seeds(claim, results, systems, pair)
    shared = _shared(claim, results, systems, pair, seeds)

    def of(place: int, setting: str, metric: str) -> list[Statistics]:
        name, made = systems[place], []
        for own in (seed[place] for seed in seeds):
            rows = results.rows(claim.experiment, name, pair, own)
            whole = results.statistics(claim.experiment, name, setting, pair, own, metric)
            numbers = {key: number for number, key in enumerate(rows[setting])}
            made.append(whole.of([numbers[key] for key in shared]))
        return made

    if claim.lags:
        curves = [
            {
                s: (of(p, s, "laal"), of(p, s, claim.metric))
                for s in results.rows(claim.experiment, n, pair, seeds[0][p])
            }
            for p, n in enumerate(systems)
        ]
        return [_at_lag(claim, pair, lag, systems, curves, len(shared)) for lag in claim.lags]
    others = claim.against_settings or claim.settings
    others = others * len(claim.settings) if len(others) == 1 else others
    made = []
    for setting, other in zip(claim.settings, others, strict=True):
        system = of(0, setting, claim.metric)
        against = of(1, other, claim.metric) if claim.against else None
        name = (
            setting
            if other == setting or claim.against is None
            else f"{setting or claim.system} / {other or claim.against}"
        )
        values = [each.value for each in system]
        baseline = [each.value for each in against] if against else None
        drawn = [significance.resampled(each, RESAMPLES) for each in system]
        drawn_baseline = [significance.resampled(each, RESAMPLES) for each in against] if against else None
        chance = None
        if claim.plain:
            assert against is not None
            chance = claim.sign * significance.swapped(system, against)
        made.append(_part(claim, pair, name, values, baseline, drawn, drawn_baseline, chance, len(shared)))
    return made


def _part(
    claim: Claim,
    pair: str,
    setting: str,
    values: list[float],
    others: list[float] | None,
    drawn: Sequence[np.ndarray],
    drawn_others: Sequence[np.ndarray] | None,
    chance: np.ndarray | None,
    n: int,
) -> Part:
    """A comparison, made from one score and one array of resampled scores per seed.

    Args:
        drawn: [seeds] arrays [resamples] of scores of the system.
        drawn_others: the same for the other system; None: the threshold is a constant.
        chance: margins under chance; None: the resampled margins minus the observed margin.
    """
    thresholds = [claim.factor * each + claim.by for each in others] if others else [claim.by] * len(values)
    margins = [claim.sign * (value - threshold) for value, threshold in zip(values, thresholds, strict=True)]
    limits = [claim.factor * each + claim.by for each in drawn_others] if drawn_others else [claim.by] * len(drawn)
    samples = np.mean([claim.sign * (each - limit) for each, limit in zip(drawn, limits, strict=True)], axis=0)
    if chance is None:
        chance = samples - statistics.fmean(margins)
    return Part(pair, setting, values, others, thresholds, margins, samples, chance, n)


def _at_lag(
    claim: Claim,
    pair: str,
    lag: float,
    systems: Sequence[str],
    curves: Sequence[Mapping[str, tuple[list[Statistics], list[Statistics]]]],
    n: int,
) -> Part:
    """The comparison of both systems at one latency, by linear interpolation between their settings.

    Args:
        curves: for each system, setting -> statistics of LAAL and of the metric, one per seed.

    Raises:
        NotRun: a curve does not reach the latency.
    """
    values: list[list[float]] = []
    drawn: list[list[np.ndarray]] = []
    for name, curve in zip(systems, curves, strict=True):
        points = list(curve.values())
        own, own_drawn = [], []
        for seed in range(len(points[0][0])):
            lags = [lag_of[seed].value for lag_of, _ in points]
            if not min(lags) <= lag <= max(lags):
                raise NotRun(
                    f"{pair}: the curve of {name} reaches from LAAL {min(lags):.2f} to {max(lags):.2f}, not {lag:g}"
                )
            own.append(_interpolated(lag, lags, [quality[seed].value for _, quality in points]))
            many = [[significance.resampled(each[seed], RESAMPLES) for each in point] for point in points]
            rows = zip(np.stack([a for a, _ in many], axis=1), np.stack([b for _, b in many], axis=1), strict=True)
            own_drawn.append(np.asarray([_interpolated(lag, x, y) for x, y in rows]))
        values.append(own)
        drawn.append(own_drawn)
    return _part(claim, pair, f"LAAL {lag:g}", values[0], values[1], drawn[0], drawn[1], None, n)


def _interpolated(lag: float, lags: Sequence[float] | np.ndarray, qualities: Sequence[float] | np.ndarray) -> float:
    if np.isnan(lags).any():  # all sentences of a resample have no output, so their LAAL has no value
        return math.nan
    order = np.argsort(lags)
    return float(np.interp(lag, np.asarray(lags)[order], np.asarray(qualities)[order]))


def _seeds(claim: Claim, results: Results, systems: Sequence[str], pair: str) -> list[tuple[int, ...]]:
    """The seed of each system in each comparison. A system without training has one, which stands beside all others."""
    seeds = [sorted(results.runs[claim.experiment, name, pair]) for name in systems]
    most = max(map(len, seeds))
    spread = [own * most if len(own) == 1 else own for own in seeds]
    return list(zip(*spread, strict=True))


def _shared(
    claim: Claim, results: Results, systems: Sequence[str], pair: str, seeds: Sequence[tuple[int, ...]]
) -> list[Any]:
    """Ids of the sentences that every setting of both systems has; source and reference must be the same."""
    common: dict[Any, tuple[Any, Any]] | None = None
    for place, name in enumerate(systems):
        for seed in sorted({own[place] for own in seeds}):
            for setting, rows in results.rows(claim.experiment, name, pair, seed).items():
                texts = {key: (row["source"], row["reference"]) for key, row in rows.items()}
                if common is None:
                    common = texts
                    continue
                common = {key: text for key, text in common.items() if key in texts}
                for key, text in common.items():
                    if texts[key] != text:
                        where = ", ".join(filter(None, (claim.experiment, name, setting, pair, f"seed {seed}")))
                        text = f"{where}: sentence {key!r} is not the one that {systems[0]} has"
                        raise MetricError(f"{text}; decode it again")
    if not common:
        raise NotRun(f"{pair}: {' and '.join(systems)} share no test sentence")
    return list(common)
