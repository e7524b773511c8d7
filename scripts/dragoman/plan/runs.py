"""The runs of a configuration: each fine-tuning, and each comparison with a twin; decodings are in `decodings.py`.

A run is known by its names, which are also the wildcards of its rule and the folders of its results. It knows its
configuration, the models and texts that it reads, the files that it writes, and everything else that its result depends
on (`spec`). Two runs are equal if their names are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman import registry
from dragoman.config import (
    Experiment,
    OfflineDecoder,
    Prompt,
    TrainData,
    Tuning,
)
from dragoman.config.sweeps import split
from dragoman.imports import code
from dragoman.instructions import PAIR
from dragoman.plan.sources import Foundation, Text, facts_of_languages
from dragoman.storage import MANIFEST, digest

if TYPE_CHECKING:
    from dragoman.plan import Plan


@dataclass(frozen=True)
class Run(ABC):
    """One run of an experiment."""

    RULE: ClassVar[str]
    """Name of the rule and of the script that make its result."""

    plan: Plan = field(repr=False, compare=False)
    experiment: str

    @property
    def names(self) -> dict[str, Any]:
        """The names and the seed, as results list them."""
        return {name.name: getattr(self, name.name) for name in fields(self) if name.compare}

    @property
    def label(self) -> str:
        """What progress and messages call the run: `pretty/twin/all seed 1`."""
        *names, seed = self.names.values()
        return f"{'/'.join(names)} seed {seed}"

    @property
    def place(self) -> Path:
        """The run's place in every folder of results: `pretty/twin/all/seed-1`."""
        *names, seed = self.names.values()
        return Path(*names, f"seed-{seed}")

    @property
    def benchmark(self) -> Path:
        """Time and memory of the run's job."""
        return (self.plan.results / "benchmarks" / self.RULE / self.place).with_suffix(".tsv")

    @property
    def experiment_config(self) -> Experiment:
        """The experiment in the configuration, with one tuning and system per point of a sweep."""
        return self.plan.experiment(self.experiment)

    @property
    def foundation(self) -> Foundation:
        """The experiment's foundation model."""
        return self.plan.model(self.experiment_config.model)

    @property
    @abstractmethod
    def inputs(self) -> list[Path]:
        """Files that the run reads; for a folder of ours, its manifest."""

    @property
    def modules(self) -> list[tuple[str, str]]:
        """The registered `(kind, name)`s whose code the run uses."""
        return []

    @property
    def code(self) -> str:
        """A fingerprint of the code that the result depends on."""
        return code(self.RULE, *self.modules)

    @property
    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Everything that the result depends on, except code and inputs."""

    @property
    def digest(self) -> str:
        """A digest of `spec`."""
        return digest(self.spec)


@dataclass(frozen=True)
class TuningRun(Run):
    """A fine-tuning: a tuning, its training pairs (`scope` is a pair or `all`), and a seed."""

    RULE = "finetune"
    tuning: str
    scope: str
    seed: int

    @property
    def tuning_config(self) -> Tuning:
        """The tuning in the configuration."""
        return self.experiment_config.tunings[self.tuning]

    @property
    def base(self) -> str:
        """The tuning's name without its point of a sweep: `sm` of `sm,k=3`."""
        return split(self.tuning)[0]

    @property
    def setting(self) -> str:
        """The tuning's point of a sweep: `k=3` of `sm,k=3`; empty without a sweep."""
        return split(self.tuning)[1]

    @property
    def folder(self) -> Path:
        """Folder of the fine-tuned model."""
        return self.plan.results / "tunings" / self.place

    @property
    def manifest(self) -> Path:
        """The file that is written last into `folder`."""
        return self.folder / MANIFEST

    @property
    def timing(self) -> Path:
        """Duration and memory, apart from other results, which do not depend on the clock."""
        return (self.plan.results / "timings" / self.place).with_suffix(".json")

    @property
    def start(self) -> TuningRun | Foundation:
        """The model that the fine-tuning starts from: another fine-tuning's, or the foundation model."""
        start = self.tuning_config.start
        return self.plan.trained(self.experiment, start, self.scope, self.seed) if start else self.foundation

    @property
    def train(self) -> TrainData:
        """The experiment's training text in the configuration."""
        train = self.experiment_config.train
        assert train is not None  # checked when the configuration was read
        return train

    @property
    def pairs(self) -> list[str]:
        """Pairs that the model is trained on."""
        return list(self.tuning_config.pairs or self.train.pairs) if self.scope == "all" else [self.scope]

    @property
    def limit(self) -> int | None:
        """Number of training sentences per pair; None: all."""
        return self.tuning_config.limit or self.train.limit

    @property
    def texts(self) -> list[Text]:
        """The training text, in the order of `pairs`."""
        return [self.plan.text(self.train.corpus, pair) for pair in self.pairs]

    @property
    def instructions(self) -> Text | None:
        """The instructions that the model is trained on, too."""
        mix = self.tuning_config.mix
        return self.plan.text(mix.corpus, PAIR) if mix else None

    @property
    def inputs(self) -> list[Path]:
        return [source.manifest for source in (self.start, *self.texts, self.instructions) if source]

    @property
    def prompt(self) -> Prompt:
        """The prompt of the training examples."""
        return self.plan.prompts[self.experiment_config.prompt_name(self.tuning_config)]

    @property
    def modules(self) -> list[tuple[str, str]]:
        tuning = self.tuning_config
        options = registry.module_of("method", tuning.method).Options.model_validate(tuning.options)
        policies = {policy.name for policy in getattr(options, "policies", ())}
        return [("method", tuning.method), *(("policy", name) for name in sorted(policies))]

    @property
    def spec(self) -> dict[str, Any]:
        tuning = self.tuning_config
        return {
            "method": tuning.method,
            "start": tuning.start,
            "options": tuning.options,
            "training": tuning.training.model_dump(mode="json"),
            "prompt": self.prompt.model_dump(mode="json"),
            "languages": facts_of_languages([self.pairs, tuning.options]),
            "units": [*self.experiment_config.asked],
            "pairs": self.pairs,
            "limit": self.limit,
            "mix": tuning.mix and tuning.mix.model_dump(mode="json"),
            "seed": self.seed,
            "threads": self.plan.config.threads,
        }


@dataclass(frozen=True)
class DivergenceRun(Run):
    """A comparison of an experiment's foundation model with its twin: a pair, and the seed of the twin."""

    RULE = "diverge"
    pair: str
    seed: int

    @property
    def twin(self) -> TuningRun:
        """The fine-tuning that the foundation model is compared with."""
        divergence = self.experiment_config.divergence
        assert divergence is not None  # otherwise the plan would not have this run
        return self.plan.trained(self.experiment, divergence.twin, self.pair, self.seed)

    @property
    def test(self) -> Text:
        """The text on which both models are compared."""
        return self.plan.text(self.experiment_config.test.corpus, self.pair)

    @property
    def inputs(self) -> list[Path]:
        return [source.manifest for source in (self.foundation, self.twin, self.test)]

    @property
    def file(self) -> Path:
        """Divergence at each position."""
        return (self.plan.results / "divergence" / self.place).with_suffix(".jsonl")

    @property
    def prompt(self) -> Prompt:
        """The twin's prompt, which both models are given."""
        return self.twin.prompt

    @property
    def decoder(self) -> OfflineDecoder:
        """The decoder of both models."""
        spec = self.experiment_config.divergence
        assert spec is not None
        return OfflineDecoder(
            name="offline",
            max_new_tokens=spec.max_new_tokens,
            batch_size=spec.batch_size,
            stop_at_newline=spec.stop_at_newline,
        )

    @property
    def spec(self) -> dict[str, Any]:
        experiment = self.experiment_config
        assert experiment.divergence is not None
        return {
            "divergence": experiment.divergence.model_dump(mode="json"),
            "decoder": self.decoder.model_dump(mode="json"),
            "prompt": self.prompt.model_dump(mode="json"),
            "languages": facts_of_languages(self.pair),
            "pair": self.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.plan.config.threads,
        }
