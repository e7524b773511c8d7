"""Estimates the cost of a configuration before it runs: jobs, GPU hours, disk space and downloads.

The formulas use the assumptions under `estimate` in config/resources.yaml. Training takes 6 operations per parameter
and token, and decoding takes 2. A parameter takes 4 bytes on disk in a finished model, and 24 bytes in a training in
progress. If an earlier run of the same configuration has left benchmarks or timings, these replace the formulas.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from dragoman.config import (
    ArchiveCorpus,
    DemoCorpus,
    FilesCorpus,
    GgufModel,
    HubCorpus,
    HubModel,
    InstructionsCorpus,
    PackageModel,
    PivotCorpus,
    SacrebleuCorpus,
    ScratchModel,
    Split,
    Training,
    UdCorpus,
)
from dragoman.corpora import files, instructions
from dragoman.instructions import objects
from dragoman.metrics import neural
from dragoman.plan import AnswerRun, DecodeRun, DivergenceRun, Foundation, Plan, Run, Text, TuningRun, resources
from dragoman.reporting import figure_kinds
from dragoman.storage import read_manifest

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
WEIGHT = 4
"""Bytes of a parameter of a finished model, and of one of AdamW's moments."""
UNFINISHED = 2 * 3 * WEIGHT
"""Bytes per parameter of a training in progress: weights and AdamW's two moments, twice, since the old checkpoint is
removed only after the next one is written."""
NEURAL_BYTES = 1.3e9 + 2.3e9
"""Bytes of the environment of neural metrics, and of the model of COMET, which is the largest one."""


@dataclass
class Effort:
    """The cost of all jobs of one rule."""

    jobs: int
    gpu_seconds: float = 0.0
    """Seconds times GPUs, over all jobs."""
    measured: int = 0
    """Number of jobs whose time was measured in an earlier run, or is the mean of measured times of the same tuning or
    system."""
    unknown: int = 0
    """Number of jobs whose time cannot be estimated; they are not part of `gpu_seconds`."""


@dataclass
class Forecast:
    """The cost of a configuration."""

    rules: dict[str, Effort]
    """Rule -> its cost, in the order of the workflow."""
    disk: dict[str, float] = field(default_factory=dict)
    """Kind of file -> bytes on disk."""
    download: dict[str, float] = field(default_factory=dict)
    """Kind of file -> bytes to download."""
    unknown: dict[str, None] = field(default_factory=dict)
    """Sentences about quantities that are missing from the estimate; each one says how to add them."""

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs, over all jobs whose time can be estimated."""
        return sum(rule.gpu_seconds for rule in self.rules.values()) / 3600


def jobs(plan: Plan) -> dict[str, int]:
    """Rule -> number of jobs of a run from the beginning, in the order of the workflow; rules without jobs are left
    out."""
    texts, models = plan.texts_used, plan.models_used
    scratch = [model for model in models if model.config.source == "scratch"]
    dequantised = [model for model in models if isinstance(model.config, GgufModel | PackageModel)]
    counts = {
        "download": sum(text.config.needs_network for text in texts),
        "prepare": len(texts),
        "fetch_weights": sum(model.is_joined for model in models),
        "fetch_model": len(models) - len(scratch) - len(dequantised),
        "dequantise": len(dequantised),
        "pretrain": len(scratch),
        "finetune": len(plan.tuning_runs),
        "decode_shard": sum(len(run.shards) for run in plan.decode_runs),
        "decode": len(plan.decode_runs),
        "answer": len(plan.answer_runs),
        "diverge": len(plan.divergence_runs),
        "neural_environment": int(bool({*neural.METRICS} & {*plan.metrics_used})),
        "requisites": sum(bool(plan.requisites(name)) for name in plan.experiments),
        "score": len(plan.decode_runs),
        "judge": len(plan.judge_runs),
        "records": 1,
        "claims": 1,
        "table": len(plan.experiments),
        "plot": sum(len(figure_kinds.figures_of(plan, name)) for name in plan.experiments),
        "costs": 1,
        "page": 1,
    }
    return {rule: count for rule, count in counts.items() if count}


def forecast(plan: Plan, table: resources.Resources) -> Forecast:
    """The cost of all jobs of a configuration.

    Args:
        plan: the plan of the configuration; its results folder may hold measurements of an earlier run.
        table: resources and assumptions, from config/resources.yaml.
    """
    return _Forecaster(plan, table).made()


class _Forecaster:
    def __init__(self, plan: Plan, table: resources.Resources) -> None:
        self.plan, self.table, self.assumed = plan, table, table.estimate
        self.result = Forecast({rule: Effort(count) for rule, count in jobs(plan).items()})
        self.known: dict[tuple[Text, Split], int | None] = {}

    def made(self) -> Forecast:
        plan = self.plan
        self._time("pretrain", [m for m in plan.models_used if m.config.source == "scratch"], self._pretraining)
        self._time("finetune", plan.tuning_runs, self._finetuning)
        self._time("decode", plan.decode_runs, self._decoding)
        self._time("answer", plan.answer_runs, self._answering)
        self._time("diverge", plan.divergence_runs, self._divergence)
        self._space()
        return self.result

    # --------------------------------------------------------------------------------- sizes of models and corpora

    def _missing(self, sentence: str) -> None:
        self.result.unknown[sentence] = None

    def _parameters(self, model: Foundation) -> int | None:
        """Number of parameters of a foundation model, from its folder if it exists, otherwise from the configuration;
        None if neither has it."""
        try:
            return int(read_manifest(model.folder)["parameters"])
        except (OSError, ValueError, KeyError):
            parameters = resources.parameters(model.config)
        if parameters is None:
            self._missing(f"the size of the model {model.name}: set models.{model.name}.parameters")
        return parameters

    def _sentences(self, text: Text, split: Split) -> int | None:
        """Number of sentence pairs of a split: counted if the text is on disk, otherwise from the configuration; None
        if neither has it."""
        if (text, split) not in self.known:
            self.known[text, split] = self._count(text, split)
        return self.known[text, split]

    def _count(self, text: Text, split: Split) -> int | None:
        try:
            return int(read_manifest(text.folder)["splits"][split]["rows_kept"])
        except (OSError, ValueError, KeyError):
            spec = text.config
        match spec:
            case DemoCorpus():
                return int(getattr(spec, split))
            case FilesCorpus():
                return sum(1 for _ in files.read(spec, text.pair, split, Path()))
            case InstructionsCorpus(path=str()):
                return sum(1 for _ in instructions.read(spec, text.pair, split, Path()))
            case InstructionsCorpus():
                given = split == "train"
            case HubCorpus() | ArchiveCorpus():
                given = split in spec.files
            case SacrebleuCorpus():
                given = bool(getattr(spec, split))
            case UdCorpus():
                given = True
            case PivotCorpus():  # a pivot joins two pairs, so it has at most as many sentences as the smaller one
                counts = [self._sentences(base, split) for base in text.made_from]
                known = [count for count in counts if count is not None]
                return spec.sizes.get(split, min(known) if len(known) == len(counts) else None)
        if given and split not in spec.sizes:
            self._missing(f"the number of sentences of {text.corpus}: set corpora.{text.corpus}.sizes.{split}")
            return None
        return spec.sizes.get(split, 0)

    # ----------------------------------------------------------------------------------------------------------- time

    def _time(self, rule: str, runs: Iterable[Any], formula: Callable[[Any], tuple[float, int] | None]) -> None:
        """Add up the GPU seconds of all runs of one rule.

        Args:
            formula: run -> (seconds, GPUs), or None if they cannot be estimated. Measured seconds replace its seconds.
        """
        runs = list(runs)
        effort = self.result.rules.get(rule)
        if effort is None:
            return
        seen = {run: seconds for run in runs if (seconds := self._measured(run)) is not None}
        kin: dict[Any, list[float]] = {}
        for run, seconds in seen.items():
            kin.setdefault(_kind(run), []).append(seconds)
        for run in runs:
            estimate = formula(run)
            seconds = seen.get(run) or (mean(kin[_kind(run)]) if _kind(run) in kin else None)
            if estimate is None:
                effort.unknown += 1
                continue
            effort.measured += seconds is not None
            effort.gpu_seconds += (estimate[0] if seconds is None else seconds) * estimate[1]

    def _measured(self, run: Run | Foundation) -> float | None:
        """Seconds that the same run took before, from its timing or its benchmark; None if it has not run."""
        if isinstance(run, TuningRun) and (path := run.timing).is_file():
            return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
        if not run.benchmark.is_file():
            return None
        seconds = 0.0
        for each in (
            run.benchmark,
            *run.benchmark.with_suffix("").glob("shard-*.tsv"),
        ):  # shards are decoded by jobs of their own
            with open(each, encoding="utf-8", newline="") as file:
                seconds += mean(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        return seconds

    def _training(
        self, model: Foundation, training: Training, examples: int | None, work: float
    ) -> tuple[float, int] | None:
        size = self._parameters(model)
        if size is None or (training.steps is None and examples is None):
            return None
        if training.steps is not None:
            seen = float(training.steps * training.batch_size)
        else:
            assert training.epochs is not None
            assert examples is not None
            seen = training.epochs * examples * work
        tokens = min(self.assumed.tokens, training.max_length)
        devices = training.devices * self.table.with_model(size, train=True).gpu
        seconds = 6 * size * seen * tokens / (self.assumed.training_flops * training.devices)
        return seconds + self.assumed.job_seconds, devices

    def _pretraining(self, model: Foundation) -> tuple[float, int] | None:
        spec = model.config
        assert isinstance(spec, ScratchModel)
        if spec.pretraining is None:
            return 0.0, 0
        return self._training(model, spec.pretraining, spec.text.count, 1.0)

    def _finetuning(self, run: TuningRun) -> tuple[float, int] | None:
        tuning = run.tuning_config
        limits = [(text, run.limit) for text in run.texts]
        limits += [(run.instructions, tuning.mix.limit)] if tuning.mix and run.instructions else []
        examples: int | None = 0
        for text, most in limits if tuning.training.epochs else ():
            sentences = self._sentences(text, "train")
            if sentences is None:
                examples = None
                break
            examples += min(sentences, most or sentences)
        return self._training(run.foundation, tuning.training, examples, self.assumed.methods.get(tuning.method, 1.0))

    def _tested(self, run: DecodeRun | DivergenceRun) -> int | None:
        """Number of test sentences, after the experiment's limit."""
        test = run.experiment_config.test
        sentences = self._sentences(run.test, test.split)
        return sentences if sentences is None else min(sentences, test.limit or sentences)

    def _decoding(self, run: DecodeRun) -> tuple[float, int] | None:
        if run.model is None:
            return 0.0, 0
        size = self._parameters(run.foundation)
        sentences = self._tested(run)
        if size is None or sentences is None:
            return None
        decoder = run.system_config.decoder
        tokens = float(self.assumed.tokens)
        if getattr(decoder, "recompute", False):  # each word (about 1.5 tokens) recomputes all tokens before it
            tokens = tokens / 2 * (1 + (tokens / 2 / 1.5 + 1) / 2)
        seconds = 2 * size * sentences * tokens * decoder.predictions / self.assumed.decoding_flops
        return seconds + self.assumed.job_seconds, self.table.with_model(size, train=False).gpu

    def _answering(self, run: AnswerRun) -> tuple[float, int] | None:
        size, asked = self._parameters(run.foundation), run.instructed
        if size is None:
            return None
        number = sum(1 for _ in objects(Path(asked.path)))
        tokens = min(number, asked.limit or number) * (self.assumed.tokens + asked.max_new_tokens)
        seconds = 2 * size * tokens / self.assumed.decoding_flops
        return seconds + self.assumed.job_seconds, self.table.with_model(size, train=False).gpu

    def _divergence(self, run: DivergenceRun) -> tuple[float, int] | None:
        experiment = run.experiment_config
        assert experiment.divergence is not None
        size = self._parameters(run.foundation)
        sentences = self._tested(run)
        if size is None or sentences is None:
            return None
        rows = 2 * len(experiment.divergence.n) * min(sentences, experiment.divergence.sentences)
        seconds = 2 * size * rows * self.assumed.tokens / self.assumed.decoding_flops
        return seconds + self.assumed.job_seconds, self.table.with_model(size, train=False).gpu

    # ---------------------------------------------------------------------------------------------------------- space

    def _space(self) -> None:
        plan, disk, download = self.plan, Counter[str](), Counter[str]()
        for model in plan.models_used:
            if (size := self._parameters(model)) is None:
                continue
            if model.is_joined:
                assert isinstance(model.config, GgufModel | PackageModel)
                if model.config.download is None:
                    self._missing(f"the download size of the model {model.name}: set models.{model.name}.download")
                download["models"] += model.config.download or 0
                disk["downloaded models"] += model.config.download or 0
            if isinstance(model.config, HubModel):
                download["models"] += size * self.assumed.download_bytes
                disk["foundation models"] += size * self.assumed.download_bytes
            else:
                disk["foundation models"] += size * WEIGHT
        unfinished = 0.0
        for run in plan.tuning_runs:
            if (size := self._parameters(run.foundation)) is not None:
                disk["fine-tuned models"] += size * WEIGHT
                whole = run.tuning_config.training.adapter is None
                unfinished = max(unfinished, size * UNFINISHED * whole)
        disk["one training in progress"] = unfinished
        for text in plan.texts_used:
            counts = [self._sentences(text, split) for split in SPLITS]
            size = sum(count or 0 for count in counts) * self.assumed.sentence_bytes
            disk["text"] += size
            if text.config.needs_network:
                download["text"] += size
                disk["text"] += size
        for run in plan.decode_runs:
            rows = (self._tested(run) or 0) * len(run.system_config.decoder.settings)
            disk["hypotheses"] += rows * 2 * self.assumed.sentence_bytes
        if {*neural.METRICS} & {*plan.metrics_used}:
            disk["neural metrics"] = download["neural metrics"] = NEURAL_BYTES
        self.result.disk = {name: size for name, size in disk.items() if size}
        self.result.download = {name: size for name, size in download.items() if size}


def _kind(run: Any) -> Any:
    """A key that runs share if they differ only in pair and seed."""
    match run:
        case TuningRun():
            return run.experiment, run.tuning
        case DecodeRun() | AnswerRun():
            return run.experiment, run.system
        case DivergenceRun():
            return run.experiment
    return run
