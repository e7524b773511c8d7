"""What jobs ask a cluster for, by the size of the model they hold: `config/resources.yaml`, typed.

Read by the Snakefile and by `scripts/plan.py`; no result depends on it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, field_validator

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.config import Model, ScratchModel, Strict
from dragoman.configfile import ConfigError, explained
from dragoman.yamlfile import read_yaml

TABLE = REPOSITORY / "config" / "resources.yaml"


class Need(Strict):
    """What one job asks for at its first attempt."""

    gpu: NonNegativeInt
    cpus_per_task: PositiveInt
    mem_mb: PositiveInt
    runtime: PositiveInt
    """Minutes."""
    nodes: PositiveInt = 1
    """Machines. `gpu` is of all together, cores and memory are of each, as SLURM counts them."""

    def times(self, devices: int, nodes: int = 1) -> Need:
        """For a job with so many devices, shared out among nodes: all but the time."""
        return Need(
            gpu=devices * self.gpu,
            cpus_per_task=devices // nodes * self.cpus_per_task,
            mem_mb=devices // nodes * self.mem_mb,
            runtime=self.runtime,
            nodes=nodes,
        )


class ModelNeeds(Strict):
    """What jobs with a model of at most so many parameters ask for."""

    parameters: PositiveInt
    train: Need
    decode: Need


class Estimate(Strict):
    """What `scripts/plan.py` assumes of machines and texts."""

    card: str
    """Which card the speeds are of."""
    training_flops: PositiveFloat
    decoding_flops: PositiveFloat
    """Floating-point operations that a card really does in a second."""
    tokens: PositiveInt
    """Of one training example, or of one sentence with its prompt and translation."""
    job_seconds: PositiveFloat
    sentence_bytes: PositiveFloat
    download_bytes: PositiveFloat
    """Of one parameter of a model on the hub."""
    methods: dict[str, PositiveFloat]
    """What an epoch of a method costs, counted in epochs of `sft`; 1 where it is not named."""

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: dict[str, float]) -> dict[str, float]:
        for name in methods:
            if name not in registry.REGISTRY["method"]:
                raise ValueError(registry.unknown("method", name, registry.names("method")))
        return methods


class Resources(Strict):
    """The whole table."""

    growth: Annotated[float, Field(ge=1, le=4)]
    devices_per_node: PositiveInt
    light: dict[str, Need]
    models: Annotated[list[ModelNeeds], Field(min_length=1)]
    estimate: Estimate

    @field_validator("light")
    @classmethod
    def _rest(cls, light: dict[str, Need]) -> dict[str, Need]:
        if "other" not in light:
            raise ValueError("the row `other` is missing: what rules ask for that are not named")
        return light

    @field_validator("models")
    @classmethod
    def _ascending(cls, models: list[ModelNeeds]) -> list[ModelNeeds]:
        sizes = [row.parameters for row in models]
        if sizes != sorted(set(sizes)):
            raise ValueError(f"rows must go from small models to large ones, not {sizes}")
        return models

    def without_model(self, rule: str) -> Need:
        """What a rule that holds no model asks for."""
        return self.light.get(rule, self.light["other"])

    def with_model(self, parameters: int | None, *, train: bool) -> Need:
        """What a rule that trains a model of that size, or decodes with it, asks for; None: nobody knows its size."""
        size = math.inf if parameters is None else parameters
        row = next((row for row in self.models if size <= row.parameters), self.models[-1])
        return row.train if train else row.decode

    def nodes(self, devices: int) -> int:
        """The fewest nodes that share so many devices out equally."""
        return next(n for n in range(1, devices + 1) if devices % n == 0 and devices // n <= self.devices_per_node)

    def grown(self, value: int, attempt: int) -> int:
        """Memory or time of the nth attempt, from 1."""
        return math.ceil(value * self.growth ** (attempt - 1))


def load(path: Path = TABLE) -> Resources:
    """The table in a YAML file.

    Raises:
        ConfigError: with one line per mistake: file, line, key.
    """
    data, marks = read_yaml(path)
    try:
        return Resources.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explained(error, data, Resources, path, marks)) from None


def parameters(model: Model) -> int | None:
    """How many weights a model has: by formula, or as the configuration says; None where neither tells.

    The tokenizer of a model from scratch may end with fewer entries than it was allowed; then it has fewer.
    """
    if not isinstance(model, ScratchModel):
        return model.parameters
    d, gated = model.width, -(-8 * model.width // 3 // 32) * 32
    match model.architecture:
        case "llama" | "mistral":
            layer, last = 4 * d * d + 3 * d * gated + 2 * d, d
        case "qwen3":  # norms of queries and keys, too
            layer, last = 4 * d * d + 3 * d * gated + 2 * d + 2 * (d // model.heads), d
        case "falcon-alibi" | "falcon-rotary" | "gpt-neox":  # biases everywhere
            layer, last = 12 * d * d + 13 * d, 2 * d
    return model.vocabulary * d + model.layers * layer + last
