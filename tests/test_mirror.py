"""Training mirrors inference: one masked pass gives the logits of word-by-word streaming with a kept cache.

Three computations that must agree: the masked pass (`attention.masked`), the stream (`decoding.streaming`), and an
agent like the one of arXiv 2405.10443, written here with nothing but the models' own forward passes and two caches.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from dragoman import models
from dragoman.config import ScratchModel
from dragoman.decoding.prediction import LayerWeights
from dragoman.decoding.streaming import Stream
from dragoman.models import attention
from dragoman.models.attention import masked, mirroring
from dragoman.models.visibility import Words, fill
from dragoman.policies import Policy
from dragoman.policies.alignment import Alignment
from dragoman.policies.wait_k import WaitK
from dragoman.policies.wait_k_stride import WaitKStride
from small_models import small
from test_visibility import alibi_bias, dense

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


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return build(request.param)


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


# ------------------------------------------------------------------------------------------------------- the mirror


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_mirror(model: PreTrainedModel, policy: Policy) -> None:
    made = sentences(policy)
    passed = one_pass(model, made, "exact", mirroring(model))
    stream = [streamed(model, sentence) for sentence in made]
    assert difference(passed, stream) < CLOSE


@pytest.mark.parametrize("policy", POLICIES[:3], ids=str)
@torch.no_grad()
def test_mirror_of_an_agent_with_two_caches(model: PreTrainedModel, policy: Policy) -> None:
    made = sentences(policy, 2)
    agent = [two_caches(model, sentence, mirroring(model)) for sentence in made]
    assert difference(one_pass(model, made, "exact", mirroring(model)), agent) < CLOSE
    assert difference([streamed(model, sentence) for sentence in made], agent) < CLOSE


@torch.no_grad()
def test_mirror_of_bloom(tmp_path: Path) -> None:
    """A model from elsewhere that adds ALiBi itself, unscaled and not rounded, in an attention of its own."""
    small("bloom", VOCABULARY).save_pretrained(tmp_path)
    model = models.load(tmp_path).eval()
    assert mirroring(model) == "modified"
    for policy in POLICIES[:4]:
        made = sentences(policy, 2)
        passed = one_pass(model, made, "exact", "modified")
        assert difference(passed, [streamed(model, sentence) for sentence in made]) < CLOSE
        assert difference(passed, [two_caches(model, sentence, "modified") for sentence in made]) < CLOSE
        assert difference(passed, one_pass(model, made, "exact", "modified", "left")) < CLOSE
        nowhere = one_pass(model, made, "exact", "none")
        assert difference(nowhere, [streamed(model, sentence, positions="none") for sentence in made]) < CLOSE
        assert min(difference(passed, one_pass(model, made, "exact", "plain")), difference(passed, nowhere)) > FAR
    ids, visible, real = batch(made, "exact")
    own = model(ids, attention_mask=real).logits
    assert (attention.causal(model, ids, real) - own)[real.bool()].abs().max() < CLOSE
    with pytest.raises(ValueError, match="bloom has an attention of its own"):
        masked(model, ids, visible, real, "modified", kernel="flex")
    with pytest.raises(ValueError, match="look at the attention of bloom"):
        LayerWeights.of(model, 0)
    model.train().activation_checkpointing_enable()
    with torch.enable_grad():
        masked(model, ids, visible, real, "modified").sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def test_mirror_breaks_with_another_mask_or_other_positions(model: PreTrainedModel) -> None:
    """What the papers are about: none of these trains what is computed at inference."""
    made, single = sentences(POLICIES[0], 2), sentences(POLICIES[0], 2, subwords=1)
    stream = [streamed(model, sentence) for sentence in made]
    assert difference(one_pass(model, made, "official", mirroring(model)), stream) > FAR
    one_token = [streamed(model, sentence) for sentence in single]
    assert difference(one_pass(model, single, "official", mirroring(model)), one_token) < CLOSE

    plain = one_pass(model, made, "exact", "plain")
    assert difference(plain, stream) > FAR
    assert difference(plain, [streamed(model, sentence, positions="plain") for sentence in made]) > FAR


@pytest.mark.parametrize("policy", POLICIES[:2], ids=str)
def test_mirror_without_positions(model: PreTrainedModel, policy: Policy) -> None:
    made = sentences(policy, 2)
    passed = one_pass(model, made, "exact", "none")
    assert difference(passed, [streamed(model, sentence, positions="none") for sentence in made]) < CLOSE
    assert difference(passed, one_pass(model, made, "exact", "none", "left")) < CLOSE
    assert difference(passed, one_pass(model, made, "exact", mirroring(model))) > FAR


@torch.no_grad()
def test_without_positions_every_token_is_at_position_0(model: PreTrainedModel) -> None:
    """Once all source is read, this is an ordinary pass; for ALiBi, of a rotary model with the same weights."""
    made = sentences(POLICIES[-1], 1)
    ids, _, real = batch(made, "exact")
    other = build("falcon-rotary") if attention.uses_alibi(model) else model
    logits = other(ids, attention_mask=real, position_ids=torch.zeros_like(ids)).logits[0]
    (passed,) = one_pass(model, made, "exact", "none")
    assert (passed - logits[-len(passed) - 1 : -1]).abs().max() < CLOSE


def test_mirror_with_any_padding_and_origin(model: PreTrainedModel) -> None:
    made, origin = sentences(POLICIES[0]), 0 if attention.uses_alibi(model) else 9
    alone = [one_pass(model, [sentence], "exact", mirroring(model), origin=origin)[0] for sentence in made]
    for side in ("left", "right"):
        assert difference(one_pass(model, made, "exact", mirroring(model), side, origin), alone) < CLOSE
    assert difference(alone, [streamed(model, sentence, origin=origin) for sentence in made]) < CLOSE
    if origin:
        assert difference(alone, one_pass(model, made, "exact", "group")) > FAR


@pytest.mark.parametrize("positions", ["plain", "mirroring"])
@torch.no_grad()
def test_stream_that_recomputes_is_an_ordinary_pass(model: PreTrainedModel, positions: str) -> None:
    """With the whole response fed anew, the logits are those of the untouched model given the source read so far."""
    positions = mirroring(model) if positions == "mirroring" else positions
    for sentence in sentences(POLICIES[0], 2):
        found = iter(streamed(model, sentence, positions=positions, recompute=True))
        response = list(sentence.mark)
        for word, needed in zip([*sentence.target, [END]], sentence.g, strict=True):
            context = [*sentence.instruction, *flat(sentence.source[:needed])]
            for token in word:
                ids = torch.tensor([context + response])
                place = torch.arange(ids.shape[1])[None]
                if positions == "group":
                    place = torch.where(place < len(context), place, place - len(context))
                rotary = {} if attention.uses_alibi(model) else {"position_ids": place}
                expected = model(ids, attention_mask=torch.ones_like(ids), **rotary).logits[0, -1]
                assert (next(found) - expected).abs().max() < CLOSE
                response.append(token)


def test_stream_may_be_asked_twice(model: PreTrainedModel) -> None:
    stream = Stream(model, [1, 2], [3])
    stream.read([4, 5])
    first = stream.logits()
    assert torch.allclose(stream.logits(), first, atol=CLOSE)
    stream.write(6)
    stream.read([7])
    stream.read([])
    stream.read([8, 9])
    again = Stream(model, [1, 2], [3])
    for word in ([4, 5], [7, 8, 9]):
        again.read(word)
    assert not torch.allclose(stream.logits(), again.logits(), atol=FAR)
    again.write(6)
    assert not torch.allclose(stream.logits(), again.logits(), atol=CLOSE), "the mark was fed with less source"
    assert stream.cache.get_seq_length() == again.cache.get_seq_length() == 9


# -------------------------------------------------------------------------------------------------------- attention


@torch.no_grad()
def test_with_all_the_source_the_model_is_its_own(model: PreTrainedModel) -> None:
    """A causal mask gives the logits of the untouched model; ALiBi's to the last bit."""
    ids, visible, real = batch(sentences(WaitK(name="wait-k", k=50)), "exact")
    expected = model(ids, attention_mask=real).logits[real.bool()]
    for positions in {"plain", mirroring(model)} - {"group"}:
        found = masked(model, ids, visible, real, positions)[real.bool()]
        assert (found - expected).abs().max() <= (0 if attention.uses_alibi(model) else CLOSE)
    if attention.uses_alibi(model):
        assert model.transformer.use_alibi and model.config.alibi, "the model is left as it was"


@pytest.mark.parametrize("architecture", ["falcon-alibi", "llama"])
def test_alibi_bias_is_the_formula(architecture: str) -> None:
    """One attention layer, by hand in float64: softmax((q k + m_h * position) / sqrt(d)) v, keys hidden."""
    model = build(architecture)
    if not attention.uses_alibi(model):
        with pytest.raises(ValueError, match="'group', 'plain' or 'none' positions, not 'modified'"):
            masked(model, *batch(sentences(POLICIES[0]), "exact"), "modified")
        return
    sentence = sentences(POLICIES[0], 1)[0]
    layer, made = model.transformer.h[0], {}
    hooks = [
        layer.self_attention.query_key_value.register_forward_hook(lambda *a: made.update(qkv=a[2])),
        layer.self_attention.dense.register_forward_hook(lambda *a: made.update(out=a[1][0])),
    ]
    with torch.no_grad():
        masked(model, *batch([sentence], "exact"), "modified")
    for hook in hooks:
        hook.remove()
    visible = torch.tensor(sentence.visible("exact"))
    query, key, value = made["qkv"].view(len(visible), 4, 3, 8).double().permute(2, 1, 0, 3)
    slopes = torch.tensor([2.0 ** (-8 * h / 4) for h in range(1, 5)], dtype=torch.float64)
    bias = alibi_bias(visible, slopes)
    scores = ((query @ key.mT + bias) / 8**0.5).masked_fill(~dense(visible), -torch.inf)
    expected = (scores.softmax(-1) @ value).transpose(0, 1).reshape(len(visible), 32)
    assert (made["out"][0] - expected).abs().max() < 5e-6


def test_gradients_flow_through_the_mask(model: PreTrainedModel) -> None:
    """Gradients equal those of the untouched model where the mask is causal, and survive gradient checkpointing."""

    def gradient(run: object) -> torch.Tensor:
        model.zero_grad()
        run()[real.bool()].float().logsumexp(-1).sum().backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    positions = "modified" if attention.uses_alibi(model) else "plain"
    ids, visible, real = batch(sentences(WaitK(name="wait-k", k=50), 2), "exact")
    own = gradient(lambda: model(ids, attention_mask=real).logits)
    assert torch.allclose(gradient(lambda: masked(model, ids, visible, real, positions)), own, rtol=1e-3, atol=1e-3)

    ids, visible, real = batch(sentences(POLICIES[0], 2), "exact")
    hidden = gradient(lambda: masked(model, ids, visible, real, mirroring(model)))
    model.train()
    model.activation_checkpointing_enable()
    again = gradient(lambda: masked(model, ids, visible, real, mirroring(model)))
    model.activation_checkpointing_disable()
    model.eval()
    assert torch.allclose(again, hidden, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_bfloat16(model: PreTrainedModel) -> None:
    """Half precision, by autocast or in the weights, errs by its own rounding and no more than the untouched model."""
    full = WaitK(name="wait-k", k=50)
    for made, tolerance in ((sentences(full, 2), 2.0), (sentences(POLICIES[0], 2), 2.0)):
        ids, visible, real = batch(made, "exact")
        exact = masked(model, ids, visible, real, mirroring(model))[real.bool()]
        own = model(ids, attention_mask=real).logits[real.bool()]
        with torch.autocast("cpu", torch.bfloat16):
            cast = masked(model, ids, visible, real, mirroring(model))[real.bool()]
            error = (model(ids, attention_mask=real).logits[real.bool()] - own).abs().mean()
        assert (cast - exact).abs().mean() < tolerance * error
    half = build_like(model).bfloat16()
    stream = [streamed(half, sentence) for sentence in made]
    passed = one_pass(half, made, "exact", mirroring(half))
    assert max((a - b).float().abs().mean() for a, b in zip(passed, stream, strict=True)) < 0.3


def build_like(model: PreTrainedModel) -> PreTrainedModel:
    copy = AutoModelForCausalLM.from_config(model.config, attn_implementation="sdpa").eval()
    copy.load_state_dict(model.state_dict())
    return copy


# ---------------------------------------------------------------------------------------------------- FlexAttention


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


@torch.no_grad()
def test_flex_attention_is_given_the_same_mask(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention.Flex, "kernel", staticmethod(elementwise))
    made = [Sentence([1], [[2, 3], [4]], [5], [[6, 7], [8]], [1, 2, 2]), Sentence([1], [[2], [3]], [5], [[6]], [1, 2])]
    ids, visible, real = batch(made, "exact")
    for positions in {"plain", "none", mirroring(model)}:
        dense = masked(model, ids, visible, real, positions)[real.bool()]
        flex = masked(model, ids, visible, real, positions, kernel="flex")[real.bool()]
        assert (flex - dense).abs().max() < CLOSE


def test_what_cannot_be_masked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sentences(POLICIES[0])
    model = build("mistral")
    with pytest.raises(ValueError, match="padded on the right"):
        masked(model, *batch(made, "exact", "left"), "group", kernel="flex")
    model.activation_checkpointing_enable()
    with pytest.raises(ValueError, match="gradient checkpointing"):
        masked(model.train(), *batch(made, "exact"), "group", kernel="flex")
    model.set_attn_implementation("eager")
    with pytest.raises(ValueError, match="not 'eager'"):
        masked(model, *batch(made, "exact"), "group")
    with pytest.raises(ValueError, match="a mark"):
        Stream(model, [1], [])
    model.config.model_type = "mpt"
    with pytest.raises(ValueError, match="mpt"):
        mirroring(model)
