"""A claim on one experiment: systems are found by their roles, and the metric is computed as the experiment does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dragoman.claims.results import NotRun
from dragoman.claims.statements import Claim
from dragoman.config import Config
from dragoman.metrics import parse

QUANTITIES = {"into", "of"}
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
    """The claim's quantity, computed as an experiment computes that metric: with the same identifier or tokenizer.

    Args:
        metrics: of the experiment. Of several ways to compute it, the one with the fewest options counts.
    """
    name, asked = parse(metric)
    found = []
    for other in () if metric in metrics else metrics:
        its_name, options = parse(other)
        if its_name == name and all(options.get(key, asked[key]) == asked[key] for key in {*asked} - QUANTITIES):
            if all(options.get(key) == asked.get(key) for key in QUANTITIES):
                found.append((0, len(options), other))
                continue
            parts = other.partition(":")[2].split(",")
            ways = [part for part in parts if part.partition("=")[0] not in {"", *asked, *QUANTITIES}]
            joint = ":" if not asked else ","
            found.append((1, len(options), f"{metric}{joint}{','.join(ways)}" if ways else metric))
    return min(found, default=(0, 0, metric), key=lambda each: each[:2])[2]


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
