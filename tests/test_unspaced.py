"""Languages without blanks between words, end to end: read and written by characters, at once and in real time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from transformers import PreTrainedTokenizerBase

import decode
import finetune
import stream
from conftest import REPOSITORY
from dragoman import corpora, decoding, metrics, models, text
from dragoman.config import ConversationDecoder, OfflineDecoder, SimultaneousDecoder
from dragoman.configfile import parse, prompts
from dragoman.corpora import aligner
from dragoman.decoding import Context, Item, Row, baselines, conversation, offline, simultaneous, streaming
from dragoman.decoding.streaming import Interpreter
from dragoman.languages.units import Units, joined, of_pair, units
from dragoman.metrics import instances
from dragoman.metrics.latency import METRICS
from dragoman.metrics.scoring import score_hypotheses
from dragoman.plan import Plan
from dragoman.results import comparison
from dragoman.storage import read_jsonl
from support.configs import GOOD
from support.trainings import spec

PROMPT = prompts()["short"]
ROWS = [row for _, row in text.table(REPOSITORY / "config" / "examples" / "four-scripts.train.tsv")]
PAIRS = ["zh-en", "en-zh", "en-ja", "ja-th", "en-th"]
ODD = {"zh": ["我爱  Py\u00a03。", " 我\u3000们 ", "…\u200b我"], "en": ["He  likes\u00a0tea.", " one ", "\u200b d"]}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([line for row in ROWS for line in row.values()], 700)


@pytest.fixture(scope="module", params=["falcon-alibi", "llama"])
def folder(
    request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model that has learnt nothing, with weights so large that it writes something else to every source."""
    made = tmp_path_factory.mktemp(request.param)
    model = models.build(spec(request.param), tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(12 if weight.dim() == 2 else 1)
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


def items_of(pair: str) -> list[Item]:
    source, target = pair.split("-")
    unit = of_pair(pair).source
    lines = [joined(units(row[source], unit)[:4], unit) for row in ROWS[:3]]
    lines = [*lines[:1], *ODD[source]] if source in ODD else lines
    return [Item(number, line, ROWS[number][target]) for number, line in enumerate(lines)]


def decoded(module: ModuleType, folder: Path, pair: str, asked: Sequence[str] = (), **options: Any) -> list[list[Row]]:
    name = module.__name__.rpartition(".")[2]
    settings = SimultaneousDecoder(**{"name": name, "k": [2], "max_lag": 1, "max_word_tokens": 3} | options)
    rows = module.Decoder(Context(folder, pair, PROMPT, asked), settings).decode(items_of(pair))
    return [[{key: value for key, value in row.items() if key != "gflops"} for row in each] for each in rows]


# ------------------------------------------------------------------------------------------------- batch and real time


@pytest.mark.parametrize("pair", PAIRS)
def test_batch_is_stream(folder: Path, pair: str) -> None:
    batched = decoded(simultaneous, folder, pair)
    assert batched == decoded(streaming, folder, pair)
    counted, items = of_pair(pair), items_of(pair)
    assert len({row["hypothesis"] for each in batched for row in each}) > 1
    for item, each in zip(items, batched, strict=True):
        size = len(units(item.source, counted.source))
        (row,) = each
        written = units(row["hypothesis"], counted.target)
        assert joined(written, counted.target) == row["hypothesis"]
        assert len(row["delays"]) == len(written)
        assert all(delay <= min(2 + t, size) for t, delay in enumerate(row["delays"]))
        assert row["delays"][:1] == [min(2, size)][: len(written)]


@pytest.mark.parametrize(
    ("options", "asked"), [({"recompute": True}, ()), ({"stride": 3, "k": [1, 3]}, ("word", "character"))], ids=str
)
def test_batch_is_stream_with_other_options(folder: Path, options: dict[str, Any], asked: Sequence[str]) -> None:
    assert decoded(simultaneous, folder, "zh-ja", asked, **options) == decoded(
        streaming, folder, "zh-ja", asked, **options
    )


def test_white_space_of_a_source_is_one_blank(folder: Path) -> None:
    """The same words from a source with odd blanks and from the same with single ones."""
    options = SimultaneousDecoder(name="simultaneous", k=[2], max_lag=1, max_word_tokens=3)
    for pair, lines in (("zh-en", ODD["zh"]), ("en-zh", ODD["en"])):
        decoder = simultaneous.Decoder(Context(folder, pair, PROMPT), options)
        plain = [Item(number, " ".join(line.split()), "") for number, line in enumerate(lines)]
        assert decoder.decode([Item(number, line, "") for number, line in enumerate(lines)]) == decoder.decode(plain)


def test_a_conversation_in_characters(folder: Path) -> None:
    options = ConversationDecoder(name="conversation", chunk=[3, 5], max_turn_tokens=4)
    for pair in ("zh-en", "en-ja"):
        counted = of_pair(pair)
        rows = conversation.Decoder(Context(folder, pair, PROMPT), options).decode(items_of(pair))
        for item, each in zip(items_of(pair), rows, strict=True):
            size = len(units(item.source, counted.source))
            for n, row in zip((3, 5), each, strict=True):
                assert len(row["delays"]) == len(units(row["hypothesis"], counted.target))
                assert set(row["delays"]) <= {min(read, size) for read in range(n, size + n, n)}


# ----------------------------------------------------------------------------------------- a writer whose words we know


class Dictated:
    """Stands for a model: whatever is read, these are the next tokens."""

    outgrown = ""
    weights = None
    """No policy here asks for attention."""

    def __init__(self, interpreter: Interpreter, written: str) -> None:
        tokenizer = interpreter.tokenizer
        self.tokens = [*tokenizer(written, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        self.interpreter = interpreter
        self.size = len(interpreter.vocabulary.inside)

    def read(self, tokens: Sequence[int]) -> None:
        """Sources do not matter."""

    def write(self, token: int) -> None:
        """The writer keeps what it wrote."""

    def logits(self, hidden: int = 0) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(self.tokens[len(self.interpreter.writer.tokens)]), self.size)


@pytest.mark.parametrize(
    ("pair", "source", "target", "delays"),
    [
        # 12 characters of Chinese; every one is read by itself
        ("zh-en", "我爱北京的秋天和冬天。吧", "I love Beijing", [3, 4, 5]),
        # Latin letters and digits count one by one, and a real blank stays
        ("en-zh", "I am learning Python now you know", "我在学 Py3。", [3, 4, 5, 6, 7, 7, 7]),
        ("en-th", "I love a small cat today", "ฉันรัก แมว", [3, 4, 5, 6, 6, 6, 6, 6, 6]),
    ],
)
def test_delays_by_hand(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pair: str, source: str, target: str, delays: list[int]
) -> None:
    """wait-3, as a reader at a terminal sees it, and as a log for SimulEval has it."""
    interpreter = Interpreter(Context(folder, pair, PROMPT), SimultaneousDecoder(name="streaming", k=[3]))
    monkeypatch.setattr(streaming, "Stream", lambda *_, **__: Dictated(interpreter, target))
    letters = interpreter.tokenizer(target, add_special_tokens=False)["input_ids"]
    out = io.StringIO()
    (found,) = stream.translate(interpreter, io.StringIO(source), out)
    assert out.getvalue() == f"{target}\n" == f"{found.prediction}\n"
    assert found.source == source
    counted = of_pair(pair)
    assert found.source_length == len(units(source, counted.source))
    numbers, count = interpreter.writer.spelling.numbers(letters)
    assert len(found.delays) == count
    due = [min(3 + t, int(found.source_length)) for t in range(count)]
    assert due == delays
    # a token of several characters writes them all when the first is due
    first = sorted(set(numbers))
    assert list(found.delays) == [due[max(n for n in first if n <= t + 1) - 1] for t in range(count)]


# ------------------------------------------------------------------------------------------------ reading what is typed


@pytest.mark.parametrize(
    ("typed", "unit", "expected"),
    [
        (
            "我爱 P\n猫",
            "character",
            [("我", False), ("爱", False), (" P", False), ("", True), ("猫", False), ("", True)],
        ),
        (" a  b \n\nc", "word", [("a", False), ("b", False), ("", True), ("", True), ("c", True)]),
        ("a b ", "word", [("a", False), ("b", False), ("", True)]),
        ("a\u202fb", "word", [("a", False), ("b", True)]),
    ],
)
def test_units_are_taken_as_they_are_typed(typed: str, unit: Any, expected: list[tuple[str, bool]]) -> None:
    assert list(stream.words(io.StringIO(typed), unit)) == expected


def test_one_character_is_read_at_a_time(folder: Path) -> None:
    interpreter = Interpreter(Context(folder, "zh-en", PROMPT), SimultaneousDecoder(name="streaming", k=[9]))
    for character in ("我", " P", "y"):
        assert interpreter.read(character) == []
    assert interpreter.source == ["我", " P", "y"]
    for wrong in ("我们", "", " ", "a b"):
        with pytest.raises(ValueError, match="one character is read at a time"):
            interpreter.read(wrong)


# ------------------------------------------------------------------------------------------------------------ latency


def test_whole_sentences_have_their_length_as_delays(folder: Path) -> None:
    options = OfflineDecoder(name="offline", max_new_tokens=4)
    for pair in ("zh-en", "en-zh"):
        decoder = offline.Decoder(Context(folder, pair, PROMPT), options)
        counted = of_pair(pair)
        for item, (row,) in zip(items_of(pair), decoder.decode(items_of(pair)), strict=True):
            size = len(units(item.source, counted.source))
            assert row["delays"] == [size] * len(units(row["hypothesis"], counted.target))


@pytest.mark.parametrize(
    ("pair", "source", "hypothesis", "delays", "signature", "value"),
    [
        # read whole before it is written: AL is the length of the source
        ("zh-en", "我爱北京的秋天和冬天。吧", "I love Beijing", [12, 12, 12], "source:chars|target:word", 12.0),
        # wait-1 of four words into four characters
        ("en-zh", "I like green tea", "我爱绿茶", [1, 2, 3, 4], "source:words|target:char", 1.0),
        ("zh-ja", "我爱茶", "茶 が", [3, 3], "source:chars|target:char", 3.0),
    ],
)
def test_latency_counts_what_was_read_and_written(
    pair: str, source: str, hypothesis: str, delays: list[int], signature: str, value: float
) -> None:
    found = metrics.score("al", [hypothesis], [[hypothesis]], [source], pair, {"delays": [delays]}, bootstrap=0)
    assert found.value == value
    assert signature in found.signature


def test_latency_without_a_pair_needs_its_units() -> None:
    columns = {"delays": [[1, 2]]}
    found = metrics.score("al:unit=char,source_unit=word", ["茶 が"], [["茶が"]], ["a b"], "", columns, bootstrap=0)
    assert found.value == 1.0
    with pytest.raises(metrics.MetricError, match="a pair is two language codes"):
        metrics.score("al", ["茶 が"], [["茶が"]], ["a b"], "", columns, bootstrap=0)


def test_an_own_unit_is_passed_on() -> None:
    """Chinese that blanks divide into words."""
    columns = {"delays": [[1, 2]]}
    options = {"unit": "word", "source_unit": "word", "bootstrap": 0}
    found = metrics.score("al", ["I love"], [["I love"]], ["我 爱"], "zh-en", columns, **options)
    assert (found.value, "source:words" in found.signature) == (1.0, True)
    with pytest.raises(metrics.MetricError, match="2 words were written, but there are 1 delays"):
        metrics.score("al", ["I love"], [["I love"]], ["我 爱"], "zh-en", {"delays": [[1]]}, bootstrap=0)


def test_a_log_in_characters(tmp_path: Path) -> None:
    """What is written to a log is read again, and scored as a decoding is."""
    log, source, hypothesis = tmp_path / "x.log", "我 爱 Go", "I love it"
    one = instances.Instance(0, hypothesis, (1, 2, 4), (0,) * 3, hypothesis, source, 4)
    instances.write(log, [one])
    records = instances.score_logs([log], list(METRICS), bootstrap=0)
    columns = {"delays": [[1, 2, 4]]}
    for record in records:
        scored = metrics.score(record.metric, [hypothesis], [[hypothesis]], [source], "zh-en", columns, bootstrap=0)
        assert (record.value, record.signature) == (scored.value, scored.signature)


# ---------------------------------------------------------------------------------------------------------- alignments


def test_characters_are_aligned() -> None:
    sources, targets = ["我 爱茶", "我爱", "茶"], ["I love tea", "I love", "tea"]
    found = aligner.align(sources, targets, Units("character", "word"))
    assert found == ["0-0 1-1 2-2", "0-0 1-1", "0-0"]


# -------------------------------------------------------------------------------------------------- the configuration


def test_an_experiments_unit_holds_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained, decoded and scored is told the same, and a change of it is a change of what is made."""
    monkeypatch.chdir(tmp_path)
    lines = GOOD.replace("tuned: {tuning: sft}", "tuned: {tuning: sft}\n      copied: {decoder: {name: copy}}")
    lines += "    metrics: [bleu, al]\n"
    plain = Plan(parse(yaml.safe_load(lines)))
    plan = Plan(parse(yaml.safe_load(lines + "    unit: {source: word, target: character}\n")))
    assert plan.metric_options("first")["al"] == {"unit": "char", "source_unit": "word"}
    assert "al" not in plain.metric_options("first") and "bleu" not in plan.metric_options("first")
    (tuning,), runs = plan.tuning_runs, plan.decode_runs
    assert tuning.spec != plain.tuning_runs[0].spec
    assert all(run.spec != other.spec for run, other in zip(runs, plain.decode_runs, strict=True))

    corpus, folder = plan.config.corpora["demo"], plan.text("demo", "en-fr").folder
    corpora.prepare(corpus, "en-fr", tmp_path, folder)
    read = finetune.read(folder, "en-fr", 2, plan.experiment("first").asked)
    assert (len(read.sources), read.counted) == (2, Units("word", "character"))

    told: list[Units] = []

    class Copies(baselines.Decoder):
        def __init__(self, context: Context, options: Any) -> None:
            told.append(context.counted)
            super().__init__(context, options)

    monkeypatch.setattr(baselines, "Decoder", Copies)
    run = next(run for run in runs if run.system == "copied")
    decode.decode(run, tmp_path / "h.jsonl")
    assert told == [Units("word", "character")]
    rows = [row | {"delays": [1] * len("".join(row["hypothesis"].split()))} for row in read_jsonl(tmp_path / "h.jsonl")]
    decoding.write(tmp_path / "h.jsonl", rows)
    place = {"paper": "", "experiment": "first", "system": "copied", "pair": "en-fr", "seed": 1}
    found = score_hypotheses(tmp_path / "h.jsonl", place, ["al"], plan.metric_options("first"))
    assert "source:words|target:char" in found[0].signature
    # and another run is compared with it in the same units
    again = comparison._statistics(comparison.Place("first", "copied", "", "en-fr", "al"), found[0], rows)
    assert again.value == pytest.approx(found[0].value)
