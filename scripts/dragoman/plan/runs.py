"""What a configuration runs: every fine-tuning, decoding and comparison, each under one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from dragoman import registry
from dragoman.config import (
    Config,
    Experiment,
    Instructed,
    Model,
    PrefilledDecoder,
    Prior,
    RefinedPrior,
    SftPrior,
    System,
)
from dragoman.configfile import prompts
from dragoman.instructions import PAIR
from dragoman.sweeps import written_out

Run = TypeVar("Run", "TuningRun", "DecodeRun", "DivergenceRun")


@dataclass(frozen=True)
class TuningRun:
    """One fine-tuning: a tuning, the pairs it is trained on (`scope` is a pair or `all`), a seed."""

    experiment: str
    tuning: str
    scope: str
    seed: int


@dataclass(frozen=True)
class DecodeRun:
    """One decoding: a system, a pair, and the seed of the tuning behind it."""

    experiment: str
    system: str
    pair: str
    seed: int


@dataclass(frozen=True)
class DivergenceRun:
    """One comparison of an experiment's foundation model with its twin: a pair, and the seed of the twin."""

    experiment: str
    pair: str
    seed: int


class Runs:
    """Names of all runs of a configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.results = Path(config.results)
        self.prompts = prompts(config.prompts)
        self.experiments = {name: written_out(experiment) for name, experiment in config.experiments.items()}
        """With every sweep written out: what is trained and decoded."""

    def seeds(self, experiment: Experiment) -> list[int]:
        """Seeds of an experiment's tunings."""
        return list(experiment.seeds or self.config.seeds)

    def experiment(self, name: str) -> Experiment:
        """An experiment by name, sweeps written out; an unknown one is an error that names the nearest."""
        if name not in self.experiments:
            raise registry.UnknownNameError(registry.unknown("experiment", name, self.experiments))
        return self.experiments[name]

    def model(self, name: str) -> Model:
        """A foundation model's configuration by name; an unknown one is an error that names the nearest."""
        if name not in self.config.models:
            raise registry.UnknownNameError(registry.unknown("model", name, self.config.models))
        return self.config.models[name]

    def system(self, run: DecodeRun) -> System:
        """The system a decoding runs."""
        return self.experiment(run.experiment).systems[run.system]

    @cached_property
    def tuning_runs(self) -> list[TuningRun]:
        """Every fine-tuning that some system needs, each after the one it goes on from."""
        runs: dict[TuningRun, None] = {}
        needed = [run for each in self.decode_runs for run in (self.tuning_behind(each), self.prior_twin(each))]
        for run in [*needed, *map(self.twin_of, self.divergence_runs)]:
            chain = []
            while run is not None:
                chain.append(run)
                run = self.start_of(run)
            runs |= dict.fromkeys(reversed(chain))
        return list(runs)

    def start_of(self, run: TuningRun) -> TuningRun | None:
        """The fine-tuning that another one goes on from; None where that is the experiment's model."""
        tunings = self.experiment(run.experiment).tunings
        start = tunings[run.tuning].start
        if start is None:
            return None
        return TuningRun(run.experiment, start, run.scope if tunings[start].per_pair else "all", run.seed)

    @cached_property
    def decode_runs(self) -> list[DecodeRun]:
        """Every decoding. A system without a tuning, its own or its prior's, has no seed to vary: it runs once, under
        the first."""
        runs = []
        for name, experiment in self.experiments.items():
            for key, system in experiment.systems.items():
                seeds = self.seeds(experiment)
                for seed in seeds if self._varies(experiment, system) else seeds[:1]:
                    runs += [DecodeRun(name, key, pair, seed) for pair in experiment.test.pairs]
        return runs

    @cached_property
    def answer_runs(self) -> list[DecodeRun]:
        """Every system and seed that answers instructions."""
        return [
            DecodeRun(name, key, PAIR, seed)
            for name, experiment in self.experiments.items()
            for key in (experiment.instructions.systems if experiment.instructions else ())
            for seed in self.seeds(experiment)[: None if self._varies(experiment, experiment.systems[key]) else 1]
        ]

    @property
    def judge_runs(self) -> list[DecodeRun]:
        """Those whose answers are compared with another system's."""
        return [run for run in self.answer_runs if run.system != self.instructed(run).systems[0]]

    def instructed(self, run: DecodeRun) -> Instructed:
        """What a system is asked."""
        found = self.experiment(run.experiment).instructions
        assert found is not None  # else there would be no such run
        return found

    def rival(self, run: DecodeRun) -> DecodeRun:
        """The system whose answers a judge compares a system's with: of its seed, where it has one."""
        first = [other for other in self.answer_runs if other.system == self.instructed(run).systems[0]]
        own = [other for other in first if other.experiment == run.experiment]
        return next((other for other in own if other.seed == run.seed), own[0])

    @staticmethod
    def _varies(experiment: Experiment, system: System) -> bool:
        prior = prior_of(system)
        if isinstance(prior, RefinedPrior) and prior.system:
            return bool(system.tuning or experiment.systems[prior.system].tuning)
        return bool(system.tuning) or isinstance(prior, SftPrior)

    @cached_property
    def divergence_runs(self) -> list[DivergenceRun]:
        """Every comparison of a foundation model with its twin."""
        return [
            DivergenceRun(name, pair, seed)
            for name, experiment in self.experiments.items()
            if experiment.divergence
            for seed in self.seeds(experiment)
            for pair in experiment.test.pairs
        ]

    def _tuned(self, experiment: str, tuning: str, pair: str, seed: int) -> TuningRun:
        """The model of a tuning that serves a pair."""
        per_pair = self.experiment(experiment).tunings[tuning].per_pair
        return TuningRun(experiment, tuning, pair if per_pair else "all", seed)

    def twin_of(self, run: DivergenceRun) -> TuningRun:
        """The fine-tuning that a foundation model is compared with."""
        divergence = self.experiment(run.experiment).divergence
        assert divergence is not None
        return self._tuned(run.experiment, divergence.twin, run.pair, run.seed)

    def prior_twin(self, run: DecodeRun) -> TuningRun | None:
        """The fine-tuning whose answers a decoding is given the first tokens of."""
        prior = prior_of(self.system(run))
        return self._tuned(run.experiment, prior.twin, run.pair, run.seed) if isinstance(prior, SftPrior) else None

    def tuning_behind(self, run: DecodeRun) -> TuningRun | None:
        """The fine-tuning whose model a decoding uses; None for the foundation model or no model at all."""
        tuning = self.system(run).tuning
        return self._tuned(run.experiment, tuning, run.pair, run.seed) if tuning else None

    def tuning_run(self, experiment: str, tuning: str, scope: str, seed: int | str) -> TuningRun:
        """A planned fine-tuning by its name; one that is not planned is an error that names the nearest."""
        return self._planned(TuningRun(experiment, tuning, scope, int(seed)), self.tuning_runs)

    def decode_run(self, experiment: str, system: str, pair: str, seed: int | str) -> DecodeRun:
        """A planned decoding by its name; one that is not planned is an error that names the nearest."""
        return self._planned(DecodeRun(experiment, system, pair, int(seed)), self.decode_runs)

    def answer_run(self, experiment: str, system: str, seed: int | str) -> DecodeRun:
        """A planned run of answers by its name; one that is not planned is an error that names the nearest."""
        return self._planned(DecodeRun(experiment, system, PAIR, int(seed)), self.answer_runs)

    def divergence_run(self, experiment: str, pair: str, seed: int | str) -> DivergenceRun:
        """A planned comparison by its name; one that is not planned is an error that names the nearest."""
        return self._planned(DivergenceRun(experiment, pair, int(seed)), self.divergence_runs)

    @staticmethod
    def _planned(run: Run, planned: Sequence[Run]) -> Run:
        if run not in planned:
            wanted, *shown = ("/".join(str(part) for part in vars(r).values()) for r in (run, *planned))
            raise ValueError(registry.unknown("run", wanted, shown))
        return run


def prior_of(system: System) -> Prior | None:
    """The prior tokens that a system is given, where it is."""
    return system.decoder.prior if isinstance(system.decoder, PrefilledDecoder) else None
