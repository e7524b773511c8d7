"""General ability: what a model can do besides what it was tuned for."""

from __future__ import annotations

import gzip
import json
import math
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

import judge as judge_script
from conftest import REPOSITORY
from dragoman import corpora, instructions, models
from dragoman.config import InstructionsCorpus, NoPrior, OfflineDecoder, PrefilledDecoder
from dragoman.configfile import ConfigError, load_config, prompts
from dragoman.decoding import Context, Item, offline
from dragoman.metrics import MetricError, score, significance
from dragoman.plan import Plan
from dragoman.prompts import render
from dragoman.reporting import instructed, markup
from dragoman.results import judging, records
from dragoman.results.records import Record
from dragoman.text import TextError
from hub_server import Hub, parquet
from support.langaware import loaded
from support.trainings import PROMPT, SENTENCES, spec


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for pair in SENTENCES for side in pair], 320)


# ---------------------------------------------------------------------------------------------- monolingual text, bits


def test_bits_by_hand() -> None:
    """8 bits over 4 characters and 2 over 1: 10 bits over 5 characters, whatever the hypotheses."""
    columns = {"nats": [8 * math.log(2), 2 * math.log(2)]}
    found = score("bits", ["", "x"], [["abcd", "e"]], [], "en-fr", columns)
    assert found.value == pytest.approx(2)
    assert found.low == found.high == pytest.approx(2), "both lines have two bits per character"
    made = significance.statistics("bits", ["", "x"], [["abcd", "e"]], [], "en-fr", columns)
    assert made.value == pytest.approx(found.value)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_no_bits_without_a_number(wrong: float) -> None:
    with pytest.raises(MetricError, match="sentence 2: no number of nats"):
        score("bits", ["a", "b"], [["a", "b"]], [], "en-fr", {"nats": [1.0, wrong]})


@pytest.mark.parametrize("architecture", ["llama", "falcon-alibi"])
def test_decoder_measures_references_as_lines_of_a_page(
    architecture: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Own computation: one line at a time, no padding, float64. More lines than are measured at once; one is empty."""
    model = models.build(spec(architecture), tokenizer).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    references = [target for _, target in SENTENCES[:20]] + ["", "le chat"]
    items = [
        Item(3 * number, f"the cat {number}", line, before=references[number - 1])
        for number, line in enumerate(references)
    ]
    options = OfflineDecoder(name="offline", max_new_tokens=2, batch_size=19, monolingual=True)
    decoder = offline.Decoder(Context(tmp_path, "en-fr", PROMPT), options)
    rows = {}
    for batch in decoder.batches(items):
        rows |= dict(zip(batch, (row for (row,) in decoder.decode([items[i] for i in batch])), strict=True))
    for number, line in enumerate(references):
        before = tokenizer(references[number - 1] + "\n", add_special_tokens=False)["input_ids"]
        wanted = tokenizer(line, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([before + wanted])).logits[0].double().log_softmax(-1)
        nats = -sum(float(logits[len(before) - 1 + t, token]) for t, token in enumerate(wanted))
        assert rows[number]["nats"] == pytest.approx(nats, abs=1e-3)
    silent = offline.Decoder(Context(tmp_path, "en-fr", PROMPT), options.model_copy(update={"monolingual": False}))
    silent.batches(items)
    assert "nats" not in silent.decode(items[:1])[0][0]


def test_bits_need_a_system_that_measures_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics.1 = 'bits': no system computes this; .*monolingual: true"):
        loaded(tmp_path, ("[bleu, offtarget]", "[bleu, bits]"))
    measured = ("ours: {tuning: ours}\n", "ours: {tuning: ours, decoder: {name: offline, monolingual: true}}\n")
    loaded(tmp_path, ("[bleu, offtarget]", "[bleu, bits]"), measured)
    with pytest.raises(ValidationError, match="`monolingual` measures a model without a prior"):
        PrefilledDecoder(name="prefilled", prior=NoPrior(kind="none"), monolingual=True)


# ------------------------------------------------------------------------------------------------- instructions, mixed

ROWS = [
    {"instruction": "Name a colour.", "input": "", "output": "Blue."},
    {"instruction": "Count.", "input": "a {input} b", "output": "Two\nlines."},
]


def test_templates_are_alpacas() -> None:
    """That with an input is the prompt `alpaca`, its instruction a translation; braces in a text stay braces."""
    translation = "Translate the following sentences from English to French."
    shown = "".join(text for _, text in render(prompts({})["alpaca"], "en-fr", "Hello.", ""))
    assert instructions.asked(translation, "Hello.") == shown
    assert instructions.asked("Say {instruction}", "a {input} b").endswith(
        "### Instruction:\nSay {instruction}\n\n### Input:\na {input} b\n\n### Response:"
    )
    assert instructions.asked("Say {input}.") == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nSay {input}.\n\n### Response:"
    )


@pytest.mark.parametrize("given", ["", "an input", "two\nlines\n\n### Response:", "a {instruction}"])
@pytest.mark.parametrize("instruction", ["Do it.", "Do {input}\n\nand more", " "])
def test_what_was_put_into_a_template_comes_out_again(instruction: str, given: str) -> None:
    assert instructions.parts(instructions.asked(instruction, given)) == (instruction, given)
    assert instructions.parts(instruction + given) is None


def prepared(corpus: InstructionsCorpus, folder: Path) -> list[tuple[str, str]]:
    corpora.fetch(corpus, instructions.PAIR, folder / "raw")
    corpora.prepare(corpus, instructions.PAIR, folder / "raw", folder / "out")
    table = corpora.load(folder / "out", "train")
    return list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))


EXPECTED = [(instructions.asked(row["instruction"], row["input"]), row["output"]) for row in ROWS]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz", "a.parquet"])
def test_instructions_are_read(tmp_path: Path, name: str) -> None:
    """Line breaks stay; a row twice, without an answer or without an instruction is dropped."""
    rows = [*ROWS, ROWS[0], ROWS[0] | {"output": " "}, ROWS[0] | {"instruction": ""}]
    lines = "\n".join(map(json.dumps, rows)) if name.endswith("jsonl") else json.dumps(rows, indent=1)
    content = parquet(pa.Table.from_pylist(rows)) if name.endswith("parquet") else lines.encode()
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith("gz") else content)
    corpus = InstructionsCorpus(provider="instructions", path=str(tmp_path / name))
    assert prepared(corpus, tmp_path) == EXPECTED
    dropped = [json.loads(line)["reason"] for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert dropped == ["duplicate", "empty-side", "empty-side"]


def test_instructions_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    table = pa.Table.from_pylist([row | {"text": "all of it"} for row in ROWS])
    hub.add("dataset", "tatsu-lab/alpaca", {"data/train-0.parquet": parquet(table), "README.md": b"# Alpaca"})
    given = {"dataset": "tatsu-lab/alpaca", "revision": "main", "files": "data/train-*.parquet"}
    assert prepared(InstructionsCorpus(provider="instructions", **given), tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"instruction": "a"}', "expected one JSON list of objects, found dict"),
        ("[3, 4]", "entry 1 is no object, but 3"),
        ('[{"instruction": "a", "answer": "b"}]', "entry 1: 'output' is missing; it has: instruction, answer"),
        ('[{"instruction": "a", "output": 3}]', "entry 1: 'output' holds 3, not text"),
        ('[\n{"instruction": \n', "a.json:2: not JSON"),
    ],
)
def test_what_are_no_instructions_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(TextError, match=message):
        prepared(InstructionsCorpus(provider="instructions", path=str(tmp_path / "a.json")), tmp_path)


TASKS = str(REPOSITORY / "config" / "examples" / "instructions.json")
HEAD = ("corpora:\n", f"corpora:\n  tasks: {{provider: instructions, path: {TASKS}}}\n")
ASKED = f"instructions: {{path: {TASKS}, systems: [ptl, ours]}}"
LAST = ("metrics: [bleu, offtarget]\n", f"metrics: [bleu, offtarget]\n    {ASKED}\n")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("mt: {method: sft,", "mt: {method: sft, mix: {corpus: task},", "mix.corpus = 'task'.*did you mean 'tasks'"),
        ("mt: {method: sft,", "mt: {method: sft, mix: {corpus: demo},", "mix.corpus = 'demo'.*known: tasks"),
        (
            "start: mt,",
            "start: mt, mix: {corpus: tasks},",
            "tunings.ours.mix.*instructions of a `mix` come in Alpaca's",
        ),
        (
            "ours: {method: language-aware,",
            "ours: {method: consistency, mix: {corpus: tasks},",
            "only these methods can",
        ),
        ("train: {corpus: demo,", "train: {corpus: tasks,", "corpus 'tasks' has no such pair"),
        ("systems: [ptl, ours]", "systems: [ptl, our]", "instructions.systems.1 = 'our'.*did you mean 'ours'"),
        ("systems: [ptl, ours]", "systems: [copy, ours]", "systems.0 = 'copy'.*exactly one model"),
        ("systems: [ptl, ours]", "systems: [ours, ours]", "every system may be given only once"),
        (f"{{path: {TASKS}, systems", "{path: nowhere.json, systems", "instructions.path.*nowhere.json cannot be read"),
        (f"path: {TASKS}}}", "path: nowhere.json}", "tasks.path = 'nowhere.json': no such file"),
        (f"path: {TASKS}}}", "dataset: a/b}", "give either `path`, or `dataset`, `revision` and `files`"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    loaded(tmp_path, HEAD, LAST)
    with pytest.raises(ConfigError, match=wanted):
        loaded(tmp_path, HEAD, LAST, (old, new))


# --------------------------------------------------------------------------------------------------------- the judge


@pytest.mark.parametrize(
    ("preferences", "outcome"),
    [
        ((2, 2), "win"),
        ((1, 1), "loss"),
        ((2, 1), "tie"),
        ((1, 2), "tie"),
        ((1.5, 1.5), "tie"),
        ((2, 1.5), "win"),
        ((1.5, 1.2), "loss"),
        ((1.9, 1.4), "tie"),
    ],
)
def test_verdict_of_two_orders(preferences: tuple[float, float], outcome: str) -> None:
    assert judging.verdict(preferences) == outcome


def test_shares_by_hand() -> None:
    """Two wins, a loss and a tie of the four that both orders judged; a fifth has one verdict, a sixth none."""
    there = {"a": 2.0, "b": 2.0, "c": 1.0, "d": 2.0, "e": 2.0}
    back = {"a": 2.0, "b": 1.5, "c": 1.0, "d": 1.0}
    found = judging.verdicts([there, back])
    assert found == ["win", "win", "loss", "tie"]
    place = {"paper": "p", "experiment": "e", "system": "s", "pair": "all", "setting": "", "seed": 1}
    made = judging.records(place, found, 6, "J", {})
    assert [(record.metric, record.value, record.n) for record in made] == [
        ("alpaca_eval:outcome=win", 50, 4),
        ("alpaca_eval:outcome=tie", 25, 4),
        ("alpaca_eval:outcome=loss", 25, 4),
    ]
    assert all(0 <= record.low <= record.value <= record.high <= 100 for record in made)
    assert made[0].note == "2 of 6 instructions have no verdict"
    with pytest.raises(MetricError, match="no preference for any of 6"):
        judging.records(place, [], 6, "J", {})


FAKE = """#!{python}
import json, os, sys
given = dict(option[2:].split("=", 1) for option in sys.argv[2:])
assert sys.argv[1] == "evaluate" and given["annotators_config"] == "long", sys.argv
if os.environ.get("JUDGE_KEY") != "sesame-open":
    sys.exit("Incorrect API key provided: " + os.environ.get("JUDGE_KEY", "") + " sk-abc***xyz")
model, other = (json.load(open(given[name])) for name in ("model_outputs", "reference_outputs"))
rows = []
for one, two in zip(other, model):
    preference = 1.5 + (len(two["output"]) - len(one["output"] )) / 1000
    if "place" in one["instruction"]:
        preference = 2
    if "silent" in one["instruction"]:
        preference = None
    rows.append({{"instruction": one["instruction"], "preference": preference}})
folder = os.path.join(given["output_path"], "long")
os.makedirs(folder, exist_ok=True)
json.dump(rows, open(os.path.join(folder, "annotations.json"), "w"))
"""


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that prefers the longer answer, or the second place, or cannot say."""
    program = tmp_path / "bin" / judging.PROGRAM
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("JUDGE_KEY", "sesame-open")


def answered(path: Path, answers: dict[str, str]) -> Path:
    rows = [
        {"instruction": key, "output": value, "generator": path.stem, "dataset": "d"} for key, value in answers.items()
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_answers_are_judged_in_both_orders(judge: None, tmp_path: Path) -> None:
    own = answered(tmp_path / "own.json", {"a": "long", "b": "s", "the place": "x", "same": "x", "silent": "x"})
    other = answered(tmp_path / "other.json", {"a": "l", "b": "short", "the place": "y", "same": "y", "silent": "y"})
    there, back = judging.preferences(own, other, "long", tmp_path / "work")
    assert there == pytest.approx({"a": 1.503, "b": 1.496, "the place": 2, "same": 1.5})
    assert back == pytest.approx({"a": 1.503, "b": 1.496, "the place": 1, "same": 1.5})
    assert judging.verdicts([there, back]) == ["win", "loss", "tie", "tie"]


def test_a_judge_that_fails_is_an_error_without_keys(
    judge: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "wrong-one-entirely")
    files = [answered(tmp_path / f"{name}.json", {"a": name}) for name in ("own", "other")]
    with pytest.raises(MetricError, match=r"did not judge with 'long' \(exit code 1\)") as caught:
        judging.preferences(*files, "long", tmp_path / "work")
    assert "Incorrect API key provided: [hidden] [hidden]" in str(caught.value)


def test_no_judge_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert judging.obstacle(None) == "not judged: the configuration names no judge"
    assert judging.obstacle("gpt") == "not judged: there is no program alpaca_eval on the PATH"


def test_judging_a_run(judge: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the first system, of one's own seed where it has one; without the program there is no number."""
    seeds = ("[en-fr, fr-de]}\n", "[en-fr, fr-de]}\n    seeds: [1, 2]\n")
    plan = loaded(tmp_path, HEAD, LAST, ("ptl, ours]", "ptl, ours], judge: long"), seeds)
    plan.results = tmp_path
    assert [(run.system, run.seed) for run in plan.judge_runs] == [("ours", 1), ("ours", 2)]
    for run in plan.answer_runs:
        path = run.answers
        path.parent.mkdir(parents=True, exist_ok=True)
        answered(path, {"a": "xxx"[: run.seed + (run.system == "ours")], "b": "xxx"[run.seed :]})
    run = plan.judge_runs[1]
    assert run.rival.seed == 2
    judge_script.judge(run)
    found = records.read(run.judgements)
    assert [(record.value, record.n, record.pair, record.seed) for record in found] == [
        (50, 2, "all", 2),
        (50, 2, "all", 2),
        (0, 2, "all", 2),
    ]
    assert found[0].signature.startswith("AlpacaEval|judge:long|against:ptl|orders:2|tie:split|")
    monkeypatch.setenv("PATH", str(tmp_path))
    judge_script.judge(run)
    found = records.read(run.judgements)
    assert [record.value for record in found] == [None] * 3
    assert {record.note for record in found} == {"not judged: there is no program alpaca_eval on the PATH"}


def outcome(values: tuple[float | None, ...], note: str = "", **place: Any) -> list[Record]:
    start = {"paper": "langaware", "experiment": "langaware", "pair": "all", "setting": "", "seed": 1} | place
    rest = {"low": None, "high": None, "signature": "J", "n": 4, "made_from": {}, "note": note}
    pairs = zip(judging.OUTCOMES, values, strict=True)
    return [Record(**start, metric=judging.metric(name), value=value, **rest) for name, value in pairs]


def test_table_shows_shares_or_says_why_there_are_none() -> None:
    plan = Plan(load_config(REPOSITORY / "config" / "smoke.yaml"))
    (table,) = instructed.judgements(plan, "langaware", outcome((50.0, 25.0, 25.0), system="ours"))
    assert table.groups == [("Answers against those of mt, %", ["wins", "ties", "losses"])]
    assert [(label, [cell.text for cell in cells]) for label, cells in table.rows] == [
        ("ours", ["50.00", "25.00", "25.00"])
    ]
    (table,) = instructed.judgements(plan, "langaware", outcome((None,) * 3, "not judged: no judge", system="ours"))
    text = markup.markdown(table)
    assert "not judged: no judge" in text
    assert [cell.text for cell in table.rows[0][1]] == ["–"] * 3
    assert instructed.judgements(plan, "pretty", []) == []
