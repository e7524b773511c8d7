"""Prior tokens in a configuration: what is refused, what is planned, what jobs read; foundation model beside twin."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

import decode
import diverge
from dragoman import corpora
from dragoman.config import PrefilledDecoder
from dragoman.configfile import ConfigError, load_config
from dragoman.decoding.priors import most_aligned
from dragoman.metrics import divergence as measured
from dragoman.metrics import significance
from dragoman.metrics.scoring import score_hypotheses
from dragoman.plan import DecodeRun, DivergenceRun, Plan, TuningRun
from dragoman.reporting import figure_kinds, prior_tokens, relative
from dragoman.reporting.table_files import tables_of
from dragoman.results.records import Record
from dragoman.storage import building, canonical, read_jsonl
from support.priors import TOKENIZERS, save

EXPERIMENT = """\
corpora:
  demo: {provider: demo, train: 30, test: 6}
models:
  tiny:
    source: scratch
    architecture: llama
    text: {corpus: demo, languages: [en, fr], count: 10}
experiments:
  pretty:
    title: Priors
    model: tiny
    prompt: headed
    seeds: [1, 2]
    train: {corpus: demo, pairs: [en-fr, en-de]}
    test: {corpus: demo, pairs: [en-fr, en-de]}
    tunings:
      twin: {method: sft, training: {steps: 2}}
    systems:
      twin: {tuning: twin, decoder: {name: offline, max_new_tokens: 5}}
      none: {decoder: {name: prefilled, n: [0], max_new_tokens: 5, prior: {kind: none}}}
      given: {decoder: {name: prefilled, n: [1, 2], max_new_tokens: 5, prior: PRIOR}}
    divergence: {twin: twin, n: [0, 2], sentences: 5, max_new_tokens: 6}
"""
SFT = "{kind: sft, twin: twin}"


def config_with(folder: Path, prior: str = SFT, old: str = "", new: str = "") -> Path:
    assert old in EXPERIMENT
    path = folder / "c.yaml"
    path.write_text(EXPERIMENT.replace(old, new, 1).replace("PRIOR", prior), encoding="utf-8")
    return path


def plan_with(folder: Path, prior: str = SFT, old: str = "", new: str = "") -> Plan:
    return Plan(load_config(config_with(folder, prior, old, new)))


# ------------------------------------------------------------------------------------------------------------ mistakes

PRIOR_MISTAKES = [
    ("{kind: sft, twin: twins}", ["systems.given.decoder.prior.twin = 'twins'", "did you mean 'twin'"]),
    ("{kind: sft}", ["prior.twin: this key is required"]),
    ("{kind: god}", ["prior.kind", "did you mean 'gold'"]),
    ("{kind: gold, twin: twin}", ["prior", "unknown key 'twin'"]),
    ("{kind: refined}", ["prior", "give one of `model`, `hypotheses` and `system`"]),
    ("{kind: refined, system: twin, hypotheses: a.jsonl}", ["give one of `model`, `hypotheses` and `system`"]),
    ("{kind: refined, system: twn}", ["prior.system = 'twn'", "did you mean 'twin'"]),
    ("{kind: refined, system: given}", ["prior.system = 'given'", "unknown system"]),
    ("{kind: refined, system: none}", ["prior.system = 'none'", "a system without several settings"]),
    ("{kind: refined, hypotheses: 'no-{pair}.jsonl'}", ["prior.hypotheses = 'no-en-fr.jsonl'", "no such file"]),
    ("{kind: refined, model: tiny}", ["prior.model = 'tiny'", "from the hub or a folder"]),
    ("{kind: pseudo}", ["give either `files` or `corpus`"]),
    ("{kind: pseudo, corpus: demo, files: {en-fr: a.tsv}}", ["give either `files` or `corpus`"]),
    ("{kind: pseudo, files: {en-fr: a.tsv, en-de: a.tsv}}", ["prior.files.en-fr = 'a.tsv'", "no such file"]),
    ("{kind: pseudo, files: {en-fr: c.yaml}}", ["prior.files = 'en-de'", "unknown pair"]),
    ("{kind: pseudo, corpus: dem}", ["prior.corpus = 'dem'", "did you mean 'demo'"]),
    ("{kind: random, files: {fr: c.yaml}}", ["prior.files = 'de'", "unknown language"]),
    ("{kind: wrong-language, files: {fr: c.yaml}}", ["the files have no language other than those of en-fr"]),
    ("{kind: fixed, texts: {fr: 'Voici :'}}", ["prior.texts = 'de'", "unknown language"]),
    ("{kind: fixed, texts: {fr: x, de: y}, sources: {en: z}}", ["prior", "needs `n: [all]` and `score_prior: false`"]),
]


@pytest.mark.parametrize(("prior", "expected"), PRIOR_MISTAKES, ids=[prior for prior, _ in PRIOR_MISTAKES])
def test_prior_that_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prior: str, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(config_with(tmp_path, prior))
    for part in expected:
        assert part in str(caught.value)


def test_a_pair_of_prefixes_needs_words_of_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    change = "n: [1, 2], max_new_tokens: 5, prior", "n: [all], score_prior: false, max_new_tokens: 5, prior"
    load_config(config_with(tmp_path, "{kind: fixed, texts: {fr: x, de: y}, sources: {en: z}}", *change))
    with pytest.raises(ConfigError, match=r"prior.sources = 'en': unknown language"):
        load_config(config_with(tmp_path, "{kind: fixed, texts: {fr: x, de: y}, sources: {fr: z}}", *change))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("divergence: {twin: twin,", "divergence: {twin: tuin,", "divergence.twin = 'tuin'"),
        ("n: [0, 2], sent", "n: [0, 0], sent", "every value may be given only once"),
        ("n: [0, 2], sent", "n: [0, 6], sent", "less than or equal to 5"),
        (
            "training: {steps: 2}}",
            "training: {steps: 2}, sweep: {axis: steps, key: training.steps, values: [1, 2]}}",
            "this tuning is swept, but a twin must be one model",
        ),
    ],
)
def test_twin_that_cannot_be_compared_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(config_with(tmp_path, "{kind: gold}", old, new))
    assert expected in str(caught.value)


def test_wrong_language_needs_another_target(tmp_path: Path) -> None:
    old, new = "test: {corpus: demo, pairs: [en-fr, en-de]}", "test: {corpus: demo, pairs: [en-fr]}"
    with pytest.raises(ConfigError, match="the test targets have no language other than those of en-fr"):
        load_config(config_with(tmp_path, "{kind: wrong-language, corpus: demo}", old, new))


# ---------------------------------------------------------------------------------------------------------------- plan


def run_of(plan: Plan) -> DecodeRun:
    return DecodeRun(plan, "pretty", "given", "en-de", 2)


def test_twin_is_a_folder_and_an_input(tmp_path: Path) -> None:
    plan = plan_with(tmp_path)
    folder = Path("results/tunings/pretty/twin/all/seed-2")
    run = run_of(plan)
    assert run in plan.decode_runs, "the twin has seeds, so its answers have"
    assert DecodeRun(plan, "pretty", "none", "en-de", 2) not in plan.decode_runs
    decoder = run.decoder
    assert isinstance(decoder, PrefilledDecoder)
    assert decoder.prior.model_dump() == {"kind": "sft", "twin": folder.as_posix()}
    assert run.decoder_files == [folder / "manifest.json"]
    assert DecodeRun(plan, "pretty", "twin", "en-de", 2).decoder_files == []


def test_twin_that_no_system_uses_is_trained(tmp_path: Path) -> None:
    lone = "      twin: {tuning: twin, decoder: {name: offline, max_new_tokens: 5}}\n"
    plan = plan_with(tmp_path, old=lone)
    every = [TuningRun(plan, "pretty", "twin", "all", seed) for seed in (1, 2)]
    assert plan.tuning_runs == every
    assert plan_with(tmp_path, "{kind: gold}", lone).tuning_runs == every, "for the comparison"
    per_pair = plan_with(tmp_path, old="method: sft,", new="method: sft, per_pair: true,")
    assert run_of(per_pair).decoder_files == [Path("results/tunings/pretty/twin/en-de/seed-2/manifest.json")]
    assert DivergenceRun(per_pair, "pretty", "en-fr", 1).twin == TuningRun(per_pair, "pretty", "twin", "en-fr", 1)


@pytest.mark.parametrize(
    ("prior", "found", "files"),
    [
        (
            "{kind: refined, system: twin}",
            {"system": None, "hypotheses": "results/decodes/pretty/twin/en-de/seed-2/hypotheses.jsonl"},
            ["results/decodes/pretty/twin/en-de/seed-2/hypotheses.jsonl"],
        ),
        ("{kind: refined, hypotheses: 'x/{pair}.jsonl'}", {"hypotheses": "x/en-de.jsonl"}, ["x/en-de.jsonl"]),
        (
            "{kind: pseudo, corpus: demo}",
            {"files": {"en-de": "results/corpora/demo/en-de/train.parquet"}},
            ["results/corpora/demo/en-de/manifest.json"],
        ),
        (
            "{kind: random, corpus: demo}",
            {"files": {code: f"results/corpora/demo/en-{code}/train.parquet" for code in ("fr", "de")}},
            ["results/corpora/demo/en-de/manifest.json"],
        ),
        (
            "{kind: wrong-language, files: {fr: x/fr, de: x/de, it: x/it}}",
            {"files": {"fr": "x/fr", "de": "x/de", "it": "x/it"}},
            ["x/fr", "x/it"],
        ),
        ("{kind: pseudo, files: {en-fr: x/a, en-de: x/b}}", {"files": {"en-fr": "x/a", "en-de": "x/b"}}, ["x/b"]),
        ("{kind: gold}", {}, []),
    ],
)
def test_what_a_prior_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prior: str, found: dict[str, Any], files: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    for name in ("fr", "de", "it", "a", "b", "en-fr.jsonl", "en-de.jsonl"):
        (tmp_path / "x" / name).write_text("word\tmot\n")
    plan = plan_with(tmp_path, prior)
    run = run_of(plan)
    decoder = run.decoder
    assert isinstance(decoder, PrefilledDecoder)
    assert decoder.prior.model_dump().items() >= found.items()
    assert run.decoder_files == [Path(path) for path in files]
    assert (run in plan.decode_runs) is (prior == "{kind: refined, system: twin}"), "seeds only where the prior has any"


def test_task_model_is_fetched(tmp_path: Path) -> None:
    hub = "models:\n  task: {source: hub, id: a/b, revision: main}"
    plan = plan_with(tmp_path, "{kind: refined, model: task}", "models:", hub)
    assert [model.name for model in plan.models_used] == ["task", "tiny"]
    assert run_of(plan).decoder_files == [Path("results/models/task/manifest.json")]


def test_dictionary_of_aligned_text(tmp_path: Path) -> None:
    rows = [
        ("The cat sleeps.", "Le chat dort.", "0-0 1-1 2-2"),
        ("A cat, the cat!", "Un chat, la chatte !", "0-0 1-1 2-2 3-3"),
        ("The dog", "Le chien", "0-0 1-1"),
        ("a-b ... dog", "... x-y dogue", "0-1 1-0 2-2"),
    ]
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table(dict(zip(("source", "target", "alignment"), zip(*rows, strict=True), strict=True))), path)
    assert list(most_aligned(path, "en-fr").items()) == [
        ("cat", "chat"),  # three times; then by the alphabet among equals
        ("the", "le"),
        ("a", "un"),  # as often as x
        ("dog", "chien"),
        ("sleeps", "dort"),
    ]
    pq.write_table(pa.table({"source": ["a"], "target": ["b"], "alignment": [""]}), path)
    with pytest.raises(ValueError, match=r"train\.parquet has no word alignments.*`files` instead of `corpus`"):
        most_aligned(path, "en-fr")


# ---------------------------------------------------------------------------------------------------------------- jobs


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A results folder with models of random weights."""
    monkeypatch.chdir(tmp_path)
    plan = plan_with(tmp_path, "{kind: random, corpus: demo}")
    for pair in ("en-fr", "en-de"):
        corpora.prepare(plan.config.corpora["demo"], pair, tmp_path, plan.text("demo", pair).folder)
    folders = [plan.model("tiny").folder, *(run.folder for run in plan.tuning_runs)]
    for seed, folder in enumerate(folders):
        with building(folder, {}) as place:
            save(TOKENIZERS["byte-level"](), place, seed)
    return plan


def test_decoding_goes_through(made: Plan) -> None:
    run = DecodeRun(made, "pretty", "given", "en-fr", 1)
    decode.decode(run, run.hypotheses)
    rows = read_jsonl(run.hypotheses)
    assert [row["setting"] for row in rows] == ["n=1", "n=2"] * 6
    assert [row["prior_tokens"] for row in rows] == [1, 2] * 6
    assert not list((made.results / ".work").glob("*")), "no unfinished state is left"


def test_journal_belongs_to_the_prior(made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    monkeypatch.setattr(
        decode.decoding, "Journal", lambda path, key: keys.append(key) or (_ for _ in ()).throw(OSError)
    )
    run = DecodeRun(made, "pretty", "given", "en-fr", 1)
    for _ in range(2):
        with pytest.raises(OSError):
            decode.decode(run, run.hypotheses)
    manifest = run.decoder_files[0]
    manifest.write_text(manifest.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(OSError):
        decode.decode(run, run.hypotheses)
    assert keys[0] == keys[1] != keys[2]


def test_answers_that_are_all_shorter_than_the_prior_leave_no_row(
    made: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = DivergenceRun(made, "pretty", "en-fr", 2)
    monkeypatch.setitem(made.config.experiments["pretty"].divergence.__dict__, "n", [0, 60])
    with caplog.at_level("INFO"):
        diverge.diverge(run)
    assert {row["n"] for row in read_jsonl(run.file)} == {0}
    assert "n = 60, reading teacher: no position to compare; left out" in caplog.text


def test_comparison_with_a_twin(made: Plan) -> None:
    run = DivergenceRun(made, "pretty", "en-de", 2)
    diverge.diverge(run)
    rows = read_jsonl(run.file)
    whole = {(row["n"], row["reading"]): row for row in rows if row["position"] is None}
    assert set(whole) == {(n, reading) for n in (0, 2) for reading in ("teacher", "free")}
    assert all(row["sentences"] == 5 for (n, _), row in whole.items() if n == 0)
    for (n, reading), row in whole.items():
        own = [each for each in rows if (each["n"], each["reading"]) == (n, reading) and each["position"]]
        assert [each["position"] for each in own] == list(range(1, len(own) + 1))
        assert sum(each["positions"] for each in own) == row["positions"]
        mean = sum(each["kl_twin"] * each["positions"] for each in own) / row["positions"]
        assert row["kl_twin"] == pytest.approx(mean)
        assert row["kl_twin"] > 0
    # on the twin's text it does not matter which of its tokens are called given
    teacher = {(row["n"], row["position"]): row for row in rows if row["reading"] == "teacher" and row["position"]}
    if whole[2, "teacher"]["sentences"] == 5:
        assert teacher[2, 1]["kl_twin"] == pytest.approx(teacher[0, 3]["kl_twin"])
    run.twin.folder.joinpath("manifest.json").unlink()
    save(TOKENIZERS["byte-level, Chinese"](), run.twin.folder, 1)
    with pytest.raises(ValueError, match=r"the tokenizers in .*tiny and .*seed-2 differ"):
        diverge.diverge(run)


# ------------------------------------------------------------------------------------------------------------- figures


def scored(plan: Plan, hypotheses: dict[tuple[str, str], dict[str, list[str]]], references: list[str]) -> list[Record]:
    """Write (system, pair) -> setting -> hypotheses as a decoder does, and score them as the workflow does."""
    found = []
    for (system, pair), settings in hypotheses.items():
        run = plan.decode_run("pretty", system, pair, 1)
        rows = [
            {"id": number, "setting": setting, "source": "x", "reference": reference, "hypothesis": line}
            for setting, lines in settings.items()
            for number, (line, reference) in enumerate(zip(lines, references, strict=True))
        ]
        path = run.hypotheses
        path.parent.mkdir(parents=True)
        path.write_text("".join(canonical(row) + "\n" for row in rows), encoding="utf-8")
        place = {"paper": "pretty", "experiment": "pretty", "system": system, "pair": pair, "seed": 1}
        found += score_hypotheses(path, place, ["bleu"], {})
    return found


REFERENCES = ["a b c d e f", "g h i j k l", "m n o p q r", "s t u v w x"]
HALF = ["a b c d e f", "z z z z z z", "m n o p q r", "z z z z z z"]


def test_relative_scores(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, "{kind: gold}", "seeds: [1, 2]", "seeds: [1]")
    plan.results = tmp_path / "results"
    assert figure_kinds.twin_system(plan, "pretty") == "twin"
    assert {"relative", "divergence"} <= set(figure_kinds.figures_of(plan, "pretty"))
    twin = ["a b c d e f", "g h i j k l", "m n o p q r", "s t u v z z"]
    made = {
        ("twin", "en-fr"): {"": twin},
        ("none", "en-fr"): {"n=0": HALF},
        ("given", "en-fr"): {"n=1": twin, "n=2": REFERENCES},
        ("twin", "en-de"): {"": REFERENCES},
        ("none", "en-de"): {"n=0": HALF},
        ("given", "en-de"): {"n=1": HALF, "n=2": REFERENCES},
    }
    found = scored(plan, made, REFERENCES)
    values = {(r.system, r.pair, r.setting): r.value for r in found}
    frame = relative.cells(plan, "pretty", found).set_index(["system", "setting", "metric", "pair"]).sort_index()
    ratio = frame.loc["none", "n=0", "bleu"]["value"]
    part, whole = values["none", "en-fr", "n=0"], values["twin", "en-fr", ""]
    assert ratio["en-fr"] == pytest.approx(100 * part / whole)
    assert ratio["en-de"] == pytest.approx(part), "the twin has 100"
    assert ratio["mean"] == pytest.approx(100 * (part + part) / (whole + 100)), "of means, not the mean of ratios"
    same = frame.loc["given", "n=1", "bleu", "en-fr"]
    assert [same.value, same.low, same.high] == pytest.approx([100] * 3), "the same text in every sample"
    low, high = frame.loc["none", "n=0", "bleu", "en-de"][["low", "high"]]
    assert 0 <= low < ratio["en-de"] < high <= 100
    assert set(frame["note"].loc[:, :, "chrf"]) == {"this system or the twin was not scored"}

    figure = figure_kinds.FIGURES["relative"].draw(plan, "pretty", found)
    assert figure is not None
    panels = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        f"BLEU, % of the twin's, {pair}" for pair in ("en-fr", "en-de", "mean")
    ], "none for chrF, not scored"
    (line,) = [line for line in panels[1].lines if len(line.get_xdata()) == 3]
    assert list(line.get_xdata()) == [0, 1, 2]
    assert list(line.get_ydata()) == pytest.approx([part, part, 100])
    bar = next(line for line in panels[1].lines if list(line.get_xdata()) == [0, 0])
    assert list(bar.get_ydata()) == pytest.approx([low, high])

    laid, numbers = tables_of(plan, "pretty", found)
    table = next(table for table in laid if "in per cent of" in table.title)
    assert relative.INTERVALS in table.legend
    assert 'given,"given, n=1",n=1,en-fr,"bleu, % of the twin\'s",' in numbers
    assert figure_kinds.FIGURES["relative"].draw(plan, "pretty", found[1:2]) is None, "no twin, no ratio"


def test_relative_score_of_a_twin_without_any(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, "{kind: gold}", "seeds: [1, 2]", "seeds: [1]")
    plan.results = tmp_path / "results"
    made = {("twin", "en-fr"): {"": ["z"] * 4}, ("none", "en-fr"): {"n=0": HALF}}
    made |= {("twin", "en-de"): {"": HALF}, ("none", "en-de"): {"n=0": REFERENCES}}
    frame = relative.cells(plan, "pretty", scored(plan, made, REFERENCES))
    french, german, _ = frame[(frame["system"] == "none") & (frame["metric"] == "bleu")].itertuples()
    assert (math.isnan(french.value), french.note) == (True, "the twin scores 0")
    assert (german.value > 100, math.isnan(german.low)) == (True, True)
    assert german.note == "no interval: the twin scores 0 in some samples", "where only its bad sentences are drawn"


def test_relative_score_of_a_metric_that_cannot_be_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def untestable(*arguments: Any, **options: Any) -> None:
        raise significance.UntestableError("bleu is what it is")

    monkeypatch.setattr(significance, "statistics", untestable)
    plan = plan_with(tmp_path, "{kind: gold}", "seeds: [1, 2]", "seeds: [1]")
    plan.results = tmp_path / "results"
    made = {("twin", "en-fr"): {"": REFERENCES}, ("none", "en-fr"): {"n=0": HALF}}
    frame = relative.cells(plan, "pretty", scored(plan, made, REFERENCES))
    row = next(frame[(frame["system"] == "none") & (frame["metric"] == "bleu")].itertuples())
    assert (row.value > 0, math.isnan(row.low), row.note) == (True, True, "no interval: bleu is what it is")


def curves(axes: Axes) -> list[Line2D]:
    """Lines that are seen; others only answer the pointer."""
    return [line for line in axes.lines if line.get_alpha() != 0]


def test_curves_over_positions() -> None:
    def row(n: int, reading: str, position: int | None, count: int, agreement: float, kl: float) -> dict[str, Any]:
        numbers = {"agreement@1": agreement, "agreement@5": 1.0, "kl_twin": kl}
        numbers |= {"intervals": {name: [value / 2, value] for name, value in numbers.items()}}
        return {"n": n, "reading": reading, "sentences": 4, "position": position, "positions": count} | numbers

    rows = [
        *(row(0, "teacher", None, 4, 0, 0), row(0, "teacher", 1, 4, 0.5, 1.0)),
        *(row(0, "free", None, 4, 0, 0), row(0, "free", 1, 4, 0.25, 2.0)),
        *(row(1, "teacher", None, 4, 0, 0), row(1, "teacher", 1, 4, 1, 9.0)),
        *(row(1, "free", None, 4, 0, 0), row(1, "free", 1, 4, 0.5, 1.0), row(1, "free", 2, 4, 1.0, 0.5)),
    ]
    # a second pair, where fewer answers get to position 2
    rows += [*rows[:6], row(1, "free", None, 4, 0, 0), row(1, "free", 1, 2, 1.0, 4.0), row(1, "free", 2, 0, 1.0, 0.5)]
    figure = prior_tokens.positions(rows)
    assert figure is not None
    agreement, _, kl = figure.axes
    drawn = [[list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))] for line in curves(agreement)]
    assert drawn == [[[1], [50]], [[1], [25]], [[2, 3], [pytest.approx(100 * (0.5 * 4 + 2) / 6), 100]]]
    assert list(curves(kl)[2].get_ydata()) == pytest.approx([(4 * 1 + 2 * 4) / 6, 0.5])
    band = kl.collections[2].get_paths()[0].vertices[:, 1]
    assert {round(float(y), 9) for y in band} == {1.0, 2.0, 0.25, 0.5}, "bounds are averaged as means are"
    assert [text.get_text() for text in kl.texts] == ["on the twin's text", "own text", "own text, 1 given"]
    assert prior_tokens.positions([]) is None
    assert set(prior_tokens.SHOWN) <= set(measured.summary([measured.Trace(*([np.ones(1)] * 6))]))


def test_smoke_has_every_kind_without_files(in_repository: Path) -> None:
    smoke = yaml.safe_load(Path("config/smoke.yaml").read_text(encoding="utf-8"))["experiments"]["pretty"]
    kinds = {each["decoder"]["prior"]["kind"] for each in smoke["systems"].values() if "prior" in each["decoder"]}
    assert kinds == {"none", "gold", "sft", "refined", "pseudo", "random", "wrong-language", "preamble"}
