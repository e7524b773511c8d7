"""The runs of a configuration: every fine-tuning, decoding and comparison, each with a unique name."""

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
from dragoman.config.sweeps import written_out
from dragoman.configfile import prompts
from dragoman.instructions import PAIR

Run = TypeVar("Run", "TuningRun", "DecodeRun", "DivergenceRun")


@dataclass(frozen=True)
class TuningRun:
    """A fine-tuning: a tuning, its training pairs (`scope` is a pair or `all`), and a seed."""

    experiment: str
    tuning: str
    scope: str
    seed: int


@dataclass(frozen=True)
class DecodeRun:
    """A decoding: a system, a pair, and the seed of the system's tuning."""

    experiment: str
    system: str
    pair: str
    seed: int


@dataclass(frozen=True)
class DivergenceRun:
    """A comparison of an experiment's foundation model with its twin: a pair, and the seed of the twin."""

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
        """Experiments by name. Each point of a sweep is a tuning and system of its own here."""

    def seeds(self, experiment: Experiment) -> list[int]:
        """Seeds of an experiment's tunings."""
        return list(experiment.seeds or self.config.seeds)

    def experiment(self, name: str) -> Experiment:
        """An experiment by name, with one tuning and system per point of a sweep.

        Raises:
            UnknownNameError: there is none of that name; the message suggests a similar name.
        """
        if name not in self.experiments:
            raise registry.UnknownNameError(registry.unknown("experiment", name, self.experiments))
        return self.experiments[name]

    def model(self, name: str) -> Model:
        """A foundation model's configuration by name.

        Raises:
            UnknownNameError: there is none of that name; the message suggests a similar name.
        """
        if name not in self.config.models:
            raise registry.UnknownNameError(registry.unknown("model", name, self.config.models))
        return self.config.models[name]

    def system(self, run: DecodeRun) -> System:
        """The system of a decoding."""
        return self.experiment(run.experiment).systems[run.system]

    @cached_property
    def tuning_runs(self) -> list[TuningRun]:
        """Every fine-tuning that some system needs, each after the one that it continues from."""
        return list(dict.fromkeys(run for name in self.experiments for run in self.tunings_of(name).values()))

    def tunings_of(self, experiment: str) -> dict[TuningRun, TuningRun]:
        """The fine-tunings that an experiment's systems need, each after the one that it continues from. A key is named
        as in this experiment; its value is the fine-tuning that trains the model, maybe in another experiment."""
        runs: dict[TuningRun, TuningRun] = {}

        def add(tuning: str | None, pair: str, seed: int) -> None:
            if tuning is None:
                return
            add(self.experiment(experiment).tunings[tuning].start, pair, seed)
            own = self._named(experiment, tuning, pair, seed)
            runs[own] = self._shared(own)

        for run in (each for each in self.decode_runs if each.experiment == experiment):
            prior = prior_of(self.system(run))
            add(self.system(run).tuning, run.pair, run.seed)
            add(prior.twin if isinstance(prior, SftPrior) else None, run.pair, run.seed)
        spec = self.experiment(experiment).divergence
        for compared in (each for each in self.divergence_runs if each.experiment == experiment):
            add(spec and spec.twin, compared.pair, compared.seed)
        return runs

    def start_of(self, run: TuningRun) -> TuningRun | None:
        """The fine-tuning that `run` continues from; None if it starts from the experiment's model."""
        start = self.experiment(run.experiment).tunings[run.tuning].start
        return self._shared(self._named(run.experiment, start, run.scope, run.seed)) if start else None

    def _shared(self, run: TuningRun) -> TuningRun:
        """The first fine-tuning of the configuration that gives the same model: one that agrees in the foundation
        model, text, prompt, options and seed. A model that several experiments use is trained once."""
        if run not in self._first:
            content = self._content_of(run)
            names = [(name, key) for name, experiment in self.experiments.items() for key in experiment.tunings]
            others = (TuningRun(*name, run.scope, run.seed) for name in names)
            same = (other for other in others if other == run or content == self._content_of(other) is not None)
            self._first[run] = next(same)
        return self._first[run]

    @cached_property
    def _first(self) -> dict[TuningRun, TuningRun]:
        return {}

    def _content_of(self, run: TuningRun) -> object:
        """All that the model of a fine-tuning depends on; None if the experiment does not train it."""
        experiment = self.experiment(run.experiment)
        tuning, train = experiment.tunings[run.tuning], experiment.train
        assert train is not None  # checked when the configuration was read
        pairs = (tuning.pairs or train.pairs) if run.scope == "all" else [run.scope]
        if run.seed not in self.seeds(experiment) or tuning.per_pair == (run.scope == "all"):
            return None
        if tuning.per_pair and run.scope not in experiment.test.pairs:
            return None
        rest = tuning.model_dump(mode="json", exclude={"prompt", "pairs", "limit", "start", "sweep"})
        text = [train.corpus, pairs, tuning.limit or train.limit, tuning.prompt or experiment.prompt, experiment.asked]
        start = tuning.start and self._content_of(self._named(run.experiment, tuning.start, run.scope, run.seed))
        return experiment.model, start, text, rest

    @cached_property
    def decode_runs(self) -> list[DecodeRun]:
        """Every decoding. A system is decoded once per seed if it or its prior has a tuning, and only with the first
        seed otherwise, since nothing else depends on the seed."""
        runs = []
        for name, experiment in self.experiments.items():
            for key, system in experiment.systems.items():
                seeds = self.seeds(experiment)
                for seed in seeds if self._varies(experiment, system) else seeds[:1]:
                    runs += [DecodeRun(name, key, pair, seed) for pair in experiment.test.pairs]
        return runs

    @cached_property
    def answer_runs(self) -> list[DecodeRun]:
        """Every system and seed with answers to instructions."""
        return [
            DecodeRun(name, key, PAIR, seed)
            for name, experiment in self.experiments.items()
            for key in (experiment.instructions.systems if experiment.instructions else ())
            for seed in self.seeds(experiment)[: None if self._varies(experiment, experiment.systems[key]) else 1]
        ]

    @property
    def judge_runs(self) -> list[DecodeRun]:
        """The runs of `answer_runs` whose answers a judge compares with the first system's."""
        return [run for run in self.answer_runs if run.system != self.instructed(run).systems[0]]

    def instructed(self, run: DecodeRun) -> Instructed:
        """The instructions of the experiment of a run of answers."""
        instructions = self.experiment(run.experiment).instructions
        assert instructions is not None  # otherwise the plan would not have this run
        return instructions

    def rival(self, run: DecodeRun) -> DecodeRun:
        """The run whose answers a judge compares with those of `run`: the first system, with the same seed if it has
        several."""
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

    def _named(self, experiment: str, tuning: str, pair: str, seed: int) -> TuningRun:
        """The fine-tuning of a tuning for a pair."""
        per_pair = self.experiment(experiment).tunings[tuning].per_pair
        return TuningRun(experiment, tuning, pair if per_pair else "all", seed)

    def _tuned(self, experiment: str, tuning: str, pair: str, seed: int) -> TuningRun:
        """The fine-tuning that is trained for it."""
        return self._shared(self._named(experiment, tuning, pair, seed))

    def twin_of(self, run: DivergenceRun) -> TuningRun:
        """The fine-tuning that a foundation model is compared with."""
        divergence = self.experiment(run.experiment).divergence
        assert divergence is not None
        return self._tuned(run.experiment, divergence.twin, run.pair, run.seed)

    def prior_twin(self, run: DecodeRun) -> TuningRun | None:
        """The fine-tuning whose answers give the prior tokens of a decoding; None for other priors."""
        prior = prior_of(self.system(run))
        return self._tuned(run.experiment, prior.twin, run.pair, run.seed) if isinstance(prior, SftPrior) else None

    def tuning_behind(self, run: DecodeRun) -> TuningRun | None:
        """The fine-tuning whose model a decoding uses; None if it uses the foundation model or no model."""
        tuning = self.system(run).tuning
        return self._tuned(run.experiment, tuning, run.pair, run.seed) if tuning else None

    def tuning_run(self, experiment: str, tuning: str, scope: str, seed: int | str) -> TuningRun:
        """A planned fine-tuning by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(TuningRun(experiment, tuning, scope, int(seed)), self.tuning_runs)

    def decode_run(self, experiment: str, system: str, pair: str, seed: int | str) -> DecodeRun:
        """A planned decoding by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(DecodeRun(experiment, system, pair, int(seed)), self.decode_runs)

    def answer_run(self, experiment: str, system: str, seed: int | str) -> DecodeRun:
        """A planned run of answers by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(DecodeRun(experiment, system, PAIR, int(seed)), self.answer_runs)

    def divergence_run(self, experiment: str, pair: str, seed: int | str) -> DivergenceRun:
        """A planned comparison by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(DivergenceRun(experiment, pair, int(seed)), self.divergence_runs)

    @staticmethod
    def _planned(run: Run, planned: Sequence[Run]) -> Run:
        if run not in planned:
            wanted, *shown = ("/".join(str(part) for part in vars(r).values()) for r in (run, *planned))
            raise ValueError(registry.unknown("run", wanted, shown))
        return run


def prior_of(system: System) -> Prior | None:
    """The prior of a system; None if its decoder has none."""
    return system.decoder.prior if isinstance(system.decoder, PrefilledDecoder) else None
