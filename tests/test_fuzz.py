"""Configurations and texts that nobody would write: what is valid can be planned, all else is refused with a message.

`make test` tries some, always the same; `make fuzz` a hundred times as many, new ones every time.
"""

from __future__ import annotations

import copy
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman import decoding, grammar, models
from dragoman.config import Limits, OfflineDecoder
from dragoman.configfile import ConfigError, parse, prompts
from dragoman.corpora.lines import Checker
from dragoman.decoding import offline
from dragoman.imports import code
from dragoman.methods import ParallelText, simulmask
from dragoman.metrics import MetricError, score
from dragoman.metrics.scoring import score_hypotheses
from dragoman.plan import Plan
from dragoman.policies.wait_k import WaitK
from dragoman.prompts import encode, joined
from dragoman.reporting import figure_kinds
from dragoman.reporting.examples import marked, visible
from dragoman.reporting.page import render
from dragoman.results.records import Record
from dragoman.storage import canonical, digest, read_jsonl
from small_runs import Checker as Page
from support.configs import GOOD
from support.trainings import spec

REPOSITORY = Path(__file__).resolve().parents[1]
LONG = os.environ.get("DRAGOMAN_FUZZ")
TIMES = 100 if LONG else 1


def some(count: int) -> Callable[[Any], Any]:
    """So many examples, the same ones every time, or a hundred times as many new ones."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=count * TIMES, deadline=None, derandomize=not LONG, suppress_health_check=quiet)


# ----------------------------------------------------------------------------------------------------- configurations

SEEDS = [yaml.safe_load(GOOD), yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text(encoding="utf-8"))]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(
            ["en-fr", "demo", "sft", "offline", "../x", "$(touch pwned)", "{source}", "a=b", "all", "prefilled"]
        ),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key path below `data`."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield (*path, key)
        yield from places(value, (*path, key))


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration that is right, with one to three places changed, taken away, added to or exchanged."""
    data = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(data)) or [("title",)]))
        inside = data
        for key in path:
            inside = inside[key]
        kind = draw(st.sampled_from(["replace", "remove", "add", "exchange"]))
        if kind == "replace":
            inside[last] = draw(VALUES)
        elif kind == "remove":
            del inside[last]
        elif kind == "add" and isinstance(inside, dict):
            inside[draw(st.text(max_size=8))] = draw(VALUES)
        elif last in (range(len(inside)) if isinstance(inside, list) else inside):
            other = draw(st.sampled_from(list(inside) if isinstance(inside, dict) else range(len(inside))))
            inside[last], inside[other] = inside[other], inside[last]
    return data


def plan_all(data: dict[str, Any]) -> int:
    """All that a dry run works out, and how many runs there are."""
    plan = Plan(parse(data))
    for tuning in plan.tuning_runs:
        digest([tuning.spec, str(tuning.folder), list(map(str, tuning.inputs))])
    for decode in plan.decode_runs:
        digest([decode.spec, str(decode.scores), list(map(str, decode.inputs))])
        code("decode", ("decoder", decode.system_config.decoder.name))
    for run in plan.divergence_runs:
        digest(run.spec)
    for text in plan.texts_used:
        digest(text.spec)
    for model in plan.models_used:
        digest([model.spec, list(map(str, model.files))])
    for name in plan.config.experiments:
        digest([plan.table_spec(name), plan.metric_options(name), list(figure_kinds.figures_of(plan, name))])
    assert not Path(plan.results).is_absolute()
    return len(plan.decode_runs)


@some(120)
@given(changed())
def test_a_configuration_is_planned_or_refused(data: dict[str, Any]) -> None:
    """Nothing else happens: no other exception, no empty message."""
    try:
        plan_all(data)
    except ConfigError as error:
        assert all(line.strip() for line in str(error).splitlines() or [""])


METHODS = st.fixed_dictionaries(
    {"method": st.sampled_from(["sft", "consistency", "language-aware"]), "training": st.just({"steps": 2})},
    optional={"limit": st.integers(1, 99), "per_pair": st.booleans(), "prompt": st.sampled_from(["short", "headed"])},
)
DECODERS = st.one_of(
    st.fixed_dictionaries(
        {"name": st.just("offline")}, optional={"beam": st.integers(1, 8), "max_new_tokens": st.integers(1, 99)}
    ),
    st.fixed_dictionaries({"name": st.just("contrastive")}, optional={"max_new_tokens": st.integers(1, 99)}),
    st.fixed_dictionaries(
        {"name": st.sampled_from(["gated", "steered"]), "corpus": st.just("demo")}, optional={"beam": st.integers(1, 8)}
    ),
    st.fixed_dictionaries(
        {"name": st.just("simultaneous"), "k": st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True)}
    ),
)
NAMES = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")
PAIRS = st.lists(
    st.sampled_from([f"{a}-{b}" for a in grammar.LANGUAGES for b in grammar.LANGUAGES if a != b]),
    min_size=2,
    max_size=4,
    unique=True,
)


@st.composite
def valid(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration that is right."""
    data = copy.deepcopy(SEEDS[0])
    experiment = data["experiments"].pop("first")
    tunings = draw(st.dictionaries(NAMES, METHODS, min_size=1, max_size=3))
    pairs = draw(PAIRS)
    for tuning in tunings.values():
        if tuning["method"] != "sft":
            tuning.pop("per_pair", None)  # those two learn from several directions
            tuning.pop("prompt", None)
    experiment["tunings"] = tunings
    experiment["systems"] = {name: {"tuning": name, "decoder": draw(DECODERS)} for name in tunings}
    experiment["train"]["pairs"] = experiment["test"]["pairs"] = pairs
    data["experiments"] = {draw(NAMES): experiment}
    data["seeds"] = draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True))
    return data


@some(40)
@given(valid())
def test_a_valid_configuration_is_planned(data: dict[str, Any]) -> None:
    (experiment,) = data["experiments"].values()
    pairs = len(experiment["test"]["pairs"])
    assert plan_all(data) == len(experiment["systems"]) * pairs * len(data["seeds"])


# -------------------------------------------------------------------------------------------------------------- texts

CATEGORIES: dict[str, list[str]] = {}
for number in range(sys.maxunicode + 1):
    CATEGORIES.setdefault(unicodedata.category(chr(number)), []).append(chr(number))
del CATEGORIES["Cs"]  # halves of characters: no UTF-8 holds them, and they are refused where text is read
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=30)
SENTENCES = LINES.map(str.strip).filter(lambda line: Checker(Limits()).reason("train", line, line) is None)
SAMPLES = [
    " ".join(["a", *letters[:: max(1, len(letters) // 5)][:5], "b"]).replace("\n", "")
    for letters in CATEGORIES.values()
]
"""A line for each category of Unicode."""


@cache
def tokenizer() -> models.PreTrainedTokenizerBase:
    return models.train_tokenizer(["The old man buys a car.", "Le vieil homme achète une voiture."], 300)


@some(150)
@given(LINES)
def test_a_tokenizer_gives_back_what_it_was_given(line: str) -> None:
    ids = tokenizer()(line, add_special_tokens=False)["input_ids"]
    assert tokenizer().decode(ids, skip_special_tokens=False) == line


@some(80)
@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=3), st.integers(1, 9))
def test_a_mask_fits_every_text(pairs: list[tuple[str, str]], k: int) -> None:
    """Against words counted one by one: a target token sees no source word that the policy has not read."""
    sources, targets = map(list, zip(*pairs, strict=True))
    prompt, text = prompts()["simulmask"], ParallelText("en-fr", sources, targets, [""] * len(pairs))
    made = simulmask.examples([text], prompt, tokenizer(), simulmask.Options(policies=[WaitK(name="wait-k", k=k)]))
    sources, targets = ([" ".join(line.split()) for line in side] for side in (sources, targets))
    encoded = encode(prompt, tokenizer(), "en-fr", sources, targets)
    for source, example, pieces in zip(sources, made, encoded, strict=True):
        assert example["input_ids"] == joined(pieces)
        before = len(pieces[0].ids)
        size = len(pieces[1].ids)
        response = example["visible"][before + size :]
        assert len(example["visible"]) == len(example["input_ids"])
        assert response == sorted(response) and response[-1] == size
        read = min(k, len(source.split()))
        first = " " + " ".join(source.split()[:read])
        assert response[0] == len(tokenizer()(first, add_special_tokens=False)["input_ids"])


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> offline.Decoder:
    folder = tmp_path_factory.mktemp("model")
    models.build(spec("llama"), tokenizer()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    torch.set_num_threads(1)
    options = OfflineDecoder(name="offline", max_new_tokens=3)
    return offline.Decoder(decoding.Context(folder, "en-fr", prompts()["short"]), options)


@some(15)
@given(st.lists(LINES, min_size=1, max_size=4))
def test_a_text_is_decoded_written_read_and_scored(tmp_path: Path, decoder: offline.Decoder, lines: list[str]) -> None:
    items = [decoding.Item(number, line, line) for number, line in enumerate(lines)]
    found = decoder.decode(items)
    rows = [
        {"id": item.id, "setting": "", "source": item.source, "reference": item.reference, **row}
        for item, (row,) in zip(items, found, strict=True)
    ]
    decoding.write(tmp_path / "h.jsonl", rows)
    assert [canonical(row) for row in read_jsonl(tmp_path / "h.jsonl")] == [canonical(row) for row in rows]
    place = {"paper": "", "experiment": "e", "system": "s", "pair": "en-fr", "seed": 1}
    options = {"bleu": {"bootstrap": 0}, "chrf": {"bootstrap": 0}}
    try:
        records = score_hypotheses(tmp_path / "h.jsonl", place, ["bleu", "chrf"], options)
        assert all(0 <= record.value <= 100.001 for record in records)
    except MetricError as error:
        assert "every reference is empty" in str(error)


@some(60)
@given(LINES, LINES)
def test_a_comparison_loses_nothing_and_shows_all(reference: str, hypothesis: str) -> None:
    shown = visible(hypothesis)
    assert not [letter for letter in shown if unicodedata.category(letter) in ("Cc", "Zl", "Zp")]
    assert not [letter for letter in shown if unicodedata.bidirectional(letter) in ("RLO", "LRO", "RLE", "LRE")]
    assert "".join(piece.text for piece in marked(reference, hypothesis)) == hypothesis


@pytest.mark.parametrize("metric", ["bleu", "chrf", "offtarget", "tags"])
def test_every_category_is_scored(metric: str) -> None:
    found = score(metric, SAMPLES, [SAMPLES], SAMPLES, "en-fr", bootstrap=0)
    assert 0 <= found.value <= 100.001
    assert found.n == len(SAMPLES) == 29


def test_every_category_is_on_a_page_that_is_whole(tmp_path: Path) -> None:
    data = copy.deepcopy(SEEDS[0])
    data["experiments"]["first"]["title"] = "<script>alert(1)</script>" + "".join(SAMPLES)
    plan = Plan(parse(data))
    plan.results = tmp_path
    (run,) = plan.decode_runs
    rows = [
        {"id": n, "setting": "", "source": line, "reference": line, "hypothesis": f"<b>{line}</b>"}
        for n, line in enumerate(SAMPLES)
    ]
    decoding.write(run.hypotheses, rows)
    facts = {"low": None, "high": None, "signature": "s", "n": len(rows)}
    record = Record("dragoman", "first", "tuned", "en-fr", "", 1, "bleu", 1.0, **facts)
    text = render(plan, [record])
    page = Page()
    page.feed(text)
    assert page.open == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert(1)" not in text
    text.encode("utf-8")
