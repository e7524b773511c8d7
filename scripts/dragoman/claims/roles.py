"""Applies a claim to one experiment: roles become names of systems, and the metric gets the experiment's options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dragoman.claims.results import NotRun
from dragoman.claims.statements import Claim
from dragoman.config import Config
from dragoman.metrics import parse

QUANTITIES = {"into", "of"}
"""Options of metrics that choose the quantity; all other options choose how the same quantity is computed."""


def in_experiment(claim: Claim, config: Config, name: str) -> Claim:
    """The claim with the names and the metric of one experiment.

    Raises:
        NotRun: no system of the experiment has a role that the claim needs.
    """
    experiment = config.experiments[name]
    own: dict[str, str] = {"experiment": name}
    if not claim.timed:
        own["metric"] = own_metric(claim.metric, experiment.metrics)
    # a comparison with the twin (`reading`) compares models, and the experiment may have no system that uses them
    for key in () if claim.reading else ("system", "against"):
        if (role := getattr(claim, key)) is not None:
            if role not in experiment.roles:
                raise NotRun(f"no system has the role {role!r} in experiment {name!r}")
            own[key] = experiment.roles[role]
    return claim.model_copy(update=own)


def own_metric(metric: str, metrics: Sequence[str]) -> str:
    """The claim's metric with the options (such as the tokenizer) with which an experiment computes it.

    Args:
        metric: the metric of the claim.
        metrics: the metrics of the experiment. If several fit, the metric with the fewest options is used.
    """
    name, asked = parse(metric)
    candidates = []
    for other in () if metric in metrics else metrics:
        its_name, options = parse(other)
        if its_name == name and all(options.get(key, asked[key]) == asked[key] for key in {*asked} - QUANTITIES):
            if all(options.get(key) == asked.get(key) for key in QUANTITIES):
                candidates.append((0, len(options), other))
                continue
            parts = other.partition(":")[2].split(",")
            ways = [part for part in parts if part.partition("=")[0] not in {"", *asked, *QUANTITIES}]
            joint = ":" if not asked else ","
            candidates.append((1, len(options), f"{metric}{joint}{','.join(ways)}" if ways else metric))
    return min(candidates, default=(0, 0, metric), key=lambda each: each[:2])[2]


def refused(claims: Iterable[Claim], config: Config) -> Iterator[tuple[str, str, str]]:
    """(experiment, system, reason) for every variant of a paper's system that has a role in a claim of the paper."""
    for claim in claims:
        for place in config.experiments_of(claim.experiment) if claim.paper else ():
            experiment = config.experiments[place]
            for role in dict.fromkeys((claim.system, claim.against)):
                name = experiment.roles.get(role or "")
                if name is not None and experiment.systems[name].variant:
                    text = f"the claim {claim.id!r} of {claim.paper} is about this system, and a variant is not the"
                    yield place, name, f"{text} paper's; give the variant another name or role, or leave `variant` out"
