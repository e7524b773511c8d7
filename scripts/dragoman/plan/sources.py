"""What runs read: the text of a corpus in one language pair, and a foundation model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman import checks
from dragoman.command import REPOSITORY, located
from dragoman.config import (
    Corpus,
    FilesCorpus,
    GgufModel,
    LocalModel,
    Model,
    PackageModel,
    PivotCorpus,
    Prompt,
    ScratchModel,
)
from dragoman.imports import code, fingerprint
from dragoman.instructions import PROMPT
from dragoman.languages import NAMES, TABLE, reverse
from dragoman.results import comparable
from dragoman.storage import MANIFEST, digest

if TYPE_CHECKING:
    from dragoman.plan import Plan

CHECKPOINT = {".json", ".safetensors", ".model", ".txt", ".jinja"}
"""Extensions of checkpoint files: weights, configuration and tokenizer, but no files that can contain code."""


@dataclass(frozen=True)
class Text:
    """The checked text of a corpus in one language pair."""

    plan: Plan = field(repr=False, compare=False)
    corpus: str
    pair: str

    @property
    def config(self) -> Corpus:
        """The corpus in the configuration."""
        return self.plan.config.corpora[self.corpus]

    @property
    def folder(self) -> Path:
        """Folder of the checked text, one parquet file per split."""
        return self.plan.results / "corpora" / self.corpus / self.pair

    @property
    def manifest(self) -> Path:
        """The file that is written last into `folder`."""
        return self.folder / MANIFEST

    @property
    def training_file(self) -> str:
        """The checked training text."""
        return (self.folder / "train.parquet").as_posix()

    @property
    def downloads(self) -> Path:
        """Folder of downloaded files; for a pivot corpus, the checked text of the corpus that it is made from."""
        if isinstance(self.config, PivotCorpus):
            return self.plan.results / "corpora" / self.config.corpus
        return self.plan.results / "downloads" / "corpora" / self.corpus / self.pair

    @property
    def made_from(self) -> list[Text]:
        """For a pivot corpus, the texts that it joins."""
        if not isinstance(self.config, PivotCorpus):
            return []
        return [Text(self.plan, self.config.corpus, base) for base in self.config.bases(self.pair)]

    @property
    def own_files(self) -> list[str]:
        """Local files that the text is made from, so that a change in them is noticed: the user's own, or the other
        corpus's text. `spec` covers instructions and the example files of the checkout."""
        if not isinstance(self.config, FilesCorpus):
            return [base.manifest.as_posix() for base in self.made_from]
        splits = self.config.of(self.pair)
        sets = [splits.train, splits.validation, splits.test]
        paths = [path for files in sets if files for path in files.files.values()]
        return [path for path in paths if located(path) == Path(path)]

    @property
    def code_of_download(self) -> str:
        """A fingerprint of the code that downloads the text."""
        return code("download", ("provider", self.config.provider))

    @property
    def code(self) -> str:
        """A fingerprint of the code that prepares the text."""
        return code("prepare", ("provider", self.config.provider))

    @property
    def digest(self) -> str:
        """A digest of `spec`."""
        return digest(self.spec)

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that the text depends on, except code and `own_files`."""
        facts = self.config.model_dump(mode="json", exclude={"sizes", "page"})
        if facts["provider"] == "files":
            pairs = facts.pop("pairs")
            facts["files"] = pairs.get(self.pair) or pairs[reverse(self.pair)]
            sets = [facts["files"][split] or {} for split in ("train", "validation", "test")]
            paths = sorted({path for each in sets for path in each.values() if path})
            if examples := [whole for path in paths if (whole := located(path)) != Path(path)]:
                facts["examples"] = fingerprint(examples)
        if facts["provider"] == "instructions" and facts["path"]:
            facts["path"] = [Path(facts["path"]).name, fingerprint([located(facts["path"])])]
        if facts["provider"] == "demo":
            facts["lexicon"] = fingerprint(sorted((REPOSITORY / "config" / "lexicon").glob("*.tsv")))
        facts.pop("pairs", None)
        if name := facts.pop("stands_for", None):
            known = comparable.load().test_sets[name]
            facts["published"] = [name, known.lines.get(self.pair), known.sha256.get(self.pair)]
        return {"corpus": facts, "pair": self.pair, "languages": facts_of_languages(self.pair)}


@dataclass(frozen=True)
class Foundation:
    """A foundation model."""

    plan: Plan = field(repr=False, compare=False)
    name: str

    @property
    def config(self) -> Model:
        """The model in the configuration."""
        return self.plan.config.models[self.name]

    @property
    def folder(self) -> Path:
        """Folder of the checkpoint, with tokenizer."""
        return self.plan.results / "models" / self.name

    @property
    def manifest(self) -> Path:
        """The file that is written last into `folder`."""
        return self.folder / MANIFEST

    @property
    def downloads(self) -> Path:
        """Folder of downloaded files that are not a checkpoint yet (GGUF)."""
        return self.plan.results / "downloads" / "models" / self.name

    @property
    def benchmark(self) -> Path:
        """Time and memory of the job that trains a model from scratch."""
        return self.plan.results / "benchmarks" / "pretrain" / f"{self.name}.tsv"

    @property
    def is_joined(self) -> bool:
        """Whether the checkpoint is made from a downloaded GGUF file."""
        return isinstance(self.config, PackageModel) or (isinstance(self.config, GgufModel) and bool(self.config.id))

    @property
    def pairs(self) -> list[str]:
        """For a model from scratch: the pairs of its corpus whose training text becomes pages."""
        assert isinstance(self.config, ScratchModel)
        return checks.page_pairs(self.config.text, self.plan.config.corpora[self.config.text.corpus])

    @property
    def texts(self) -> list[Text]:
        """The texts that a model from scratch is trained on: the pairs of its corpus, then the pairs of each task."""
        if not isinstance(self.config, ScratchModel):
            return []
        pages = self.config.text
        own = [Text(self.plan, pages.corpus, pair) for pair in self.pairs]
        return own + [Text(self.plan, task.corpus, pair) for task in pages.tasks for pair in task.pairs]

    @property
    def files(self) -> list[Path]:
        """The files that the checkpoint is made from."""
        if self.is_joined:
            return [self.downloads / MANIFEST]
        match self.config:
            case LocalModel(path=folder):
                files = sorted(path for path in Path(folder).iterdir() if path.suffix in CHECKPOINT)
                return [path for path in files if path.name != MANIFEST]
            case GgufModel(files=files, licence_files=licences):
                return [Path(path) for path in (*files, *licences)]
        return [text.manifest for text in self.texts]

    @property
    def digest(self) -> str:
        """A digest of `spec`."""
        return digest(self.spec)

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that the model depends on, except code and its training text."""
        facts = self.config.model_dump(mode="json", exclude={"parameters", "download"})
        pages = {"languages": facts_of_languages(facts["text"])} if "text" in facts else {}
        return {"model": facts, "threads": self.plan.config.threads} | pages

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """Name -> prompt, for every prompt that is used with the model or with a model tuned from it."""
        names, instructed = dict[str, None](), dict[str, Prompt]()
        for experiment in self.plan.config.experiments.values():
            if experiment.model != self.name:
                continue
            names |= {experiment.prompt_name(tuning): None for tuning in experiment.tunings.values()}
            for system in experiment.systems.values():
                if system.decoder.USES_MODEL:
                    tuning = experiment.tunings[system.tuning] if system.tuning else None
                    names |= {experiment.prompt_name(tuning, system, pair): None for pair in experiment.test.pairs}
            if experiment.instructions or any(tuning.mix for tuning in experiment.tunings.values()):
                instructed["Alpaca's instructions"] = PROMPT
        return {name: self.plan.prompts[name] for name in sorted(names)} | instructed


def facts_of_languages(spec: Any) -> dict[str, list[str]]:
    """English name, which prompts use, and script, which units follow, of every language that a spec holds, alone or in
    a pair; and of English.

    A word of a spec that is by chance a code, such as "no", is counted too.
    """
    if isinstance(spec, str):
        return {code: [NAMES[code], TABLE[code].script] for code in (*spec.split("-"), "en") if code in NAMES}
    parts = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ()
    facts = facts_of_languages("en")
    for part in parts:
        facts |= facts_of_languages(part)
    return facts
