"""One statement of a paper as a comparison of scores, read from `config/claims.yaml`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.config import Name, Pair, Strict
from dragoman.configfile import ConfigError, Problem, explained, placed
from dragoman.metrics import has_counts, parse
from dragoman.results import comparable
from dragoman.yamlfile import read_yaml

FILE = REPOSITORY / "config" / "claims.yaml"

SECONDS = "seconds"
Settings = Annotated[list[str], Field(min_length=1)]


class Claim(Strict):
    """One statement of a paper, as a comparison of scores."""

    id: Name
    paper: Name | None = None
    """A name under `papers` in config/published/comparison.yaml; null: a statement of the file's own author."""
    statement: str
    source: str
    """The place in the paper that states or shows it."""
    experiment: Name
    """The role of an experiment; the claim is tested on every experiment with this role."""
    metric: str
    """A metric as in a configuration; or `seconds`, the time of one epoch of fine-tuning. If an experiment computes
    this metric with more options (for example another language identifier), its value with these options is used."""
    system: Name
    """The role of a system."""
    settings: Settings = Field([""])
    """Settings of the system: `k=1`."""
    relation: Literal["above", "below"]
    against: Name | None = None
    """The role of the other system; null: the threshold is `by` alone."""
    against_settings: Settings | None = None
    """Settings of the other system, one for each setting of the system, or one for all; null: the same settings."""
    factor: Annotated[float, Field(gt=0)] = 1.0
    by: float = 0.0
    """The threshold is factor x the score of the other system + by."""
    lags: Annotated[list[float], Field(min_length=1)] | None = None
    """Instead of settings: values of LAAL, in source words, at which both curves are compared. Scores are interpolated
    between settings."""
    reading: Literal["teacher", "free"] | None = None
    """Needed if `metric` belongs to the comparison with the twin: the reading to use (`metrics/divergence.py`)."""
    pairs: Literal["all", "trained", "zero-shot"] | Annotated[list[Pair], Field(min_length=1)] = "all"
    """Which test pairs are used. `trained`: the pairs that the experiment trains on; a list: the test pairs in it."""
    over_pairs: Literal["every", "mean"] = "every"
    over_settings: Literal["every", "any", "mean"] = "every"

    @property
    def comparison(self) -> str:
        """The comparison in short: `sm-norec-mod > causal-rec − 2`."""
        factor = "" if self.factor == 1 else f"{self.factor:g} × "
        other = f"{factor}{self.against}" if self.against else f"{self.by:g}"
        offset = f" {'+' if self.by > 0 else '−'} {abs(self.by):g}" if self.against and self.by else ""
        return f"{self.system} {'>' if self.relation == 'above' else '<'} {other}{offset}"

    @property
    def plain(self) -> bool:
        """Whether the claim is that one system is better than another, without factor, offset or lags; it can then be
        tested by swapping outputs."""
        return self.against is not None and (self.factor, self.by, self.lags) == (1, 0, None)

    @property
    def timed(self) -> bool:
        """Whether the claim is about training time, which differs between runs."""
        return self.metric == SECONDS

    @property
    def sign(self) -> int:
        """1 for `above`, -1 for `below`."""
        return 1 if self.relation == "above" else -1

    @field_validator("paper")
    @classmethod
    def _known(cls, paper: str | None) -> str | None:
        if paper is not None and paper not in (papers := comparable.load().papers):
            raise ValueError(registry.unknown("paper", paper, papers))
        return paper

    @model_validator(mode="after")
    def _testable(self) -> Claim:
        name = parse(self.metric)[0]
        if not self.reading and name in registry.REGISTRY["metric"] and not has_counts(name):
            raise ValueError(
                f"`metric: {name}` has no function `counts`, so no difference of it can be tested; add one "
                "(CONTRIBUTING.md, A new metric), or remove the claim"
            )
        return self

    @model_validator(mode="after")
    def _whole(self) -> Claim:
        if self.against is None and (self.factor != 1 or self.against_settings is not None):
            raise ValueError("`factor` and `against_settings` need `against`")
        if self.against_settings and len(self.against_settings) not in (1, len(self.settings)):
            raise ValueError("`against_settings` needs one setting for each of `settings`, or one for all")
        if self.lags and (self.against is None or self.settings != [""] or self.against_settings):
            raise ValueError("`lags` compares two curves: it needs `against`, and does not work with settings")
        if self.timed and (self.against is None or self.reading or self.lags or self.settings != [""]):
            raise ValueError(
                f"`metric: {SECONDS}` compares all fine-tunings of two systems: it needs `against`, no settings"
            )
        if self.reading and (self.over_pairs, self.over_settings) != ("every", "every"):
            raise ValueError("`reading` is tested over pairs: remove `over_pairs` and `over_settings`")
        return self


def compared(comparison: str) -> tuple[str, str, str]:
    """The role of the system, `>` or `<`, and the role of the other system (or a number) of a `Claim.comparison`."""
    system, relation, *threshold = comparison.split()
    return system, relation, threshold[2 if threshold[1:2] == ["×"] else 0]


class Claims(Strict):
    """The contents of a file of claims."""

    roles: dict[Name, dict[Name, str]] = Field({})
    """Role of an experiment -> role of a system -> description of the system. If there are any, claims can use only
    these roles."""
    claims: Annotated[list[Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def _different(self) -> Claims:
        seen = Counter(claim.id for claim in self.claims)
        if twice := [name for name, times in seen.items() if times > 1]:
            raise ValueError(f"two claims with one id: {', '.join(twice)}")
        return self

    def unknown_roles(self) -> Iterator[Problem]:
        """Problems with roles that claims use and `roles` does not list."""
        for index, claim in enumerate(self.claims if self.roles else ()):
            at = ("claims", index)
            if claim.experiment not in self.roles:
                text = registry.unknown("role of an experiment", claim.experiment, self.roles)
                yield Problem((*at, "experiment"), text, claim.experiment)
                continue
            known = self.roles[claim.experiment]
            for key, role in (("system", claim.system), ("against", claim.against)):
                if role is not None and role not in known:
                    yield Problem((*at, key), registry.unknown("role of a system", role, known), role)


def read(path: Path = FILE) -> Claims:
    """A file of claims.

    Raises:
        ConfigError: the file has mistakes; the message gives file, line and key of each.
    """
    data, marks = read_yaml(path)
    try:
        claims = Claims.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explained(error, data, Claims, path, marks)) from None
    if problems := list(claims.unknown_roles()):
        raise ConfigError(placed(problems, path, marks))
    return claims


def load(path: Path = FILE) -> list[Claim]:
    """The claims of a file, in their order.

    Raises:
        ConfigError: as in `read`.
    """
    return read(path).claims
