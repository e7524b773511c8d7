"""The plan of a configuration: every run, known by its names.

Both rules and scripts use the plan, so a run has the same name and parameters whether Snakemake or a person starts it.
It imports no torch, uses no network and reads no results, since Snakemake parses it in every cluster job.

`runs.py` and `decodings.py` have the runs, and `sources.py` the texts and foundation models that they read. A `Plan`
finds them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dragoman import registry
from dragoman.checks import into_each
from dragoman.config import Config, Experiment, Guided, RefinedPrior, SftPrior, System
from dragoman.config.sweeps import written_out
from dragoman.configfile import prompts
from dragoman.instructions import PAIR
from dragoman.languages import split_pair
from dragoman.metrics import columns_of, requisites
from dragoman.metrics import parse as parse_metric
from dragoman.plan.decodings import AnswerRun, DecodeRun, prior_of
from dragoman.plan.runs import DivergenceRun, Run, TuningRun
from dragoman.plan.sources import Foundation, Text
from dragoman.storage import digest, replacing

__all__ = ["AnswerRun", "DecodeRun", "DivergenceRun", "Foundation", "Plan", "Run", "Text", "TuningRun"]

SomeRun = TypeVar("SomeRun", TuningRun, DecodeRun, AnswerRun, DivergenceRun)


class Plan:
    """All runs of a configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.results = Path(config.results)
        self.prompts = prompts(config.prompts)
        self.experiments = {name: written_out(experiment) for name, experiment in config.experiments.items()}
        """Experiments by name. Each point of a sweep is a tuning and system of its own here."""
        self._trained: dict[TuningRun, TuningRun] = {}

    # ------------------------------------------------------------------------------------------------------- by name

    def experiment(self, name: str) -> Experiment:
        """An experiment by name, with one tuning and system per point of a sweep.

        Raises:
            UnknownNameError: there is none of that name; the message suggests a similar name.
        """
        if name not in self.experiments:
            raise registry.UnknownNameError(registry.unknown("experiment", name, self.experiments))
        return self.experiments[name]

    def model(self, name: str) -> Foundation:
        """A foundation model by name.

        Raises:
            UnknownNameError: there is none of that name; the message suggests a similar name.
        """
        if name not in self.config.models:
            raise registry.UnknownNameError(registry.unknown("model", name, self.config.models))
        return Foundation(self, name)

    def text(self, corpus: str, pair: str) -> Text:
        """The text of a corpus in one language pair."""
        return Text(self, corpus, pair)

    def tuning_run(self, experiment: str, tuning: str, scope: str, seed: int | str) -> TuningRun:
        """A planned fine-tuning by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(TuningRun(self, experiment, tuning, scope, int(seed)))

    def decode_run(self, experiment: str, system: str, pair: str, seed: int | str) -> DecodeRun:
        """A planned decoding by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(DecodeRun(self, experiment, system, pair, int(seed)))

    def answer_run(self, experiment: str, system: str, seed: int | str) -> AnswerRun:
        """A planned run of answers by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(AnswerRun(self, experiment, system, int(seed)))

    def divergence_run(self, experiment: str, pair: str, seed: int | str) -> DivergenceRun:
        """A planned comparison by its name; raises ValueError with a similar name if it is not planned."""
        return self._planned(DivergenceRun(self, experiment, pair, int(seed)))

    def _planned(self, run: SomeRun) -> SomeRun:
        if run not in self._all_runs:
            shown = [other.label for other in self._all_runs if type(other) is type(run)]
            raise ValueError(registry.unknown("run", run.label, shown))
        return run

    # ------------------------------------------------------------------------------------------------------- all runs

    @cached_property
    def _all_runs(self) -> dict[Run, None]:
        runs = (*self.tuning_runs, *self.decode_runs, *self.answer_runs, *self.divergence_runs)
        return dict.fromkeys(runs)  # finds a run at once, where a list compares it with each

    def seeds(self, experiment: Experiment) -> list[int]:
        """Seeds of an experiment's tunings."""
        return list(experiment.seeds or self.config.seeds)

    def seeds_of(self, experiment: Experiment, system: System) -> list[int]:
        """Seeds with which a system runs: all seeds if it or its prior has a tuning, and only the first one otherwise,
        since nothing else depends on the seed."""
        prior = prior_of(system)
        if isinstance(prior, RefinedPrior) and prior.system:
            tuned = system.tuning or experiment.systems[prior.system].tuning
        else:
            tuned = system.tuning or isinstance(prior, SftPrior)
        return self.seeds(experiment)[: None if tuned else 1]

    @cached_property
    def decode_runs(self) -> list[DecodeRun]:
        """Every decoding."""
        return [
            DecodeRun(self, name, key, pair, seed)
            for name, experiment in self.experiments.items()
            for key, system in experiment.systems.items()
            for seed in self.seeds_of(experiment, system)
            for pair in experiment.test.pairs
        ]

    @cached_property
    def answer_runs(self) -> list[AnswerRun]:
        """Every system and seed with answers to instructions."""
        return [
            AnswerRun(self, name, key, seed)
            for name, experiment in self.experiments.items()
            for key in (experiment.instructions.systems if experiment.instructions else ())
            for seed in self.seeds_of(experiment, experiment.systems[key])
        ]

    @property
    def judge_runs(self) -> list[AnswerRun]:
        """The runs of `answer_runs` whose answers a judge compares with the first system's."""
        return [run for run in self.answer_runs if run.system != run.instructed.systems[0]]

    @cached_property
    def divergence_runs(self) -> list[DivergenceRun]:
        """Every comparison of a foundation model with its twin."""
        return [
            DivergenceRun(self, name, pair, seed)
            for name, experiment in self.experiments.items()
            if experiment.divergence
            for seed in self.seeds(experiment)
            for pair in experiment.test.pairs
        ]

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
            runs[own] = self._first_like(own)

        for run in (each for each in self.decode_runs if each.experiment == experiment):
            prior = prior_of(run.system_config)
            add(run.system_config.tuning, run.pair, run.seed)
            add(prior.twin if isinstance(prior, SftPrior) else None, run.pair, run.seed)
        spec = self.experiment(experiment).divergence
        for compared in (each for each in self.divergence_runs if each.experiment == experiment):
            add(spec and spec.twin, compared.pair, compared.seed)
        return runs

    def trained(self, experiment: str, tuning: str, pair: str, seed: int) -> TuningRun:
        """The fine-tuning that trains a tuning's model for a pair. It may be another experiment's: a model that several
        experiments train in the same way is trained once."""
        return self._first_like(self._named(experiment, tuning, pair, seed))

    def decoded(self, experiment: str, system: str, pair: str, seed: int) -> DecodeRun:
        """The decoding of a system, with the first seed if the system has no others."""
        spec = self.experiment(experiment)
        seeds = self.seeds_of(spec, spec.systems[system])
        return DecodeRun(self, experiment, system, pair, seed if seed in seeds else seeds[0])

    def _named(self, experiment: str, tuning: str, pair: str, seed: int) -> TuningRun:
        """The fine-tuning of a tuning for a pair."""
        per_pair = self.experiment(experiment).tunings[tuning].per_pair
        return TuningRun(self, experiment, tuning, pair if per_pair else "all", seed)

    def _first_like(self, run: TuningRun) -> TuningRun:
        """The first fine-tuning of the configuration that gives the same model: one that agrees in the foundation
        model, text, prompt, options and seed."""
        if run not in self._trained:
            content = self._content_of(run)
            names = [(name, key) for name, experiment in self.experiments.items() for key in experiment.tunings]
            others = (TuningRun(self, *name, run.scope, run.seed) for name in names)
            same = (other for other in others if other == run or content == self._content_of(other) is not None)
            self._trained[run] = next(same)
        return self._trained[run]

    def _content_of(self, run: TuningRun) -> object:
        """All that the model of a fine-tuning depends on; None if the experiment does not train it."""
        experiment, tuning = run.experiment_config, run.tuning_config
        if run.seed not in self.seeds(experiment) or tuning.per_pair == (run.scope == "all"):
            return None
        if tuning.per_pair and run.scope not in experiment.test.pairs:
            return None
        rest = tuning.model_dump(mode="json", exclude={"prompt", "pairs", "limit", "start", "sweep"})
        text = [run.train.corpus, run.pairs, run.limit, tuning.prompt or experiment.prompt, experiment.asked]
        start = tuning.start and self._content_of(self._named(run.experiment, tuning.start, run.scope, run.seed))
        return experiment.model, start, text, rest

    # ------------------------------------------------------------------------------------------- what the runs use

    def guiding_texts(self, experiment: Experiment, decoder: Guided) -> list[Text]:
        """Training text that a decoder reads, one into each language."""
        pairs = into_each(experiment, self.config.corpora, decoder.corpus or "").values()
        return [Text(self, decoder.corpus or "", pair) for pair in pairs if pair is not None]

    @property
    def models_used(self) -> list[Foundation]:
        """Every foundation model that some run reads."""
        experiments = self.config.experiments.values()
        priors = [prior_of(system) for experiment in experiments for system in experiment.systems.values()]
        refining = {prior.model for prior in priors if isinstance(prior, RefinedPrior) and prior.model}
        return [Foundation(self, name) for name in sorted(refining | {each.model for each in experiments})]

    @property
    def texts_used(self) -> list[Text]:
        """Every text that some run reads."""
        used = [text for model in self.models_used for text in model.texts]
        for experiment in self.config.experiments.values():
            systems = experiment.systems.values()
            for data in (experiment.train, experiment.test):
                used += [Text(self, data.corpus, pair) for pair in data.pairs] if data else []
            for tuning in experiment.tunings.values() if experiment.train else ():
                used += [Text(self, experiment.train.corpus, pair) for pair in tuning.pairs or ()]
                used += [Text(self, tuning.mix.corpus, PAIR)] if tuning.mix else []
            shown = {system.shots.corpus for system in systems if system.shots}
            shown |= {getattr(prior_of(system), "corpus", None) for system in systems}
            used += [Text(self, corpus, pair) for corpus in shown if corpus for pair in experiment.test.pairs]
            for system in systems:
                if isinstance(system.decoder, Guided) and system.decoder.corpus:
                    used += self.guiding_texts(experiment, system.decoder)
        used += [base for text in used for base in text.made_from]
        return sorted(set(used), key=lambda text: (text.corpus, text.pair))

    @property
    def metrics_used(self) -> list[str]:
        """Every metric that some experiment uses, without its options."""
        return sorted({name for experiment in self.config.experiments for _, name in self.metrics_of(experiment)})

    def metrics_of(self, experiment: str) -> list[tuple[str, str]]:
        """Registry entries of an experiment's metrics, without options."""
        return [("metric", parse_metric(spec)[0]) for spec in self.experiment(experiment).metrics]

    def requisites(self, experiment: str) -> list[Callable[[], str]]:
        """Functions that download or load the files and models that an experiment's metrics need."""
        spec = self.experiment(experiment)
        return [find for metric in spec.metrics for find in requisites(metric, spec.test.pairs)]

    def metric_options(self, experiment: str) -> dict[str, dict[str, Any]]:
        """The options of an experiment's metrics that the metrics do not set themselves, by metric.

        An off-target line is in one of the experiment's languages, or in English: the fewer there are to choose from,
        the fewer mistakes. Latency is counted in the units that were read and written.
        """
        spec = self.experiment(experiment)
        pairs = [*spec.test.pairs, *(spec.train.pairs if spec.train else [])]
        defaults = {
            "offtarget": {"languages": "+".join(sorted({"en", *(c for pair in pairs for c in split_pair(pair))}))}
        }
        if set(spec.asked) != {"auto"}:
            source, target = ("char" if unit == "character" else unit for unit in spec.asked)
            timed = [name for _, name in self.metrics_of(experiment) if "delays" in columns_of(name)]
            defaults |= {name: {"unit": target, "source_unit": source} for name in timed}
        return defaults

    def table_spec(self, name: str) -> list[Any]:
        """Everything that an experiment's tables and figures depend on, except its records."""
        experiment = self.experiment(name)
        runs = [run.names for run in self.decode_runs if run.experiment == name]
        labels = {key: [system.label, system.variant] for key, system in experiment.systems.items()}
        return [experiment.title, labels, experiment.assumptions, runs]

    # ------------------------------------------------------------------------------------------------ files of all runs

    @property
    def score_cache(self) -> Path:
        """Cached scores of sentences (`metrics/score_cache.py`)."""
        return self.results / ".cache" / "scores"

    @property
    def timed_claims(self) -> Path:
        """Verdicts on claims about training times, which differ between runs."""
        return self.results / "timings" / "claims.jsonl"

    @property
    def worlds(self) -> dict[str, Path]:
        """Name -> verdicts on claims of another configuration (`worlds:`)."""
        return {name: Path(folder) / "claims.jsonl" for name, folder in self.config.worlds.items()}

    def work_folder(self, kind: str, spec: Any) -> Path:
        """Folder for the state of an unfinished run.

        It is not declared as an output, so that Snakemake does not delete it. Its name is a digest of everything that
        the result depends on, so that a run never continues from the state of another configuration.
        """
        return self.results / ".work" / f"{kind}-{digest(spec)}"

    def tensorboard_folder(self, folder: Path) -> Path:
        """Event files of the training that fills `folder`."""
        return self.results / "tensorboard" / folder.relative_to(self.results)

    @property
    def digest(self) -> str:
        """A digest of the whole configuration."""
        return digest(self._content)

    @cached_property
    def _content(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude_unset=True)

    def save(self) -> Path:
        """Write the configuration, for the scripts to read, to a file named after the digest of its content.

        The file is never overwritten, so a dry run of another configuration cannot change the file of a running job.
        """
        path = self.results / ".config" / f"{self.digest}.yaml"
        if not path.exists():
            with replacing(path) as file:
                # no JSON, whose 2e-05 would be read as text
                yaml.safe_dump(self._content, file, allow_unicode=True, sort_keys=False)
        return path
