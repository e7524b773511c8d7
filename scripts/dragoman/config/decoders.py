"""`decoder:` decoders and their options."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, Union, get_args

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator, model_validator

from dragoman import registry
from dragoman.config.base import Name, Pair, Texts
from dragoman.config.priors import Count, FixedPrior, Prior, Unit
from dragoman.decoding.options import DecoderOptions, Level, Turns
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


class Guided(OfflineDecoder, Texts):
    """Base of decoders that keep the model in the target language with the help of text of each language."""

    corpus: Name | None = None
    """Instead of files: a corpus whose training text is used, for every language of the experiment's test pairs. It is
    the target side of a training pair where the corpus has one, else of a test pair."""

    @model_validator(mode="after")
    def _within_the_model(self) -> Guided:
        if self.engine == "vllm":
            raise ValueError(f"`{self.name}` needs `engine: transformers`; remove `engine`")
        if self.monolingual:
            raise ValueError("`monolingual` measures the model alone; give it to an `offline` decoder")
        return self


class GatedDecoder(Guided):
    """Offline decoding in which some tokens are never written: tokens that occur only in the text of other languages,
    and tokens with a letter of a script that does not occur in the target language's text. All other tokens can be
    written, so a word of another language can still be spelt in pieces that occur in the target language, too; and
    words of the target language may be lost if its text is small."""

    name: Literal["gated"]
    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """A token is never written if at most this share of its uses is in the target language, where all languages count
    as equally long. 0: only tokens that do not occur in the target language's text."""
    where: Literal["everywhere", "first"] = "everywhere"
    """`first`: only the first token of the answer is constrained: it must be the first token of a line of the target
    language's text. This is a control for prior tokens: it sets the language of the answer, but no word of it."""

    @model_validator(mode="after")
    def _share_of_all(self) -> GatedDecoder:
        if self.where == "first" and self.share:
            raise ValueError("`share` has no effect with `where: first`; remove one of them")
        return self


class SteeredDecoder(Guided):
    """Offline decoding with language vectors (ReCoVeR, arXiv 2509.14814). The vector of a language is the mean hidden
    state of its text minus the mean over all languages, layer by layer; the text should say the same in all languages.
    After every layer, the target language's vector minus the source language's is added to the hidden state of every
    token but the first, and the result gets the length that the hidden state had."""

    name: Literal["steered"]
    strength: NonNegativeFloat = 1.0
    """Factor of the added vector. 0 is offline decoding."""
    source: NonNegativeFloat = 1.0
    """Weight of the source language's vector, which is subtracted."""
    length: Literal["unit", "own"] = "unit"
    """Length of the added vector before it is multiplied. `unit`: 1, as in the authors' runs; the right strength then
    depends on the length of the model's hidden states. `own`: its own length. A vector added after one layer stays in
    the hidden states of later layers, so strengths well below 1 are enough; choose one on validation text."""
    layers: Annotated[list[int], Field(min_length=1)] | None = None
    """Layers after which it is added, counted from 0, or from the end with negative numbers; null: all."""
    lines: PositiveInt = 1000
    """Lines of each language whose hidden states are averaged."""


class ContextualDecoder(OfflineDecoder):
    """Offline decoding of talks or other documents, sentence by sentence. Before each sentence, the prompt shows the
    sentences before it in the talk with their translations, in the form of demonstrations."""

    DIVIDES = False
    name: Literal["contextual"]
    window: PositiveInt = 3
    """Number of earlier sentences in the prompt; fewer if the model has no positions for them."""
    earlier: Literal["own", "reference"] = "own"
    """Translations of the earlier sentences. `own`: what the system wrote. `reference`: the references, as an upper
    limit."""
    talks: str | None = None
    """File whose line n is the name of the talk that sentence n of the test set belongs to; `{pair}` stands for the
    language pair. null: the whole test set is one talk."""
    batch_size: PositiveInt = 64
    """Talks decoded together, one sentence of each at a time."""

    @model_validator(mode="after")
    def _with_a_prompt(self) -> ContextualDecoder:
        if self.monolingual:
            raise ValueError("`monolingual` measures a model without a prompt; give it to an `offline` decoder")
        return self


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
    """true: compute the keys and values of the response again after each word that is read, for models that were
    trained on whole sentences or prefixes. false: keep them in the KV cache."""
    positions: Literal["plain", "group", "none"] = "plain"
    """Position ids with rotary positions. `plain`: the response continues after the source read so far. `group`: the
    response is counted from its own origin, as the method `simulmask` trains it. With ALiBi both are the same. `none`:
    no positions, for models that `simulmask` has trained without them."""
    origin: NonNegativeInt = 0
    """With `positions: group`, the position of the first token after the source, as in the tuning. An origin beyond the
    longest source reserves positions for it, as ExPosST does (arXiv 2603.14903)."""
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
            raise ValueError(f"every value may be given only once, not {k}")
        return k

    @model_validator(mode="after")
    def _one_policy(self) -> SimultaneousDecoder:
        if (self.k is None) == (self.policy is None):
            raise ValueError("give either `k`, the values of wait-k, or `policy`, another policy and its values")
        if self.origin and self.positions != "group":
            raise ValueError(f"`origin` belongs to `positions: group`; remove it with {self.positions!r}")
        if self.policy is not None and self.stride > 1:
            raise ValueError("`stride` belongs to `k`; write it into the policy, or remove it")
        if self.policy is not None and self.legacy and self.policy.POLICY.adaptive():
            text = f"the published code has no policy like {self.policy.name!r}, which depends on the model's output"
            raise ValueError(f"{text}; remove `legacy`, or use `k`")
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
        """`k=1`, `k=3`, or the settings of another policy."""
        return [policy.setting for policy in self.policies]

    @property
    def predictions(self) -> int:
        """A policy may have a token predicted several times; candidates are reckoned at their greatest length, after
        every token that is read."""
        return sum(1 + policy.fewer + math.prod(policy.beams or (0,)) for policy in self.policies)

    def values_of(self, axis: str) -> list[Any] | None:
        """The policy's values on its axis; None for another axis."""
        return [getattr(policy, axis) for policy in self.policies] if axis == self.policies[0].AXIS else None

    def at(self, axis: str, value: str) -> Self:
        """This decoder with one value on its axis."""
        if self.policy is None:
            return super().at(axis, value)
        chosen = [known for known in self.values_of(axis) or [] if str(known) == value]
        return self.model_copy(update={"policy": self.policy.model_copy(update={axis: chosen})})


class ConversationDecoder(Turns):
    """Reads chunks of n words, and answers each as one turn of a conversation (arXiv 2402.10552), greedily."""

    name: Literal["conversation"]
    chunk: Annotated[list[PositiveInt], Field(min_length=1)]
    """Source words (or characters) per turn; every n is a point of one curve."""

    @property
    def settings(self) -> list[str]:
        """`n=2`, `n=5`, the sizes of a chunk."""
        return [f"n={size}" for size in self.chunk]


class InterleavedDecoder(Turns):
    """Reads until the model predicts the end of reading, then writes until it ends the answer, in turn (EAST, arXiv
    2504.09570), greedily."""

    name: Literal["interleaved"]
    latency: Annotated[list[Level], Field(min_length=1)] = ["low", "medium", "high"]
    """Levels that the model is told; each is a point of one curve."""

    @property
    def settings(self) -> list[str]:
        """`latency=low`."""
        return [f"latency={level}" for level in self.latency]

    def at(self, axis: str, value: str) -> Self:
        """This decoder at one of its levels."""
        return self.model_copy(update={axis: [level for level in self.latency if level == value]})


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
        paired = isinstance(self.prior, FixedPrior) and self.prior.sources
        if paired and (self.n != ["all"] or self.score_prior):
            raise ValueError("a prior with `sources` needs `n: [all]` and `score_prior: false`; set both")
        if "all" in self.n and self.prior.kind not in ("fixed", "preamble"):
            raise ValueError(
                f"n: all is allowed for fixed and preamble priors only; a whole {self.prior.kind} prior would be a "
                "complete answer"
            )
        return self


OWN: tuple[type[DecoderOptions], ...] = (
    OfflineDecoder,
    ContrastiveDecoder,
    GatedDecoder,
    SteeredDecoder,
    ContextualDecoder,
    CopyDecoder,
    DictionaryDecoder,
    SimultaneousDecoder,
    ConversationDecoder,
    InterleavedDecoder,
    PrefilledDecoder,
)


def brought() -> dict[str, type[DecoderOptions]]:
    """Name -> options of the registered decoders that bring their own: the class `Options` in the decoder's module.

    Raises:
        TypeError: a module has no such class, or the class has another name in YAML than in the registry.
    """
    own = {name for options in OWN for name in get_args(options.model_fields["name"].annotation)}
    classes = {}
    for name in sorted(registry.REGISTRY["decoder"].keys() - own):
        classes[name] = options = getattr(registry.module_of("decoder", name), "Options", DecoderOptions)
        if "name" not in options.model_fields or get_args(options.model_fields["name"].annotation) != (name,):
            place = registry.REGISTRY["decoder"][name]
            raise TypeError(f"{place} needs a class `Options(DecoderOptions)` with `name: Literal[{name!r}]`")
    return classes


BROUGHT = brought()
Decoder = Annotated[Union[(*OWN, *BROUGHT.values())], Field(discriminator="name")]
