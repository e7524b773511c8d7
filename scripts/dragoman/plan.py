"""What a configuration makes: every run, the folder it writes to, and the effective parameters its result depends on.

Rules and scripts both read this, so a run has one name and one set of parameters, whether Snakemake or a person starts
it. No torch, no network, no look at results: Snakemake parses this in every cluster job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dragoman import registry
from dragoman.checks import MODEL_FREE, page_pairs
from dragoman.command import REPOSITORY
from dragoman.config import (
    Config,
    Decoder,
    Experiment,
    FilesCorpus,
    Instructed,
    InstructionsCorpus,
    LocalModel,
    Model,
    Pages,
    PrefilledDecoder,
    Prior,
    Prompt,
    PseudoPrior,
    RandomPrior,
    RefinedPrior,
    ScratchModel,
    SftPrior,
    System,
    Tuning,
)
from dragoman.configfile import prompts
from dragoman.imports import fingerprint
from dragoman.instructions import PAIR
from dragoman.languages import reverse, split_pair
from dragoman.metrics import parse as parse_metric
from dragoman.metrics import requisites
from dragoman.storage import MANIFEST, digest, replacing
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

    def shard_files(self, run: DecodeRun) -> list[Path]:
        """What the parts of a decoding are written to, in order; nothing where it is decoded in one piece."""
        shards = self.system(run).shards or self.config.shards
        if shards == 1 or self.model_behind(run) is None:
            return []
        return [self.decode_folder(run) / f"shard-{number}-of-{shards}.jsonl" for number in range(1, shards + 1)]

    def score_file(self, run: DecodeRun) -> Path:
        """Records of a system."""
        return self.results / "scores" / run.experiment / run.system / run.pair / f"seed-{run.seed}.jsonl"

    @property
    def kept_scores(self) -> Path:
        """Scores of sentences that are not computed twice."""
        return self.results / ".cache" / "scores"

    def answers_file(self, run: DecodeRun) -> Path:
        """A system's answers to instructions, in AlpacaEval's form."""
        return self.results / "answers" / run.experiment / run.system / f"seed-{run.seed}.json"

    def judgement_file(self, run: DecodeRun) -> Path:
        """Records of what a judge said of a system's answers."""
        return self.results / "judgements" / run.experiment / run.system / f"seed-{run.seed}.jsonl"

    def divergence_file(self, run: DivergenceRun) -> Path:
        """How alike foundation model and twin are."""
        return self.results / "divergence" / run.experiment / run.pair / f"seed-{run.seed}.jsonl"

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

    def model_before(self, run: TuningRun) -> Path:
        """Folder of the model a fine-tuning begins with."""
        start = self.start_of(run)
        return self.tuning_folder(start) if start else self.model_folder(self.experiment(run.experiment).model)

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
        prior = _prior(system)
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
        prior = _prior(self.system(run))
        return self._tuned(run.experiment, prior.twin, run.pair, run.seed) if isinstance(prior, SftPrior) else None

    def tuning_behind(self, run: DecodeRun) -> TuningRun | None:
        """The fine-tuning whose model a decoding uses; None for the foundation model or no model at all."""
        tuning = self.system(run).tuning
        return self._tuned(run.experiment, tuning, run.pair, run.seed) if tuning else None

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
            raise registry.UnknownNameError(registry.unknown("experiment", name, self.experiments))
        return self.experiments[name]

    def model(self, name: str) -> Model:
        """A foundation model's configuration by name; an unknown one is an error that names the nearest."""
        if name not in self.config.models:
            raise registry.UnknownNameError(registry.unknown("model", name, self.config.models))
        return self.config.models[name]

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

    # ------------------------------------------------------------------------------------------------------- inputs

    def page_pairs(self, pages: Pages) -> list[str]:
        """Pairs whose training text becomes pages."""
        return page_pairs(pages, self.config.corpora[pages.corpus])

    def page_texts(self, pages: Pages) -> list[tuple[str, str]]:
        """(corpus, pair) of every text that pages are made of: the corpus's pairs, then those of each task."""
        own = [(pages.corpus, pair) for pair in self.page_pairs(pages)]
        return own + [(task.corpus, pair) for task in pages.tasks for pair in task.pairs]

    def train_pairs(self, run: TuningRun) -> list[str]:
        """Pairs one fine-tuning is trained on."""
        experiment = self.experiment(run.experiment)
        assert experiment.train is not None  # checked when the configuration was read
        pairs = experiment.tunings[run.tuning].pairs or experiment.train.pairs
        return list(pairs) if run.scope == "all" else [run.scope]

    def train_limit(self, run: TuningRun) -> int | None:
        """Sentences per pair that one fine-tuning is trained on; None for all."""
        experiment = self.experiment(run.experiment)
        assert experiment.train is not None
        return experiment.tunings[run.tuning].limit or experiment.train.limit

    def train_corpora(self, run: TuningRun) -> list[Path]:
        """Corpus folders one fine-tuning is trained on, in the order of `train_pairs`."""
        experiment = self.experiment(run.experiment)
        assert experiment.train is not None
        return [self.corpus_folder(experiment.train.corpus, pair) for pair in self.train_pairs(run)]

    def mixed_corpus(self, run: TuningRun) -> Path | None:
        """Corpus folder of the instructions that one fine-tuning is trained on, too."""
        mix = self.experiment(run.experiment).tunings[run.tuning].mix
        return self.corpus_folder(mix.corpus, PAIR) if mix else None

    def test_corpus(self, run: DecodeRun) -> Path:
        """Corpus folder a decoding is tested on."""
        return self.corpus_folder(self.experiment(run.experiment).test.corpus, run.pair)

    def shots_corpus(self, run: DecodeRun) -> Path | None:
        """Corpus folder that a decoding takes demonstrations from; None where it shows none."""
        shots = self.system(run).shots
        if shots is None:
            return None
        return self.corpus_folder(shots.corpus or self.experiment(run.experiment).test.corpus, run.pair)

    def decode_corpora(self, run: DecodeRun) -> list[Path]:
        """Corpus folders a decoding reads: its test set's, and its demonstrations'."""
        folders = (self.test_corpus(run), self.shots_corpus(run))
        return list(dict.fromkeys(folder for folder in folders if folder))

    def decoder(self, run: DecodeRun) -> Decoder:
        """The decoder of a decoding; what its prior names (a tuning, system, model, corpus) is files by now."""
        decoder = self.system(run).decoder
        if not isinstance(decoder, PrefilledDecoder):
            return decoder
        prior, found = decoder.prior, dict[str, Any]()
        match prior:
            case SftPrior() if twin := self.prior_twin(run):
                found = {"twin": self.tuning_folder(twin).as_posix()}
            case RefinedPrior(model=str(name)):
                found = {"model": self.model_folder(name).as_posix()}
            case RefinedPrior(hypotheses=str(path)):
                found = {"hypotheses": path.replace("{pair}", run.pair)}
            case RefinedPrior(system=str()):
                path = self.decode_folder(self._refining(run, prior.system)) / "hypotheses.jsonl"
                found = {"system": None, "hypotheses": path.as_posix()}
            case PseudoPrior(corpus=str(name)):
                found = {"files": {run.pair: self._train_file(name, run.pair)}, "corpus": None}
            case RandomPrior(corpus=str(name)):
                pairs = [*self.experiment(run.experiment).test.pairs, run.pair]
                texts = {pair.rpartition("-")[2]: self._train_file(name, pair) for pair in pairs}
                found = {"files": texts, "corpus": None}
        return decoder.model_copy(update={"prior": prior.model_copy(update=found)})

    def _train_file(self, corpus: str, pair: str) -> str:
        return (self.corpus_folder(corpus, pair) / "train.parquet").as_posix()

    def _refining(self, run: DecodeRun, system: str | None) -> DecodeRun:
        experiment = self.experiment(run.experiment)
        seed = run.seed if self._varies(experiment, experiment.systems[system or ""]) else self.seeds(experiment)[0]
        return DecodeRun(run.experiment, system or "", run.pair, seed)

    def prior_files(self, run: DecodeRun) -> list[Path]:
        """Files that a decoding's prior is made from; of a folder of ours its manifest."""
        decoder = self.decoder(run)
        match decoder.prior if isinstance(decoder, PrefilledDecoder) else None:
            case SftPrior(twin=folder) | RefinedPrior(model=str(folder)):
                return [Path(folder) / MANIFEST]
            case RefinedPrior(hypotheses=str(path)):
                return [Path(path)]
            case PseudoPrior(files=files):
                paths = [Path(files[run.pair])]
            case RandomPrior(kind=kind, files=files):
                languages = run.pair.split("-")
                chosen = [languages[1]] if kind == "random" else sorted(files.keys() - {*languages})
                paths = [Path(files[language]) for language in chosen]
            case _:
                return []
        return [path.parent / MANIFEST if path.suffix == ".parquet" else path for path in paths]

    def raw_files(self, corpus: str, pair: str) -> list[str]:
        """The user's own files behind one pair, so that a change of them is seen."""
        spec = self.config.corpora[corpus]
        if isinstance(spec, InstructionsCorpus) and spec.path:
            return [spec.path]
        if not isinstance(spec, FilesCorpus):
            return []
        splits = spec.pairs.get(pair) or spec.pairs[reverse(pair)]
        sets = [splits.train, splits.validation, splits.test]
        return [path for s in sets if s for path in (s.path, s.source, s.target) if path]

    def model_inputs(self, name: str) -> list[Path]:
        """Files a foundation model is made of."""
        spec = self.model(name)
        if isinstance(spec, ScratchModel):
            return [self.corpus_folder(*text) / MANIFEST for text in self.page_texts(spec.text)]
        return [Path(spec.path) / "config.json"] if isinstance(spec, LocalModel) else []

    def experiment_manifests(self, name: str) -> list[Path]:
        """Manifests of the models an experiment trains, whose loss curves it shows."""
        return [self.tuning_folder(run) / MANIFEST for run in self.tuning_runs if run.experiment == name]

    def corpora_used(self) -> list[tuple[str, str]]:
        """Every (corpus, pair) that some run reads."""
        used = []
        for model in self.models_used():
            if isinstance(spec := self.config.models[model], ScratchModel):
                used += self.page_texts(spec.text)
        for experiment in self.config.experiments.values():
            for data in (experiment.train, experiment.test):
                used += [(data.corpus, pair) for pair in data.pairs] if data else []
            for tuning in experiment.tunings.values() if experiment.train else ():
                used += [(experiment.train.corpus, pair) for pair in tuning.pairs or ()]
                used += [(tuning.mix.corpus, PAIR)] if tuning.mix else []
            shown = {shots.corpus for system in experiment.systems.values() if (shots := system.shots)}
            shown |= {getattr(_prior(system), "corpus", None) for system in experiment.systems.values()}
            used += [(corpus, pair) for corpus in shown if corpus for pair in experiment.test.pairs]
        return sorted(set(used))

    def models_used(self) -> list[str]:
        """Every foundation model that some run reads."""
        experiments = self.config.experiments.values()
        priors = [_prior(system) for experiment in experiments for system in experiment.systems.values()]
        refining = {prior.model for prior in priors if isinstance(prior, RefinedPrior) and prior.model}
        return sorted(refining | {experiment.model for experiment in experiments})

    @property
    def metrics_used(self) -> list[str]:
        """Every metric that some experiment asks for, without its options."""
        return sorted({name for experiment in self.config.experiments for _, name in self.metrics_of(experiment)})

    # --------------------------------------------------------------------------------------------------- parameters

    def corpus_spec(self, corpus: str, pair: str) -> dict[str, Any]:
        """What the checked text of one pair depends on, besides its raw files."""
        facts = self.config.corpora[corpus].model_dump(mode="json", exclude={"sizes"})
        if facts["provider"] == "files":
            pairs = facts.pop("pairs")
            facts["files"] = pairs.get(pair) or pairs[reverse(pair)]
        if facts["provider"] == "demo":
            facts["lexicon"] = fingerprint(sorted((REPOSITORY / "config" / "lexicon").glob("*.tsv")))
        facts.pop("pairs", None)
        return {"corpus": facts, "pair": pair}

    def model_spec(self, model: str) -> dict[str, Any]:
        """What a foundation model depends on, besides the text it is made of."""
        facts = self.config.models[model].model_dump(mode="json", exclude={"parameters"})
        return {"model": facts, "threads": self.config.threads}

    def prompt_of(
        self, experiment: Experiment, tuning: Tuning | None, system: System | None = None, pair: str = ""
    ) -> Prompt:
        """The prompt in force: the system's for the pair's target, the system's, the tuning's, or the experiment's."""
        by_target = system.prompt_by_target.get(pair.rpartition("-")[2]) if system else None
        name = by_target or (system and system.prompt) or (tuning and tuning.prompt) or experiment.prompt
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
            "limit": self.train_limit(run),
            "mix": tuning.mix and tuning.mix.model_dump(mode="json"),
            "seed": run.seed,
            "threads": self.config.threads,
        }

    def decode_spec(self, run: DecodeRun) -> dict[str, Any]:
        """What hypotheses depend on, besides the model and the test set."""
        experiment, system = self.experiment(run.experiment), self.system(run)
        tuning = experiment.tunings[system.tuning] if system.tuning else None
        return {
            "decoder": self.decoder(run).model_dump(mode="json"),
            "prompt": self.prompt_of(experiment, tuning, system, run.pair).model_dump(mode="json"),
            "shots": system.shots and [system.shots.lines, system.shots.split],
            "pair": run.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.config.threads,
        }

    def answer_spec(self, run: DecodeRun) -> dict[str, Any]:
        """What answers to instructions depend on, besides the model and the instructions."""
        spec = self.instructed(run)
        chosen = {"limit": spec.limit, "max_new_tokens": spec.max_new_tokens, "batch_size": spec.batch_size}
        return chosen | {"threads": self.config.threads}

    def divergence_spec(self, run: DivergenceRun) -> dict[str, Any]:
        """What a comparison depends on, besides the models and the test set."""
        experiment = self.experiment(run.experiment)
        assert experiment.divergence is not None
        twin = experiment.tunings[experiment.divergence.twin]
        return {
            "divergence": experiment.divergence.model_dump(mode="json"),
            "prompt": self.prompt_of(experiment, twin).model_dump(mode="json"),
            "pair": run.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.config.threads,
        }

    def metrics_of(self, experiment: str) -> list[tuple[str, str]]:
        """Registry entries of an experiment's metrics, without their options."""
        return [("metric", parse_metric(spec)[0]) for spec in self.experiment(experiment).metrics]

    def requisites(self, experiment: str) -> list[Callable[[], str]]:
        """What an experiment's metrics need besides packages and texts, as functions that fetch it or load it."""
        spec = self.experiment(experiment)
        return [find for metric in spec.metrics for find in requisites(metric, spec.test.pairs)]

    def metric_options(self, experiment: str) -> dict[str, dict[str, Any]]:
        """What metrics are computed with unless their own options say otherwise, by metric.

        An off-target line is in one of the experiment's languages, or in English: the fewer there are to choose from,
        the fewer mistakes.
        """
        spec = self.experiment(experiment)
        pairs = [*spec.test.pairs, *(spec.train.pairs if spec.train else [])]
        return {"offtarget": {"languages": "+".join(sorted({"en", *(c for pair in pairs for c in split_pair(pair))}))}}

    def table_spec(self, name: str) -> list[Any]:
        """What an experiment's tables and figures depend on, besides its records."""
        experiment = self.experiment(name)
        runs = [vars(run) for run in self.decode_runs if run.experiment == name]
        labels = {key: system.label for key, system in experiment.systems.items()}
        return [experiment.title, labels, experiment.assumptions, runs]

    def needs_download(self, corpus: str) -> bool:
        """Whether a corpus comes over the network."""
        spec = self.config.corpora[corpus]
        return spec.provider in ("hub", "sacrebleu", "ud") or (isinstance(spec, InstructionsCorpus) and not spec.path)

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
                # no JSON, whose 2e-05 would be read as text
                yaml.safe_dump(self._content, file, allow_unicode=True, sort_keys=False)
        return path


def _prior(system: System) -> Prior | None:
    return system.decoder.prior if isinstance(system.decoder, PrefilledDecoder) else None
