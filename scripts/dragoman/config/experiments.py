"""`experiments:` tunings of one model and systems made from them; and the model of the whole configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PositiveInt, field_validator, model_validator

from dragoman import registry
from dragoman.config.base import Folder, Language, Name, Pair, Seeds, Strict
from dragoman.config.corpora import Corpus
from dragoman.config.decoders import Decoder, OfflineDecoder
from dragoman.config.models import Model, Training
from dragoman.config.priors import LONGEST


class Segment(Strict):
    """A part of a prompt. Methods use its role to decide whether they mask, score or hide it."""

    role: Literal["instruction", "source", "mark", "target"]
    text: str
    """May hold {source_language} and {target_language}. A source segment holds {source} once, a target segment {target}
    once."""


class Prompt(Strict):
    """A list of segments, each tokenised separately; the target comes last."""

    segments: Annotated[list[Segment], Field(min_length=2)]
    bos: bool | Literal["auto"] = "auto"
    """First token of the prompt. `auto`: the tokens that the tokenizer puts before a text by default, since the model
    was trained on such texts. true: the beginning-of-sequence token, or the end-of-sequence token if there is none.
    false: no token."""
    template: Literal["chat"] | None = None
    """`chat`: put the segments into the model's own chat template. The segments before the target are the user's
    message, and the target is the answer. The template then decides the first tokens of the prompt."""
    system: str | None = None
    """System message for `template: chat`; null uses the template's own, if it has one."""
    template_options: dict[str, bool | int | str] = {}
    """Variables for the template of `template: chat`, like {enable_thinking: false}. A template that writes today's
    date needs a fixed date: {strftime_now: 26 Jul 2024}."""
    end: str | None = None
    """The token that ends an answer; null: the tokenizer's end-of-sequence token. A chat template has its own."""
    names: dict[Language, str] | None = None
    """Language names to use in this prompt; null: the English names. A prompt in another language needs them, in the
    grammatical form that fits its sentence."""

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
    """The text that tunings are trained on."""

    corpus: Name
    pairs: Annotated[list[Pair], Field(min_length=1)]
    limit: PositiveInt | None = None
    """Use only the first `limit` sentence pairs of each language pair; null: all."""


class TestData(TrainData):
    """The text that systems are tested on."""

    split: Literal["validation", "test"] = "test"


class Sweep(Strict):
    """Trains a tuning several times, with several values of one key. A system that uses the tuning is decoded with each
    model, and is one curve in figures."""

    axis: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """Name of the setting in tables and figures: `k`, `alpha`. If the decoder has several values on an axis of the same
    name, each model is decoded only with its own value."""
    key: str
    """The key of this tuning that varies: `options.policies.0.k`, `training.steps`."""
    values: Annotated[dict[str, Any], Field(min_length=1)]
    """Setting -> value of the key. With `{1: 5, 3: 7}`, the model for k = 1 is trained with k = 5, and the model for
    k = 3 with k = 7."""

    @field_validator("values", mode="before", json_schema_input_type=dict[str, Any] | list[Any])
    @classmethod
    def _named(cls, values: Any) -> Any:
        """The values of a list are used as their own names. Numbers become text, since names are text."""
        if isinstance(values, list):
            if unnamed := [value for value in values if isinstance(value, list | dict)]:
                raise ValueError(f"{unnamed[0]} cannot be a name; write {{name: {unnamed[0]}}}")
            if len({str(value) for value in values}) < len(values):
                raise ValueError("two values have the same name")
            values = {value: value for value in values}
        return {str(name): value for name, value in values.items()} if isinstance(values, dict) else values


Counted = Literal["auto", "word", "character"]


class Units(Strict):
    """The units in which source and target are read and written: words or characters."""

    source: Counted = "auto"
    """`auto`: words, or characters for languages that write no blanks between words (Chinese, Japanese, Thai, Khmer,
    Lao, Burmese)."""
    target: Counted = "auto"
    """The same for the target language."""


class Mix(Strict):
    """General instructions (other tasks than translation) that are added to the training examples of a tuning."""

    corpus: Name
    """A corpus with `provider: instructions`."""
    limit: PositiveInt | None = None
    """Use only the first `limit` instructions; null: all."""


class Tuning(Strict):
    """One way to fine-tune the experiment's model. If several experiments have tunings with the same keys, model, text,
    prompt and seed, the first of these experiments trains the model for all."""

    method: str = "sft"
    """A registered method, which defines the training examples and the loss."""
    options: dict[str, Any] = {}
    """Options of the method; each method has its own table."""
    per_pair: bool = False
    """Train one model for each language pair instead of one for all pairs."""
    prompt: Name | None = None
    """Overrides the experiment's prompt."""
    pairs: Annotated[list[Pair], Field(min_length=1)] | None = None
    """Overrides the experiment's training pairs."""
    limit: PositiveInt | None = None
    """Overrides the experiment's limit of training sentence pairs per language pair."""
    start: Name | None = None
    """Another tuning of the experiment, whose model this one continues from; null: the experiment's model."""
    mix: Mix | None = None
    """Also train on general instructions, in Alpaca's templates. For `method: sft` and `language-aware`, which then
    draws conflicting instructions from all examples; other tunings can continue from such a tuning."""
    training: Training
    sweep: Sweep | None = None
    """Train the tuning several times, each time with another value of one key."""


class Shots(Strict):
    """Demonstrations: solved examples before the sentence to translate, the same for every sentence of a pair."""

    lines: Annotated[list[PositiveInt], Field(min_length=1)]
    """Numbers of the lines, counted from 1, in the order in which they are shown."""
    split: Literal["train", "validation"] = "validation"
    """The split that holds these lines."""
    corpus: Name | None = None
    """The corpus that holds these lines; null: the experiment's test corpus."""


class System(Strict):
    """A tuned or untuned model with a decoder; its hypotheses are scored."""

    label: str | None = None
    """Name in tables and figures; null: the key."""
    variant: Annotated[str, Field(min_length=1)] | None = None
    """For a system of a paper's experiment that differs from the paper's own systems: the difference, without a full
    stop. It is printed under the tables. The system is not compared with published numbers, and no claim of the paper
    is tested on it."""
    role: Name | None = None
    """The system's name in the claims and in the published tables, if it is not its key: one of `roles` in
    config/claims.yaml. null: the key."""
    tuning: Name | None = None
    """null: the untuned foundation model."""
    prompt: Name | None = None
    """Overrides the prompt that the tuning was trained with."""
    prompt_by_target: dict[Language, Name] = {}
    """Overrides the prompt for pairs into these languages."""
    shots: Shots | None = None
    """Demonstrations before every sentence."""
    decoder: Decoder = OfflineDecoder(name="offline")
    shards: PositiveInt | None = None
    """Overrides `shards` of the whole configuration."""


class Divergence(Strict):
    """Compares the next-token distributions of the foundation model and its fine-tuned twin at every position of an
    answer."""

    twin: Name
    """A tuning of the experiment."""
    n: Annotated[list[Annotated[int, Field(ge=0, le=LONGEST)]], Field(min_length=1)] = [0, 1, 2]
    """Number of tokens of the twin's answer that both models are given."""
    sentences: PositiveInt = 100
    """Number of sentences, the first ones of the test set."""
    max_new_tokens: PositiveInt = 64
    batch_size: PositiveInt = 32
    stop_at_newline: bool = True
    """End both models' answers at the first line break."""

    @model_validator(mode="after")
    def _counts(self) -> Divergence:
        if len(set(self.n)) < len(self.n):
            raise ValueError(f"n: every value may be given only once, not {self.n}")
        return self


class Instructed(Strict):
    """Answers to general instructions (other tasks than translation), in AlpacaEval's format, and a judge's verdict on
    them."""

    path: str
    """A JSON list of objects with `instruction` and an optional `dataset`: AlpacaEval's own set, or yours."""
    systems: Annotated[list[Name], Field(min_length=1)]
    """Systems whose models answer, greedily, with Alpaca's template. The judge compares the other systems with the
    first."""
    limit: PositiveInt | None = None
    """Use only the first `limit` instructions; null: all."""
    max_new_tokens: PositiveInt = 512
    batch_size: PositiveInt = 16
    judge: str | None = None
    """An `annotators_config` of the program `alpaca_eval`: a name or a path. The program must be on the PATH, and the
    judge's API key in the environment. Without the program, or with null, answers are written but not judged."""

    @model_validator(mode="after")
    def _once(self) -> Instructed:
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"systems: every system may be given only once, not {self.systems}")
        return self


class Experiment(Strict):
    """One model, some tunings of it, some systems made from them, and one table."""

    title: str
    paper: Name = "dragoman"
    """The paper that the experiment reproduces: simulmask, langaware, pretty, or a name of your own."""
    role: Name | None = None
    """The experiment's name in the claims, if it is not its key: one of `roles` in config/claims.yaml. null: the key.
    Every claim is tested on each experiment that has its role."""
    task: Literal["translation", "summary", "tagging"] = "translation"
    """The model's task. It sets the default prompt and metrics, and defines how answers are read."""
    unit: Units = Units()
    """Units in which simultaneous methods and decoders read and write, and in which latency is counted: words, or
    characters for languages that write no blanks. `auto`, `word` or `character` for both sides, or {source: ...,
    target: ...}. With characters, every character except white space counts, including Latin letters in Chinese text.
    Chinese text with blanks between words needs `word`."""
    model: Name
    """A name under `models` or in config/models.yaml."""
    prompt: Name = ""
    """A name under `prompts` or in config/prompts.yaml. Default: the task's prompt."""
    seeds: Seeds | None = None
    """Overrides `seeds` of the whole configuration."""
    train: TrainData | None = None
    test: TestData
    tunings: dict[Name, Tuning] = {}
    systems: Annotated[dict[Name, System], Field(min_length=1)]
    divergence: Divergence | None = None
    """Compare the next-token distributions of the foundation model and a fine-tuned twin."""
    instructions: Instructed | None = None
    """Let models answer general instructions, to measure their general ability."""
    metrics: list[str] = Field([], min_length=1)
    """Names of metrics. Default: the task's metrics."""
    assumptions: dict[str, str] = {}
    """Choices that the paper leaves open: a short name, and the choice made here, without a full stop. Printed under
    the tables."""

    @field_validator("unit", mode="before", json_schema_input_type=Counted | Units)
    @classmethod
    def _of_both_sides(cls, unit: Any) -> Any:
        """A single unit is used for both source and target."""
        if not isinstance(unit, str):
            return unit
        if unit not in get_args(Counted):
            raise ValueError(registry.unknown("unit", unit, get_args(Counted)))
        return {"source": unit, "target": unit}

    @property
    def roles(self) -> dict[str, str]:
        """Role -> name of the system that has it."""
        return {system.role or name: name for name, system in self.systems.items()}

    @property
    def asked(self) -> tuple[Counted, Counted]:
        """`unit` of source and target."""
        return self.unit.source, self.unit.target

    def prompt_name(self, tuning: Tuning | None, system: System | None = None, pair: str = "") -> str:
        """The first of these prompts that is set: the system's for the target language, the system's, the tuning's, the
        experiment's."""
        by_target = system.prompt_by_target.get(pair.rpartition("-")[2]) if system else None
        return by_target or (system and system.prompt) or (tuning and tuning.prompt) or self.prompt

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
    """Folder for all output files."""
    title: str = "dragoman"
    seeds: Seeds = [1]
    """Every tuning is trained once per seed; tables show the mean and the spread."""
    threads: PositiveInt = 1
    """CPU threads of one training or decoding job. Another number rounds differently, so results depend on it."""
    shards: PositiveInt = 1
    """Number of jobs that one decoding with a model is divided into, each with a part of the test set. Results do not
    depend on it."""
    prompts: dict[Name, Prompt] = {}
    """Prompts of your own, in addition to those of config/prompts.yaml."""
    corpora: Annotated[dict[Name, Corpus], Field(min_length=1)]
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]
    worlds: dict[Name, str] = {}
    """Name -> results folder of another configuration. The page shows its verdicts on the claims next to the verdicts
    of this run."""

    def experiments_of(self, role: str) -> list[str]:
        """The experiments that have a role."""
        return [name for name, experiment in self.experiments.items() if (experiment.role or name) == role]
