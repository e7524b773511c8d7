"""Checks of roles, which claims use to refer to systems, and of results folders with verdicts on claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dragoman.checks.names import named
from dragoman.config import Config
from dragoman.configfile import Problem


def problems_of(config: Config) -> Iterator[Problem]:
    """Roles of two systems or of no claim, variants that have a role of a claim, and folders without verdicts."""
    chosen = False
    for place, experiment in config.experiments.items():
        at = ("experiments", place)
        chosen |= experiment.role is not None
        seen: dict[str, str] = {}
        for name, system in experiment.systems.items():
            chosen |= bool(system.role or system.variant)
            if (other := seen.setdefault(system.role or name, name)) != name:
                key = ("role",) if system.role else ()
                text = f"the system {other!r} has the role {system.role or name!r}, too; give one of them another role"
                yield Problem((*at, "systems", name, *key), f"{text} or key", system.role)
    if chosen:
        yield from _of_claims(config)
    for name, folder in config.worlds.items():
        yield from _world(config, name, folder)


def _of_claims(config: Config) -> Iterator[Problem]:
    from dragoman.claims import refused, statements  # imported here to avoid a cycle: claims import plans

    known = statements.read()
    for place, experiment in config.experiments.items():
        at = ("experiments", place)
        yield from named("role of an experiment", (*at, "role"), experiment.role, known.roles)
        role = experiment.role or place
        for name, system in experiment.systems.items():
            key = (*at, "systems", name, "role")
            if role in known.roles:
                yield from named("role of a system", key, system.role, known.roles[role])
            elif system.role is not None and experiment.role is None:
                text = f"no claim has the experiment {place!r}; give it a `role` ({', '.join(known.roles)})"
                yield Problem(key, f"{text}, or remove the system's role", system.role)
    for place, name, text in refused(known.claims, config):
        yield Problem(("experiments", place, "systems", name, "variant"), text)


def _world(config: Config, name: str, folder: str) -> Iterator[Problem]:
    from dragoman import claims

    at, path = ("worlds", name), Path(folder) / "claims.jsonl"
    if Path(folder).resolve() == Path(config.results).resolve():
        yield Problem(at, "this is the results folder of this configuration; give the folder of another one", folder)
    elif not path.is_file():
        yield Problem(at, "no claims.jsonl in this folder; run its configuration first, or remove this key", folder)
    else:
        try:
            claims.read(path)
        except ValueError as error:
            yield Problem(at, str(error), folder)
