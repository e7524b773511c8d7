"""`prior:` the kinds of prior tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from dragoman.config.base import Language, Name, Pair, Strict, Texts

Unit = Literal["token", "word", "character"]
LONGEST = 5
"""Maximum number of prior tokens, words or characters."""


class NoPrior(Strict):
    """No prior: the foundation model alone."""

    kind: Literal["none"]


class GoldPrior(Strict):
    """The reference's first tokens: an upper bound, since a user has no reference."""

    kind: Literal["gold"]


class SftPrior(Strict):
    """The twin's first tokens: also an upper bound, since it needs the fine-tuned twin."""

    kind: Literal["sft"]
    twin: str
    """A tuning of the experiment."""


class RefinedPrior(Strict):
    """The first tokens of a task model's answer (A2). Give one of `model`, `hypotheses` and `system`."""

    kind: Literal["refined"]
    model: str | None = None
    """Name under `models` of a sequence-to-sequence model, with `source: hub` or `local`. It uses its own generation
    settings, except for the next three keys."""
    beam: PositiveInt = 1
    max_new_tokens: PositiveInt = 128
    max_source_tokens: PositiveInt | None = None
    """Longer sources are truncated, as is usual for summarization; null truncates nothing."""
    prefix: str = ""
    """Text that the model needs before a source, like "translate English to French: "; may hold {source_language} and
    {target_language}."""
    codes: dict[Language, str] = {}
    """The model's own language codes, if it needs them (`fr: fra_Latn`)."""
    hypotheses: str | None = None
    """Path of a hypotheses.jsonl of this project, decoded from the same sources; may hold {pair}."""
    setting: str = ""
    """The setting of `hypotheses` to use."""
    system: Name | None = None
    """Another system of the experiment, whose hypotheses are used."""

    @model_validator(mode="after")
    def _one_source(self) -> RefinedPrior:
        if [self.model, self.hypotheses, self.system].count(None) != 2:
            raise ValueError("give one of `model`, `hypotheses` and `system`")
        return self


class PseudoPrior(Strict):
    """The dictionary entry of a source word (A3)."""

    kind: Literal["pseudo"]
    files: dict[Pair, str] = {}
    """One file per pair, as for the decoder `dictionary`: source word, and its translation or tag."""
    corpus: Name | None = None
    """Instead of files: a corpus whose training text has word alignments. The entry of a word is the word that it is
    most often aligned with; the dictionary is sorted by frequency, frequent words first."""
    word: Literal["first_known", "first", "keyword"] = "first_known"
    """The source word that is looked up. `first_known`: the first with an entry. `first`: the first of all (for tags).
    `keyword`: the word with an entry that has the highest product of its count in the source and the logarithm of its
    rank in the dictionary, which begins with the most frequent words."""
    words: PositiveInt = 1
    """Number of words of that kind (the first known words, the best keywords) whose entries are joined."""
    capital: bool = True
    """Begin the prior with a capital letter if the source begins with one."""
    otherwise: str | None = None
    """Prior for sources without any entry; null gives them no prior."""

    @model_validator(mode="after")
    def _one_source(self) -> PseudoPrior:
        if bool(self.files) == (self.corpus is not None):
            raise ValueError("give either `files` or `corpus`")
        return self


class RandomPrior(Texts):
    """Tokens drawn at random from the tokens of a language's text; only tokens with a letter are used."""

    kind: Literal["random", "wrong-language"]
    files: dict[Language, str] = {}
    """Text file of each language, one sentence per line. `random` draws from the target language, `wrong-language` from
    the languages that are neither source nor target."""
    corpus: Name | None = None
    """Instead of files: a corpus whose training text in the target languages of the experiment's test pairs is used."""
    seed: int = 1


class FixedPrior(Strict):
    """The same words for every sentence of a target language, like "Voici la traduction :". With `sources`, a fixed
    pair of prefixes: the source begins with words, and the answer with their translation (Tran and Utiyama, LoResMT
    2025)."""

    kind: Literal["fixed"]
    texts: dict[Language, str]
    sources: dict[Language, str] = {}
    """Words of each source language that are put before every source. `texts` then hold their translations. Set
    `n: [all]`, and `score_prior: false`, since the reference does not translate these words."""


class PreamblePrior(Strict):
    """The same words for every target language. It tests whether any beginning of an answer helps, or only one in the
    target language."""

    kind: Literal["preamble"]
    text: str = "Sure, here is the translation:"
    """May hold {source_language} and {target_language}. The default is from arXiv 2309.07098, written without
    contraction."""


Prior = Annotated[
    NoPrior | GoldPrior | SftPrior | RefinedPrior | PseudoPrior | RandomPrior | FixedPrior | PreamblePrior,
    Field(discriminator="kind"),
]

Count = Annotated[int, Field(ge=0, le=LONGEST)] | Literal["all"]
