"""Models in one pass over training rows and word by word: what both see must be the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from dragoman import models
from dragoman.config import ScratchModel
from dragoman.decoding.streaming import Stream
from dragoman.models import attention, visibility
from dragoman.models.attention import masked
from dragoman.models.visibility import Words, fill
from dragoman.policies import Policy
from dragoman.policies.alignment import Alignment
from dragoman.policies.wait_k import WaitK
from dragoman.policies.wait_k_stride import WaitKStride


def span(visible: Any) -> tuple[Any, Any]:
    """First source token, and first token after the source, of each sequence.

    Args:
        visible: integers [..., length], numpy or torch; padded with 0 on any side.

    Returns:
        Two arrays [...]; equal where there is no source.
    """
    start = (visible > 0).argmax(-1) if isinstance(visible, np.ndarray) else (visible > 0).int().argmax(-1)
    return start, start + (visible.max(-1) if isinstance(visible, np.ndarray) else visible.amax(-1))


def _places(visible: Any) -> Any:
    """0, 1, ..., length - 1, in the library of `visible` [length]."""
    return (visible >= 0).cumsum(0) - 1


def dense(visible: Any) -> Any:
    """The mask of one sequence as booleans [length, length], True where row i sees column j."""
    i = _places(visible)
    return visibility.sees(i[:, None], i[None, :], visible[:, None], *span(visible))


def alibi_bias(visible: Any, slopes: Any) -> Any:
    """Modified ALiBi [heads, length, length] of one sequence, for slopes [heads], before any 1/sqrt(d)."""
    places = visibility.position(_places(visible)[None, :], visible[:, None], *span(visible))
    return slopes[:, None, None] * places


ARCHITECTURES = get_args(ScratchModel.model_fields["architecture"].annotation)
POLICIES = [
    WaitK(name="wait-k", k=1),
    WaitK(name="wait-k", k=3),
    WaitKStride(name="wait-k-stride", k=2, stride=3),
    Alignment(name="alignment"),
    WaitK(name="wait-k", k=50),
]
VOCABULARY, END = 61, 0
CLOSE = 1e-4
"""Largest difference of logits that rounding in float32 explains; logits here are between about -20 and 20."""

FAR = 1e-1
"""Smallest difference that shows another computation."""


def build(architecture: str) -> PreTrainedModel:
    """Random weights, larger than initial ones, so that every key matters."""
    spec = ScratchModel.model_construct(architecture=architecture, layers=2, width=32, heads=4)
    config = models.architecture(spec, VOCABULARY, END, END)
    made = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape, generator=rng) * 0.4)
    return made


def flat(words: list[list[int]]) -> list[int]:
    return [token for word in words for token in word]


@dataclass
class Sentence:
    """Token ids of a pair, word by word, and the schedule it is translated by."""

    instruction: list[int]
    source: list[list[int]]
    mark: list[int]
    target: list[list[int]]
    g: list[int]

    def ids(self) -> list[int]:
        return [*self.instruction, *flat(self.source), *self.mark, *flat(self.target), END]

    def visible(self, mode: str) -> list[int]:
        def side(words: list[list[int]]) -> Words:
            word = np.repeat(np.arange(1, len(words) + 1), [len(ids) for ids in words])
            return Words(word, np.array([len(word)]), np.array([len(words)]))

        edges = np.array([len(self.instruction)]), np.array([len(self.mark)])
        return fill(edges[0], side(self.source), edges[1], side(self.target), [np.array(self.g)], mode)[0].tolist()


def sentences(policy: Policy, count: int = 3, subwords: int = 6) -> list[Sentence]:
    rng = random.Random(f"{policy}")

    def words(number: int) -> list[list[int]]:
        return [[rng.randrange(1, VOCABULARY) for _ in range(rng.randint(1, subwords))] for _ in range(number)]

    made = []
    for _ in range(count):
        source, target = words(rng.randint(4, 6)), words(rng.randint(2, 7))
        links = [(rng.randrange(len(source)), t) for t in range(len(target))]
        g = policy.schedule(len(source), len(target), links).tolist()
        made.append(Sentence(flat(words(2)), source, flat(words(1)), target, g))
    return made


def batch(made: list[Sentence], mode: str, side: str = "right") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """input_ids, visible, real of padded sentences."""
    width = max(len(sentence.ids()) for sentence in made)

    def padded(row: list[int], fill: int) -> list[int]:
        padding = [fill] * (width - len(row))
        return [*row, *padding] if side == "right" else [*padding, *row]

    columns = [(padded(s.ids(), END), padded(s.visible(mode), 0), padded([1] * len(s.ids()), 0)) for s in made]
    return tuple(torch.tensor(column) for column in zip(*columns, strict=True))


def one_pass(
    model: PreTrainedModel, made: list[Sentence], mode: str, positions: str, side: str = "right", origin: int = 0
) -> list[torch.Tensor]:
    """Logits [target tokens + 1, vocabulary] of each sentence, all from one masked pass."""
    ids, visible, real = batch(made, mode, side)
    with torch.no_grad():
        logits = masked(model, ids, visible, real, positions, origin=origin)
    found = []
    for sentence, row, kept in zip(made, logits, real.bool(), strict=True):
        size = len(flat(sentence.target)) + 1
        found.append(row[kept][-size - 1 : -1])
    return found


def streamed(model: PreTrainedModel, sentence: Sentence, **options: object) -> torch.Tensor:
    """The same logits, word by word. Before it reads on it looks ahead, as an agent does to find a word's end."""
    stream = Stream(model, sentence.instruction, sentence.mark, **options)
    read, found = 0, []
    for word, needed in zip([*sentence.target, [END]], sentence.g, strict=True):
        if read:
            stream.logits()
        for source in sentence.source[read:needed]:
            stream.read(source)
        read = needed
        for token in word:
            found.append(stream.logits())
            stream.write(token)
    return torch.stack(found)


def two_caches(model: PreTrainedModel, sentence: Sentence, positions: str) -> torch.Tensor:
    """The same logits from an agent with a cache of prompt and source and a cache of the response, joined at each step.

    It calls the model as anyone would: with a two-dimensional mask, and position ids where it has rotary positions.
    """

    def feed(ids: list[int], cache: DynamicCache, first: int) -> torch.Tensor:
        length = cache.get_seq_length() + len(ids)
        place = {} if attention.uses_alibi(model) else {"position_ids": torch.arange(first, first + len(ids))[None]}
        mask = torch.ones((1, length), dtype=torch.long)
        return model(torch.tensor([ids]), attention_mask=mask, past_key_values=cache, use_cache=True, **place).logits[0]

    context, kept = DynamicCache(), None
    feed(sentence.instruction, context, 0)
    read, pending, fed, found = 0, list(sentence.mark), 0, []
    for word, needed in zip([*sentence.target, [END]], sentence.g, strict=True):
        for source in sentence.source[read:needed]:
            feed(source, context, context.get_seq_length())
        read = needed
        for token in word:
            size = context.get_seq_length()
            joint = DynamicCache()
            for number, layer in enumerate(context.layers):
                keys, values = layer.keys, layer.values
                if kept is not None:
                    keys = torch.cat([keys, kept[number][0]], dim=2)
                    values = torch.cat([values, kept[number][1]], dim=2)
                joint.update(keys, values, number)
            found.append(feed(pending, joint, fed if positions == "group" else size + fed)[-1])
            kept = [(layer.keys[:, :, size:], layer.values[:, :, size:]) for layer in joint.layers]
            fed += len(pending)
            pending = [token]
    return torch.stack(found)


def difference(left: list[torch.Tensor], right: list[torch.Tensor]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(left, right, strict=True))


def elementwise(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    score_mod: object,
    block_mask: object,
    **options: object,
) -> torch.Tensor:
    """What FlexAttention computes, from its functions called once for each score: it has no backward pass on a CPU."""
    scores = query @ key.mT * (options["scale"] or query.shape[-1] ** -0.5)
    batch, heads, queries, keys = scores.shape
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                for j in range(keys):
                    index = [torch.tensor(n) for n in (b, h, i, j)]
                    if not block_mask.mask_mod(*index):
                        scores[b, h, i, j] = -torch.inf
                    elif score_mod is not None:
                        scores[b, h, i, j] = score_mod(scores[b, h, i, j], *index)
    return scores.softmax(-1) @ value
