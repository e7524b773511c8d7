"""Claims about training time: the measured seconds of one pass over the training text.

Measured times differ between runs, so these claims have a file of their own, `timings/claims.jsonl`. Each comparison
has one fine-tuning of each system, for the same pair and seed, and at the same setting if both systems are swept. A
sign test combines the comparisons, since the spread of a single measurement is unknown.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from dragoman.claims.outcomes import Evidence, Outcome, sign_test, verdict_of
from dragoman.claims.results import NotRun
from dragoman.claims.statements import Claim
from dragoman.plan import Plan, TuningRun
from dragoman.storage import read_json

TEST = "sign test over fine-tunings"
NOTE = "measured by the clock, so another run gives other numbers"


def timed(claim: Claim, plan: Plan, pairs: Sequence[str]) -> tuple[Outcome, float | None, list[Evidence]]:
    """The verdict on a claim about seconds, its p-value, and one comparison per scope and setting.

    Raises:
        NotRun: a system has no fine-tuning, a fine-tuning was not measured, or two were measured on different devices.
    """
    assert claim.against is not None  # `Claim` refuses `seconds` without it
    ours, theirs = (_tuned(plan, claim.experiment, name, pairs) for name in (claim.system, claim.against))
    swept = {run.setting for run in theirs} != {""}
    places: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in ours:
        rivals = [r for r in theirs if (r.scope, r.seed) == (run.scope, run.seed)]
        rivals = [r for r in rivals if not swept or r.setting == run.setting]
        if len(rivals) != 1:
            raise NotRun(
                f"no fine-tuning of {claim.against} to set beside {run.tuning} of {run.scope}, seed {run.seed}"
            )
        measured = [seconds_of(each) for each in (run, rivals[0])]
        if len({device for _, device in measured}) > 1:
            raise NotRun(f"{run.tuning} and {rivals[0].tuning} were trained on different devices")
        places.setdefault((run.scope, run.setting), []).append((measured[0][0], measured[1][0]))
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
    """The fine-tunings whose models a system decodes with, each once."""
    runs = [run for run in plan.decode_runs if (run.experiment, run.base) == (experiment, system) and run.pair in pairs]
    tunings = [run.tuning_run for run in runs if run.tuning_run]
    if not tunings:
        raise NotRun(f"{system} has no fine-tuning")
    return list(dict.fromkeys(tunings))


def seconds_of(run: TuningRun) -> tuple[float, str]:
    """Seconds of one pass over the training examples of a fine-tuning, and its device with the number of threads.

    Raises:
        NotRun: the fine-tuning was not measured.
    """
    if not run.timing.is_file():
        raise NotRun(f"no {run.timing.relative_to(run.plan.results).as_posix()}")
    measured = read_json(run.timing)
    batch = run.tuning_config.training.batch_size
    passes = measured["steps"] * batch / measured["examples"]
    return measured["seconds"] / passes, f"{measured['device']}, {measured['threads']} threads"
