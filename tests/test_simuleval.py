"""SimulEval scores our logs as we do, and runs our systems. It works in an environment of its own."""

from __future__ import annotations

import inspect
import io
import json
import os
import random
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY, environment, save_model
from dragoman import metrics
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import prompts
from dragoman.decoding import Context, Item
from dragoman.decoding import simultaneous as batched
from dragoman.decoding.serve import serve
from dragoman.languages.units import WORDS, Units, of_pair, units
from dragoman.metrics.instances import Instance, read, timing_of, write
from dragoman.metrics.latency import scores
from dragoman.policies.wait_k_stride import WaitKStride

LATENCY = ("AL", "LAAL", "AP", "DAL", "ATD")


class Copier:
    """Copies words in capitals, some words behind, and adds two more at the end; "stop" makes it end at once."""

    def __init__(self, k: int, stride: int, units: Units = WORDS) -> None:
        self.k, self.stride, self.units = k, stride, units
        self.reset()

    def reset(self) -> None:
        self.source, self.written, self.done = [], 0, False

    def read(self, word: str) -> list[str]:
        if word == "refuse":
            raise ValueError("this word cannot be read")
        self.source.append(word)
        self.done = self.done or word == "stop"
        turns = (len(self.source) - self.k) // self.stride + 1
        return self._write(max(0, turns * self.stride))

    def finish(self) -> list[str]:
        rest = self._write(len(self.source) + 2 if self.source else 0)
        self.done = True
        return rest

    def _write(self, due: int) -> list[str]:
        if self.done:
            return []
        words = [*map(str.upper, self.source), "+", "+"][self.written : due]
        self.written += len(words)
        return words


# -- the protocol -----------------------------------------------------------------------------------------------------


def ask(*requests: Any, k: int = 2, stride: int = 1) -> list[dict[str, Any]]:
    answers = io.StringIO()
    serve(Copier(k, stride), [json.dumps(request) + "\n" for request in requests], answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_conversation_by_hand() -> None:
    reset, end = {"reset": True}, {"end": True}
    conversation = [
        ({"source": "ein"}, [], False),
        ({"source": "Käse"}, ["EIN"], False),
        (end, ["KÄSE", "+", "+"], True),
        (reset, [], False),
        (end, [], True),  # an empty sentence
        (reset, [], False),
        ({"source": "a"}, [], False),
        ({"source": "b"}, ["A"], False),
        ({"source": "stop"}, [], True),  # over before the source is
        ({"source": "c"}, [], True),
        (end, [], True),
        (reset, [], False),
        ({"source": "a"}, [], False),
        (reset, [], False),  # in the middle of a sentence
        (end, [], True),
    ]
    answers = ask(*(request for request, _, _ in conversation))
    assert answers == [{"words": words, "done": done} for _, words, done in conversation]


def test_what_a_word_is_may_be_asked_at_any_time() -> None:
    requests = [
        {"units": True},
        {"divide": "我爱 Go"},
        {"source": "我"},
        {"divide": ""},
        {"end": True},
        {"units": True},
    ]
    answers = io.StringIO()
    serve(Copier(1, 1, of_pair("zh-en")), [json.dumps(request) + "\n" for request in requests], answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [
        {"source": "character", "target": "word"},
        {"units": ["我", "爱", " G", "o"]},
        {"words": ["我"], "done": False},
        {"units": []},
        {"words": ["+", "+"], "done": True},
        {"source": "character", "target": "word"},
    ]


def test_an_answer_comes_before_the_next_request_is_read() -> None:
    answers, seen = io.StringIO(), []

    def requests():
        for word in ("a", "b", "c"):
            yield json.dumps({"source": word})
            seen.append(answers.getvalue().count("\n"))

    serve(Copier(1, 1), requests(), answers)
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("source", "no JSON"),
        ("", "no JSON"),
        ('["source"]', "a request is"),
        ('{"source": 3}', "a request is"),
        ('{"source": "a", "end": true}', "a request is"),
        ('{"end": false}', "a request is"),
        ('{"end": 1}', "a request is"),
        ('{"word": "a"}', "a request is"),
        ('{"units": 1}', "a request is"),
        ('{"divide": null}', "a request is"),
        ('{"source": "refuse"}', "this word cannot be read"),
    ],
)
def test_what_is_no_request_ends_it(line: str, message: str) -> None:
    answers = io.StringIO()
    with pytest.raises(ValueError, match=message) as caught:
        serve(Copier(1, 1), ['{"source": "a"}\n', line + "\n", '{"source": "b"}\n'], answers)
    first, last = map(json.loads, answers.getvalue().splitlines())
    assert (first, last) == ({"words": ["A"], "done": False}, {"error": str(caught.value)})
    assert str(caught.value).startswith(f"request 2, {line}: ")


@pytest.mark.parametrize("request_after", [{"source": "a"}, {"end": True}])
def test_after_the_end_only_a_reset(request_after: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"request 3, .*: this source is over"):
        ask({"source": "a"}, {"end": True}, request_after)


def test_the_server_as_a_process(tmp_path: Path) -> None:
    """What is printed does not come between answers, and an error is an exit code."""
    python = serving(tmp_path, stride=1)
    given = '{"source": "a"}\n{"source": "print"}\n{"source"}\n'
    done = subprocess.run([python, "stream.py", "--k", "1"], input=given, capture_output=True, text=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"words": ["A"], "done": False},
        {"words": ["PRINT"], "done": False},
        {"error": done.stderr.splitlines()[-1]},
    ]
    assert done.stderr.splitlines()[0] == "a library talks"
    assert done.stderr.splitlines()[1].startswith('request 3, {"source"}: no JSON (')
    assert done.returncode == 1
    silent = subprocess.run([python, "stream.py", "--k", "1"], input="", capture_output=True, text=True)
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")


# -- SimulEval --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def simuleval() -> Path:
    """SimulEval's environment, made if it is missing or its lock has changed."""
    return environment("simuleval", "SimulEval")


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONUTF8": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # SimulEval starts three times as fast with bytecode
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def score_only(simuleval: Path, folder: Path, unit: str = "word") -> dict[str, float]:
    """What SimulEval prints for the log in a folder."""
    command = [simuleval / "simuleval", "--score-only", "--output", folder, "--eval-latency-unit", unit]
    command += ["--source-type", "text", "--target-type", "text", "--latency-metrics", *LATENCY]
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    names, row = done.stdout.splitlines()[-2:]
    return dict(zip(names.split(), map(float, row.split()[1:]), strict=True))


def instance(index: int, source: str, actions: str, words: list[str], reference: str) -> Instance:
    """A sentence from decisions like "RRWRW": read, read, write, read, write."""
    delays = tuple(actions[:i].count("R") for i, action in enumerate(actions) if action == "W")
    assert len(delays) == len(words)
    return Instance(index, " ".join(words), delays, (0,) * len(delays), reference, source, len(source.split()))


def synthetic() -> list[Instance]:
    """Sentences with all the edges, and sixty of any shape."""
    edges = [
        ("a b c d e", "RRRWRWRWWW", "a b c d e", "a b c d e"),  # wait-3
        ("a b c d", "RRRR", "", "a b c d"),  # nothing written
        ("a b c d e f", "RRWRWW", "a b c", "a b c d e f"),  # ends early, two words unread
        ("a b c", "RRWRWWWWW", "a b c c c c", "a b"),  # longer than the reference
        ("a b c d", "RRRRWWWW", "a b c d", "a b c d"),  # offline
        ("a b c d", "RWRWRWRW", "a b x d", ""),  # no reference: one word, for SimulEval
        ("a b", "RRWWW", "b a a", "b  a"),  # two blanks: three words, for SimulEval
        ("a b c d e f g h", "RRWWRRRWRWWW", "a b c d e f", "a b c d e g f"),  # chunks
    ]
    found = [(source, actions, words.split(), reference) for source, actions, words, reference in edges]
    chance = random.Random(1)
    for _ in range(60):
        source, target = chance.randint(1, 12), chance.randint(0, 12)
        actions = ["R"] * (source - 1) + ["W"] * target
        chance.shuffle(actions)
        words = [chance.choice("abcdefgh") for _ in range(target)]
        reference = [word if chance.random() < 0.8 else "x" for word in words] or ["a"]
        reference = reference[: chance.randint(1, 12)] + ["y"] * chance.randint(0, 2)
        found.append((" ".join("s" * source), "R" + "".join(actions), words, " ".join(reference)))
    return [instance(index, *each) for index, each in enumerate(found)]


def ours(instances: list[Instance], unit: str = "word") -> dict[str, float]:
    timing = timing_of(instances, unit)
    found = scores(timing, [name.lower() for name in LATENCY], unit=unit, bootstrap=0)
    return {name: found[name.lower()].value for name in LATENCY}


def test_scores_of_our_log_are_simulevals(simuleval: Path, tmp_path: Path) -> None:
    instances = synthetic()
    write(tmp_path / "instances.log", instances)
    theirs = score_only(simuleval, tmp_path)
    expected = ours(read(tmp_path / "instances.log"))
    hypotheses = [each.prediction for each in instances]
    expected["BLEU"] = metrics.score("bleu", hypotheses, [[each.reference for each in instances]], pair="en-fr").value
    assert 10 < expected["BLEU"] < 90
    assert theirs.pop("ATD") == 0, "SimulEval scores ATD of text from logs now: compare it here"
    del expected["ATD"]
    assert theirs == pytest.approx(expected, abs=1e-3)


def test_scores_of_characters_are_simulevals(simuleval: Path, tmp_path: Path) -> None:
    instances = [
        Instance(0, "猫が好き", (2, 2, 3, 3), (0,) * 4, "猫が好きだ", "i like cats", 3),
        Instance(1, "犬 です", (1, 2, 2), (0,) * 3, " 犬です\n", "a dog", 2),
    ]
    write(tmp_path / "instances.log", instances)
    theirs = score_only(simuleval, tmp_path, "char")
    expected = ours(instances, "char")
    assert {name: theirs[name] for name in LATENCY[:4]} == pytest.approx(
        {name: expected[name] for name in LATENCY[:4]}, abs=1e-3
    )


LIVE = """
import json, sys
from argparse import Namespace
from simuleval.data.dataloader import TextToTextDataloader
from simuleval.data.segments import EmptySegment, TextSegment
from simuleval.evaluator.instance import TextToTextInstance
from simuleval.evaluator.scorers import get_scorer_class

rows = [json.loads(line) for line in open(sys.argv[1])]
texts = TextToTextDataloader([row["source"] for row in rows], [row["reference"] for row in rows])
unit = Namespace(eval_latency_unit=sys.argv[2])
instances = {row["index"]: TextToTextInstance(row["index"], texts, unit) for row in rows}
for row in rows:
    instance, written = instances[row["index"]], row["prediction"]
    written = written.split() if sys.argv[2] == "word" else written.replace(" ", "")
    for word, delay in zip(written, row["delays"], strict=True):
        while instance.step < delay:
            instance.send_source(None)
        instance.receive_prediction(TextSegment(content=word))
    instance.receive_prediction(EmptySegment(finished=True))
    assert instance.delays == row["delays"] and instance.finish
print(json.dumps({name: get_scorer_class("latency", name)()(instances) for name in sys.argv[3:]}))
"""


def live(simuleval: Path, folder: Path, instances: list[Instance], unit: str) -> dict[str, float]:
    """SimulEval's scores of instances as if they were translated now; it divides their sources at blanks."""
    write(folder / "live.log", instances)
    done = run([simuleval / "python", "-c", LIVE, folder / "live.log", unit, *LATENCY], folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_scores_of_a_live_run_are_simulevals(simuleval: Path, tmp_path: Path) -> None:
    """While it runs, SimulEval knows that its source is text, and ATD counts words."""
    instances = synthetic()
    assert live(simuleval, tmp_path, instances, "word") == pytest.approx(ours(instances), abs=1e-9)


def test_scores_of_characters_of_a_live_run_are_simulevals(simuleval: Path, tmp_path: Path) -> None:
    """Characters of a target, with Latin letters and real blanks among them."""
    chance, instances = random.Random(2), []
    for index in range(40):
        delays = sorted(chance.randint(1, 9) for _ in range(chance.randint(1, 14)))
        text = [chance.choice("我爱茶がสวy3。") + chance.choice(["", "", " "]) for _ in delays]
        reference = "".join(text[: chance.randint(1, 14)]) + chance.choice(["", " Go", "。"])
        source = " ".join(chance.choice(["猫", "tea"]) for _ in range(9))
        instances.append(
            Instance(index, "".join(text).strip(), tuple(delays), (0,) * len(delays), reference, source, 9)
        )
    assert live(simuleval, tmp_path, instances, "char") == pytest.approx(ours(instances, "char"), abs=1e-9)
    texts = [each.prediction for each in instances], [[each.reference for each in instances]]
    columns = {"delays": [list(each.delays) for each in instances]}
    for name, value in ours(instances, "char").items():  # a decoding is scored as a log is
        sources = [each.source for each in instances]
        assert metrics.score(name.lower(), *texts, sources, "en-zh", columns, bootstrap=0).value == pytest.approx(value)


# -- the agent --------------------------------------------------------------------------------------------------------

SERVER = """
import argparse, sys
from pathlib import Path
from dragoman import command
from dragoman.decoding.serve import serve
from dragoman.languages.units import WORDS, Units, of_pair

{copier}

class Talker(Copier):
    def read(self, word):
        if word == "print":
            print("a library talks")
        if word == "crash":
            sys.exit(3)
        return super().read(word)

def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--k", type=int, default=1)
    given, rest = parser.parse_known_args(argv)
    Path(__file__).with_name("arguments").write_text("\\n".join(rest))
    pair = rest[rest.index("--pair") + 1] if "--pair" in rest else "en-fr"
    serve(Talker(given.k, {stride}, of_pair(pair)), sys.stdin, sys.stdout)

command.run(main)
"""


def serving(folder: Path, stride: int, server: str = "") -> str:
    """A "Python" that, whatever script it is told to run, serves the copier, or another server."""
    script, python = folder / "copier.py", folder / "python"
    server = server or SERVER.format(copier=inspect.getsource(Copier), stride=stride)
    script.write_text(server, encoding="utf-8")
    words = ["env", f"PYTHONPATH={REPOSITORY / 'scripts'}", sys.executable, str(script)]
    python.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return str(python)


def simultaneous(
    simuleval: Path, folder: Path, sources: list[str], stride: int, *options: str, pair: str = "en-fr", server: str = ""
) -> subprocess.CompletedProcess[str]:
    (folder / "source").write_text("".join(f"{line}\n" for line in sources), encoding="utf-8")
    (folder / "reference").write_text("".join(f"{line.upper()} + +\n" for line in sources), encoding="utf-8")
    command = [simuleval / "simuleval", "--agent", REPOSITORY / "scripts" / "simuleval_agent.py"]
    command += ["--source", "source", "--target", "reference", "--output", "out", "--no-progress-bar"]
    command += ["--config", "c.yaml", "--experiment", "e", "--system-name", "s", "--pair", pair]
    return run([*command, "--python", serving(folder, stride, server), *options], folder)


@pytest.mark.parametrize(("k", "stride"), [(3, 1), (3, 2)])
def test_the_agent_writes_when_the_policy_says(simuleval: Path, tmp_path: Path, k: int, stride: int) -> None:
    sources = ["ein Käse liegt auf dem Tisch", "kurz", "", "a b c d stop e f", "drei Wörter hier", "stop", "e i n s"]
    done = simultaneous(simuleval, tmp_path, sources, stride, "--k", str(k))
    assert done.returncode == 0, done.stderr
    instances = read(tmp_path / "out" / "instances.log")
    assert [each.source for each in instances] == sources
    for each in instances:
        words = each.source.split()
        wanted = [*each.source.upper().split(), "+", "+"] if words else []
        delays = WaitKStride(name="wait-k-stride", k=k, stride=stride).schedule(len(words), len(wanted))
        due = [(w, d) for w, d in zip(wanted, delays, strict=False) if "stop" not in words or d <= words.index("stop")]
        assert (each.prediction.split(), list(each.delays)) == ([w for w, _ in due], [d for _, d in due])
    script, *arguments = (tmp_path / "arguments").read_text().splitlines()
    assert script == str(REPOSITORY / "scripts" / "stream.py")
    assert " ".join(arguments) == "--serve --config c.yaml --experiment e --system s --pair en-fr"


REAL = """
import sys
from pathlib import Path
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import prompts
from dragoman.decoding import Context
from dragoman.decoding.serve import serve
from dragoman.decoding.streaming import Interpreter

options = SimultaneousDecoder(name="streaming", max_lag=1, max_word_tokens=3, **{policy})
interpreter = Interpreter(Context(Path(__file__).parent / "model", "zh-ja", prompts()["short"]), options)
serve(interpreter, sys.stdin, sys.stdout)
"""


@pytest.mark.parametrize(
    "policy",
    [
        {"k": [3]},
        {"policy": {"name": "ralcp", "gamma": [0.6], "candidates": 3, "length": 4}},
        {"policy": {"name": "local-agreement", "n": [2]}},
        {"policy": {"name": "confidence", "threshold": [0.3]}},
    ],
    ids=["wait-k", "ralcp", "local-agreement", "confidence"],
)
def test_characters_of_a_model_in_simuleval(simuleval: Path, tmp_path: Path, policy: dict[str, Any]) -> None:
    """From Chinese into Japanese: the words, delays and latencies of the batched decoder."""
    sources = ["我爱 Go", "猫", " 学\u3000语 "]
    (tmp_path / "model").mkdir()
    save_model(tmp_path / "model", sharpness=12, texts=sources)
    options = SimultaneousDecoder(name="simultaneous", max_lag=1, max_word_tokens=3, **policy)
    decoder = batched.Decoder(Context(tmp_path / "model", "zh-ja", prompts()["short"]), options)
    rows = [row for (row,) in decoder.decode([Item(n, line, "") for n, line in enumerate(sources)])]
    done = simultaneous(
        simuleval, tmp_path, sources, 0, "--eval-latency-unit", "char", pair="zh-ja", server=REAL.format(policy=policy)
    )
    assert done.returncode == 0, done.stderr
    log = read(tmp_path / "out" / "instances.log")
    assert [(each.prediction, list(each.delays)) for each in log] == [
        (row["hypothesis"].replace(" ", ""), row["delays"]) for row in rows
    ]
    assert len({row["hypothesis"] for row in rows}) > 1
    references = [line.upper() + " + +" for line in sources]
    columns = {"delays": [row["delays"] for row in rows]}
    theirs = live(
        simuleval, tmp_path, [replace(each, reference=r) for each, r in zip(log, references, strict=True)], "char"
    )
    hypotheses = [row["hypothesis"] for row in rows]
    for name in LATENCY:
        score = metrics.score(name.lower(), hypotheses, [references], sources, "zh-ja", columns, bootstrap=0)
        assert score.value == pytest.approx(theirs[name], abs=1e-6)


@pytest.mark.parametrize(("pair", "unit"), [("en-zh", "char"), ("zh-en", "word"), ("ja-th", "char")])
def test_the_agent_divides_as_its_system_does(simuleval: Path, tmp_path: Path, pair: str, unit: str) -> None:
    """Sources are plain text; what is read and written one by one follows the languages."""
    sources, counted = ["我爱茶 Go", "猫", "a b c"], of_pair(pair)
    done = simultaneous(simuleval, tmp_path, sources, 1, "--k", "2", "--eval-latency-unit", unit, pair=pair)
    assert done.returncode == 0, done.stderr
    for each, source in zip(read(tmp_path / "out" / "instances.log"), sources, strict=True):
        words = [word.strip() for word in units(source, counted.source)]
        assert each.source_length == len(words)
        wanted = [*map(str.upper, words), "+", "+"]
        delays = WaitKStride(name="wait-k-stride", k=2, stride=1).schedule(len(words), len(wanted)).tolist()
        due = [(w, d) for word, d in zip(wanted, delays, strict=False) for w in ([word] if unit == "word" else word)]
        written = each.prediction.split() if unit == "word" else each.prediction
        assert list(zip(written, each.delays, strict=True)) == due


def test_a_target_in_characters_is_not_scored_by_words(simuleval: Path, tmp_path: Path) -> None:
    for pair, unit, wanted in (("en-zh", "word", "char"), ("zh-en", "char", "word")):
        done = simultaneous(simuleval, tmp_path, ["a"], 1, "--eval-latency-unit", unit, pair=pair)
        assert done.returncode == 1
        assert f"give --eval-latency-unit {wanted}, not {unit}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_translator_that_gives_up_ends_simuleval(simuleval: Path, tmp_path: Path) -> None:
    done = simultaneous(simuleval, tmp_path, ["a b", "a refuse b"], 1, "--k", "1")
    assert done.returncode == 1
    assert "the translator refused: request " in done.stderr  # beside what the translator itself says, in any order
    assert "Traceback" not in done.stderr


CASES = """
import json, sys
from argparse import Namespace
from simuleval.data.segments import TextSegment
from simuleval.utils.agent import EVALUATION_SYSTEM_LIST, import_file

import_file(sys.argv[1])
common = dict(config="c", experiment="e", system_name="s", pair="en-fr", seed=2, k=None, setting=None)
for python, words, placement in json.loads(sys.argv[2]):
    try:
        agent = EVALUATION_SYSTEM_LIST[0](Namespace(python=python, **common))
        agent.to(**placement)
        for word in words:
            agent.pushpop(TextSegment(content=word))
        print("no error")
    except SystemExit as error:
        print(error)
"""


def test_the_agent_says_what_went_wrong(simuleval: Path, tmp_path: Path) -> None:
    python, cpu = serving(tmp_path, stride=1), {"device": "cpu", "fp16": False}
    cases = [
        ((python, ["a", "b"], cpu), "no error"),
        (
            (python, ["a", "crash"], cpu),
            "the translator ended with exit code 3: \\S+ \\S+/stream.py --serve .* --seed 2$",
        ),
        (
            (python, ["refuse"], cpu),
            'the translator refused: request 3, {"source": "refuse"}: this word cannot be read',
        ),
        (("nowhere/python", [], cpu), "nowhere/python does not start .*: `make env`"),
        (("/bin/echo", [], cpu), "the translator printed '/.* --serve .*', which is not JSON: /bin/echo"),
        (("/bin/false", [], cpu), "the translator ended with exit code 1: /bin/false"),
        ((python, [], {"device": "cuda", "fp16": False}), "the translator chooses its device itself"),
        ((python, [], {"device": "cpu", "fp16": True}), "the translator chooses its device itself"),
    ]
    given = json.dumps([case for case, _ in cases])
    agent = REPOSITORY / "scripts" / "simuleval_agent.py"
    done = run([simuleval / "python", "-c", CASES, agent, given], tmp_path)
    assert done.returncode == 0, done.stderr
    for said, (_, message) in zip(done.stdout.splitlines(), cases, strict=True):
        assert re.match(message, said)
