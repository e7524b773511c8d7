"""The input files of every run of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dragoman import registry
from dragoman.checks import into_each, page_pairs
from dragoman.command import located
from dragoman.config import (
    Decoder,
    DictionaryDecoder,
    Experiment,
    FilesCorpus,
    GgufModel,
    Guided,
    LocalModel,
    OfflineDecoder,
    PackageModel,
    Pages,
    PivotCorpus,
    PrefilledDecoder,
    PseudoPrior,
    RandomPrior,
    RefinedPrior,
    ScratchModel,
    SftPrior,
    SimultaneousDecoder,
)
from dragoman.instructions import PAIR
from dragoman.languages import reverse
from dragoman.plan.folders import Folders
from dragoman.plan.runs import DecodeRun, DivergenceRun, TuningRun, prior_of
from dragoman.storage import MANIFEST

CHECKPOINT = {".json", ".safetensors", ".model", ".txt", ".jinja"}
"""Extensions of checkpoint files: weights, configuration and tokenizer, but no files that can contain code."""


class Inputs(Folders):
    """Input texts, models and files of the runs of a configuration."""

    def page_pairs(self, pages: Pages) -> list[str]:
        """Language pairs whose training text becomes pages."""
        return page_pairs(pages, self.config.corpora[pages.corpus])

    def page_texts(self, pages: Pages) -> list[tuple[str, str]]:
        """(corpus, pair) of every text that pages are made from: the pairs of the corpus, then the pairs of each
        task."""
        own = [(pages.corpus, pair) for pair in self.page_pairs(pages)]
        return own + [(task.corpus, pair) for task in pages.tasks for pair in task.pairs]

    def train_pairs(self, run: TuningRun) -> list[str]:
        """Pairs that a fine-tuning is trained on."""
        experiment = self.experiment(run.experiment)
        assert experiment.train is not None  # checked when the configuration was read
        pairs = experiment.tunings[run.tuning].pairs or experiment.train.pairs
        return list(pairs) if run.scope == "all" else [run.scope]

    def train_limit(self, run: TuningRun) -> int | None:
        """Number of sentences per pair that a fine-tuning is trained on; None: all."""
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
        """The decoder of a decoding; what it or its prior names (a tuning, system, model, corpus) is files by now."""
        decoder = self.system(run).decoder
        if isinstance(decoder, Guided) and decoder.corpus:
            pairs = self._guiding(self.experiment(run.experiment), decoder)
            files = {pair.rpartition("-")[2]: self._train_file(decoder.corpus, pair) for pair in pairs}
            return decoder.model_copy(update={"files": files, "corpus": None})
        if not isinstance(decoder, PrefilledDecoder):
            return decoder
        prior, replaced = decoder.prior, dict[str, Any]()
        match prior:
            case SftPrior() if twin := self.prior_twin(run):
                replaced = {"twin": self.tuning_folder(twin).as_posix()}
            case RefinedPrior(model=str(name)):
                replaced = {"model": self.model_folder(name).as_posix()}
            case RefinedPrior(hypotheses=str(path)):
                replaced = {"hypotheses": path.replace("{pair}", run.pair)}
            case RefinedPrior(system=str()):
                path = self.decode_folder(self._refining(run, prior.system)) / "hypotheses.jsonl"
                replaced = {"system": None, "hypotheses": path.as_posix()}
            case PseudoPrior(corpus=str(name)):
                replaced = {"files": {run.pair: self._train_file(name, run.pair)}, "corpus": None}
            case RandomPrior(corpus=str(name)):
                pairs = [*self.experiment(run.experiment).test.pairs, run.pair]
                texts = {pair.rpartition("-")[2]: self._train_file(name, pair) for pair in pairs}
                replaced = {"files": texts, "corpus": None}
        return decoder.model_copy(update={"prior": prior.model_copy(update=replaced)})

    def _guiding(self, experiment: Experiment, decoder: Guided) -> list[str]:
        """Pairs whose training text a decoder reads, one into each language."""
        found = into_each(experiment, self.config.corpora, decoder.corpus or "").values()
        return [pair for pair in found if pair is not None]

    def _train_file(self, corpus: str, pair: str) -> str:
        return (self.corpus_folder(corpus, pair) / "train.parquet").as_posix()

    def _refining(self, run: DecodeRun, system: str | None) -> DecodeRun:
        experiment = self.experiment(run.experiment)
        seed = run.seed if self._varies(experiment, experiment.systems[system or ""]) else self.seeds(experiment)[0]
        return DecodeRun(run.experiment, system or "", run.pair, seed)

    def answer_decoder(self, run: DecodeRun) -> OfflineDecoder:
        """The decoder that answers instructions."""
        spec = self.instructed(run)
        return OfflineDecoder(name="offline", max_new_tokens=spec.max_new_tokens, batch_size=spec.batch_size)

    def divergence_decoder(self, run: DivergenceRun) -> OfflineDecoder:
        """The decoder of a comparison with a twin."""
        spec = self.experiment(run.experiment).divergence
        assert spec is not None  # otherwise the plan would not have this run
        return OfflineDecoder(
            name="offline",
            max_new_tokens=spec.max_new_tokens,
            batch_size=spec.batch_size,
            stop_at_newline=spec.stop_at_newline,
        )

    def decode_code(self, run: DecodeRun) -> list[tuple[str, str]]:
        """The registered `(kind, name)`s whose code a decoding runs."""
        decoder = self.system(run).decoder
        policies = {policy.name for policy in decoder.policies} if isinstance(decoder, SimultaneousDecoder) else ()
        task = self.experiment(run.experiment).task
        return [("decoder", decoder.name), ("task", task), *(("policy", name) for name in sorted(policies))]

    def tuning_code(self, experiment: str, tuning: str) -> list[tuple[str, str]]:
        """The registered `(kind, name)`s whose code a fine-tuning runs."""
        spec = self.experiment(experiment).tunings[tuning]
        options = registry.module_of("method", spec.method).Options.model_validate(spec.options)
        policies = {policy.name for policy in getattr(options, "policies", ())}
        return [("method", spec.method), *(("policy", name) for name in sorted(policies))]

    def decoder_files(self, run: DecodeRun) -> list[Path]:
        """Files that a decoder reads: its dictionary, or the inputs of its prior (for a folder of ours, its
        manifest)."""
        decoder = self.decoder(run)
        if isinstance(decoder, DictionaryDecoder):
            return [Path(decoder.files[run.pair])]
        match decoder.prior if isinstance(decoder, PrefilledDecoder) else decoder:
            case Guided(files=files):
                paths = [Path(path) for path in files.values()]
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
        """The user's own files of one pair, so that a change in them is noticed; for a pivot corpus, the other corpus's
        text. `corpus_spec` covers instructions and the example files of the checkout."""
        spec = self.config.corpora[corpus]
        if isinstance(spec, PivotCorpus):
            return [(self.corpus_folder(spec.corpus, base) / MANIFEST).as_posix() for base in spec.bases(pair)]
        if not isinstance(spec, FilesCorpus):
            return []
        splits = spec.pairs.get(pair) or spec.pairs[reverse(pair)]
        sets = [splits.train, splits.validation, splits.test]
        paths = [path for files in sets if files for path in files.files.values()]
        return [path for path in paths if located(path) == Path(path)]

    def model_inputs(self, name: str) -> list[Path]:
        """Input files of a foundation model."""
        spec = self.model(name)
        if isinstance(spec, ScratchModel):
            return [self.corpus_folder(*text) / MANIFEST for text in self.page_texts(spec.text)]
        if isinstance(spec, LocalModel):
            files = sorted(path for path in Path(spec.path).iterdir() if path.suffix in CHECKPOINT)
            return [path for path in files if path.name != MANIFEST]
        if self.needs_weights(name):
            return [self.weights_folder(name) / MANIFEST]
        return [Path(path) for path in (*spec.files, *spec.licence_files)] if isinstance(spec, GgufModel) else []

    def needs_weights(self, name: str) -> bool:
        """Whether the GGUF file of a foundation model is downloaded."""
        spec = self.model(name)
        return isinstance(spec, PackageModel) or (isinstance(spec, GgufModel) and spec.id is not None)

    def experiment_manifests(self, name: str) -> list[Path]:
        """Manifests of the models that an experiment trains, for its loss curves."""
        return [self.tuning_folder(run) / MANIFEST for run in self.tunings_of(name).values()]

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
            shown |= {getattr(prior_of(system), "corpus", None) for system in experiment.systems.values()}
            used += [(corpus, pair) for corpus in shown if corpus for pair in experiment.test.pairs]
            guides = [system.decoder for system in experiment.systems.values() if isinstance(system.decoder, Guided)]
            used += [(each.corpus, pair) for each in guides if each.corpus for pair in self._guiding(experiment, each)]
        joined = [(spec, pair) for name, pair in used if isinstance(spec := self.config.corpora[name], PivotCorpus)]
        used += [(spec.corpus, base) for spec, pair in joined for base in spec.bases(pair)]
        return sorted(set(used))

    def models_used(self) -> list[str]:
        """Every foundation model that some run reads."""
        experiments = self.config.experiments.values()
        priors = [prior_of(system) for experiment in experiments for system in experiment.systems.values()]
        refining = {prior.model for prior in priors if isinstance(prior, RefinedPrior) and prior.model}
        return sorted(refining | {experiment.model for experiment in experiments})
