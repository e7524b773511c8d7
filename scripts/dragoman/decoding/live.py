"""The systems of a configuration that decode word by word: a list of them, and an interpreter for one of them.

torch is imported only when a model is loaded.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml
from pydantic import ValidationError

from dragoman.config import SimultaneousDecoder
from dragoman.decoding import Context
from dragoman.plan import DecodeRun, Plan
from dragoman.policies import Policy
from dragoman.prompts import shots
from dragoman.storage import MANIFEST
from dragoman.strict import docstrings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dragoman.decoding.streaming import Interpreter

DEFAULT = Path("config/config.yaml")
"""The configuration that the Snakefile reads unless another one is given."""


class Point(NamedTuple):
    """A system at one point of its curve."""

    run: DecodeRun
    policy: Policy

    @property
    def system(self) -> str:
        """The system's name for `chosen`, without the value of a sweep if that is the setting."""
        return self.run.base if self.run.setting == self.policy.setting else self.run.system


def points(plan: Plan) -> Iterator[Point]:
    """Every system that decodes word by word, at each of its settings, in the order of the configuration."""
    for run in plan.decode_runs:
        decoder = run.system_config.decoder
        if isinstance(decoder, SimultaneousDecoder) and not decoder.legacy:
            for policy in decoder.policies:
                yield Point(run, policy)


def chosen(plan: Plan, experiment: str, system: str, pair: str, seed: int, setting: str = "") -> Point:
    """A system by its names.

    Args:
        system: its name. For a system with one model for each k, it may lack the k, which `setting` then gives.
        setting: `k=3`, `threshold=0.6`; also one that the configuration does not have. Empty: the system's first.

    Raises:
        ValueError: there is no such system, it does not decode word by word, or it cannot have the setting.
    """
    name, systems = system, plan.experiment(experiment).systems
    if setting and name not in systems:
        name = f"{name},{setting}"  # one model for each k
    run = plan.decode_run(experiment, name, pair, seed)
    decoder = run.system_config.decoder
    if not isinstance(decoder, SimultaneousDecoder) or decoder.legacy:
        raise ValueError(f"the system {run.system!r} does not decode word by word; use one with `name: simultaneous`")
    policy = decoder.policies[0]
    if setting and (name == system or setting.startswith(f"{policy.AXIS}=")):
        policy = at(policy, setting)
    return Point(run, policy)


def at(policy: Policy, setting: str) -> Policy:
    """A policy at another point of its curve.

    Raises:
        ValueError: the setting has another axis, or a value that the policy cannot have.
    """
    axis, _, value = setting.partition("=")
    if axis != policy.AXIS:
        known = f"its settings are like {policy.setting}" if policy.AXIS else "it has no settings"
        raise ValueError(f"the system reads and writes by {policy.name!r}, and {known}, not {setting}")
    try:
        return type(policy).model_validate(policy.model_dump() | {axis: yaml.safe_load(value)})
    except (ValidationError, yaml.YAMLError):
        text = docstrings(type(policy))[axis]
        raise ValueError(f"{policy.name!r} cannot have {setting}. {axis}: {text}") from None


def folder(run: DecodeRun) -> Path:
    """The model folder of a system that decodes word by word; it may not exist yet."""
    assert run.model is not None  # only copying and dictionaries have no model
    return run.model.folder


def missing(run: DecodeRun, config: Path) -> str:
    """The command that makes the model of a system; empty if the model exists.

    Args:
        config: the file that the plan was read from.
    """
    manifest = folder(run) / MANIFEST
    if manifest.is_file():
        return ""
    command = ["snakemake", "--cores", "all", str(manifest)]
    return shlex.join(command if config == DEFAULT else [*command, "--configfile", str(config)])


def check(run: DecodeRun, config: Path) -> None:
    """Check that the model of a system exists.

    Raises:
        ValueError: it does not; the message holds the command that makes it.
    """
    if command := missing(run, config):
        where = folder(run)
        raise ValueError(f"the system {run.system!r} has no model yet, since {where} is not made; run `{command}`")


def interpreter(plan: Plan, point: Point, config: Path, model: PreTrainedModel | None = None) -> Interpreter:
    """An interpreter for a system.

    Args:
        config: the file that the plan was read from.
        model: the system's model, if it is in memory already.

    Raises:
        ValueError: the model does not exist yet; the message holds the command that makes it.
    """
    from dragoman.decoding.streaming import Interpreter  # imports torch

    run = point.run
    check(run, config)
    asked = run.experiment_config.asked
    context = Context(folder(run), run.pair, shots.asked(run), asked)
    decoder = run.system_config.decoder
    assert isinstance(decoder, SimultaneousDecoder)
    return Interpreter(context, decoder, point.policy, model)
