"""What the papers claim, as statements that results can bear out or not: `config/claims.yaml` and its evaluation.

A claim compares a system's score with a threshold, `factor` times another system's score plus `by`, at each setting and
language pair that it speaks of. Each such comparison is tested on the test sentences that both systems have:

- plain differences (factor 1, by 0, no matched latency) by approximate randomisation, all others by paired bootstrap of
  the margin by which the threshold is passed (`metrics/significance.py`);
- with several training seeds, the margin is the mean over seeds, and decides nothing unless every seed is on its side;
- agreement of a model with its twin has no values per sentence: there, a sign test over pairs and seeds.

The comparisons of one claim are put together so that nothing is gained by their number: of those that must `every` one
hold, the weakest counts (an intersection-union test); of those of which `any` is enough, p-values are multiplied by
their number (Bonferroni). One against is enough for an `every` to fail, so there the same holds the other way round.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError, model_validator

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.config import Name, Pair, Strict
from dragoman.configfile import ConfigError, problems_in, read_yaml
from dragoman.metrics import MetricError, columns_of, parse, significance
from dragoman.metrics.bootstrap import SEED, interval
from dragoman.metrics.significance import TRIALS, Statistics
from dragoman.plan import DecodeRun, Plan
from dragoman.records import Record
from dragoman.storage import read_jsonl
from dragoman.sweeps import joined, split

FILE = REPOSITORY / "config" / "claims.yaml"
ALPHA = 0.05
"""Two-sided level."""
RESAMPLES = 10_000
"""More than for an interval: a p-value that is multiplied by a number of comparisons must be able to be small."""

Outcome = Literal["holds", "fails", "undecided", "not run"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Settings = Annotated[list[str], Field(min_length=1)]


class Claim(Strict):
    """One statement of a paper."""

    id: Name
    paper: Literal["simulmask", "langaware", "pretty"]
    statement: str
    source: str
    """Where the paper says so, or shows it."""
    experiment: Name
    metric: str
    """As a configuration spells it."""
    system: Name
    settings: Settings = Field([""])
    """Settings of the system: `k=1`."""
    relation: Literal["above", "below"]
    against: Name | None = None
    """The other system; null: the threshold is `by` alone."""
    against_settings: Settings | None = None
    """Its settings, one for each of the system's, or one for all; null: the same ones."""
    factor: Annotated[float, Field(gt=0)] = 1.0
    by: float = 0.0
    """The threshold is factor x the other's score + by."""
    lags: Annotated[list[float], Field(min_length=1)] | None = None
    """Instead of settings: LAAL, in source words, at which both curves are compared, interpolated between settings."""
    reading: Literal["teacher", "free"] | None = None
    """Of a comparison with the twin (`metrics/divergence.py`), where `metric` is one of its numbers."""
    pairs: Literal["all", "trained", "zero-shot"] | Annotated[list[Pair], Field(min_length=1)] = "all"
    """Of the pairs that are tested. `trained`: those the experiment trains on; a list: those of it that are tested."""
    over_pairs: Literal["every", "mean"] = "every"
    over_settings: Literal["every", "any", "mean"] = "every"

    @property
    def comparison(self) -> str:
        """`sm-norec-mod > causal-rec - 2`."""
        factor = "" if self.factor == 1 else f"{self.factor:g} × "
        other = f"{factor}{self.against}" if self.against else f"{self.by:g}"
        offset = f" {'+' if self.by > 0 else '−'} {abs(self.by):g}" if self.against and self.by else ""
        return f"{self.system} {'>' if self.relation == 'above' else '<'} {other}{offset}"

    @model_validator(mode="after")
    def _whole(self) -> Claim:
        if self.against is None and (self.factor != 1 or self.against_settings is not None):
            raise ValueError("`factor` and `against_settings` need `against`")
        if self.against_settings and len(self.against_settings) not in (1, len(self.settings)):
            raise ValueError("`against_settings` needs one setting for each of `settings`, or one for all")
        if self.lags and (self.against is None or self.settings != [""] or self.against_settings):
            raise ValueError("`lags` compares two curves: it needs `against`, and no settings")
        if self.reading and (self.over_pairs, self.over_settings) != ("every", "every"):
            raise ValueError("`reading` is tested over pairs: leave out `over_pairs` and `over_settings`")
        return self


class Claims(Strict):
    """The file."""

    claims: Annotated[list[Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def _different(self) -> Claims:
        seen = Counter(claim.id for claim in self.claims)
        if twice := [name for name, times in seen.items() if times > 1]:
            raise ValueError(f"two claims with one id: {', '.join(twice)}")
        return self


def load(path: Path = FILE) -> list[Claim]:
    """The claims of a file, in its order.

    Raises:
        ConfigError: what is wrong with it, by file, line and key.
    """
    data, lines = read_yaml(path)
    try:
        return Claims.model_validate(data).claims
    except ValidationError as error:
        found = []
        for problem in problems_in(error, data, Claims):
            near = problem.path
            while near and near not in lines:
                near = near[:-1]
            key = ".".join(map(str, problem.path))
            found.append(f"{path}:{lines.get(near, 1)}: {key + ': ' if key else ''}{problem.message}")
        raise ConfigError("\n".join(dict.fromkeys(found))) from None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison: a pair, or several averaged, at a setting or latency."""

    pair: str
    setting: str
    value: float
    """The system's score, the mean over seeds and over what is averaged."""
    against: float | None
    """The other system's."""
    threshold: float
    margin: float
    """By how much the threshold is passed, in the direction claimed."""
    low: float | None
    high: float | None
    """95 % interval of the margin, by bootstrap over the test sentences."""
    spread: float | None
    """Standard deviation (n - 1) of the margin over the seeds."""
    p: float | None
    """Two-sided."""
    n: int
    """Number of sentences."""
    seeds: int


@dataclass(frozen=True, slots=True)
class Result:
    """A claim and what became of it."""

    id: str
    paper: str
    statement: str
    source: str
    experiment: str
    metric: str
    comparison: str
    """What was compared: `sm-norec-mod > causal-rec - 2`."""
    verdict: Outcome
    p: float | None
    """Two-sided, of the verdict; not corrected for the number of claims."""
    p_holm: float | None
    """Corrected (Holm 1979) for the number of claims tested."""
    evidence: list[Evidence]
    test: str
    note: str
    """Why it was not run or could not be decided, or what of it was not tested."""


class NotRun(Exception):  # noqa: N818
    """What a claim needs is not there; the text says what."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A comparison before its p-value: numbers per seed, resampled margins, and margins under chance alone."""

    pair: str
    setting: str
    values: list[float]
    others: list[float] | None
    thresholds: list[float]
    margins: list[float]
    samples: np.ndarray
    chance: np.ndarray
    n: int

    def sides(self) -> tuple[float, float]:
        """One-sided p-values of "does not hold" and "does not fail"; 1 where seeds disagree.

        Where all sentences are alike (none is off target), resampling sees no spread. There, p is the probability that
        `n` sentences are alike although a share of them as large as the margin, in percent, should differ.
        """
        if len({margin > 0 for margin in self.margins}) > 1:
            return 1.0, 1.0
        margin = statistics.fmean(self.margins)
        if np.ptp(self.chance) < significance.TIE < abs(margin):
            alike = max(0.0, 1 - abs(margin) / 100) ** self.n
            return (alike, 1.0) if margin > 0 else (1.0, alike)
        return significance.one_sided(margin, self.chance)

    def evidence(self) -> Evidence:
        low, high = interval(self.samples.tolist())
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


def _average(parts: Sequence[_Part], pair: str, setting: str) -> _Part:
    """The mean of comparisons; they must have the same seeds."""

    def mean(columns: Iterable[list[float]]) -> list[float]:
        return [statistics.fmean(row) for row in zip(*columns, strict=True)]

    others = [part.others for part in parts if part.others is not None]
    return _Part(
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


def every(sides: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """p-values of "not all hold" and "none fails" from those of each comparison."""
    return max(holds for holds, _ in sides), min(1.0, len(sides) * min(fails for _, fails in sides))


def any_of(sides: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """p-values of "none holds" and "not all fail" from those of each comparison."""
    holds, fails = every([(fails, holds) for holds, fails in sides])
    return fails, holds


def verdict_of(sides: tuple[float, float]) -> tuple[Outcome, float]:
    """Verdict and two-sided p-value from the p-values of "does not hold" and "does not fail"."""
    holds, fails = sides
    p = min(1.0, 2 * min(sides))
    return ("undecided" if p >= ALPHA else "holds" if holds < fails else "fails"), p


class Results:
    """What a plan's runs left, as statistics of metrics on the sentences that systems share."""

    def __init__(self, plan: Plan, records: Iterable[Record] = ()) -> None:
        self.plan = plan
        self.records = {
            (r.experiment, *_place(r.system, r.setting), r.pair, r.seed, r.metric): r.value for r in records
        }
        self.rows = cache(self._rows)
        self.statistics = cache(self._statistics)

    @cached_property
    def runs(self) -> dict[tuple[str, str, str], dict[int, list[DecodeRun]]]:
        """(experiment, system, pair) -> seed -> the decodings, several where the system's tuning is swept."""
        found: dict[tuple[str, str, str], dict[int, list[DecodeRun]]] = {}
        for run in self.plan.decode_runs:
            name, _ = split(run.system)
            found.setdefault((run.experiment, name, run.pair), {}).setdefault(run.seed, []).append(run)
        return found

    def _rows(self, experiment: str, system: str, pair: str, seed: int) -> dict[str, dict[Any, dict[str, Any]]]:
        """Setting -> id -> row of the hypotheses."""
        settings: dict[str, dict[Any, dict[str, Any]]] = {}
        for run in self.runs[experiment, system, pair][seed]:
            path = self.plan.decode_folder(run) / "hypotheses.jsonl"
            if not path.is_file():
                raise NotRun(f"no {path.relative_to(self.plan.results).as_posix()}")
            for row in read_jsonl(path):
                place = joined(split(run.system)[1], str(row.get("setting", "")))
                settings.setdefault(place, {})[row["id"]] = row
        return settings

    def _statistics(self, experiment: str, system: str, setting: str, pair: str, seed: int, metric: str) -> Statistics:
        """Over all sentences of the hypotheses, in their order.

        Raises:
            NotRun: the setting or a column is missing.
            MetricError: the score is not the one on record.
        """
        settings = self.rows(experiment, system, pair, seed)
        if setting not in settings:
            raise NotRun(f"{system} has no setting {setting or 'without a name'!r} (it has {', '.join(settings)})")
        rows = list(settings[setting].values())
        needed = columns_of(parse(metric)[0])
        if lacking := [name for name in needed if not all(name in row for row in rows)]:
            raise NotRun(f"the decoder of {system} writes no {', '.join(lacking)}")
        references = [[row["reference"]] if isinstance(row["reference"], str) else row["reference"] for row in rows]
        options = self.plan.metric_options(experiment).get(parse(metric)[0], {})
        made = significance.statistics(
            metric,
            [row["hypothesis"] for row in rows],
            [list(lines) for lines in zip(*references, strict=True)],
            [row["source"] for row in rows],
            pair,
            {name: [row[name] for row in rows] for name in needed},
            **{name: value for name, value in options.items() if name not in parse(metric)[1]},
        )
        recorded = self.records.get((experiment, system, setting, pair, seed, metric))
        if recorded is not None and not math.isclose(recorded, made.value, rel_tol=1e-9, abs_tol=1e-7):
            where = ", ".join(filter(None, (experiment, system, setting, pair, f"seed {seed}", metric)))
            raise MetricError(f"{where}: {recorded} on record, but the hypotheses give {made.value}; score them again")
        return made


def _place(system: str, setting: str) -> tuple[str, str]:
    name, own = split(system)
    return name, joined(own, setting)


def evaluate(claims: Iterable[Claim], plan: Plan, records: Iterable[Record] = ()) -> list[Result]:
    """The verdict on each claim, with its evidence; the same results give the same verdicts.

    Args:
        records: a score that is on record must be what the hypotheses give.

    Raises:
        MetricError: a metric of a claim cannot be computed, or its score is not the one on record.
    """
    results = Results(plan, records)
    found = [evaluated(claim, results) for claim in claims]
    tested = [number for number, result in enumerate(found) if result.p is not None]
    adjusted = holm([found[number].p or 0.0 for number in tested])
    for number, p in zip(tested, adjusted, strict=True):
        found[number] = replace(found[number], p_holm=p)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step by step (Holm 1979), in the order given."""
    corrected, so_far = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = so_far
    return corrected


def evaluated(claim: Claim, results: Results) -> Result:
    """One claim; what is missing makes it `not run`, with the reason."""

    def result(outcome: Outcome, p: float | None, evidence: list[Evidence], test: str, note: str) -> Result:
        facts = (claim.id, claim.paper, claim.statement, claim.source, claim.experiment, claim.metric, claim.comparison)
        return Result(*facts, outcome, p, None, evidence, test, note)

    try:
        pairs, note = _pairs(claim, results)
        if claim.reading:
            return result(*_agreement(claim, results, pairs), "sign test over pairs and seeds", note)
        grid = [_parts(claim, results, pair) for pair in pairs]
    except NotRun as reason:
        return result("not run", None, [], "", str(reason))
    if claim.over_settings == "mean":
        grid = [[_average(row, row[0].pair, f"mean of {', '.join(part.setting for part in row)}")] for row in grid]
    if claim.over_pairs == "mean":
        name = f"mean of {', '.join(pairs)}" if len(pairs) > 1 else pairs[0]
        grid = [[_average(column, name, column[0].setting) for column in zip(*grid, strict=True)]]
    join: Callable[[Sequence[tuple[float, float]]], tuple[float, float]]
    join = any_of if claim.over_settings == "any" else every
    outcome, p = verdict_of(every([join([part.sides() for part in row]) for row in grid]))
    test = f"paired-bootstrap|bs:{RESAMPLES}|seed:{SEED}"
    if _plain(claim):
        test = f"approximate-randomisation|ar:{TRIALS}|bs:{RESAMPLES}|seed:{SEED}"
    parts = [part for row in grid for part in row]
    if any(len({margin > 0 for margin in part.margins}) > 1 for part in parts):
        note = "; ".join(filter(None, (note, "seeds disagree")))
    return result(outcome, p, [part.evidence() for part in parts], test, note)


def _plain(claim: Claim) -> bool:
    return claim.against is not None and (claim.factor, claim.by, claim.lags) == (1, 0, None)


def _pairs(claim: Claim, results: Results) -> tuple[list[str], str]:
    """The pairs a claim is tested on, and a note on those it is not."""
    plan = results.plan
    if claim.experiment not in plan.config.experiments:
        raise NotRun(f"no experiment {claim.experiment!r} in this configuration")
    experiment = plan.config.experiments[claim.experiment]
    for name in () if claim.reading else filter(None, (claim.system, claim.against)):
        if name not in experiment.systems:
            raise NotRun(f"no system {name!r} in experiment {claim.experiment!r}")
    metric = parse(claim.metric)[0]
    if not claim.reading and metric not in registry.names("metric"):
        raise NotRun(registry.unknown("metric", metric, registry.names("metric")))
    trained = set(experiment.train.pairs) if experiment.train else set()
    tested = experiment.test.pairs
    if claim.pairs == "all":
        return list(tested), ""
    if claim.pairs in ("trained", "zero-shot"):
        found = [pair for pair in tested if (pair in trained) == (claim.pairs == "trained")]
        if not found:
            raise NotRun(f"no {claim.pairs} pair is tested in experiment {claim.experiment!r}")
        return found, ""
    found = [pair for pair in tested if pair in claim.pairs]
    if not found:
        raise NotRun(f"none of {', '.join(claim.pairs)} is tested in experiment {claim.experiment!r}")
    absent = [pair for pair in claim.pairs if pair not in tested]
    return found, f"not tested: {', '.join(absent)}" if absent else ""


def _parts(claim: Claim, results: Results, pair: str) -> list[_Part]:
    """The comparisons of one pair, one for each setting or latency."""
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
        if _plain(claim):
            assert against is not None
            chance = _sign(claim) * significance.swapped(system, against)
        made.append(_part(claim, pair, name, values, baseline, drawn, drawn_baseline, chance, len(shared)))
    return made


def _sign(claim: Claim) -> int:
    return 1 if claim.relation == "above" else -1


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
) -> _Part:
    """A comparison from scores, one per seed, and resampled scores, one array per seed."""
    thresholds = [claim.factor * each + claim.by for each in others] if others else [claim.by] * len(values)
    margins = [_sign(claim) * (value - threshold) for value, threshold in zip(values, thresholds, strict=True)]
    limits = [claim.factor * each + claim.by for each in drawn_others] if drawn_others else [claim.by] * len(drawn)
    samples = np.mean([_sign(claim) * (each - limit) for each, limit in zip(drawn, limits, strict=True)], axis=0)
    if chance is None:
        chance = samples - statistics.fmean(margins)
    return _Part(pair, setting, values, others, thresholds, margins, samples, chance, n)


def _at_lag(
    claim: Claim,
    pair: str,
    lag: float,
    systems: Sequence[str],
    curves: Sequence[Mapping[str, tuple[list[Statistics], list[Statistics]]]],
    n: int,
) -> _Part:
    """Both systems at one latency, on straight lines between their settings."""
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
    found: dict[Any, tuple[Any, Any]] | None = None
    for place, name in enumerate(systems):
        for seed in sorted({own[place] for own in seeds}):
            for setting, rows in results.rows(claim.experiment, name, pair, seed).items():
                texts = {key: (row["source"], row["reference"]) for key, row in rows.items()}
                if found is None:
                    found = texts
                    continue
                found = {key: text for key, text in found.items() if key in texts}
                for key, text in found.items():
                    if texts[key] != text:
                        where = ", ".join(filter(None, (claim.experiment, name, setting, pair, f"seed {seed}")))
                        text = f"{where}: sentence {key!r} is not the one that {systems[0]} has"
                        raise MetricError(f"{text}; decode it again")
    if not found:
        raise NotRun(f"{pair}: {' and '.join(systems)} share no test sentence")
    return list(found)


def _agreement(claim: Claim, results: Results, pairs: Sequence[str]) -> tuple[Outcome, float | None, list[Evidence]]:
    """A number of the comparison with the twin at one n of prior tokens against another, by a sign test."""
    plan = results.plan
    evidence, counts = [], []
    others = claim.against_settings or [""]
    for pair in pairs:
        by_seed = []
        for run in plan.divergence_runs:
            if (run.experiment, run.pair) != (claim.experiment, pair):
                continue
            path = plan.divergence_file(run)
            if not path.is_file():
                raise NotRun(f"no {path.relative_to(plan.results).as_posix()}")
            rows = [r for r in read_jsonl(path) if r["position"] is None and r["reading"] == claim.reading]
            if any(claim.metric not in row for row in rows):
                raise NotRun(f"no {claim.metric} in {path.relative_to(plan.results).as_posix()}")
            by_seed.append({f"n={row['n']}": (float(row[claim.metric]), int(row["sentences"])) for row in rows})
        if not by_seed:
            raise NotRun(f"experiment {claim.experiment!r} compares no model with a twin")
        margins: list[list[float]] = []
        for setting, other in zip(
            claim.settings, others * (len(claim.settings) if len(others) == 1 else 1), strict=True
        ):
            if lacking := [name for name in (setting, other) if any(name not in own for own in by_seed)]:
                raise NotRun(f"the comparison with the twin has no {', '.join(lacking)}")
            values, before = [own[setting][0] for own in by_seed], [own[other][0] for own in by_seed]
            limits = [claim.factor * each + claim.by for each in before]
            own = [_sign(claim) * (value - limit) for value, limit in zip(values, limits, strict=True)]
            margins.append(own)
            spread = statistics.stdev(own) if len(own) > 1 else None
            means = [statistics.fmean(each) for each in (values, before, limits, own)]
            sentences = by_seed[0][setting][1]
            evidence.append(
                Evidence(pair, f"{setting} / {other}", *means, None, None, spread, None, sentences, len(own))
            )
        counts += [all(each > 0 for each in seed) for seed in zip(*margins, strict=True)]
    sides = sign_test(sum(counts), len(counts))
    return *verdict_of(sides), evidence


def sign_test(successes: int, trials: int) -> tuple[float, float]:
    """One-sided p-values of "no more often than not" and "no less often than not"."""
    tail = [math.comb(trials, each) / 2**trials for each in range(trials + 1)]
    return sum(tail[successes:]), sum(tail[: successes + 1])


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """How many claims came to each verdict, all verdicts in order."""
    found = Counter(result.verdict for result in results)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def read(path: Path) -> list[Result]:
    """The results of a `claims.jsonl`."""
    return [
        Result(**{**row, "evidence": [Evidence(**each) for each in row["evidence"]]}) for row in read_jsonl(Path(path))
    ]
