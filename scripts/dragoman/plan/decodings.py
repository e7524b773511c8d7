"""The runs of systems: each decoding, and each set of answers to instructions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.command import located
from dragoman.config import (
    ContextualDecoder,
    Decoder,
    DictionaryDecoder,
    Guided,
    Instructed,
    OfflineDecoder,
    PrefilledDecoder,
    Prior,
    Prompt,
    PseudoPrior,
    RandomPrior,
    RefinedPrior,
    SftPrior,
    SimultaneousDecoder,
    System,
)
from dragoman.config.sweeps import split
from dragoman.imports import fingerprint
from dragoman.instructions import PAIR
from dragoman.plan.runs import Run, TuningRun
from dragoman.plan.sources import Foundation, Text, facts_of_languages
from dragoman.storage import MANIFEST


@dataclass(frozen=True)
class SystemRun(Run):
    """A run of a system, with the seed of the system's tuning."""

    system: str

    @property
    def system_config(self) -> System:
        """The system in the configuration."""
        return self.experiment_config.systems[self.system]

    @property
    def base(self) -> str:
        """The system's name without its point of a sweep: `sm` of `sm,k=3`."""
        return split(self.system)[0]

    @property
    def setting(self) -> str:
        """The system's point of a sweep: `k=3` of `sm,k=3`; empty without a sweep."""
        return split(self.system)[1]


@dataclass(frozen=True)
class DecodeRun(SystemRun):
    """A decoding: a system, a pair, and the seed of the system's tuning."""

    RULE = "decode"
    pair: str
    seed: int

    @property
    def folder(self) -> Path:
        """Folder of the hypotheses."""
        return self.plan.results / "decodes" / self.place

    @property
    def hypotheses(self) -> Path:
        """The hypotheses of all settings, in the order of the test set."""
        return self.folder / "hypotheses.jsonl"

    @property
    def shards(self) -> list[Path]:
        """Files of the shards, in order; empty if the test set is decoded as a whole."""
        shards = self.system_config.shards or self.plan.config.shards
        if shards == 1 or self.model is None or not self.system_config.decoder.DIVIDES:
            return []
        return [self.folder / f"shard-{number}-of-{shards}.jsonl" for number in range(1, shards + 1)]

    @property
    def scores(self) -> Path:
        """Records of the hypotheses."""
        return (self.plan.results / "scores" / self.place).with_suffix(".jsonl")

    @property
    def tuning_run(self) -> TuningRun | None:
        """The fine-tuning whose model is used; None for the foundation model or no model."""
        tuning = self.system_config.tuning
        return self.plan.trained(self.experiment, tuning, self.pair, self.seed) if tuning else None

    @property
    def model(self) -> TuningRun | Foundation | None:
        """The model that is used; None if the decoder uses no model."""
        return (self.tuning_run or self.foundation) if self.system_config.decoder.USES_MODEL else None

    @property
    def holds_model(self) -> bool:
        """Whether the job that writes `hypotheses` holds a model: it does not where shards did the work."""
        return self.model is not None and not self.shards

    @property
    def test(self) -> Text:
        """The text that is translated."""
        return self.plan.text(self.experiment_config.test.corpus, self.pair)

    @property
    def shots(self) -> Text | None:
        """The text that demonstrations are taken from; None without demonstrations."""
        shots = self.system_config.shots
        return self.plan.text(shots.corpus or self.test.corpus, self.pair) if shots else None

    @property
    def inputs(self) -> list[Path]:
        sources = (self.model, self.test, self.shots)
        return list(dict.fromkeys([*(source.manifest for source in sources if source), *self.decoder_files]))

    @property
    def prompt(self) -> Prompt:
        """The prompt, without demonstrations."""
        tuning = self.experiment_config.tunings[self.system_config.tuning] if self.system_config.tuning else None
        return self.plan.prompts[self.experiment_config.prompt_name(tuning, self.system_config, self.pair)]

    @property
    def prior_twin(self) -> TuningRun | None:
        """The fine-tuning whose answers give the prior tokens; None for other priors."""
        prior = prior_of(self.system_config)
        return (
            self.plan.trained(self.experiment, prior.twin, self.pair, self.seed)
            if isinstance(prior, SftPrior)
            else None
        )

    @property
    def decoder(self) -> Decoder:
        """The decoder, with files and folders in place of the names of tunings, systems, models and corpora."""
        decoder, test = self.system_config.decoder, self.experiment_config.test
        if isinstance(decoder, Guided) and decoder.corpus:
            texts = self.plan.guiding_texts(self.experiment_config, decoder)
            files = {text.pair.rpartition("-")[2]: text.training_file for text in texts}
            return decoder.model_copy(update={"files": files, "corpus": None})
        if isinstance(decoder, ContextualDecoder) and decoder.talks:
            return decoder.model_copy(update={"talks": decoder.talks.replace("{pair}", self.pair)})
        if not isinstance(decoder, PrefilledDecoder):
            return decoder
        prior, replaced = decoder.prior, dict[str, Any]()
        match prior:
            case SftPrior() if twin := self.prior_twin:
                replaced = {"twin": twin.folder.as_posix()}
            case RefinedPrior(model=str(name)):
                replaced = {"model": self.plan.model(name).folder.as_posix()}
            case RefinedPrior(hypotheses=str(path)):
                replaced = {"hypotheses": path.replace("{pair}", self.pair)}
            case RefinedPrior(system=str(name)):
                refining = self.plan.decoded(self.experiment, name, self.pair, self.seed)
                replaced = {"system": None, "hypotheses": refining.hypotheses.as_posix()}
            case PseudoPrior(corpus=str(name)):
                replaced = {"files": {self.pair: self.plan.text(name, self.pair).training_file}, "corpus": None}
            case RandomPrior(corpus=str(name)):
                pairs = [*test.pairs, self.pair]
                files = {pair.rpartition("-")[2]: self.plan.text(name, pair).training_file for pair in pairs}
                replaced = {"files": files, "corpus": None}
        return decoder.model_copy(update={"prior": prior.model_copy(update=replaced)})

    @property
    def decoder_files(self) -> list[Path]:
        """Files that the decoder reads: its dictionary, or the inputs of its prior (for a folder of ours, its
        manifest)."""
        decoder = self.decoder
        if isinstance(decoder, DictionaryDecoder):
            return [Path(decoder.files[self.pair])]
        if isinstance(decoder, ContextualDecoder):
            return [Path(decoder.talks)] if decoder.talks else []
        match decoder.prior if isinstance(decoder, PrefilledDecoder) else decoder:
            case Guided(files=files):
                paths = [Path(path) for path in files.values()]
            case SftPrior(twin=folder) | RefinedPrior(model=str(folder)):
                return [Path(folder) / MANIFEST]
            case RefinedPrior(hypotheses=str(path)):
                return [Path(path)]
            case PseudoPrior(files=files):
                paths = [Path(files[self.pair])]
            case RandomPrior(kind=kind, files=files):
                languages = self.pair.split("-")
                chosen = [languages[1]] if kind == "random" else sorted(files.keys() - {*languages})
                paths = [Path(files[language]) for language in chosen]
            case _:
                return []
        return [path.parent / MANIFEST if path.suffix == ".parquet" else path for path in paths]

    @property
    def modules(self) -> list[tuple[str, str]]:
        decoder = self.system_config.decoder
        policies = {policy.name for policy in decoder.policies} if isinstance(decoder, SimultaneousDecoder) else ()
        task = self.experiment_config.task
        return [("decoder", decoder.name), ("task", task), *(("policy", name) for name in sorted(policies))]

    @property
    def spec(self) -> dict[str, Any]:
        experiment, shots, decoder = (
            self.experiment_config,
            self.system_config.shots,
            self.decoder.model_dump(mode="json"),
        )
        return {
            "decoder": decoder,
            "prompt": self.prompt.model_dump(mode="json"),
            "languages": facts_of_languages([self.pair, decoder]),
            "units": [*experiment.asked],
            "shots": shots and [shots.lines, shots.split],
            "pair": self.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.plan.config.threads,
        }


@dataclass(frozen=True)
class AnswerRun(SystemRun):
    """A system's answers to general instructions, which ask for no translation."""

    RULE = "answer"
    seed: int

    @property
    def instructed(self) -> Instructed:
        """The instructions of the experiment."""
        instructions = self.experiment_config.instructions
        assert instructions is not None  # otherwise the plan would not have this run
        return instructions

    @property
    def model(self) -> TuningRun | Foundation:
        """The model that answers."""
        tuning = self.system_config.tuning
        return self.plan.trained(self.experiment, tuning, PAIR, self.seed) if tuning else self.foundation

    @property
    def inputs(self) -> list[Path]:
        return [self.model.manifest]

    @property
    def answers(self) -> Path:
        """The answers, in AlpacaEval's format."""
        return (self.plan.results / "answers" / self.place).with_suffix(".json")

    @property
    def judgements(self) -> Path:
        """Records of a judge's verdicts on the answers."""
        return (self.plan.results / "judgements" / self.place).with_suffix(".jsonl")

    @property
    def rival(self) -> AnswerRun:
        """The run whose answers a judge compares with this one's: the first system, with the same seed if it has
        several."""
        first = self.instructed.systems[0]
        rivals = [run for run in self.plan.answer_runs if (run.experiment, run.system) == (self.experiment, first)]
        return next((run for run in rivals if run.seed == self.seed), rivals[0])

    @property
    def decoder(self) -> OfflineDecoder:
        """The decoder of the answers."""
        asked = self.instructed
        return OfflineDecoder(name="offline", max_new_tokens=asked.max_new_tokens, batch_size=asked.batch_size)

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "decoder": self.decoder.model_dump(mode="json"),
            "instructions": fingerprint([located(self.instructed.path)]),
            "limit": self.instructed.limit,
            "threads": self.plan.config.threads,
        }


def prior_of(system: System) -> Prior | None:
    """The prior of a system; None if its decoder has none."""
    return system.decoder.prior if isinstance(system.decoder, PrefilledDecoder) else None
