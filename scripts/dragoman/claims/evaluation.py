"""Tests claims against results: chooses the language pairs of a claim, makes its comparisons and gives the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dragoman import registry
from dragoman.claims import taken
from dragoman.claims.margins import RESAMPLES, average, parts_of
from dragoman.claims.outcomes import NEAR, Evidence, Outcome, Result, any_of, every, instead_of, sign_test, verdict_of
from dragoman.claims.printed import printed
from dragoman.claims.results import NotRun, Results
from dragoman.claims.roles import in_experiment
from dragoman.claims.statements import Claim
from dragoman.metrics import parse
from dragoman.metrics.bootstrap import SEED
from dragoman.metrics.significance import TRIALS, holm
from dragoman.plan import Plan
from dragoman.results.records import Record
from dragoman.storage import read_jsonl


def evaluate(claims: Iterable[Claim], plan: Plan, records: Iterable[Record] = ()) -> list[Result]:
    """The verdict on each claim with its evidence, one for each experiment that has the claim's role. The same results
    give the same verdicts.

    Args:
        claims: the claims, in the order of the verdicts.
        plan: its results folder holds the hypotheses.
        records: recorded scores; a score that is computed here must equal its record.

    Raises:
        MetricError: a metric of a claim cannot be computed, or its score differs from the recorded score.
    """
    results = Results(plan, records)
    verdicts = [
        evaluated(claim, results, place)
        for claim in claims
        for place in plan.config.experiments_of(claim.experiment) or [None]
    ]
    tested = [number for number, result in enumerate(verdicts) if result.p is not None]
    adjusted = holm([verdicts[number].p or 0.0 for number in tested])
    for number, p in zip(tested, adjusted, strict=True):
        verdicts[number] = replace(verdicts[number], p_holm=p)
    return verdicts


def evaluated(stated: Claim, results: Results, experiment: str | None) -> Result:
    """The verdict on one claim in one experiment. If results are missing, the verdict is `not run`, with the reason.

    Args:
        stated: the claim as its file states it, with roles.
        results: the results of a plan.
        experiment: an experiment that has the claim's role; None if there is none.

    Raises:
        MetricError: as in `evaluate`.
    """
    claim = stated

    def result(
        outcome: Outcome, p: float | None, evidence: list[Evidence], test: str, note: str, near: Sequence[Outcome] = ()
    ) -> Result:
        facts = (claim.id, claim.paper, claim.statement, claim.source, claim.experiment, claim.metric, claim.comparison)
        return Result(*facts, outcome, p, None, evidence, test, note, list(near), printed(stated))

    try:
        if experiment is None:
            raise NotRun(f"no experiment of this configuration has the role {stated.experiment!r}")
        claim = claim.model_copy(update={"experiment": experiment})
        claim = in_experiment(claim, results.plan.config, experiment)
        pairs, note = _pairs(claim, results)
        if claim.timed:
            return result(
                *taken.timed(claim, results.plan, pairs), taken.TEST, "; ".join(filter(None, (taken.NOTE, note)))
            )
        if claim.reading:
            *agreement, near = _agreement(claim, results, pairs)
            return result(*agreement, "sign test over pairs and seeds", note, near)
        grid = [parts_of(claim, results, pair) for pair in pairs]
    except NotRun as reason:
        return result("not run", None, [], "", str(reason))
    if claim.over_settings == "mean":
        grid = [[average(row, row[0].pair, f"mean of {', '.join(part.setting for part in row)}")] for row in grid]
    if claim.over_pairs == "mean":
        name = f"mean of {', '.join(pairs)}" if len(pairs) > 1 else pairs[0]
        grid = [[average(column, name, column[0].setting) for column in zip(*grid, strict=True)]]
    join: Callable[[Sequence[tuple[float, float]]], tuple[float, float]]
    join = any_of if claim.over_settings == "any" else every

    def verdict(shift: float) -> tuple[Outcome, float]:
        return verdict_of(every([join([part.sides(shift * part.half_width) for part in row]) for row in grid]))

    outcome, p = verdict(0.0)
    test = f"paired-bootstrap|bs:{RESAMPLES}|seed:{SEED}"
    if claim.plain:
        test = f"approximate-randomisation|ar:{TRIALS}|bs:{RESAMPLES}|seed:{SEED}"
    parts = [part for row in grid for part in row]
    if any(len({margin > 0 for margin in part.margins}) > 1 for part in parts):
        note = "; ".join(filter(None, (note, "seeds disagree")))
    near = instead_of(outcome, (verdict(shift)[0] for shift in (NEAR, -NEAR)))
    return result(outcome, p, [part.evidence() for part in parts], test, note, near)


def _pairs(claim: Claim, results: Results) -> tuple[list[str], str]:
    """The pairs on which a claim is tested, and a note that names the pairs of the claim that the experiment lacks."""
    experiment = results.plan.config.experiments[claim.experiment]
    metric = parse(claim.metric)[0]
    if not (claim.reading or claim.timed) and metric not in registry.names("metric"):
        raise NotRun(registry.unknown("metric", metric, registry.names("metric")))
    trained = set(experiment.train.pairs) if experiment.train else set()
    tested = experiment.test.pairs
    if claim.pairs == "all":
        return list(tested), ""
    if claim.pairs in ("trained", "zero-shot"):
        chosen = [pair for pair in tested if (pair in trained) == (claim.pairs == "trained")]
        if not chosen:
            raise NotRun(f"no {claim.pairs} pair is tested in experiment {claim.experiment!r}")
        return chosen, ""
    chosen = [pair for pair in tested if pair in claim.pairs]
    if not chosen:
        raise NotRun(f"none of {', '.join(claim.pairs)} is tested in experiment {claim.experiment!r}")
    absent = [pair for pair in claim.pairs if pair not in tested]
    return chosen, f"not tested: {', '.join(absent)}" if absent else ""


def _agreement(
    claim: Claim, results: Results, pairs: Sequence[str]
) -> tuple[Outcome, float, list[Evidence], list[Outcome]]:
    """The verdict on a claim about the comparison with the twin: the metric after n prior tokens is compared with the
    metric after another n, by a sign test over pairs and seeds."""
    plan = results.plan
    evidence, counts = [], []
    others = claim.against_settings or [""]
    for pair in pairs:
        by_seed = []
        for run in plan.divergence_runs:
            if (run.experiment, run.pair) != (claim.experiment, pair):
                continue
            path = run.file
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
            own = [claim.sign * (value - limit) for value, limit in zip(values, limits, strict=True)]
            margins.append(own)
            spread = statistics.stdev(own) if len(own) > 1 else None
            means = [statistics.fmean(each) for each in (values, before, limits, own)]
            sentences = by_seed[0][setting][1]
            evidence.append(
                Evidence(pair, f"{setting} / {other}", *means, None, None, spread, None, sentences, len(own))
            )
        counts += [all(each > 0 for each in seed) for seed in zip(*margins, strict=True)]
    successes, trials = sum(counts), len(counts)
    outcome, p = verdict_of(sign_test(successes, trials))
    shifted = [each for each in (successes + 1, successes - 1) if 0 <= each <= trials]
    near = instead_of(outcome, (verdict_of(sign_test(each, trials))[0] for each in shifted))
    return outcome, p, evidence, near
