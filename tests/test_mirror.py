"""Training mirrors inference: one masked pass gives the logits of word-by-word streaming with a kept cache.

Three computations that must agree: the masked pass (`attention.masked`), the stream (`decoding.streaming`), and an
agent like the one of arXiv 2405.10443, written here with nothing but the models' own forward passes and two caches.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from dragoman import models
from dragoman.decoding.prediction import LayerWeights
from dragoman.decoding.streaming import Stream
from dragoman.models import attention
from dragoman.models.attention import masked, mirroring
from dragoman.policies import Policy
from dragoman.policies.wait_k import WaitK
from small_models import small
from support.mirrors import (
    ARCHITECTURES,
    CLOSE,
    END,
    FAR,
    POLICIES,
    VOCABULARY,
    Sentence,
    alibi_bias,
    batch,
    build,
    dense,
    difference,
    elementwise,
    flat,
    one_pass,
    sentences,
    streamed,
    two_caches,
)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return build(request.param)


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


@pytest.mark.parametrize("kind", models.OWN_ATTENTION)
@torch.no_grad()
def test_mirror_of_an_attention_of_its_own(kind: str, tmp_path: Path) -> None:
    """BLOOM and MPT add ALiBi themselves, unscaled and not rounded, in an attention without SDPA."""
    small(kind, VOCABULARY).save_pretrained(tmp_path)
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
    again = model(ids, attention_mask=real).logits
    assert torch.equal(again, own), "the model itself is as it was"
    with pytest.raises(ValueError, match=f"{kind} has an attention of its own"):
        masked(model, ids, visible, real, "modified", kernel="flex")
    with pytest.raises(ValueError, match=f"look at the attention of {kind}"):
        LayerWeights.of(model, 0)
    model.train().activation_checkpointing_enable()
    with torch.enable_grad():
        masked(model, ids, visible, real, "modified").sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("kind", models.EAGER)
@torch.no_grad()
def test_mirror_without_sdpa(kind: str, tmp_path: Path) -> None:
    """Models whose attention adds the mask to the scores, some with sliding layers."""
    small(kind, VOCABULARY, window=2048).save_pretrained(tmp_path)
    model = models.load(tmp_path).eval()
    assert mirroring(model) == "group"
    for policy in POLICIES[:4]:
        made = sentences(policy, 2)
        passed = one_pass(model, made, "exact", "group")
        assert difference(passed, [streamed(model, sentence) for sentence in made]) < CLOSE
        assert difference(passed, one_pass(model, made, "exact", "group", "left")) < CLOSE
        assert difference(passed, one_pass(model, made, "exact", "plain")) > FAR
    ids, visible, real = batch(made, "exact")
    own = model(ids, attention_mask=real).logits
    assert (attention.causal(model, ids, real) - own)[real.bool()].abs().max() < CLOSE
    with pytest.raises(ValueError, match=f"{kind} has an attention of its own"):
        masked(model, ids, visible, real, "group", kernel="flex")
    model.train().activation_checkpointing_enable()
    with torch.enable_grad():
        masked(model, ids, visible, real, "group").sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.requires_grad)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"alibi": False}, "attn_config.alibi = False"),
        ({"alibi_bias_max": 16}, "attn_config.alibi_bias_max = 16"),
        ({"qk_ln": True}, "attn_config.qk_ln = True"),
    ],
)
def test_mpt_with_options_that_have_no_effect_is_refused(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    model = small("mpt", VOCABULARY)
    for key, value in changed.items():
        setattr(model.config.attn_config, key, value)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"transformers ignores {why} of MPT models"):
        models.load(tmp_path)


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
