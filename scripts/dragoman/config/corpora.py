"""`corpora:` where parallel text comes from, and which lines of it are kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dragoman.config.base import Language, Name, Pair, Strict

Split = Literal["train", "validation", "test"]
SAVED = "state.json"
"""The file by which the library `datasets` knows a folder that it saved."""
Align = Annotated[
    bool,
    Field(
        description="Align the words of training sentences that come without a word alignment (by fast_align's model, "
        "in both directions), for methods and policies that need one. 240,000 sentence pairs take some minutes."
    ),
]
Sizes = Annotated[
    dict[Split, PositiveInt],
    Field(
        description="How many sentence pairs a language pair has, about: scripts/plan.py estimates with them. No "
        "result does."
    ),
]

StandsFor = Annotated[
    Name | None,
    Field(
        description="The published test set that the test split is, by its name under `test_sets` in "
        "config/published/comparison.yaml, so that numbers made with it can be compared with a paper's. Its lines are "
        "counted, and their words compared, where these are known."
    ),
]


class Limits(Strict):
    """When a line of parallel text is dropped. Every drop is counted by reason and listed in a file."""

    max_words: PositiveInt = 250
    """Drop a pair when a side has more whitespace-separated words than this. A line of Chinese, Japanese or Thai is one
    such word: there, `max_characters` is the limit."""
    max_characters: PositiveInt = 2000
    """Drop a pair when a side has more characters than this, of whatever script."""
    max_ratio: PositiveFloat | None = 9.0
    """Drop a pair when the longer side has at least 20 letters and this many times those of the shorter; null switches
    the check off. A Chinese character counts as 3.5 letters, a Korean one as 2.5, a Japanese kana as 2."""
    overlap: Literal["drop", "source", "keep"] = "drop"
    """What happens to a training line one side of which is in the test or validation set (and to such a validation
    line). `source` looks at the source side alone, where answers repeat, as rows of tags do; `keep` repeats what papers
    did that did not look."""
    source_words: PositiveInt | None = None
    """Keep only the first so many words of a source (characters where its language writes no blanks), of the test set,
    too, as summarizers are used; null keeps all. A line that is cut loses its word alignment."""


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
    """Where one split of one pair is: one file with both sides, two plain text files, or a folder of `datasets`."""

    path: str | None = None
    """A .tsv (header row), .jsonl or .parquet file, also .gz; its columns are named after the language codes unless
    `columns` says otherwise."""
    source: str | None = None
    target: str | None = None
    """Two plain text files, one sentence a line, also .gz; line n of one translates line n of the other."""
    saved: str | None = None
    """A folder to which the library `datasets` saved one split (`Dataset.save_to_disk`); of a `DatasetDict`, the
    folder of one split inside it, like `mine/train`."""

    @property
    def files(self) -> dict[str, str]:
        """The file behind each key that is given; a saved folder's is the one that is written last and lists the
        others."""
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
        if self.path is not None and not self.path.removesuffix(".gz").endswith((".tsv", ".jsonl", ".parquet")):
            text = f"`path` must end in .tsv, .jsonl or .parquet (or .gz after one of them), not {self.path!r}"
            raise ValueError(f"{text}; two plain text files, a language each, go under `source` and `target`")
        return self


class FilePair(Strict):
    """The splits of one language pair. A missing split is an empty one."""

    train: FileSet | None = None
    validation: FileSet | None = None
    test: FileSet | None = None
    columns: dict[Language, str] = {}
    """Column name of each language, where it is not the language code. In .jsonl and .parquet files `translation.en` is
    the key `en` within `translation`; where that holds both languages, it need not be named."""


class FilesCorpus(Strict):
    """Your own parallel text."""

    provider: Literal["files"]
    pairs: dict[Pair, FilePair]
    """The reverse of a listed pair is served from the same files."""
    stands_for: StandsFor = None
    align: Align = False
    limits: Limits = Limits()


class HubCorpus(Strict):
    """A data set of the Hugging Face hub, read from its parquet files at a pinned revision."""

    provider: Literal["hub"]
    dataset: str
    """Repository id, like `IWSLT/iwslt2017`."""
    revision: str
    """Commit, tag or branch. IWSLT 2017 has a loading script on its main branch, which no library runs any more; its
    parquet branch is `refs/convert/parquet`."""
    files: dict[Split, str]
    """Glob of each split's parquet files inside the repository, with `{source}`, `{target}` and `{config}`."""
    configs: dict[Pair, str] = {}
    """What `{config}` stands for, per pair."""
    pairs: list[Pair]
    column: str | None = "translation"
    """Column holding a {language: text} mapping; null when each language is a column of its own."""
    columns: dict[Language, str] = {}
    """Key or column of each language where it is not the language code (`en: sentence_eng_Latn`); `a.b` is the key `b`
    within `a`."""
    stands_for: StandsFor = None
    sizes: Sizes = {}
    align: Align = False
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
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()


class Sides(Strict):
    """Where the two sides of one split are inside an archive."""

    source: str
    """A path with `{source}` and `{target}` for the languages. It may lead through further archives, as in
    `texts/{source}/{target}/{source}-{target}.tgz/{source}-{target}/test.{source}.xml`."""
    target: str


class ArchiveCorpus(Strict):
    """Parallel text in a .tar, .tar.gz or .zip file that somebody publishes: plain text, or the XML or SGML of an
    evaluation campaign."""

    provider: Literal["archive"]
    url: str
    """Its address; `file:///...` for one that was downloaded by hand."""
    page: str = ""
    """Where a person gets it if the address does not give it; shown in the message that says so."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of the archive; null where it is not known."""
    pairs: Annotated[list[Pair], Field(min_length=1)]
    files: Annotated[dict[Split, Sides], Field(min_length=1)]
    stands_for: StandsFor = None
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()


class PivotCorpus(Strict):
    """Another corpus of this configuration, joined on a language that it is parallel with: a line of French and a line
    of German with the same English line are a pair."""

    provider: Literal["pivot"]
    corpus: Name
    """It has pairs of the language below with every other language of `pairs`."""
    through: Language = "en"
    pairs: Annotated[list[Pair], Field(min_length=1)]
    """A pair with that language itself is served as it is there."""
    stands_for: StandsFor = None
    sizes: Sizes = {}
    align: Align = False
    limits: Limits = Limits()

    def bases(self, pair: str) -> list[str]:
        """Pairs of the other corpus that a pair is made of: itself, or one for each language, in alphabetical order."""
        languages = pair.split("-")
        return [pair] if self.through in languages else [f"{self.through}-{code}" for code in sorted(languages)]


class UdCorpus(Strict):
    """Words and UPOS tags from treebanks of Universal Dependencies, those splits that a treebank has; for
    `task: tagging`."""

    provider: Literal["ud"]
    release: str
    """Tag or commit of the treebanks' repositories, like `r2.5`, which XGLUE is of."""
    treebanks: dict[Language, str]
    """Name of each language's treebank: `de: German-GSD`."""
    pairs: list[Pair]
    """The first language's treebank is read; the second plays no part."""
    sizes: dict[Split, PositiveInt] = {}
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
    sizes: dict[Literal["train"], PositiveInt] = {}
    """How many rows such a data set has, about: scripts/plan.py estimates with them. No result does."""

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
