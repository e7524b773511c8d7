"""`decoder:` how a system answers, and what prior tokens it is given."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from dragoman.config.base import Language, Name, Pair, Strict
from dragoman.policies import Policy
from dragoman.policies.kinds import Decoded
from dragoman.policies.wait_k import WaitK
from dragoman.policies.wait_k_stride import WaitKStride


class Answering(Strict):
    """Base of all decoders."""

    @property
    def settings(self) -> list[str]:
        """How records name the points that one decoding gives (`k=1`, `k=3`); a single empty one where it sweeps
        nothing."""
        return [""]

    def values_of(self, axis: str) -> list[Any] | None:
        """The values that one decoding gives for an axis of that name; None where it does not sweep it."""
        return found if isinstance(found := getattr(self, axis, None), list) else None

    def at(self, axis: str, value: str) -> Self:
        """This decoder at one of `values_of(axis)`, or for a value that is none of them, at that whole number."""
        values = [known for known in self.values_of(axis) or [] if str(known) == value]
        return self.model_copy(update={axis: values or [int(value)]})


class OfflineDecoder(Answering):
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
    engine: Literal["transformers", "vllm"] = "transformers"
    """What computes. `vllm`, where it is installed beside our packages, is many times faster on a GPU; it computes in
    bfloat16, so a sentence's neighbours may change its words. It forms batches itself: give it a thousand sentences."""
    monolingual: bool = False
    """Also measure how unlikely the model finds each reference as the line after the one before it, with no prompt
    around it: general ability, for the metric `bits`."""

    @model_validator(mode="after")
    def _what_vllm_does(self) -> OfflineDecoder:
        if self.engine == "vllm":
            if self.monolingual:
                raise ValueError("`monolingual` is measured by `engine: transformers`; take it, or another system")
            if self.beam > 1 and self.stop_at_newline:
                raise ValueError("vllm's beam search ends at no line break; take `beam: 1` or `engine: transformers`")
        return self


class ContrastiveDecoder(Answering):
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


class CopyDecoder(Answering):
    """Writes the source as it is: the floor that any system must leave behind."""

    name: Literal["copy"]


class DictionaryDecoder(Answering):
    """Translates with a dictionary, the longest entry first; unknown words are copied. Where a language writes no
    blanks, the entries say what its words are."""

    name: Literal["dictionary"]
    files: dict[Pair, str]
    """A file (also .gz) per pair: source word, tab, translation; or with a tab and a score behind it, of which the
    highest counts, else the first translation. Blanks for tabs (MUSE), and Moses' lexical tables `lex.f2e`, are read
    as well."""


class SimultaneousDecoder(Answering):
    """Writes while it reads, greedily, under a policy, whose values are the points of one curve. Give either `k`, which
    is wait-k, or `policy`. Words are what the experiment's `unit` says: characters, where a language writes no
    blanks."""

    name: Literal["simultaneous", "streaming"]
    """`simultaneous` decodes all sentences and every k at once; `streaming` gives the same words one at a time, as they
    would come to a reader, and times them."""
    k: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    """Of wait-k: source words read before the first target word."""
    stride: PositiveInt = 1
    """Of wait-k: words of each later turn."""
    policy: Decoded | None = None
    """Another policy, like `{name: local-agreement, n: [2, 3]}`."""
    recompute: bool = False
    """Compute the response so far anew whenever source has been read, as models need that were trained on whole
    sentences or prefixes; else its keys and values are kept."""
    positions: Literal["plain", "group"] = "plain"
    """With rotary positions: `plain` counts the response after the source read so far; `group` from an origin of its
    own, as the `simulmask` method trains it. With ALiBi both are the same."""
    max_lag: PositiveInt = 10
    """Stop when so many more words are written than read. Six characters of a target count as one here, since some
    languages take as many for a word."""
    max_word_tokens: PositiveInt = 50
    """A word ends after so many tokens."""
    legacy: bool = False
    """Where words end and what is fed again as in the published code of SimulMask, faults included: inner punctuation
    cuts words, the last word before an unpunctuated end is lost, the response is tokenised anew from its text."""
    batch_tokens: PositiveInt = 40_000
    """Tokens whose keys are kept at once, over all sentences and every k; longer test sets take several batches."""

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

    def values_of(self, axis: str) -> list[Any] | None:
        """The values of the policy, where the axis is its own."""
        return [getattr(policy, axis) for policy in self.policies] if axis == self.policies[0].AXIS else None

    def at(self, axis: str, value: str) -> Self:
        """This decoder at one of its points."""
        if self.policy is None:
            return super().at(axis, value)
        chosen = [known for known in self.values_of(axis) or [] if str(known) == value]
        return self.model_copy(update={"policy": self.policy.model_copy(update={axis: chosen})})


class ConversationDecoder(Answering):
    """Reads a chunk of n words, answers it as one turn of a conversation, and so on (arXiv 2402.10552), greedily."""

    name: Literal["conversation"]
    chunk: Annotated[list[PositiveInt], Field(min_length=1)]
    """Source words (or characters) of a turn; every n is a point of one curve."""
    max_turn_tokens: PositiveInt = 100
    """A turn ends after so many tokens."""
    batch_tokens: PositiveInt = 40_000
    """As of the simultaneous decoder."""

    @property
    def settings(self) -> list[str]:
        """`n=2`, `n=5`, the sizes of a chunk."""
        return [f"n={size}" for size in self.chunk]


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
    """A file per pair, as for the decoder `dictionary`: source word and what to write for it, a translation or a
    tag."""
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

    @property
    def settings(self) -> list[str]:
        """`n=0`, `n=1`."""
        return [f"n={n}" for n in self.n]

    @model_validator(mode="after")
    def _counts(self) -> PrefilledDecoder:
        if self.monolingual:
            raise ValueError("`monolingual` measures a model without any prior; give it to an `offline` decoder")
        if self.engine == "vllm" and self.prior.kind == "sft":
            raise ValueError("vllm takes the whole GPU, with no room for the twin; take `engine: transformers`")
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
