"""What fine-tuning takes, as a claim compares it: seconds of one pass over the training text, by the clock.

Another run measures other seconds, so these claims are kept apart from the others, in `timings/claims.jsonl`. A
comparison is of one fine-tuning of each system, for the same pair and seed, and at the same setting where both are
swept. Comparisons are put together by a sign test, as nothing is known of the spread of a single measurement.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from dragoman.claims.outcomes import Evidence, Outcome, sign_test, verdict_of
from dragoman.claims.results import NotRun
from dragoman.claims.statements import Claim
from dragoman.config.sweeps import split
from dragoman.plan import Plan, TuningRun
from dragoman.storage import read_json

TEST = "sign test over fine-tunings"
NOTE = "measured by the clock, so another run gives other numbers"


def compare(claim: Claim, plan: Plan, pairs: Sequence[str]) -> tuple[Outcome, float | None, list[Evidence]]:
    """The verdict on a claim about seconds, with one comparison per scope and setting.

    Raises:
        NotRun: a system has no fine-tuning, or one was not measured, or two on different devices.
    """
    assert claim.against is not None  # checked when the claim was read
    ours, theirs = (_tuned(plan, claim.experiment, name, pairs) for name in (claim.system, claim.against))
    swept = {split(run.tuning)[1] for run in theirs} != {""}
    places: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in ours:
        setting = split(run.tuning)[1]
        rivals = [r for r in theirs if (r.scope, r.seed) == (run.scope, run.seed)]
        rivals = [r for r in rivals if not swept or split(r.tuning)[1] == setting]
        if len(rivals) != 1:
            raise NotRun(
                f"no fine-tuning of {claim.against} to set beside {run.tuning} of {run.scope}, seed {run.seed}"
            )
        measured = [seconds_of(plan, each) for each in (run, rivals[0])]
        if len({device for _, device in measured}) > 1:
            raise NotRun(f"{run.tuning} and {rivals[0].tuning} were trained on different devices")
        places.setdefault((run.scope, setting), []).append((measured[0][0], measured[1][0]))
    evidence, holds = [], list[bool]()
    for (scope, setting), taken in places.items():
        limits = [claim.factor * other + claim.by for _, other in taken]
        margins = [claim.sign * (own - limit) for (own, _), limit in zip(taken, limits, strict=True)]
        holds += [margin > 0 for margin in margins]
        spread = statistics.stdev(margins) if len(margins) > 1 else None
        columns = [[own for own, _ in taken], [other for _, other in taken], limits, margins]
        means = [statistics.fmean(column) for column in columns]
        evidence.append(Evidence(scope, setting, *means, None, None, spread, None, len(taken), len(taken)))
    return *verdict_of(sign_test(sum(holds), len(holds))), evidence


def _tuned(plan: Plan, experiment: str, system: str, pairs: Sequence[str]) -> list[TuningRun]:
    """The fine-tunings behind a system, each once."""
    runs = [
        r for r in plan.decode_runs if (r.experiment, split(r.system)[0]) == (experiment, system) and r.pair in pairs
    ]
    found = [tuned for run in runs if (tuned := plan.tuning_behind(run))]
    if not found:
        raise NotRun(f"{system} has no fine-tuning")
    return list(dict.fromkeys(found))


def seconds_of(plan: Plan, run: TuningRun) -> tuple[float, str]:
    """Seconds of one pass over the training examples of a fine-tuning, and what it ran on."""
    path = plan.timing_file(run)
    if not path.is_file():
        raise NotRun(f"no {path.relative_to(plan.results).as_posix()}")
    measured = read_json(path)
    batch = plan.experiment(run.experiment).tunings[run.tuning].training.batch_size
    passes = measured["steps"] * batch / measured["examples"]
    return measured["seconds"] / passes, f"{measured['device']}, {measured['threads']} threads"
