"""`experiments:` tunings of one model, systems made of them, and the whole file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PositiveInt, field_validator, model_validator

from dragoman import registry
from dragoman.config.base import Folder, Language, Name, Pair, Seeds, Strict
from dragoman.config.corpora import Corpus
from dragoman.config.decoders import LONGEST, Decoder, OfflineDecoder
from dragoman.config.models import Model, Training


class Segment(Strict):
    """A piece of a prompt. Its role decides what a method may do with it (mask it, score it, hide it)."""

    role: Literal["instruction", "source", "mark", "target"]
    text: str
    """May hold {source_language}, {target_language}; a source or target segment holds {source} or {target} once."""


class Prompt(Strict):
    """A prompt is a list of segments, each tokenised by itself; the target comes last."""

    segments: Annotated[list[Segment], Field(min_length=2)]
    bos: bool | Literal["auto"] = "auto"
    """What the prompt begins with. `auto`: what the tokenizer itself puts before a text, since the model was trained on
    texts that begin so. true: the beginning-of-sequence token, or the end-of-sequence token where there is none.
    false: nothing."""
    template: Literal["chat"] | None = None
    """`chat`: the model's own chat template goes around the segments. Those before the target are the user's message,
    and the target is the answer. The template then decides what the prompt begins with."""
    system: str | None = None
    """With `template: chat`, the system message; null leaves it to the template, which may have one of its own."""
    template_options: dict[str, bool | int | str] = {}
    """With `template: chat`, variables that the template reads, like {enable_thinking: false}. A template that writes
    today's date needs a fixed one instead: {strftime_now: 26 Jul 2024}."""
    end: str | None = None
    """The token that ends an answer; the tokenizer's end-of-sequence token otherwise. A chat template has its own."""
    names: dict[Language, str] | None = None
    """What language names stand for in this prompt; their English names otherwise. A prompt in another language needs
    them, in the form its sentence asks for."""

    @model_validator(mode="after")
    def _roles(self) -> Prompt:
        roles = [segment.role for segment in self.segments]
        if roles.count("source") != 1 or roles.count("target") != 1 or roles[-1] != "target":
            raise ValueError("a prompt needs exactly one source segment and one target segment, the target last")
        for segment in self.segments:
            known = {"source_language", "target_language", *({segment.role} & {"source", "target"})}
            for name in set(re.findall(r"{(\w+)}", segment.text)) - known:
                raise ValueError(registry.unknown(f"placeholder in the {segment.role} segment", name, known))
            holder = {"source": "{source}", "target": "{target}"}.get(segment.role)
            if holder and segment.text.count(holder) != 1:
                raise ValueError(f"the {segment.role} segment must hold {holder} exactly once, not {segment.text!r}")
        return self

    @model_validator(mode="after")
    def _one_template(self) -> Prompt:
        if self.template is None:
            if self.system is not None or self.template_options:
                raise ValueError(
                    "`system` and `template_options` are for `template: chat`; leave them out, or add that"
                )
        elif self.bos != "auto" or self.end is not None:
            raise ValueError(
                "a chat template decides itself what begins a prompt and ends an answer; leave `bos` and `end` out"
            )
        return self


class TrainData(Strict):
    """What a tuning is trained on."""

    corpus: Name
    pairs: Annotated[list[Pair], Field(min_length=1)]
    limit: PositiveInt | None = None
    """Only the first so many pairs of sentences per language pair."""


class TestData(TrainData):
    """What systems are tested on."""

    split: Literal["validation", "test"] = "test"


class Sweep(Strict):
    """A tuning trained several times. A system that uses it is decoded once with each, and is one curve."""

    axis: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """Name of the setting in tables and figures: `k`, `alpha`. Where the decoder sweeps the axis of that name itself,
    each model is decoded at its own point only."""
    key: str
    """The key of this tuning that varies: `options.policies.0.k`, `training.steps`."""
    values: Annotated[dict[str, Any], Field(min_length=1)]
    """Setting -> value of that key. `{1: 5, 3: 7}` trains with k = 5 what is tested at k = 1, and so on."""

    @field_validator("values", mode="before", json_schema_input_type=dict[str, Any] | list[Any])
    @classmethod
    def _named(cls, values: Any) -> Any:
        """A list names itself; YAML's numbers are names, too."""
        if isinstance(values, list):
            if unnamed := [value for value in values if isinstance(value, list | dict)]:
                raise ValueError(f"{unnamed[0]} is no name; write {{name: {unnamed[0]}}}")
            if len({str(value) for value in values}) < len(values):
                raise ValueError("two of these have one name")
            values = {value: value for value in values}
        return {str(name): value for name, value in values.items()} if isinstance(values, dict) else values


Counted = Literal["auto", "word", "character"]


class Units(Strict):
    """What is read and written one by one."""

    source: Counted = "auto"
    """`auto`: words, or characters where the language writes no blanks between words (Chinese, Japanese, Thai, Khmer,
    Lao, Burmese)."""
    target: Counted = "auto"
    """The same of the language translated into."""


class Mix(Strict):
    """Instructions that ask for no translation, mixed into what a tuning is trained on."""

    corpus: Name
    """One whose provider is `instructions`."""
    limit: PositiveInt | None = None
    """Only the first so many; all otherwise."""


class Tuning(Strict):
    """One way to fine-tune the experiment's model."""

    method: str = "sft"
    """A registered method: what the training examples are and what the loss is."""
    options: dict[str, Any] = {}
    """What that method lets you choose; each method has a table of its own."""
    per_pair: bool = False
    """One model for each language pair instead of one for all."""
    prompt: Name | None = None
    """Overrides the experiment's prompt."""
    pairs: Annotated[list[Pair], Field(min_length=1)] | None = None
    """Overrides the experiment's training pairs."""
    limit: PositiveInt | None = None
    """Overrides the experiment's limit of training sentences per pair."""
    start: Name | None = None
    """Another tuning of the experiment whose model this one goes on from; the experiment's model otherwise."""
    mix: Mix | None = None
    """Train on instructions, too, in Alpaca's templates. For `method: sft` and `language-aware`, whose conflicting
    instructions are then drawn from all of them; other tunings can continue from these."""
    training: Training
    sweep: Sweep | None = None
    """Train it several times, with another value of one key each time."""


class Shots(Strict):
    """Solved examples before the sentence to translate: the same ones for every sentence of a pair."""

    lines: Annotated[list[PositiveInt], Field(min_length=1)]
    """Which lines of that text, counted from 1, in the order they are shown."""
    split: Literal["train", "validation"] = "validation"
    corpus: Name | None = None
    """Overrides the corpus that the experiment is tested on."""


class System(Strict):
    """What is decoded and scored: a tuned or untuned model and a decoder."""

    label: str | None = None
    """How tables and figures name it; the key otherwise."""
    variant: Annotated[str, Field(min_length=1)] | None = None
    """In what it differs from the paper's own system, without a full stop, where it stands in a paper's experiment and
    is not the paper's. Printed under the tables; no published number and no claim of the paper is about it."""
    role: Name | None = None
    """Which system of the claims and of the published tables this is, where its key is another: one of `roles` in
    config/claims.yaml; the key otherwise."""
    tuning: Name | None = None
    """null is the untuned foundation model."""
    prompt: Name | None = None
    """Overrides the prompt the tuning was trained with."""
    prompt_by_target: dict[Language, Name] = {}
    """Overrides it for pairs into these languages."""
    shots: Shots | None = None
    """Solved examples before every sentence."""
    decoder: Decoder = OfflineDecoder(name="offline")
    shards: PositiveInt | None = None
    """Overrides the shards of the whole configuration."""


class Divergence(Strict):
    """How alike the foundation model and its fine-tuned twin are, at every position of an answer."""

    twin: Name
    """A tuning of the experiment."""
    n: Annotated[list[Annotated[int, Field(ge=0, le=LONGEST)]], Field(min_length=1)] = [0, 1, 2]
    """Tokens of the twin's answer that both models are given."""
    sentences: PositiveInt = 100
    """Of the test set, the first so many."""
    max_new_tokens: PositiveInt = 64
    batch_size: PositiveInt = 32
    stop_at_newline: bool = True
    """End both models' answers at the first line break."""

    @model_validator(mode="after")
    def _counts(self) -> Divergence:
        if len(set(self.n)) < len(self.n):
            raise ValueError(f"every n must stand once, not {self.n}")
        return self


class Instructed(Strict):
    """Answers to instructions that ask for no translation, in AlpacaEval's form, and a judge's verdict on them."""

    path: str
    """A JSON list of objects with `instruction`, and `dataset` where they have one: AlpacaEval's own set, or yours."""
    systems: Annotated[list[Name], Field(min_length=1)]
    """Systems whose models answer, greedily, in Alpaca's template. The others are compared with the first."""
    limit: PositiveInt | None = None
    """Only the first so many instructions."""
    max_new_tokens: PositiveInt = 512
    batch_size: PositiveInt = 16
    judge: str | None = None
    """What `alpaca_eval` calls an annotators_config: a name or a path. That program must be on the PATH, and the key it
    wants in the environment; without it, or with null, answers are written and not judged."""

    @model_validator(mode="after")
    def _once(self) -> Instructed:
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"every system must stand once, not {self.systems}")
        return self


class Experiment(Strict):
    """One model, some tunings of it, some systems made of them, one table."""

    title: str
    paper: Name = "dragoman"
    """Whose experiment it is: simulmask, langaware, pretty, or your own."""
    role: Name | None = None
    """Which experiment of the claims this is, where its key is another: one of `roles` in config/claims.yaml; the key
    otherwise. Every claim is tested on each experiment that has its role."""
    task: Literal["translation", "summary", "tagging"] = "translation"
    """What is asked of the model: it brings prompt and metrics, unless others stand here, and reads the answer."""
    unit: Units = Units()
    """What simultaneous methods and decoders read and write one by one, and latency counts: words, or characters where
    a language writes no blanks. `auto`, `word` or `character` for both sides, or {source: ..., target: ...}. Every
    character that is not white space counts, Latin letters in Chinese text, too. Chinese text that somebody divided
    into words by blanks needs `word`."""
    model: Name
    prompt: Name = ""
    """A name under `prompts` or in config/prompts.yaml; the task's where it is left out."""
    seeds: Seeds | None = None
    """Overrides the seeds of the whole configuration."""
    train: TrainData | None = None
    test: TestData
    tunings: dict[Name, Tuning] = {}
    systems: Annotated[dict[Name, System], Field(min_length=1)]
    divergence: Divergence | None = None
    """Compare the foundation model's expectations with those of a fine-tuned twin."""
    instructions: Instructed | None = None
    """Have models answer instructions that ask for no translation: general ability."""
    metrics: list[str] = Field([], min_length=1)
    """The task's where they are left out."""
    assumptions: dict[str, str] = {}
    """What the paper leaves open, by a short name, and what was taken for it, without a full stop. Printed under the
    tables."""

    @field_validator("unit", mode="before", json_schema_input_type=Counted | Units)
    @classmethod
    def _of_both_sides(cls, unit: Any) -> Any:
        """A word holds for source and target."""
        if not isinstance(unit, str):
            return unit
        if unit not in get_args(Counted):
            raise ValueError(registry.unknown("unit", unit, get_args(Counted)))
        return {"source": unit, "target": unit}

    @property
    def roles(self) -> dict[str, str]:
        """Role -> the system that has it."""
        return {system.role or name: name for name, system in self.systems.items()}

    @property
    def asked(self) -> tuple[Counted, Counted]:
        """`unit` of source and target."""
        return self.unit.source, self.unit.target

    @model_validator(mode="before")
    @classmethod
    def _as_the_task_has_it(cls, data: Any) -> Any:
        if isinstance(data, dict) and (name := str(data.get("task", "translation"))) in registry.REGISTRY["task"]:
            task = registry.module_of("task", name)
            return {"prompt": task.PROMPT, "metrics": task.METRICS} | data
        return data


class Config(Strict):
    """A whole run of the workflow."""

    results: Folder = "results"
    """Folder that everything is written to."""
    title: str = "dragoman"
    seeds: Seeds = [1]
    """Every tuning is trained once per seed; tables show the mean and the spread."""
    threads: PositiveInt = 1
    """CPU threads of one training or decoding job. Part of the result: another number rounds differently."""
    shards: PositiveInt = 1
    """Jobs that one decoding with a model is split into, each with a part of the test set. No part of the result."""
    prompts: dict[Name, Prompt] = {}
    """Prompts of your own, beside those of config/prompts.yaml."""
    corpora: Annotated[dict[Name, Corpus], Field(min_length=1)]
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]
    worlds: dict[Name, str] = {}
    """Results folders of other configurations, by a name for each. The page shows their verdicts on the claims next to
    those of this run."""

    def experiments_of(self, role: str) -> list[str]:
        """The experiments that have a role."""
        return [name for name, experiment in self.experiments.items() if (experiment.role or name) == role]
