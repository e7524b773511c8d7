"""`corpora:` the sources of parallel text, and the limits that decide which lines are used."""

from __future__ import annotations

from itertools import permutations
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dragoman.config.base import Language, Name, Pair, Strict
from dragoman.languages import reverse

Split = Literal["train", "validation", "test"]
DEMO_LANGUAGES = ("en", "fr", "de", "nl", "it", "ro")
"""Languages of the embedded grammar."""
TABLES = (".tsv", ".jsonl", ".parquet")
EXCHANGED = (".tmx", ".xlf", ".xliff", ".po")
"""Endings of files with both sides: tables, and the formats in which translators exchange texts."""
SAVED = "state.json"
"""The file by which the library `datasets` recognises a folder that it saved."""
Align = Annotated[
    bool,
    Field(
        description="Align the words of training sentences that have no word alignment (with fast_align's model, in "
        "both directions). Some methods and policies need one. 240,000 sentence pairs take some minutes."
    ),
]
Sizes = Annotated[
    dict[Split, PositiveInt],
    Field(
        description="Approximate number of sentence pairs of a language pair, for the estimates of scripts/plan.py. "
        "No result depends on it."
    ),
]

StandsFor = Annotated[
    Name | None,
    Field(
        description="Name of the published test set that this test split is (under `test_sets` in "
        "config/published/comparison.yaml), so that results can be compared with a paper's. The number of its lines "
        "and their text are checked if they are known."
    ),
]


class Limits(Strict):
    """Conditions under which a line of parallel text is dropped. Dropped lines are counted by reason and listed in a
    file."""

    max_words: PositiveInt = 250
    """Drop a pair when a side has more whitespace-separated words than this. A line of Chinese, Japanese or Thai is
    one such word, so for these languages use `max_characters`."""
    max_characters: PositiveInt = 2000
    """Drop a pair when a side has more characters than this, in any script."""
    max_ratio: PositiveFloat | None = 9.0
    """Drop a pair when the longer side has at least 20 letters and at least this many times the letters of the shorter
    side; null turns the check off. A Chinese character counts as 3.5 letters, a Korean one as 2.5, a Japanese kana
    as 2."""
    overlap: Literal["drop", "source", "keep"] = "drop"
    """`drop`: drop a training line if one of its sides is in the test or validation set (and a validation line if one
    is in the test set). `source`: compare only source sides, for tasks whose answers repeat, like rows of tags.
    `keep`: keep such lines, as papers did that did not check for overlap."""
    source_words: PositiveInt | None = None
    """Truncate sources, including those of the test set, to this many words (characters if the language writes no
    blanks), as is usual for summarization; null keeps all words. A truncated line loses its word alignment."""


class Source(Strict):
    """A source of parallel text."""

    @property
    def needs_network(self) -> bool:
        """Whether the text is downloaded."""
        return True

    @property
    def served(self) -> set[str]:
        """Every language pair of which it has text."""
        return set(self.pairs)  # type: ignore[attr-defined]

    def defines(self, pair: str, split: Split) -> bool:
        """Whether it has any sentences of a served pair in a split, as far as the configuration tells."""
        return split in self.files  # type: ignore[attr-defined]

    @property
    def aligned(self) -> bool | None:
        """Whether training text has word alignments; None: this depends on files."""
        return getattr(self, "align", False)


class DemoCorpus(Source):
    """Parallel text from the embedded grammar: no download, gold word alignments."""

    provider: Literal["demo"]
    task: Literal["translation", "tagging", "summary"] = "translation"
    """`tagging`: a sentence of the source language, and the UPOS tags of its words and punctuation marks; the target
    language has no effect. `summary`: two or three sentences about one person, and the main clause of the first
    sentence in the target language, without word alignments."""
    seed: int = 1
    """Seed of the random meanings. A meaning belongs to the same split for every seed."""
    train: Annotated[int, Field(ge=0)] = 0
    validation: Annotated[int, Field(ge=0)] = 0
    test: Annotated[int, Field(ge=0)] = 0
    """Number of sentence pairs per split and pair."""
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _tags_repeat(self) -> DemoCorpus:
        if self.task == "tagging" and self.limits.overlap == "drop":
            raise ValueError(
                "rows of tags occur in both training and test set, so nearly all lines would be dropped; write "
                "limits: {overlap: source}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _aligned_already(cls, data: Any) -> Any:
        if isinstance(data, dict) and "align" in data:
            raise ValueError("text of the embedded grammar already has gold word alignments; remove `align`")
        return data

    @property
    def needs_network(self) -> bool:
        return False

    @property
    def served(self) -> set[str]:
        return {f"{source}-{target}" for source, target in permutations(DEMO_LANGUAGES, 2)}

    def defines(self, pair: str, split: Split) -> bool:
        return getattr(self, split) > 0

    @property
    def aligned(self) -> bool:
        return self.task != "summary"


class FileSet(Strict):
    """The files of one split of one pair: one file with both sides, two plain text files, or a folder of `datasets`."""

    path: str | None = None
    """A .tsv (with a header row), .jsonl or .parquet file, whose columns are the language codes, unless `columns` gives
    other names; or a translation memory or message catalogue: a .tmx, .xlf, .xliff or .po file. Each also .gz."""
    source: str | None = None
    target: str | None = None
    """Two plain text files, one sentence per line, also .gz; line n of one translates line n of the other. OPUS calls
    such a pair Moses."""
    saved: str | None = None
    """A folder to which the library `datasets` saved one split (`Dataset.save_to_disk`); of a `DatasetDict`, the
    folder of one split inside it, like `mine/train`."""

    @property
    def files(self) -> dict[str, str]:
        """Key -> file, for the keys that are given. For a saved folder it is the file that is written last and lists
        the other files."""
        given = {"path": self.path, "source": self.source, "target": self.target}
        given["saved"] = None if self.saved is None else f"{self.saved}/{SAVED}"
        return {key: path for key, path in given.items() if path is not None}

    @model_validator(mode="after")
    def _one_way(self) -> FileSet:
        if self.files.keys() not in ({"path"}, {"source", "target"}, {"saved"}):
            raise ValueError(
                "give either `path` (one file with both sides), or both `source` and `target`, or `saved` (a folder "
                "of the library `datasets`)"
            )
        if self.path is not None and not self.path.removesuffix(".gz").endswith((*TABLES, *EXCHANGED)):
            endings = ", ".join((*TABLES, *EXCHANGED))
            text = f"`path` must end in one of {endings} (or .gz after it), not {self.path!r}"
            raise ValueError(f"{text}; two plain text files, a language each, go under `source` and `target`")
        return self


class FilePair(Strict):
    """The splits of one language pair. A split that is left out is empty."""

    train: FileSet | None = None
    validation: FileSet | None = None
    test: FileSet | None = None
    columns: dict[Language, str] = {}
    """Column name of each language, if it is not the language code. In .jsonl and .parquet files `translation.en` is
    the key `en` within `translation`; if `translation` holds both languages, no name is needed. In .tmx and .xlf files
    it is a language tag, like `pt-BR`, which is needed if the file has several tags of one language (`pt` takes them
    all). If an .xlf or .po file does not name its languages, it is `source` or `target`, or `msgid` or `msgstr`."""


class FilesCorpus(Source):
    """Your own parallel text."""

    provider: Literal["files"]
    pairs: dict[Pair, FilePair]
    """The reverse of a listed pair is read from the same files."""
    stands_for: StandsFor = None
    align: Align = False
    limits: Limits = Limits()

    @property
    def needs_network(self) -> bool:
        return False

    @property
    def served(self) -> set[str]:
        return {name for pair in self.pairs for name in (pair, reverse(pair))}

    def of(self, pair: str) -> FilePair:
        """The files of a pair or of its reverse."""
        return self.pairs.get(pair) or self.pairs[reverse(pair)]

    def defines(self, pair: str, split: Split) -> bool:
        return getattr(self.of(pair), split) is not None

    @property
    def aligned(self) -> bool | None:
        return self.align or None


class HubCorpus(Source):
    """A data set of the Hugging Face hub, read from its parquet files at a pinned revision."""

    provider: Literal["hub"]
    dataset: str
    """Repository id, like `IWSLT/iwslt2017`."""
    revision: str
    """Commit, tag or branch. The main branch of IWSLT 2017 holds a loading script, which current libraries do not run;
    its parquet branch is `refs/convert/parquet`."""
    files: dict[Split, str]
    """Glob of each split's parquet files inside the repository, with `{source}`, `{target}` and `{config}`."""
    configs: dict[Pair, str] = {}
    """Value of `{config}` for each pair."""
    pairs: list[Pair]
    column: str | None = "translation"
    """Column that holds a {language: text} mapping; null if each language has its own column."""
    columns: dict[Language, str] = {}
    """Key or column of each language, if it is not the language code (`en: sentence_eng_Latn`); `a.b` is the key `b`
    within `a`."""
    stands_for: StandsFor = None
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()


class SacrebleuCorpus(Source):
    """Test sets that sacrebleu provides by name; several sets are concatenated in the given order."""

    provider: Literal["sacrebleu"]
    pairs: list[Pair]
    train: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    """Test set names, like `iwslt17` or `wmt22`."""
    turned: list[str] = []
    """Sets whose lines are also used in the reverse direction, with source and target exchanged. The two directions of
    a WMT pair hold different texts since 2019; before, they hold the same texts."""
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()

    def defines(self, pair: str, split: Split) -> bool:
        return bool(getattr(self, split))


class Sides(Strict):
    """Paths of the two sides of one split inside an archive."""

    source: str
    """A path with `{source}` and `{target}` for the languages. A part of it may be an archive itself, as in
    `texts/{source}/{target}/{source}-{target}.tgz/{source}-{target}/test.{source}.xml`."""
    target: str


class ArchiveCorpus(Source):
    """Parallel text in a published .tar, .tar.gz or .zip file: plain text, or the XML or SGML of an evaluation
    campaign."""

    provider: Literal["archive"]
    url: str
    """Address of the archive; `file:///...` if you downloaded it by hand."""
    page: str = ""
    """Web page from which you can download the archive by hand; shown in the error if the address does not work."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the archive; null if it is not known."""
    pairs: Annotated[list[Pair], Field(min_length=1)]
    files: Annotated[dict[Split, Sides], Field(min_length=1)]
    stands_for: StandsFor = None
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()


class PivotCorpus(Source):
    """Pairs made from another corpus of this configuration, through a pivot language: a French and a German line become
    a pair if they have the same English line."""

    provider: Literal["pivot"]
    corpus: Name
    """A corpus with pairs of the pivot language and every other language of `pairs`."""
    through: Language = "en"
    """The pivot language."""
    pairs: Annotated[list[Pair], Field(min_length=1)]
    """A pair with the pivot language itself is taken unchanged from the other corpus."""
    stands_for: StandsFor = None
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()

    @property
    def needs_network(self) -> bool:
        return False

    @property
    def aligned(self) -> bool | None:
        return self.align or None

    def bases(self, pair: str) -> list[str]:
        """Pairs of the other corpus from which `pair` is made: `pair` itself if it has the pivot language, or else the
        pivot language with each language, in alphabetical order."""
        languages = pair.split("-")
        return [pair] if self.through in languages else [f"{self.through}-{code}" for code in sorted(languages)]


class UdCorpus(Source):
    """Words and UPOS tags from treebanks of Universal Dependencies, for `task: tagging`. A corpus has the splits that
    the treebank has."""

    provider: Literal["ud"]
    release: str
    """Tag or commit of the treebanks' repositories, like `r2.5`, the release that XGLUE uses."""
    treebanks: dict[Language, str]
    """Name of each language's treebank: `de: German-GSD`."""
    pairs: list[Pair]
    """The treebank of the first language is read; the second language has no effect."""
    sizes: dict[Split, PositiveInt] = {}
    """Approximate number of sentences of a treebank, for the estimates of scripts/plan.py. No result depends on it."""
    limits: Limits = Limits(overlap="source")

    @model_validator(mode="after")
    def _treebank_of_each(self) -> UdCorpus:
        for pair in self.pairs:
            if (language := pair.partition("-")[0]) not in self.treebanks:
                raise ValueError(f"`treebanks` has no entry for {language!r}, the first language of {pair}; add one")
        return self

    def defines(self, pair: str, split: Split) -> bool:
        return True

    @property
    def aligned(self) -> bool:
        return True


class InstructionsCorpus(Source):
    """Instructions and answers in Alpaca's format (`instruction`, `input`, `output`), to `mix` into fine-tuning: a file
    of your own, or a data set of the hub."""

    provider: Literal["instructions"]
    path: str | None = None
    """A .json (one list), .jsonl or .parquet file; .json and .jsonl also as .gz. Give either `path`, or the three keys
    `dataset`, `revision` and `files`."""
    dataset: str | None = None
    """A repository of the hub, like `tatsu-lab/alpaca`."""
    revision: str | None = None
    """Commit, tag or branch of this repository."""
    files: str | None = None
    """Glob of the parquet files in this repository."""
    sizes: dict[Literal["train"], PositiveInt] = {}
    """Approximate number of rows of the data set, for the estimates of scripts/plan.py. No result depends on it."""

    @model_validator(mode="after")
    def _one_way(self) -> InstructionsCorpus:
        given = [value is not None for value in (self.path, self.dataset, self.revision, self.files)]
        if given not in ([True, False, False, False], [False, True, True, True]):
            raise ValueError("give either `path`, or `dataset`, `revision` and `files`")
        path = self.path or ".json"
        if not (path.endswith(".parquet") or path.removesuffix(".gz").endswith((".json", ".jsonl"))):
            raise ValueError(f"`path` must end in .json, .jsonl (or one of them and .gz) or .parquet, not {path!r}")
        return self

    @property
    def needs_network(self) -> bool:
        return self.path is None

    @property
    def served(self) -> set[str]:
        return set()


Corpus = Annotated[
    DemoCorpus
    | FilesCorpus
    | HubCorpus
    | SacrebleuCorpus
    | ArchiveCorpus
    | PivotCorpus
    | UdCorpus
    | InstructionsCorpus,
    Field(discriminator="provider"),
]
