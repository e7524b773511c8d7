"""A table of a judge's verdicts on answers to instructions: wins, ties and losses of systems against one system."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.plan import Plan
from dragoman.reporting import arrange, gather, tables
from dragoman.results.judging import OUTCOMES, metric
from dragoman.results.records import Record

COLUMNS = ("wins", "ties", "losses")


def judgements(plan: Plan, experiment: str, records: Sequence[Record]) -> list[arrange.Table]:
    """The table of an experiment with instructions and at least two systems for them; empty for other experiments.

    A share has its 95 % interval, or, with several seeds, their standard deviation. If nothing was judged, there is a
    note instead of a number.
    """
    spec = plan.experiment(experiment).instructions
    if spec is None or len(spec.systems) == 1:
        return []
    names = gather.labels(plan.config.experiments[experiment])
    metrics = tuple(metric(outcome) for outcome in OUTCOMES)
    seeds: dict[str, tuple[int, ...]] = {}
    for run in plan.judge_runs:
        if run.experiment == experiment:
            seeds[run.system] = (*seeds.get(run.system, ()), run.seed)
    systems = {key: names[key] for key in spec.systems[1:]}
    title = f"{plan.experiment(experiment).title}: instructions other than translation"
    layout = tables.Layout(experiment, systems, ("all",), metrics, seeds, title=title)
    own = [record for record in records if record.metric in metrics]
    table = arrange.lay_out(tables.cells(own, layout), layout)
    group = f"Answers against those of {names[spec.systems[0]]}, %"
    table.groups[:] = [(group, [*COLUMNS])]
    return [table]
