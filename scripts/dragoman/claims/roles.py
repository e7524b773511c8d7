"""A claim on one experiment: systems are found by their roles, and the metric is computed as the experiment does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dragoman.claims.results import NotRun
from dragoman.claims.statements import Claim
from dragoman.config import Config
from dragoman.metrics import parse

QUANTITIES = ("into", "of")
"""Options of metrics that choose another quantity, and not another way to compute the same one."""


def in_experiment(claim: Claim, config: Config, name: str) -> Claim:
    """The claim with the names and the metric of one experiment.

    Raises:
        NotRun: no system of the experiment has a role that the claim needs.
    """
    experiment = config.experiments[name]
    own: dict[str, str] = {"experiment": name}
    if not claim.timed:
        own["metric"] = own_metric(claim.metric, experiment.metrics)
    # a comparison with the twin (`reading`) is between models, and no system need decode with them
    for key in () if claim.reading else ("system", "against"):
        if (role := getattr(claim, key)) is not None:
            if role not in experiment.roles:
                raise NotRun(f"no system has the role {role!r} in experiment {name!r}")
            own[key] = experiment.roles[role]
    return claim.model_copy(update=own)


def own_metric(metric: str, metrics: Sequence[str]) -> str:
    """The metric among those of an experiment: the very same, else with the fewest further options, else as it is."""
    name, options = parse(metric)

    def same(other: str) -> bool:
        its_name, its_options = parse(other)
        chosen = [{key: each.get(key) for key in QUANTITIES} for each in (options, its_options)]
        return its_name == name and options.items() <= its_options.items() and chosen[0] == chosen[1]

    return min(filter(same, metrics), key=lambda each: len(parse(each)[1]), default=metric)


def refused(claims: Iterable[Claim], config: Config) -> Iterator[tuple[str, str, str]]:
    """(experiment, system, why) of every system that a paper's claim is about and that is not the paper's."""
    for claim in claims:
        for place in config.experiments_of(claim.experiment) if claim.paper else ():
            experiment = config.experiments[place]
            for role in dict.fromkeys((claim.system, claim.against)):
                name = experiment.roles.get(role or "")
                if name is not None and experiment.systems[name].variant:
                    text = f"the claim {claim.id!r} of {claim.paper} is about this system, and a variant is not the"
                    yield place, name, f"{text} paper's; give the variant another name or role, or leave `variant` out"
