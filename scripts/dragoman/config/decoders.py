"""`decoder:` decoders and their options, and the kinds of prior tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, Union, get_args

from pydantic import Field, PositiveInt, field_validator, model_validator

from dragoman import registry
from dragoman.config.base import Language, Name, Pair, Strict
from dragoman.decoding.options import DecoderOptions
from dragoman.policies import Policy
from dragoman.policies.kinds import Decoded
from dragoman.policies.wait_k import WaitK
from dragoman.policies.wait_k_stride import WaitKStride


class OfflineDecoder(DecoderOptions):
    """Reads the whole source before it writes the first target word."""

    name: Literal["offline"]
    beam: PositiveInt = 1
    """Beam size; 1 is greedy decoding."""
    length_penalty: float = 1.0
    max_new_tokens: PositiveInt = 128
    batch_size: PositiveInt = 64
    """Sentences decoded together. Decoding uses float32, so that the other sentences of a batch do not change a
    sentence's words."""
    stop_at_newline: bool = False
    """End the hypothesis at the first line break. Without this, a foundation model continues with more text."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """The library that runs the model. `vllm`, if it is installed in the same environment, is many times faster on a
    GPU; it computes in bfloat16, so the other sentences of a batch may change a sentence's words. It forms batches
    itself, so set `batch_size` to about 1000."""
    monolingual: bool = False
    """Also compute the loss of each reference as a plain line of text after the previous reference, without a prompt.
    The metric `bits` uses it to measure general ability."""

    @property
    def predictions(self) -> int:
        """Every beam predicts."""
        return self.beam * len(self.settings)

    @model_validator(mode="after")
    def _what_vllm_does(self) -> OfflineDecoder:
        if self.engine == "vllm":
            if self.monolingual:
                raise ValueError("`monolingual` needs `engine: transformers`; set that, or give it to another system")
            if self.beam > 1 and self.stop_at_newline:
                raise ValueError(
                    "vllm's beam search cannot stop at a line break; set `beam: 1` or `engine: transformers`"
                )
        return self


class ContrastiveDecoder(DecoderOptions):
    """Greedy contrastive decoding against the same prompt with a wrong target language: English, and the source
    language (arXiv 2309.07098)."""

    name: Literal["contrastive"]
    weights: Literal["official"] | Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A number is lambda, divided equally among the contrasts. `official` is 0.5 for English and 0.5 for the source
    language, if these are not the target language; with English as the source, English gets both, 1 in total."""
    max_new_tokens: PositiveInt = 128
    batch_size: PositiveInt = 64
    """Sentences decoded together; each needs one row per prompt, up to three."""
    stop_at_newline: bool = False
    """End the hypothesis at the first line break."""

    @property
    def predictions(self) -> int:
        """One per prompt, up to three."""
        return 3


class CopyDecoder(DecoderOptions):
    """Writes the source unchanged: a baseline that every system should exceed."""

    USES_MODEL = False
    name: Literal["copy"]


class DictionaryDecoder(DecoderOptions):
    """Translates with a dictionary, the longest matching entry first; unknown words are copied. If the source language
    writes no blanks, its text is divided into words by the entries."""

    USES_MODEL = False
    name: Literal["dictionary"]
    files: dict[Pair, str]
    """One file (also .gz) per pair: source word, tab, translation, and optionally a tab and a score. Of several
    translations, the one with the highest score is used, or the first if there are no scores. Files with blanks instead
    of tabs (MUSE) and Moses' lexical tables `lex.f2e` are read, too."""


class SimultaneousDecoder(DecoderOptions):
    """Writes while it reads, greedily, under a read/write policy; every value of the policy's option is a point of one
    curve. Give either `k`, for wait-k, or `policy`. The experiment's `unit` defines a word: it may be a character, for
    languages that write no blanks."""

    name: Literal["simultaneous", "streaming"]
    """`simultaneous` decodes all sentences and every point together; `streaming` writes the same words one at a time,
    as a reader would see them, and measures their times."""
    k: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    """Wait-k: source words read before the first target word."""
    stride: PositiveInt = 1
    """Wait-k: words of each later turn."""
    policy: Decoded | None = None
    """Another policy, like `{name: local-agreement, n: [2, 3]}`."""
    recompute: bool = False
    """true: compute the keys and values of the response again after each word that is read, as models need that were
    trained on whole sentences or prefixes. false: keep them in the KV cache."""
    positions: Literal["plain", "group"] = "plain"
    """Position ids with rotary positions. `plain`: the response continues after the source read so far. `group`: the
    response is counted from its own origin, as the method `simulmask` trains it. With ALiBi both are the same."""
    max_lag: PositiveInt = 10
    """Stop when this many more words have been written than read. Six characters of a target count as one word here,
    since a word has that many characters in some languages."""
    max_word_tokens: PositiveInt = 50
    """A word ends after at most this many tokens."""
    legacy: bool = False
    """Find word ends and feed words again as the published code of SimulMask does, including its faults: punctuation
    within a word cuts it, the last word is lost if no punctuation follows, and the response is tokenised again from its
    text."""
    batch_tokens: PositiveInt = 40_000
    """Tokens whose keys and values are cached together, over all sentences and every k; longer test sets take several
    batches."""

    @field_validator("k")
    @classmethod
    def _different(cls, k: list[int] | None) -> list[int] | None:
        if k is not None and len(set(k)) < len(k):
            raise ValueError(f"every value must be there once, not {k}")
        return k

    @model_validator(mode="after")
    def _one_policy(self) -> SimultaneousDecoder:
        if (self.k is None) == (self.policy is None):
            raise ValueError("give either `k`, the values of wait-k, or `policy`, another policy and its values")
        if self.policy is not None and self.stride > 1:
            raise ValueError("`stride` belongs to `k`; write it into the policy, or leave it out")
        if self.policy is not None and self.legacy and self.policy.POLICY.adaptive():
            text = f"the published code has no policy like {self.policy.name!r}, which asks the model"
            raise ValueError(f"{text}; leave `legacy` out, or take `k`")
        return self

    @property
    def policies(self) -> list[Policy]:
        """The policy at each point of the curve."""
        if self.policy is not None:
            return self.policy.points
        if self.stride > 1:
            return [WaitKStride(name="wait-k-stride", k=k, stride=self.stride) for k in self.k or ()]
        return [WaitK(name="wait-k", k=k) for k in self.k or ()]

    @property
    def settings(self) -> list[str]:
        """`k=1`, `k=3`, or as the policy names its points."""
        return [policy.setting for policy in self.policies]

    @property
    def predictions(self) -> int:
        """A policy may have a token predicted several times."""
        return sum(1 + policy.fewer for policy in self.policies)

    def values_of(self, axis: str) -> list[Any] | None:
        """The values of the policy, where the axis is its own."""
        return [getattr(policy, axis) for policy in self.policies] if axis == self.policies[0].AXIS else None

    def at(self, axis: str, value: str) -> Self:
        """This decoder at one of its points."""
        if self.policy is None:
            return super().at(axis, value)
        chosen = [known for known in self.values_of(axis) or [] if str(known) == value]
        return self.model_copy(update={"policy": self.policy.model_copy(update={axis: chosen})})


class ConversationDecoder(DecoderOptions):
    """Reads chunks of n words, and answers each as one turn of a conversation (arXiv 2402.10552), greedily."""

    name: Literal["conversation"]
    chunk: Annotated[list[PositiveInt], Field(min_length=1)]
    """Source words (or characters) per turn; every n is a point of one curve."""
    max_turn_tokens: PositiveInt = 100
    """A turn ends after at most this many tokens."""
    batch_tokens: PositiveInt = 40_000
    """The same as for the simultaneous decoder."""

    @property
    def settings(self) -> list[str]:
        """`n=2`, `n=5`, the sizes of a chunk."""
        return [f"n={size}" for size in self.chunk]


Unit = Literal["token", "word", "character"]
LONGEST = 5
"""Most prior tokens, words or characters that a decoding may be given."""


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
    """Which setting of `hypotheses` to use."""
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
    """Which source word is looked up. `first_known`: the first with an entry. `first`: the first of all (for tags).
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


class RandomPrior(Strict):
    """Tokens drawn at random from the tokens of a language's text; only tokens with a letter are used."""

    kind: Literal["random", "wrong-language"]
    files: dict[Language, str] = {}
    """Text file of each language, one sentence per line. `random` draws from the target language, `wrong-language` from
    the languages that are neither source nor target."""
    corpus: Name | None = None
    """Instead of files: a corpus whose training text in the target languages of the experiment's test pairs is used."""
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


class PrefilledDecoder(OfflineDecoder):
    """Gives the model the first tokens of the answer, which it continues. One job decodes every n, as the settings
    `n=0`, `n=1` ..."""

    name: Literal["prefilled"]
    prior: Prior
    n: list[Count] = Field([0, 1, 2], min_length=1)
    """Length of the prior in units, 0 to 5; or "all", for the kinds `fixed` and `preamble`."""
    unit: Unit = "token"
    """A1: the unit of n: token ids, words or characters. A word or character is given with all its tokens."""
    seam: Literal["target", "bare"] = "target"
    """A4: how a prior that is text is encoded. `target`: like the prompt's target segment, with the blank that begins
    it. `bare`: by itself. Either way its ids follow the prompt's ids; the joined text is never encoded again."""
    score_prior: bool = True
    """A6: whether `hypothesis`, which metrics score, includes the given tokens. `continuation` never includes them."""

    @property
    def settings(self) -> list[str]:
        """`n=0`, `n=1`."""
        return [f"n={n}" for n in self.n]

    @model_validator(mode="after")
    def _counts(self) -> PrefilledDecoder:
        if self.monolingual:
            raise ValueError("`monolingual` measures a model without a prior; give it to an `offline` decoder")
        if self.engine == "vllm" and self.prior.kind == "sft":
            raise ValueError("vllm uses the whole GPU, so the twin has no memory; set `engine: transformers`")
        if len(set(self.n)) < len(self.n):
            raise ValueError(f"n: every value may be given only once, not {self.n}")
        if "all" in self.n and self.prior.kind not in ("fixed", "preamble"):
            raise ValueError(
                f"n: all is allowed for fixed and preamble priors only; a whole {self.prior.kind} prior would be a "
                "complete answer"
            )
        return self


OWN: tuple[type[DecoderOptions], ...] = (
    OfflineDecoder,
    ContrastiveDecoder,
    CopyDecoder,
    DictionaryDecoder,
    SimultaneousDecoder,
    ConversationDecoder,
    PrefilledDecoder,
)


def brought() -> dict[str, type[DecoderOptions]]:
    """Name -> options of the registered decoders that bring their own: the class `Options` in the decoder's module.

    Raises:
        TypeError: a module has no such class, or the class has another name in YAML than in the registry.
    """
    own = {name for options in OWN for name in get_args(options.model_fields["name"].annotation)}
    found = {}
    for name in sorted(registry.REGISTRY["decoder"].keys() - own):
        found[name] = options = getattr(registry.module_of("decoder", name), "Options", DecoderOptions)
        if "name" not in options.model_fields or get_args(options.model_fields["name"].annotation) != (name,):
            place = registry.REGISTRY["decoder"][name]
            raise TypeError(f"{place} needs a class `Options(DecoderOptions)` with `name: Literal[{name!r}]`")
    return found


BROUGHT = brought()
Decoder = Annotated[Union[(*OWN, *BROUGHT.values())], Field(discriminator="name")]
