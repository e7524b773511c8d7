"""Sweeps, written out: a tuning that is trained with several values of one key becomes one tuning and one system per
value.

Their names have the form `name,axis=value`. Names in a configuration have no comma or `=`, so they are never the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # scoring texts needs only names, and importing the typed models takes longer than scoring
    from dragoman.config import Experiment, System, Tuning


def variant(name: str, axis: str, value: str) -> str:
    """The name of a tuning or system at one point of its sweep."""
    return f"{name},{axis}={value}"


def split(name: str) -> tuple[str, str]:
    """`"sm,k=3"` -> `("sm", "k=3")`; a name without a setting has the setting `""`."""
    base, _, setting = name.partition(",")
    return base, setting


def joined(*settings: str) -> str:
    """Settings of model and decoder as one text, without duplicates and empty ones, in order."""
    return ", ".join(dict.fromkeys(filter(None, settings)))


def at(tuning: Tuning, value: str) -> Tuning:
    """A swept tuning with one of its values.

    Raises:
        KeyError, IndexError, TypeError, ValueError: the tuning has no such key.
        ValidationError: the key cannot have that value.
    """
    from dragoman.config import Tuning

    assert tuning.sweep is not None
    copied = tuning.model_dump(exclude_unset=True, exclude={"sweep"})
    *path, last = tuning.sweep.key.split(".")
    holder: Any = copied
    for step in path:
        holder = holder[int(step)] if isinstance(holder, list) and step.isdecimal() else holder[step]
    holder[int(last) if isinstance(holder, list) else last] = tuning.sweep.values[value]
    return Tuning.model_validate(copied)


def written_out(experiment: Experiment) -> Experiment:
    """The experiment with every swept tuning, and every system that uses one, written out."""
    tunings: dict[str, Tuning] = {}
    for name, tuning in experiment.tunings.items():
        start = tuning.start and experiment.tunings[tuning.start].sweep
        for value in tuning.sweep.values if tuning.sweep else [None]:
            each = tuning if tuning.sweep is None or value is None else at(tuning, value)
            if start and value is not None:
                each = each.model_copy(update={"start": variant(tuning.start or "", start.axis, value)})
            tunings[name if value is None or tuning.sweep is None else variant(name, tuning.sweep.axis, value)] = each
    systems: dict[str, System] = {}
    for name, system in experiment.systems.items():
        sweep = experiment.tunings[system.tuning].sweep if system.tuning else None
        if sweep is None or system.tuning is None:
            systems[name] = system
            continue
        for value in sweep.values:
            decoder = system.decoder
            if decoder.values_of(sweep.axis):
                decoder = decoder.at(sweep.axis, value)
            update = {"label": system.label or name, "tuning": variant(system.tuning, sweep.axis, value)}
            systems[variant(name, sweep.axis, value)] = system.model_copy(update=update | {"decoder": decoder})
    return experiment.model_copy(update={"tunings": tunings, "systems": systems})
