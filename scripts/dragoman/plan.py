"""What a configuration makes: every run, the folder it writes to, and the effective parameters its result depends on.

Rules and scripts both read this, so a run has one name and one set of parameters, whether Snakemake or a person starts
it. No torch, no network, no look at results: Snakemake parses this in every cluster job.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from dragoman import registry
from dragoman.checks import MODEL_FREE, page_pairs
from dragoman.command import REPOSITORY
from dragoman.config import (
    Config,
    Experiment,
    FilesCorpus,
    LocalModel,
    Model,
    Pages,
    Prompt,
    ScratchModel,
    System,
    Tuning,
)
from dragoman.configfile import prompts
from dragoman.imports import fingerprint
from dragoman.languages import reverse
from dragoman.metrics import parse as parse_metric
from dragoman.storage import MANIFEST, digest, replacing
from dragoman.sweeps import written_out

Run = TypeVar("Run", "TuningRun", "DecodeRun")


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


class Plan:
    """Names, folders and effective parameters of all runs of a configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.results = Path(config.results)
        self.prompts = prompts(config.prompts)
        self.experiments = {name: written_out(experiment) for name, experiment in config.experiments.items()}
        """With every sweep written out: what is trained and decoded."""

    # ------------------------------------------------------------------------------------------------------ folders

    def corpus_folder(self, corpus: str, pair: str) -> Path:
        """Checked parallel text of one pair."""
        return self.results / "corpora" / corpus / pair

    def download_folder(self, corpus: str, pair: str) -> Path:
        """What a provider fetched for one pair."""
        return self.results / "downloads" / "corpora" / corpus / pair

    def model_folder(self, model: str) -> Path:
        """A foundation model, with tokenizer."""
        return self.results / "models" / model

    def tuning_folder(self, run: TuningRun) -> Path:
        """A fine-tuned model."""
        return self.results / "tunings" / run.experiment / run.tuning / run.scope / f"seed-{run.seed}"

    def decode_folder(self, run: DecodeRun) -> Path:
        """Hypotheses of a system."""
        return self.results / "decodes" / run.experiment / run.system / run.pair / f"seed-{run.seed}"

    def score_file(self, run: DecodeRun) -> Path:
        """Records of a system."""
        return self.results / "scores" / run.experiment / run.system / run.pair / f"seed-{run.seed}.jsonl"

    def timing_file(self, run: TuningRun) -> Path:
        """What a fine-tuning took: kept apart from results, which do not depend on the clock."""
        return self.results / "timings" / run.experiment / run.tuning / run.scope / f"seed-{run.seed}.json"

    def work_folder(self, kind: str, spec: Any) -> Path:
        """Where an unfinished run keeps its state.

        Undeclared, so that Snakemake never deletes it, and keyed by all that the result depends on, so that nothing of
        another configuration is ever taken up.
        """
        return self.results / ".work" / f"{kind}-{digest(spec)}"

    def tensorboard_folder(self, folder: Path) -> Path:
        """Event files of the training that fills `folder`."""
        return self.results / "tensorboard" / folder.relative_to(self.results)

    # --------------------------------------------------------------------------------------------------------- runs

    def seeds(self, experiment: Experiment) -> list[int]:
        """Seeds of an experiment's tunings."""
        return list(experiment.seeds or self.config.seeds)

    @cached_property
    def tuning_runs(self) -> list[TuningRun]:
        """Every fine-tuning that some system needs, each after the one it goes on from."""
        runs: dict[TuningRun, None] = {}
        for decode in self.decode_runs:
            chain, run = [], self.tuning_behind(decode)
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

    def model_before(self, run: TuningRun) -> Path:
        """Folder of the model a fine-tuning begins with."""
        start = self.start_of(run)
        return self.tuning_folder(start) if start else self.model_folder(self.experiment(run.experiment).model)

    @cached_property
    def decode_runs(self) -> list[DecodeRun]:
        """Every decoding. A system without a tuning has no seed to vary: it runs once, under the first."""
        runs = []
        for name, experiment in self.experiments.items():
            for key, system in experiment.systems.items():
                seeds = self.seeds(experiment)
                for seed in seeds if system.tuning else seeds[:1]:
                    runs += [DecodeRun(name, key, pair, seed) for pair in experiment.test.pairs]
        return runs

    def tuning_behind(self, run: DecodeRun) -> TuningRun | None:
        """The fine-tuning whose model a decoding uses; None for the foundation model or no model at all."""
        experiment, system = self.experiment(run.experiment), self.system(run)
        if system.tuning is None:
            return None
        scope = run.pair if experiment.tunings[system.tuning].per_pair else "all"
        return TuningRun(run.experiment, system.tuning, scope, run.seed)

    def model_behind(self, run: DecodeRun) -> Path | None:
        """Folder of the model a decoding uses; None where the decoder uses none."""
        experiment, system = self.experiment(run.experiment), self.system(run)
        if system.decoder.name in MODEL_FREE:
            return None
        tuning = self.tuning_behind(run)
        return self.tuning_folder(tuning) if tuning else self.model_folder(experiment.model)

    def system(self, run: DecodeRun) -> System:
        """The system a decoding runs."""
        return self.experiment(run.experiment).systems[run.system]

    def experiment(self, name: str) -> Experiment:
        """An experiment by name, sweeps written out; an unknown one is an error that names the nearest."""
        if name not in self.experiments:
            raise KeyError(registry.unknown("experiment", name, self.experiments))
        return self.experiments[name]

    def model(self, name: str) -> Model:
        """A foundation model's configuration by name; an unknown one is an error that names the nearest."""
        if name not in self.config.models:
            raise KeyError(registry.unknown("model", name, self.config.models))
        return self.config.models[name]

    def tuning_run(self, experiment: str, tuning: str, scope: str, seed: int | str) -> TuningRun:
        """A planned fine-tuning by its name; one that is not planned is an error that names the nearest."""
        return self._planned(TuningRun(experiment, tuning, scope, int(seed)), self.tuning_runs)

    def decode_run(self, experiment: str, system: str, pair: str, seed: int | str) -> DecodeRun:
        """A planned decoding by its name; one that is not planned is an error that names the nearest."""
        return self._planned(DecodeRun(experiment, system, pair, int(seed)), self.decode_runs)

    @staticmethod
    def _planned(run: Run, planned: Sequence[Run]) -> Run:
        if run not in planned:
            wanted, *shown = ("/".join(str(part) for part in vars(r).values()) for r in (run, *planned))
            raise ValueError(registry.unknown("run", wanted, shown))
        return run

    # ------------------------------------------------------------------------------------------------------- inputs

    def page_pairs(self, pages: Pages) -> list[str]:
        """Pairs whose training text becomes pages."""
        return page_pairs(pages, self.config.corpora[pages.corpus])

    def page_corpora(self, model: ScratchModel) -> list[Path]:
        """Corpus folders a model from scratch is made of."""
        return [self.corpus_folder(model.text.corpus, pair) for pair in self.page_pairs(model.text)]

    def train_pairs(self, run: TuningRun) -> list[str]:
        """Pairs one fine-tuning is trained on."""
        experiment = self.experiment(run.experiment)
        assert experiment.train is not None  # checked when the configuration was read
        return list(experiment.train.pairs) if run.scope == "all" else [run.scope]

    def train_corpora(self, run: TuningRun) -> list[Path]:
        """Corpus folders one fine-tuning is trained on, in the order of `train_pairs`."""
        experiment = self.experiment(run.experiment)
        assert experiment.train is not None
        return [self.corpus_folder(experiment.train.corpus, pair) for pair in self.train_pairs(run)]

    def test_corpus(self, run: DecodeRun) -> Path:
        """Corpus folder a decoding is tested on."""
        return self.corpus_folder(self.experiment(run.experiment).test.corpus, run.pair)

    def raw_files(self, corpus: str, pair: str) -> list[str]:
        """The user's own files behind one pair, so that a change of them is seen."""
        spec = self.config.corpora[corpus]
        if not isinstance(spec, FilesCorpus):
            return []
        splits = spec.pairs.get(pair) or spec.pairs[reverse(pair)]
        sets = [splits.train, splits.validation, splits.test]
        return [path for s in sets if s for path in (s.path, s.source, s.target) if path]

    def model_inputs(self, name: str) -> list[Path]:
        """Files a foundation model is made of."""
        spec = self.model(name)
        if isinstance(spec, ScratchModel):
            return [folder / MANIFEST for folder in self.page_corpora(spec)]
        return [Path(spec.path) / "config.json"] if isinstance(spec, LocalModel) else []

    def experiment_manifests(self, name: str) -> list[Path]:
        """Manifests of the models an experiment trains, whose loss curves it shows."""
        return [self.tuning_folder(run) / MANIFEST for run in self.tuning_runs if run.experiment == name]

    def corpora_used(self) -> list[tuple[str, str]]:
        """Every (corpus, pair) that some run reads."""
        used = []
        for model in self.models_used():
            if isinstance(spec := self.config.models[model], ScratchModel):
                used += [(spec.text.corpus, pair) for pair in self.page_pairs(spec.text)]
        for experiment in self.config.experiments.values():
            for data in (experiment.train, experiment.test):
                used += [(data.corpus, pair) for pair in data.pairs] if data else []
        return sorted(set(used))

    def models_used(self) -> list[str]:
        """Every foundation model that some run reads."""
        return sorted({experiment.model for experiment in self.config.experiments.values()})

    @property
    def metrics_used(self) -> list[str]:
        """Every metric that some experiment asks for, without its options."""
        return sorted({name for experiment in self.config.experiments for _, name in self.metrics_of(experiment)})

    # --------------------------------------------------------------------------------------------------- parameters

    def corpus_spec(self, corpus: str, pair: str) -> dict[str, Any]:
        """What the checked text of one pair depends on, besides its raw files."""
        facts = self.config.corpora[corpus].model_dump(mode="json")
        if facts["provider"] == "files":
            pairs = facts.pop("pairs")
            facts["files"] = pairs.get(pair) or pairs[reverse(pair)]
        if facts["provider"] == "demo":
            facts["lexicon"] = fingerprint(sorted((REPOSITORY / "config" / "lexicon").glob("*.tsv")))
        facts.pop("pairs", None)
        return {"corpus": facts, "pair": pair}

    def model_spec(self, model: str) -> dict[str, Any]:
        """What a foundation model depends on, besides the text it is made of."""
        return {"model": self.config.models[model].model_dump(mode="json"), "threads": self.config.threads}

    def prompt_of(self, experiment: Experiment, tuning: Tuning | None, system: System | None = None) -> Prompt:
        """The prompt in force: the system's, else the tuning's, else the experiment's."""
        name = (system and system.prompt) or (tuning and tuning.prompt) or experiment.prompt
        return self.prompts[name]

    def tuning_spec(self, run: TuningRun) -> dict[str, Any]:
        """What a fine-tuned model depends on, besides its foundation model and its text."""
        experiment = self.experiment(run.experiment)
        tuning = experiment.tunings[run.tuning]
        assert experiment.train is not None
        return {
            "method": tuning.method,
            "start": tuning.start,
            "options": tuning.options,
            "training": tuning.training.model_dump(mode="json"),
            "prompt": self.prompt_of(experiment, tuning).model_dump(mode="json"),
            "pairs": self.train_pairs(run),
            "limit": experiment.train.limit,
            "seed": run.seed,
            "threads": self.config.threads,
        }

    def decode_spec(self, run: DecodeRun) -> dict[str, Any]:
        """What hypotheses depend on, besides the model and the test set."""
        experiment, system = self.experiment(run.experiment), self.system(run)
        tuning = experiment.tunings[system.tuning] if system.tuning else None
        return {
            "decoder": system.decoder.model_dump(mode="json"),
            "prompt": self.prompt_of(experiment, tuning, system).model_dump(mode="json"),
            "pair": run.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.config.threads,
        }

    def metrics_of(self, experiment: str) -> list[tuple[str, str]]:
        """Registry entries of an experiment's metrics, without their options."""
        return [("metric", parse_metric(spec)[0]) for spec in self.experiment(experiment).metrics]

    def table_spec(self, name: str) -> list[Any]:
        """What an experiment's tables and figures depend on, besides its records."""
        experiment = self.experiment(name)
        runs = [vars(run) for run in self.decode_runs if run.experiment == name]
        return [experiment.title, {key: system.label for key, system in experiment.systems.items()}, runs]

    def needs_download(self, corpus: str) -> bool:
        """Whether a corpus comes over the network."""
        return self.config.corpora[corpus].provider in ("hub", "sacrebleu")

    @property
    def digest(self) -> str:
        """A digest of the whole configuration."""
        return digest(self._content)

    @cached_property
    def _content(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude_unset=True)

    def save(self) -> Path:
        """Write the configuration under a name made of its content, for the scripts to read.

        Never overwritten, so a dry run of another configuration cannot change what a running job reads.
        """
        path = self.results / ".config" / f"{self.digest}.yaml"
        if not path.exists():
            with replacing(path) as file:
                file.write(json.dumps(self._content, indent=1, ensure_ascii=False) + "\n")
        return path
