"""Adaptive policies: the same words and delays at once and one by one, and each policy against its definition."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, LlamaForCausalLM

from conftest import save_model
from dragoman import models
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import ConfigError, parse
from dragoman.decoding import Context, Item, live, simultaneous
from dragoman.decoding.prediction import LayerWeights
from dragoman.decoding.streaming import Interpreter
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.models.attention import masked, mirroring
from dragoman.plan import Plan
from support.adaptive import CHINESE, LIMITS, PROMPT, SOURCES, ByHand, decoded, same_in_streaming, without_cost

POLICIES = [
    {"name": "local-agreement", "n": [2, 3]},
    {"name": "confidence", "threshold": "of the model", "k": 2},
    {"name": "alignatt", "f": [1, 2], "layer": 0, "heads": [1]},
    {"name": "ralcp", "gamma": [0.5, 1.0], "candidates": 4, "length": 7},
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained models that write something else to every prompt."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("llama", "falcon-alibi")}
    for name, folder in made.items():
        save_model(folder, name, sharpness=6, texts=[*SOURCES, *CHINESE])
    return made


def fitted(policy: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The policy; of the model's predictions, all reach the first threshold, and some the second."""
    if policy["name"] != "confidence":
        return policy
    hand = ByHand(folder)
    counts = range(2, len(hand.source) + 1)
    found = sorted(float(hand.logits(count, [], starting=False).softmax(-1).max()) for count in counts)
    between = sum(found[len(found) // 2 :][:2]) / 2  # no prediction is so near to it that rounding decides
    return policy | {"threshold": [found[0] / 2, between]}


# ------------------------------------------------------------------------------------------------- batch and stream


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["name"])
@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("llama", {"positions": "group"}),
        ("llama", {"recompute": True}),
        ("falcon-alibi", {}),
        ("falcon-alibi", {"recompute": True}),
    ],
    ids=str,
)
def test_batch_is_stream(
    folders: dict[str, Path], architecture: str, options: dict[str, Any], policy: dict[str, Any]
) -> None:
    policy = fitted(policy, folders[architecture])
    rows = same_in_streaming(folders[architecture], policy=policy, **options)
    assert len({str(row["delays"]) for row in rows[0]} | {str(row["hypothesis"]) for row in rows[0]}) > 2
    same_in_streaming(folders[architecture], "zh-ja", policy=policy, **options)
    assert isinstance(rows[0][0]["delays"][0], int)


@pytest.mark.parametrize("name", ["llama", "falcon-alibi"])
def test_points_at_the_end_of_a_curve(folders: dict[str, Path], name: str) -> None:
    """Policies that read everything first are wait-k with a large k; a threshold of 0 never reads before the end."""
    whole = [row[:1] for row in without_cost(decoded(simultaneous, folders[name], k=[100]))]
    cases = [
        {"name": "confidence", "threshold": 1.0},
        {"name": "alignatt", "f": 99},
        {"name": "local-agreement", "n": 99},
        {"name": "ralcp", "gamma": 0.1, "k": 99},
    ]
    for policy in cases:
        rows = without_cost(decoded(simultaneous, folders[name], policy=policy))
        assert [[row | {"setting": "k=100"} for row in each] for each in rows] == whole
    never = decoded(simultaneous, folders[name], policy={"name": "confidence", "threshold": 0, "k": 3})
    agreeing = decoded(simultaneous, folders[name], policy={"name": "ralcp", "gamma": 1, "candidates": 1, "k": 3})
    chunk = decoded(simultaneous, folders[name], policy={"name": "wait-k-stride", "k": 3, "stride": 99})
    assert any(row["delays"][-1:] == [3] for (row,) in never)
    for (ours,), (alone,), (theirs,) in zip(never, agreeing, chunk, strict=True):
        if not theirs["ended"]:  # an end before the source is over is a wish to read
            assert ours["hypothesis"] == alone["hypothesis"] == theirs["hypothesis"]
            assert ours["delays"] == alone["delays"] == theirs["delays"]


@pytest.mark.parametrize("name", ["llama", "falcon-alibi"])
@torch.no_grad()
def test_one_masked_pass_gives_the_same_tokens(folders: dict[str, Path], name: str) -> None:
    """With kept keys, and with the reading that came about, as `simulmask` trains, also inside of words."""
    model, tokenizer = models.load(folders[name]).eval(), models.load_tokenizer(folders[name])
    positions, vocabulary = mirroring(model), Vocabulary(tokenizer)
    decoding = {"positions": "group"} if positions == "group" else {}
    interrupted = False
    for options in (
        SimultaneousDecoder(name="streaming", policy=fitted(policy, folders[name]), **LIMITS, **decoding)
        for policy in POLICIES
        if policy["name"] != "ralcp"  # its tokens need not be the likeliest
    ):
        for policy in options.policies:
            interpreter = Interpreter(Context(folders[name], "en-fr", PROMPT), options, policy)
            read_at: list[int] = []  # of each token of the response
            for word in SOURCES[0].split():
                interpreter.read(word)
                read_at += [interpreter.bounds[-1]] * (len(interpreter.writer.tokens) - len(read_at))
            interpreter.finish()
            tokens, stream = interpreter.writer.tokens, interpreter.stream
            assert stream is not None
            read_at += [interpreter.bounds[-1]] * (len(tokens) - len(read_at))
            interrupted |= len(set(read_at)) > 1
            before, size = interpreter.bounds[0], len(stream.context)
            read = [count - before for count in read_at]
            visible = [0] * before + list(range(1, size - before + 1))
            visible += [read[0]] * stream.mark + read[1:] + [size - before]
            ids = torch.tensor([stream.context + stream.response])
            logits = masked(model, ids, torch.tensor([visible]), torch.ones_like(ids), positions)[0]
            rows = logits[size + stream.mark - 1 : -1]
            rows[:, vocabulary.closed] = -torch.inf
            for token, row in zip(tokens, rows, strict=True):
                beginning = row.masked_fill(vocabulary.inside, -torch.inf)  # where a word had to begin
                assert token in (row.argmax(), beginning.argmax())
    assert interrupted, "some policy read between two tokens"


# ------------------------------------------------------------------------------------------------------ definitions


@pytest.mark.parametrize("name", ["llama", "falcon-alibi"])
def test_confidence_by_hand(folders: dict[str, Path], name: str) -> None:
    policy = fitted(POLICIES[1], folders[name])
    rows = decoded(simultaneous, folders[name], policy=policy, recompute=True)[0]
    for threshold, row in zip(policy["threshold"], rows, strict=True):
        assert (row["hypothesis"], row["delays"]) == ByHand(folders[name]).translate(
            2, lambda read, logits, written, least=threshold: bool(logits.softmax(-1).max() < least)
        )


@pytest.mark.parametrize("layer", [0, -1])
def test_alignatt_by_hand(folders: dict[str, Path], layer: int) -> None:
    """Against the attention weights that the model itself gives when it is loaded with another kernel."""
    hand = ByHand(folders["llama"])
    eager = AutoModelForCausalLM.from_pretrained(folders["llama"], attn_implementation="eager").eval()

    def reads(read: int, logits: torch.Tensor, written: list[int]) -> bool:
        prompt = hand.cut(read)
        with torch.no_grad():
            found = eager(torch.tensor([prompt.context + prompt.mark + written]), output_attentions=True)
        weights = found.attentions[layer][0, :, -1].mean(0)
        sums = [float(weights[start:end].sum()) for start, end in pairwise(prompt.ends)]
        return sums.index(max(sums)) >= read - 2

    policy = {"name": "alignatt", "f": 2, "layer": layer}
    row = decoded(simultaneous, folders["llama"], policy=policy, recompute=True)[0][0]
    assert (row["hypothesis"], row["delays"]) == hand.translate(1, reads)


@pytest.mark.parametrize("key_heads", [1, 2, 4])
@pytest.mark.parametrize("queries", [1, 3])
@torch.no_grad()
def test_weights_are_those_of_every_head(key_heads: int, queries: int, tmp_path: Path) -> None:
    """Also if heads share keys, and for one query: against the weights that the model gives with another kernel."""
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = LlamaConfig(**sizes, num_key_value_heads=key_heads, vocab_size=50, initializer_range=0.5)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    eager = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    model, ids = models.load(tmp_path).eval(), torch.randint(50, (2, 7))
    whole = torch.ones(7, 7, dtype=torch.bool).tril()[None, None].expand(2, 1, 7, 7)
    for layer in range(3):
        cache, first = DynamicCache(), 7 - queries
        model(ids[:, :first], attention_mask=whole[:, :, :first, :first], past_key_values=cache)
        with LayerWeights.of(model, layer) as watched:
            model(ids[:, first:], attention_mask=whole[:, :, first:], past_key_values=cache)
        assert watched is not None
        expected = eager(ids, output_attentions=True).attentions[layer][:, :, -1]
        assert watched.weights.shape == expected.shape == (2, 4, 7)
        assert (watched.weights - expected).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["llama", "falcon-alibi"])
def test_local_agreement_is_the_common_prefix_of_hypotheses(folders: dict[str, Path], name: str) -> None:
    """LA-n by whole hypotheses, each of which begins with what was written: the same tokens, at the same time."""
    lengths = [agreed(folders[name], n) for n in (2, 3)]
    assert any(len({*each}) > 1 for each in lengths), "some hypotheses agree, and some differ"


def agreed(folder: Path, n: int) -> list[int]:
    """Tokens written after each source word, once they are those of LA-n."""
    hand, length = ByHand(folder), 10
    policy = {"name": "local-agreement", "n": n}
    options = SimultaneousDecoder(name="streaming", recompute=True, policy=policy, max_lag=9, max_word_tokens=99)
    interpreter = Interpreter(Context(folder, "en-fr", PROMPT), options)
    written, hypotheses, starting, counts = list[int](), list[list[int]](), False, list[int]()
    for read, word in enumerate(hand.source[:-1], 1):
        interpreter.read(word)
        hypotheses.append(hand.hypothesis(read, written, starting, length))
        if read < n:
            continue
        columns = list(zip(*hypotheses[-n:], strict=False))
        shared = next((place for place, ids in enumerate(columns) if len({*ids}) > 1), len(columns))
        written = [token for token in hypotheses[-1][:shared] if token != hand.tokenizer.eos_token_id]
        counts.append(len(written))
        if interpreter.done or len(written) >= length:
            assert interpreter.writer.tokens[:length] == written
            break
        assert interpreter.writer.tokens == written
        last = list[int]()
        for token in written:
            last = [token] if last and hand.begins(last, token) else [*last, token]
        following = columns[len(written)] if len(written) < len(columns) else ()
        # a word that all hypotheses have complete is written, and what follows it begins another
        starting = (bool(last and following) and all(hand.begins(last, token) for token in following)) or (
            starting and counts[-2:] == [len(written)] * 2
        )
    return counts


# ------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["name"])
@pytest.mark.parametrize("recompute", [False, True])
def test_cost_is_what_is_computed(folders: dict[str, Path], policy: dict[str, Any], recompute: bool) -> None:
    """One sentence at one point of the curve has no neighbours that are computed with it: torch counts its products by
    weights. (Of attention, it counts hidden pairs, too.)"""
    policy = fitted(policy, folders["llama"])
    options = SimultaneousDecoder(name="simultaneous", policy=policy, recompute=recompute, **LIMITS)
    axis = options.policies[0].AXIS
    options = options.at(axis, str(options.values_of(axis)[-1]))
    decoder = simultaneous.Decoder(Context(folders["llama"], "en-fr", PROMPT), options)
    rows: list[simultaneous.Sentence] = []
    result = decoder._result
    decoder._result = lambda policy, row: rows.append(row) or result(policy, row)
    with FlopCounterMode(display=False) as counter:
        decoder.decode([Item(0, SOURCES[0], "")])
    counts = counter.get_flop_counts()["Global"]
    products = sum(number for operator, number in counts.items() if str(operator) in ("aten.mm", "aten.addmm"))
    (row,), price = rows, decoder.price
    # the pass over the source computes logits that no row needs, and the words that were never read
    work, unread = row.work, row.ends[-1] - row.ends[row.read]
    assert products == price.token * (work.tokens + unread) + price.prediction * (work.predictions + 1)
    assert bool(work.looks) == (policy["name"] == "alignatt")


# ------------------------------------------------------------------------------------------------------- validation

BASE = """
corpora: {demo: {provider: demo, train: 8, test: 2}}
models: {tiny: {source: scratch, architecture: llama, text: {corpus: demo, languages: [en, fr], count: 9}}}
experiments:
  first:
    title: first
    model: tiny
    prompt: short
    train: {corpus: demo, pairs: [en-fr]}
    test: {corpus: demo, pairs: [en-fr]}
    tunings: {tuned: {method: METHOD, training: {steps: 1}}}
    systems: {adaptive: {tuning: tuned, decoder: {name: simultaneous, DECODER}}}
"""


def configured(decoder: str, method: str = "sft") -> SimultaneousDecoder:
    text = BASE.replace("DECODER", decoder).replace("METHOD", method)
    return parse(yaml.safe_load(text)).experiments["first"].systems["adaptive"].decoder


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ("policy: {name: local-agrement, n: 2}", "unknown name 'local-agrement'; did you mean 'local-agreement'"),
        ("policy: {name: confidence, treshold: 0.5}", "unknown key 'treshold'; did you mean 'threshold'"),
        ("policy: {name: alignatt, f: 1, head: [0]}", "unknown key 'head'; did you mean 'heads'"),
        ("policy: {name: ralcp, gamma: [0.5, 0]}", "decoder.policy.gamma.1 = 0: input should be greater than 0"),
        ("policy: {name: ralcp, gamma: 1, beam: 2}", "unknown key 'beam'"),
        ("policy: {name: local-agreement, m: [2]}", "decoder.policy.n: this key is required"),
        ("policy: {name: local-agreement, n: 1}", "decoder.policy.n = 1: input should be greater than or equal to 2"),
        ("policy: {name: confidence, threshold: [0.5, 1.5]}", "decoder.policy.threshold.1 = 1.5: input should be less"),
        (
            "policy: {name: confidence, threshold: []}",
            "decoder.policy.threshold = []: list should have at least 1 item",
        ),
        ("policy: {name: confidence, threshold: [0.5, 0.50]}", "every value may be given only once, not [0.5, 0.5]"),
        ("policy: {name: wait-k, k: [2, 2]}", "every value may be given only once, not [2, 2]"),
        ("k: [2, 2]", "every value may be given only once, not [2, 2]"),
        ("policy: {name: alignment}", "'alignment' needs the reference, so no decoder has it; take one of these: alig"),
        ("policy: {name: wait-k, k: 1}, k: [1]", "give either `k`, the values of wait-k, or `policy`"),
        ("recompute: true", "give either `k`, the values of wait-k, or `policy`"),
        ("policy: {name: wait-k, k: 1}, stride: 2", "`stride` belongs to `k`"),
        (
            "policy: {name: confidence, threshold: 0.5}, legacy: true",
            "no policy like 'confidence', which depends on the model's output",
        ),
        ("policy: wait-k", "decoder.policy"),
    ],
)
def test_what_no_decoder_can_do_is_refused(decoder: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(decoder)
    print(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("policy", ["{name: local-agreement, n: 2}", "{name: confidence, threshold: 0.5}"])
@pytest.mark.parametrize("method", ["simulmask", "prefix"])
def test_nothing_is_trained_under_an_adaptive_policy(method: str, policy: str) -> None:
    options = f"{method}, options: {{policies: [{{name: wait-k, k: 1}}, {policy}]}}"
    with pytest.raises(ConfigError) as caught:
        configured("k: [1]", options)
    assert "options.policies.1" in str(caught.value)
    assert "nothing can be trained under it; train under one of these: alignment, wait-k" in str(caught.value)


def test_how_points_are_named() -> None:
    named = {
        "k: [1, 3]": ["k=1", "k=3"],
        "k: [2], stride: 3": ["k=2"],
        "policy: {name: wait-k, k: [1, 3]}": ["k=1", "k=3"],
        "policy: {name: local-agreement, n: 2}": ["n=2"],
        "policy: {name: confidence, threshold: [0.5, 0.60, 1]}": ["threshold=0.5", "threshold=0.6", "threshold=1.0"],
        "policy: {name: alignatt, f: [1, 4]}": ["f=1", "f=4"],
        "policy: {name: ralcp, gamma: [0.4, 1]}": ["gamma=0.4", "gamma=1.0"],
    }
    for decoder, settings in named.items():
        assert configured(decoder).settings == settings
    assert configured("k: [1, 3]").policies == configured("policy: {name: wait-k, k: [1, 3]}").policies
    assert configured("policy: {name: alignatt, f: [1, 4], layer: 0}").at("f", "4").policies[0].layer == 0


def test_a_point_is_chosen_on_the_command_line() -> None:
    policy = configured("policy: {name: confidence, threshold: 0.5, k: 2}").policies[0]
    assert live.at(policy, "threshold=0.75") == policy.model_copy(update={"threshold": 0.75})
    for setting, said in (
        ("k=3", "by 'confidence', and its settings are like threshold=0.5, not k=3"),
        ("threshold=7", "cannot have threshold=7. threshold: Least probability"),
        ("threshold", "cannot have threshold."),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            live.at(policy, setting)


def test_a_tuning_swept_over_the_axis_of_a_policy() -> None:
    """Each model is decoded at its own point."""
    method = "simulmask, options: {positions: plain, policies: [{name: wait-k, k: 1}]}, sweep: "
    method += "{axis: k, key: options.policies.0.k, values: {1: 5, 3: 7}}"
    text = BASE.replace("METHOD", method).replace("DECODER", "policy: {name: wait-k, k: [1, 3]}")
    systems = Plan(parse(yaml.safe_load(text))).experiment("first").systems
    assert {name: system.decoder.settings for name, system in systems.items()} == {
        "adaptive,k=1": ["k=1"],
        "adaptive,k=3": ["k=3"],
    }
    with pytest.raises(ConfigError, match="the decoder lacks 3"):
        parse(yaml.safe_load(text.replace("k: [1, 3]", "k: [1, 2]")))


def test_the_code_of_a_policy_is_part_of_its_runs() -> None:
    method = "prefix, options: {policies: [{name: alignment}, {name: wait-k, k: 1}]}"
    text = BASE.replace("METHOD", method).replace("DECODER", "policy: {name: confidence, threshold: 0.5}")
    plan = Plan(parse(yaml.safe_load(text)))
    (run,) = plan.decode_runs
    assert ("policy", "confidence") in run.modules
    assert plan.tuning_runs[0].modules == [("method", "prefix"), ("policy", "alignment"), ("policy", "wait-k")]
