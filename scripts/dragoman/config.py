"""Everything a YAML file may say, as typed models; unknown keys are errors.

The JSON Schema in `workflow/schemas/` is generated from these classes (`scripts/generate.py`). What one
key alone cannot tell (does that model exist? has that corpus this pair?) is checked in `checks.py`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from dragoman import registry
from dragoman.languages import NAMES


def _check_language(code: str) -> str:
    if code not in NAMES:
        raise ValueError(registry.unknown("language", code, NAMES))
    return code


def _check_pair(pair: str) -> str:
    source, dash, target = pair.partition("-")
    if not dash:
        raise ValueError(f"a pair is two language codes joined by '-', like 'en-fr', not {pair!r}")
    for code in (source, target):
        _check_language(code)
    if source == target:
        raise ValueError(f"a pair joins two different languages, not {pair!r}")
    return pair


def _check_results(path: str) -> str:
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or ".." in parts or not parts:
        raise ValueError(f"must be a folder below the working directory, not {path!r}")
    if any(part.startswith("-") for part in parts) or not re.fullmatch(r"[\w ./@+,=~-]+", path):
        raise ValueError(f"holds a character that is not for names of folders, or begins one with '-': {path!r}")
    return path


Language = Annotated[str, AfterValidator(_check_language)]
Pair = Annotated[str, AfterValidator(_check_pair)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*$", max_length=60)]
Share = Annotated[float, Field(ge=0, le=1)]


def _check_seeds(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds) or min(seeds, default=0) < 0 or max(seeds, default=0) >= 2**32:
        raise ValueError(f"seeds are different whole numbers from 0 up and below 2**32, not {seeds}")
    return seeds


Seeds = Annotated[list[int], Field(min_length=1), AfterValidator(_check_seeds)]


class Strict(BaseModel):
    """Base of every section: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


# ---------------------------------------------------------------------------------------------------------- corpora


class Limits(Strict):
    """When a line of parallel text is dropped. Every drop is counted by reason and listed in a file."""

    max_words: PositiveInt = 250
    """Drop a pair when a side has more whitespace-separated words than this."""
    max_characters: PositiveInt = 2000
    """Drop a pair when a side has more characters than this."""
    max_ratio: PositiveFloat | None = 9.0
    """Drop a pair when the longer side has at least 20 characters and this many times those of the shorter; null
    switches the check off."""
    overlap: Literal["drop", "source", "keep"] = "drop"
    """What happens to a training line one side of which is in the test or validation set (and to such a validation
    line). `source` looks at the source side alone, where answers repeat, as rows of tags do; `keep` repeats what papers
    did that did not look."""
    source_words: PositiveInt | None = None
    """Keep only the first so many words of a source, of the test set, too, as summarizers are used; null keeps all. A
    line that is cut loses its word alignment."""


class DemoCorpus(Strict):
    """Parallel text from the embedded grammar: no download, gold word alignments."""

    provider: Literal["demo"]
    task: Literal["translation", "tagging", "summary"] = "translation"
    """`tagging`: a sentence of the source language, and the UPOS tags of its words and punctuation marks, whatever the
    target language. `summary`: two or three sentences about one person, and the main clause of the first in the target
    language; no alignments."""
    seed: int = 1
    """Seed of the meanings drawn. A meaning belongs to one split whatever the seed."""
    train: Annotated[int, Field(ge=0)] = 0
    validation: Annotated[int, Field(ge=0)] = 0
    test: Annotated[int, Field(ge=0)] = 0
    """Number of sentence pairs per split and pair."""
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _tags_repeat(self) -> DemoCorpus:
        if self.task == "tagging" and self.limits.overlap == "drop":
            raise ValueError(
                "tags of training sentences stand in the test set, too, so nearly all would be dropped; write "
                "limits: {overlap: source}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _aligned_already(cls, data: Any) -> Any:
        if isinstance(data, dict) and "align" in data:
            raise ValueError("the embedded grammar gives its own, gold word alignments; remove `align`")
        return data


class FileSet(Strict):
    """Where one split of one pair is. Either one file with both sides, or two plain text files."""

    path: str | None = None
    """A .tsv (header row), .jsonl or .parquet file, also .gz; its columns are named after the language codes unless
    `columns` says otherwise."""
    source: str | None = None
    target: str | None = None
    """Two plain text files, one sentence a line, also .gz; line n of one translates line n of the other."""

    @model_validator(mode="after")
    def _one_way(self) -> FileSet:
        given = (self.path is not None, self.source is not None, self.target is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ValueError("give either `path` (one file with both sides) or both `source` and `target`")
        if self.path is not None and not self.path.removesuffix(".gz").endswith((".tsv", ".jsonl", ".parquet")):
            raise ValueError(
                f"`path` must end in .tsv, .jsonl or .parquet (or .gz after the first two), not {self.path!r}"
            )
        return self


class FilePair(Strict):
    """The splits of one language pair. A missing split is an empty one."""

    train: FileSet | None = None
    validation: FileSet | None = None
    test: FileSet | None = None
    columns: dict[Language, str] = {}
    """Column name of each language, where it is not the language code."""


class FilesCorpus(Strict):
    """Your own parallel text."""

    provider: Literal["files"]
    pairs: dict[Pair, FilePair]
    """The reverse of a listed pair is served from the same files."""
    align: bool = False
    """Align the words of training sentences that come without a word alignment (by fast_align's model, in both
    directions), for methods and policies that need one. 240,000 sentence pairs take some minutes."""
    limits: Limits = Limits()


class HubCorpus(Strict):
    """A data set of the Hugging Face hub, read from its parquet files at a pinned revision."""

    provider: Literal["hub"]
    dataset: str
    """Repository id, like `IWSLT/iwslt2017`."""
    revision: str
    """Commit, tag or branch. IWSLT 2017 has a loading script on its main branch, which no library runs any more; its
    parquet branch is `refs/convert/parquet`."""
    files: dict[Literal["train", "validation", "test"], str]
    """Glob of each split's parquet files inside the repository, with `{source}`, `{target}` and `{config}`."""
    configs: dict[Pair, str] = {}
    """What `{config}` stands for, per pair."""
    pairs: list[Pair]
    column: str | None = "translation"
    """Column holding a {language: text} mapping; null when each language is a column of its own."""
    columns: dict[Language, str] = {}
    """Key or column of each language where it is not the language code (`en: sentence_eng_Latn`)."""
    sizes: dict[Literal["train", "validation", "test"], PositiveInt] = {}
    """How many sentence pairs a language pair has, about: scripts/plan.py estimates with them. No result does."""
    align: bool = False
    """Align the words of training sentences that come without a word alignment (by fast_align's model, in both
    directions), for methods and policies that need one. 240,000 sentence pairs take some minutes."""
    limits: Limits = Limits()


class SacrebleuCorpus(Strict):
    """Test sets that sacrebleu knows by name; several names are joined in order."""

    provider: Literal["sacrebleu"]
    pairs: list[Pair]
    train: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    """Test set names, like `iwslt17` or `wmt22`."""
    turned: list[str] = []
    """Those of these sets that also give the lines of the reverse pair, turned round. From 2019 on, the two directions
    of a WMT pair hold different texts; before, the same."""
    sizes: dict[Literal["train", "validation", "test"], PositiveInt] = {}
    """How many sentence pairs a language pair has, about: scripts/plan.py estimates with them. No result does."""
    align: bool = False
    """Align the words of training sentences that come without a word alignment (by fast_align's model, in both
    directions), for methods and policies that need one. 240,000 sentence pairs take some minutes."""
    limits: Limits = Limits()


class UdCorpus(Strict):
    """Words and UPOS tags from treebanks of Universal Dependencies, all three splits; for `task: tagging`."""

    provider: Literal["ud"]
    release: str
    """Tag or commit of the treebanks' repositories, like `r2.5`, which XGLUE is of."""
    treebanks: dict[Language, str]
    """Name of each language's treebank: `de: German-GSD`."""
    pairs: list[Pair]
    """The first language's treebank is read; the second plays no part."""
    sizes: dict[Literal["train", "validation", "test"], PositiveInt] = {}
    """How many sentences a treebank has, about: scripts/plan.py estimates with them. No result does."""
    limits: Limits = Limits(overlap="source")

    @model_validator(mode="after")
    def _treebank_of_each(self) -> UdCorpus:
        for pair in self.pairs:
            if (language := pair.partition("-")[0]) not in self.treebanks:
                raise ValueError(f"no treebank for {language!r} of {pair}; add one")
        return self


class InstructionsCorpus(Strict):
    """Instructions and answers in Alpaca's form (`instruction`, `input`, `output`), to `mix` into fine-tuning: a file
    of your own, or a data set of the hub."""

    provider: Literal["instructions"]
    path: str | None = None
    """A .json (one list), .jsonl or .parquet file, also .gz of the first two."""
    dataset: str | None = None
    """Or a repository of the hub, like `tatsu-lab/alpaca`, with"""
    revision: str | None = None
    """its commit, tag or branch, and"""
    files: str | None = None
    """a glob of its parquet files."""

    @model_validator(mode="after")
    def _one_way(self) -> InstructionsCorpus:
        given = [value is not None for value in (self.path, self.dataset, self.revision, self.files)]
        if given not in ([True, False, False, False], [False, True, True, True]):
            raise ValueError("give either `path`, or `dataset`, `revision` and `files`")
        path = self.path or ".json"
        if not (path.endswith(".parquet") or path.removesuffix(".gz").endswith((".json", ".jsonl"))):
            raise ValueError(f"`path` must end in .json, .jsonl (or one of them and .gz) or .parquet, not {path!r}")
        return self


Corpus = Annotated[
    DemoCorpus | FilesCorpus | HubCorpus | SacrebleuCorpus | UdCorpus | InstructionsCorpus,
    Field(discriminator="provider"),
]

# --------------------------------------------------------------------------------------------------------- training


class Lora(Strict):
    """Train a low-rank adapter instead of all weights; it is merged into the finished model."""

    rank: PositiveInt = 64
    alpha: PositiveFloat = 16.0
    dropout: Share = 0.1
    targets: list[str] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get an adapter."""


class Training(Strict):
    """How one run is fitted. Either `steps` or `epochs`."""

    steps: PositiveInt | None = None
    """Optimizer steps."""
    epochs: PositiveFloat | None = None
    """Passes over the training examples."""
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
    """`auto`: bfloat16 autocast where the device computes it natively, else float32. Weights stay float32."""
    max_length: PositiveInt = 512
    """Longer examples are left out, counted, and named in the run's manifest."""
    adapter: Lora | None = None
    log_every: PositiveInt = 20
    devices: PositiveInt = 1
    """GPUs, or processes on CPUs, that train one model together, its weights and AdamW's moments shared out among them.
    The batch stays what `batch_size` says, so that another number changes only rounding."""
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
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either `steps` or `epochs`")
        return self


# ----------------------------------------------------------------------------------------------------------- models


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


Model = Annotated[ScratchModel | LocalModel | HubModel, Field(discriminator="source")]

# ------------------------------------------------------------------------------------------------------ experiments


class Segment(Strict):
    """A piece of a prompt. Its role decides what a method may do with it (mask it, score it, hide it)."""

    role: Literal["instruction", "source", "mark", "target"]
    text: str
    """May hold {source_language}, {target_language}; a source or target segment holds {source} or {target} once."""


class Prompt(Strict):
    """A prompt is a list of segments, each tokenised by itself; the target comes last."""

    segments: Annotated[list[Segment], Field(min_length=2)]
    bos: bool = False
    """Begin with the tokenizer's beginning-of-sequence token, or its end-of-sequence token where it has none."""
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
            values = {value: value for value in values}
        return {str(name): value for name, value in values.items()} if isinstance(values, dict) else values


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
    """What that method lets you choose."""
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
    """Train on instructions, too, in Alpaca's templates. For `method: sft`; other tunings can go on from it."""
    training: Training
    sweep: Sweep | None = None
    """Train it several times, with another value of one key each time."""


class OfflineDecoder(Strict):
    """The whole source is read before the first target word is written."""

    name: Literal["offline"]
    beam: PositiveInt = 1
    """Hypotheses kept by beam search; 1 is greedy."""
    length_penalty: float = 1.0
    max_new_tokens: PositiveInt = 128
    batch_size: PositiveInt = 64
    """Sentences decoded together. Arithmetic is float32, so that a sentence's neighbours do not change its words."""
    stop_at_newline: bool = False
    """End the hypothesis at the first line break (a foundation model goes on with its next page otherwise)."""
    monolingual: bool = False
    """Also measure how unlikely the model finds each reference as the line after the one before it, with no prompt
    around it: general ability, for the metric `bits`."""


class ContrastiveDecoder(Strict):
    """Greedy, against the same prompt with a wrong target language: English and the source language
    (arXiv 2309.07098)."""

    name: Literal["contrastive"]
    weights: Literal["official"] | Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A number is lambda, shared out evenly among the contrasts. `official` is 0.5 for English and 0.5 for the source
    language, where these are not the target; from English that is twice English, together 1."""
    max_new_tokens: PositiveInt = 128
    batch_size: PositiveInt = 64
    """Sentences decoded together; each takes a row per prompt, up to three."""
    stop_at_newline: bool = False
    """End the hypothesis at the first line break."""


class CopyDecoder(Strict):
    """Writes the source as it is: the floor that any system must leave behind."""

    name: Literal["copy"]


class DictionaryDecoder(Strict):
    """Translates word by word with a dictionary; unknown words are copied."""

    name: Literal["dictionary"]
    files: dict[Pair, str]
    """A .tsv (also .gz) of source word, target word, in that order, per pair; the first translation counts."""


class SimultaneousDecoder(Strict):
    """Reads k words, then writes and reads in turn (wait-k), greedily; every k is a point of one curve."""

    name: Literal["simultaneous", "streaming"]
    """`simultaneous` decodes all sentences and every k at once; `streaming` gives the same words one at a time, as they
    would come to a reader, and times them."""
    k: Annotated[list[PositiveInt], Field(min_length=1)]
    """Source words read before the first target word."""
    stride: PositiveInt = 1
    """Words of each later turn; 1 is wait-k."""
    recompute: bool = False
    """Compute the response so far anew whenever source has been read, as models need that were trained on whole
    sentences or prefixes; else its keys and values are kept."""
    positions: Literal["plain", "group"] = "plain"
    """With rotary positions: `plain` counts the response after the source read so far; `group` from an origin of its
    own, as the `simulmask` method trains it. With ALiBi both are the same."""
    max_lag: PositiveInt = 10
    """Stop when so many more words are written than read."""
    max_word_tokens: PositiveInt = 50
    """A word ends after so many tokens."""
    legacy: bool = False
    """Where words end and what is fed again as in the published code of SimulMask, faults included: inner punctuation
    cuts words, the last word before an unpunctuated end is lost, the response is tokenised anew from its text."""
    batch_tokens: PositiveInt = 40_000
    """Tokens whose keys are kept at once, over all sentences and every k; longer test sets take several batches."""


class ConversationDecoder(Strict):
    """Reads a chunk of n words, answers it as one turn of a conversation, and so on (arXiv 2402.10552), greedily."""

    name: Literal["conversation"]
    chunk: Annotated[list[PositiveInt], Field(min_length=1)]
    """Source words of a turn; every n is a point of one curve."""
    max_turn_tokens: PositiveInt = 100
    """A turn ends after so many tokens."""
    batch_tokens: PositiveInt = 40_000
    """As of the simultaneous decoder."""


Unit = Literal["token", "word", "character"]
LONGEST = 5
"""Most prior tokens, words or characters that a decoding may be given."""


class NoPrior(Strict):
    """Nothing is given: the foundation model by itself."""

    kind: Literal["none"]


class GoldPrior(Strict):
    """The reference's first tokens: an upper bound that no user has."""

    kind: Literal["gold"]


class SftPrior(Strict):
    """The twin's first tokens: an upper bound too, for it needs the twin."""

    kind: Literal["sft"]
    twin: str
    """A tuning of the experiment."""


class RefinedPrior(Strict):
    """A task model's first tokens (A2). One of `model`, `hypotheses` and `system`."""

    kind: Literal["refined"]
    model: str | None = None
    """A name under `models`, `source: hub` or `local`: a sequence-to-sequence model. Its own generation settings stand,
    but for these:"""
    beam: PositiveInt = 1
    max_new_tokens: PositiveInt = 128
    max_source_tokens: PositiveInt | None = None
    """Longer sources are cut, as summarizers are used; null cuts nothing."""
    prefix: str = ""
    """What the model wants before a source, like "translate English to French: "; may hold {source_language} and
    {target_language}."""
    codes: dict[Language, str] = {}
    """The model's own names of languages where it needs them told (`fr: fra_Latn`)."""
    hypotheses: str | None = None
    """A hypotheses.jsonl of this project, decoded from the same sources; may hold {pair}."""
    setting: str = ""
    """Which setting of `hypotheses`."""
    system: Name | None = None
    """Another system of the experiment: what it wrote."""

    @model_validator(mode="after")
    def _one_source(self) -> RefinedPrior:
        if [self.model, self.hypotheses, self.system].count(None) != 2:
            raise ValueError("give one of `model`, `hypotheses` and `system`")
        return self


class PseudoPrior(Strict):
    """What a dictionary says about the source (A3)."""

    kind: Literal["pseudo"]
    files: dict[Pair, str] = {}
    """A .tsv (also .gz) per pair: source word and what to write for it, a translation or a tag."""
    corpus: Name | None = None
    """Instead of files: a corpus whose training text has word alignments. A word's entry is what it is most often
    aligned with, and frequent words come first."""
    word: Literal["first_known", "first", "keyword"] = "first_known"
    """Which source word: the first that the dictionary has, the first of all (for tags), or the known word that stands
    out: most often in the source, weighted by the logarithm of its place in a dictionary that begins with the most
    frequent words."""
    words: PositiveInt = 1
    """Join what is written for so many words of the same kind (keywords; the first known ones)."""
    capital: bool = True
    """Begin with a capital where the source does."""
    otherwise: str | None = None
    """What to write when no word has an entry; null gives no prior."""

    @model_validator(mode="after")
    def _one_source(self) -> PseudoPrior:
        if bool(self.files) == (self.corpus is not None):
            raise ValueError("give either `files` or `corpus`")
        return self


class RandomPrior(Strict):
    """Tokens drawn at random from those that a language's text has; only tokens with a letter count."""

    kind: Literal["random", "wrong-language"]
    files: dict[Language, str] = {}
    """Text of each language, a sentence a line. `wrong-language` draws from those neither source nor target."""
    corpus: Name | None = None
    """Instead of files: a corpus whose training text in the target languages of the experiment's test is taken."""
    seed: int = 1

    @model_validator(mode="after")
    def _one_source(self) -> RandomPrior:
        if bool(self.files) == (self.corpus is not None):
            raise ValueError("give either `files` or `corpus`")
        return self


class FixedPrior(Strict):
    """The same words for every sentence of a target language, like "Voici la traduction :"."""

    kind: Literal["fixed"]
    texts: dict[Language, str]


class PreamblePrior(Strict):
    """The same words whatever the target language: does being an answer do, without being in the language?"""

    kind: Literal["preamble"]
    text: str = "Sure, here is the translation:"
    """May hold {source_language} and {target_language}. By default as in arXiv 2309.07098, spelt out."""


Prior = Annotated[
    NoPrior | GoldPrior | SftPrior | RefinedPrior | PseudoPrior | RandomPrior | FixedPrior | PreamblePrior,
    Field(discriminator="kind"),
]

Count = Annotated[int, Field(ge=0, le=LONGEST)] | Literal["all"]


class PrefilledDecoder(OfflineDecoder):
    """The answer's first tokens are given, and the model goes on; one job decodes every n, as settings `n=0`, `n=1`."""

    name: Literal["prefilled"]
    prior: Prior
    n: list[Count] = Field([0, 1, 2], min_length=1)
    """How much of the prior is given, 0 to 5; "all" of it for the kinds `fixed` and `preamble`."""
    unit: Unit = "token"
    """A1: what n counts. Token ids; or words or characters, with all the tokens that make them up."""
    seam: Literal["target", "bare"] = "target"
    """A4: a prior that is text is encoded as the prompt's target segment would be, with the blank that begins it, or
    by itself. Either way its ids are put after the prompt's ids; no text is joined and encoded again."""
    score_prior: bool = True
    """A6: whether `hypothesis`, which metrics score, begins with the given tokens. `continuation` never does."""

    @model_validator(mode="after")
    def _counts(self) -> PrefilledDecoder:
        if self.monolingual:
            raise ValueError("`monolingual` measures a model without any prior; give it to an `offline` decoder")
        if len(set(self.n)) < len(self.n):
            raise ValueError(f"every n must stand once, not {self.n}")
        if "all" in self.n and self.prior.kind not in ("fixed", "preamble"):
            raise ValueError(
                f"n: all is for fixed and preamble priors; a whole {self.prior.kind} prior would be an answer"
            )
        return self


Decoder = Annotated[
    OfflineDecoder
    | ContrastiveDecoder
    | CopyDecoder
    | DictionaryDecoder
    | SimultaneousDecoder
    | ConversationDecoder
    | PrefilledDecoder,
    Field(discriminator="name"),
]


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
    task: Literal["translation", "summary", "tagging"] = "translation"
    """What is asked of the model: it brings prompt and metrics, unless others stand here, and reads the answer."""
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

    @model_validator(mode="before")
    @classmethod
    def _as_the_task_has_it(cls, data: Any) -> Any:
        if isinstance(data, dict) and (name := str(data.get("task", "translation"))) in registry.REGISTRY["task"]:
            task = registry.module_of("task", name)
            return {"prompt": task.PROMPT, "metrics": task.METRICS} | data
        return data


class Config(Strict):
    """A whole run of the workflow."""

    results: Annotated[str, AfterValidator(_check_results)] = "results"
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
