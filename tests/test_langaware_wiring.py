"""Language-aware tuning in a configuration: what it may say, what follows from it, and how its numbers are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.lines import Line2D

import decode
import score
from conftest import REPOSITORY
from dragoman import corpora
from dragoman.config import Prompt, SacrebleuCorpus, Segment
from dragoman.configfile import ConfigError, load_config, prompts
from dragoman.metrics.scoring import score_hypotheses
from dragoman.plan import DecodeRun, Plan
from dragoman.prompts import render, shots
from dragoman.reporting import arrange, figure_kinds, figures, gather, language_map, markup, tables
from dragoman.results.records import Record
from dragoman.training.loop import drop_long
from support.langaware import CONFIG, loaded
from support.workflow import SMOKE, planned, snakemake


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("{de: alpaca-in-de}", "{de: alpaca-in-dee}", ["ptl.prompt_by_target.de", "did you mean 'alpaca-in-de'"]),
        ("{de: alpaca-in-de}", "{it: alpaca-in-it}", ["ptl.prompt_by_target.it", "no test pair has this target"]),
        ("{de: alpaca-in-de}", "{xx: alpaca-in-de}", ["systems.ptl.prompt_by_target.xx", "unknown language 'xx'"]),
        ("fr-de]}\n    tunings", "fr-de]}\n    tunngs", ["did you mean 'tunings'"]),
        ("shots: {lines: [2]}", "shots: {lines: [0]}", ["shots.lines.0 = 0", "greater than 0"]),
        ("shots: {lines: [2]}", "shots: {lines: []}", ["shots.lines", "at least 1"]),
        ("shots: {lines: [2]}", "shots: {lines: [2], split: test}", ["shots.split", "train, validation"]),
        ("shots: {lines: [2]}", "shots: {lines: [2], corpus: dem}", ["shots.corpus", "did you mean 'demo'"]),
        ("shots: {lines: [2]}", "shots: {lines: [2], corpus: news}", ["shots.corpus", "has no such pair", "'en-fr'"]),
        ("validation: 4, ", "", ["systems.copy.shots.split = 'en-fr'", "has no validation split"]),
        ("start: mt,", "start: mt, per_pair: true,", ["tunings.ours.per_pair", "no other instruction", "of en-fr"]),
        ("pairs: [en-fr, fr-en, en-de, de-en]", "pairs: [en-fr]", ["tunings.ours.options", "no other instruction"]),
        (
            "start: mt,",
            "start: mt, options: {sampler: target-differs}, pairs: [fr-en, de-en],",
            ["tunings.ours.options", "no instruction of another target language".replace("no ", "no other ")],
        ),
        ("start: mt,", "start: mt, options: {alpha: -1},", ["tunings.ours.options.alpha = -1"]),
        ("start: mt,", "start: mt, pairs: [en-ja],", ["tunings.ours.pairs.0", "has no such pair"]),
        ("start: mt,", "start: mt, pairs: [en-fr, fr-en, en-fr],", ["tunings.ours.pairs.2", "is listed twice"]),
        ("offtarget]", '"offtarget:languages=en+fr"]', ["metrics.1", "leaves out 'de' of fr-de"]),
        ("offtarget]", '"offtarget:into=englsh"]', ["metrics.1", "did you mean 'english'"]),
        ("name: contrastive", "name: contrastive, weights: 1.0", ["systems.again.decoder.weights"]),
        ("test: [wmt22]", "test: [wmt22], turned: [wmt20]", ["corpora.news.turned.0", "known: wmt22"]),
    ],
)
def test_mistakes_are_found_before_any_job(tmp_path: Path, old: str, new: str, wanted: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, (old, new))
    for text in wanted:
        assert text in str(caught.value)


def test_a_prompt_without_the_name_of_a_language_is_refused(tmp_path: Path) -> None:
    own = "prompts:\n  own:\n    names: {en: English, de: German}\n    segments:\n"
    own += '      - {role: source, text: "{source_language}: {source}"}\n      - {role: target, text: "{target}"}\n'
    for old, where in (("{de: alpaca-in-de}", "ptl.prompt_by_target.de"), ("start: mt,", "tunings.ours.prompt")):
        new = "{de: own}" if "alpaca" in old else "start: mt, prompt: own,"
        (tmp_path / "c.yaml").write_text(own + CONFIG.replace(old, new), encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"{where} = 'own': fr-\w\w: the prompt has no name for 'fr'; add one"):
            load_config(tmp_path / "c.yaml")


def test_prompts_name_languages_in_their_own_way(tmp_path: Path) -> None:
    plan = loaded(tmp_path)
    german = plan.decode_run("first", "ptl", "fr-de", 1).prompt
    assert german == prompts()["alpaca-in-de"]
    assert "von Französisch in Deutsch" in render(german, "fr-de", "", "")[0][1]
    assert plan.decode_run("first", "ptl", "en-fr", 1).prompt == prompts()["short"]
    assert plan.decode_run("first", "ours", "fr-de", 1).prompt == prompts()["short"]
    segments = [Segment(role="source", text="{source}"), Segment(role="target", text="{target}")]
    nameless = Prompt(names={"en": "E"}, segments=segments)
    assert render(nameless, "fr-de", "a", "b") == [("source", "a"), ("target", "b")], "names that nothing asks for"
    by_name = plan.decode_run("first", "ptl", "fr-de", 1).spec["prompt"]
    assert by_name == german.model_dump(mode="json")


def test_every_shipped_prompt_in_the_target_language_names_every_language() -> None:
    for name, prompt in prompts().items():
        if prompt.names is not None:
            for code in prompt.names:
                other = next(each for each in prompt.names if each != code)
                assert prompt.names[code] in str(render(prompt, f"{code}-{other}", "", "")), name


class TestShots:
    """Demonstrations, from the configuration to what the decoder is given."""

    @pytest.fixture
    def run(self, plan: Plan) -> DecodeRun:
        return plan.decode_run("first", "copy", "en-fr", 1)

    @pytest.fixture
    def plan(self, tmp_path: Path) -> Plan:
        plan = loaded(tmp_path)
        plan.results = tmp_path
        corpus = plan.config.corpora["demo"]
        corpora.prepare(corpus, "en-fr", tmp_path / "none", plan.text("demo", "en-fr").folder)
        return plan

    def test_the_line_asked_for_comes_before_the_sentence(self, plan: Plan, run: DecodeRun) -> None:
        shown = corpora.load(plan.text("demo", "en-fr").folder, "validation").to_pylist()[1]
        texts = [segment.text for segment in shots.asked(run).segments]
        own = [segment.text for segment in prompts()["short"].segments]
        demonstration = ["English to French:", f" {shown['source']}", "\nAssistant:", f" {shown['target']}", "\n"]
        assert texts == demonstration + own

    def test_a_system_without_any_has_its_prompt_alone(self, plan: Plan) -> None:
        assert shots.asked(plan.decode_run("first", "ours", "en-fr", 1)) == prompts()["short"]

    def test_what_is_missing_is_said_with_its_key(self, plan: Plan, tmp_path: Path) -> None:
        far = loaded(tmp_path, ("lines: [2]", "lines: [9]"))
        far.results = plan.results
        wanted = r"experiments\.first\.systems\.copy\.shots: en-fr validation: no line 9 .* there are 4"
        with pytest.raises(ValueError, match=wanted):
            shots.asked(far.decode_run("first", "copy", "en-fr", 1))

    def test_the_decoder_gets_them_and_the_journal_holds_them(
        self, run: DecodeRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys, seen = [], []
        journal, context = decode.decoding.Journal, decode.decoding.Context
        monkeypatch.setattr(decode.decoding, "Journal", lambda path, key: keys.append(key) or journal(path, key))
        monkeypatch.setattr(decode.decoding, "Context", lambda *given: seen.append(given[2]) or context(*given))
        decode.decode(run, run.hypotheses)
        assert seen == [shots.asked(run)]
        monkeypatch.setattr(shots, "chosen", lambda *given: [("another text", "behind the same line number")])
        decode.decode(run, run.hypotheses)
        assert seen[0] != seen[1]
        assert keys[0] != keys[1]

    def test_their_corpus_is_an_input(self, tmp_path: Path) -> None:
        plan = loaded(tmp_path)
        run = plan.decode_run("first", "copy", "en-fr", 1)
        assert (run.test, run.shots) == (plan.text("demo", "en-fr"), plan.text("demo", "en-fr"))
        assert run.inputs == [Path("results/corpora/demo/en-fr/manifest.json")]
        old = "news: {provider: sacrebleu, pairs: [en-de, fr-de], test: [wmt22]}"
        new = "news: {provider: demo, train: 3}"
        more = "shots: {lines: [2], corpus: news, split: train}"
        plan = loaded(tmp_path, (old, new), ("shots: {lines: [2]}", more))
        run = plan.decode_run("first", "copy", "en-fr", 1)
        assert (run.test, run.shots) == (plan.text("demo", "en-fr"), plan.text("news", "en-fr"))
        assert run.inputs == [Path(f"results/corpora/{name}/en-fr/manifest.json") for name in ("demo", "news")]
        assert plan.text("news", "fr-de") in plan.texts_used
        assert run.spec["shots"] == [[2], "train"]


def test_a_tuning_has_its_own_pairs_and_limit(tmp_path: Path) -> None:
    plan = loaded(tmp_path, ("start: mt,", "start: mt, pairs: [en-fr, fr-de], limit: 3,"))
    mt, ours = plan.tuning_runs
    assert (mt.pairs, mt.limit) == (["en-fr", "fr-en", "en-de", "de-en"], None)
    assert (ours.pairs, ours.limit) == (["en-fr", "fr-de"], 3)
    assert [text.pair for text in ours.texts] == ["en-fr", "fr-de"]
    assert ours.spec.items() >= {"pairs": ["en-fr", "fr-de"], "limit": 3}.items()
    assert plan.text("demo", "fr-de") in plan.texts_used


def test_examples_with_a_long_second_prompt_are_left_out() -> None:
    short, long = {"input_ids": [1, 2], "other_ids": [1, 2, 3]}, {"input_ids": [1], "other_ids": [1, 2, 3, 4]}
    assert [*drop_long([short, long], 3)] == [short]
    with pytest.raises(ValueError, match="none of 1 training examples"):
        drop_long([long], 3)


class TestOffTarget:
    """The languages that the identifier chooses from."""

    def rows(self, path: Path, *hypotheses: str) -> Path:
        rows = [{"id": i, "setting": "", "source": "s", "reference": "Das ist ein Haus.", "hypothesis": h}
                for i, h in enumerate(hypotheses)]  # fmt: skip
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def test_are_the_experiments_unless_the_metric_says_otherwise(self, tmp_path: Path) -> None:
        options = loaded(tmp_path).metric_options("first")
        assert options == {"offtarget": {"languages": "de+en+fr"}}
        place = {"paper": "", "experiment": "first", "system": "mt", "pair": "fr-de", "seed": 1}
        path = self.rows(tmp_path / "h.jsonl", "Das ist ein schönes Haus.", "This is a beautiful house.")
        metrics = ["offtarget", "offtarget:languages=de+en+fr+nl", "bleu"]
        found = score_hypotheses(path, place, metrics, options)
        assert [record.value for record in found[:2]] == [50, 50]
        assert "langs:de+en+fr|" in found[0].signature
        assert "langs:de+en+fr+nl|" in found[1].signature
        assert found[0].metric == "offtarget", "the column keeps its name"

    def test_bootstrap_reaches_it(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "h").write_text("Das ist ein Haus.\n", encoding="utf-8")
        given = ["text", "--hypothesis", f"{tmp_path / 'h'}", "--pair", "en-de", "--metric", "offtarget"]
        for count in (7, 0):
            score.main([*given, "--bootstrap", str(count)])
            signature = json.loads(capsys.readouterr().out)["signature"]
            assert ("bs:7" in signature) == bool(count)


SUPERVISED, ZERO_SHOT = ("en-fr", "fr-en"), ("fr-de", "de-fr", "fr-it")


def made(pair: str, value: float | None, system: str = "mt", metric: str = "bleu") -> Record:
    return Record("", "e", system, pair, "", 1, metric, value, None, None, "sig", 5, {}, "")


def frame_of(values: dict[str, float | None], many: int = 0) -> tuple[Any, tables.Layout]:
    extra = tuple(f"it-{code}" for code in ("nl", "ro", "de", "fr", "cs", "ru", "uk", "ja")[:many])
    pairs = SUPERVISED + ZERO_SHOT + extra
    layout = tables.Layout(
        experiment="e",
        systems={"mt": "stage 1", "ours": "stage 2"},
        pairs=pairs[::-1],
        metrics=("bleu",),
        blocks={"supervised": SUPERVISED, "zero-shot": ZERO_SHOT + extra},
    )
    records = [made(pair, values.get(pair, 7.0)) for pair in pairs]
    records += [made(pair, 1.0 + values.get(pair, 7.0) if values.get(pair, 7.0) else None, "ours") for pair in pairs]
    return tables.cells(records, layout), layout


VALUES = {"en-fr": 40.0, "fr-en": 50.0, "fr-de": 3.0, "de-fr": 6.0, "fr-it": 9.0}


class TestBlocks:
    """Means over pairs that were trained on, and over those that were not."""

    def test_come_from_the_pairs(self, tmp_path: Path) -> None:
        found = gather.layout_from(loaded(tmp_path), "first").blocks
        assert found == {"supervised": ("en-fr",), "zero-shot": ("fr-de",)}
        both = ("test: {corpus: demo, pairs: [en-fr, fr-de]}", "test: {corpus: demo, pairs: [en-fr, en-de]}")
        assert gather.layout_from(loaded(tmp_path, both), "first").blocks == {}, "one kind alone"

    def test_have_means_of_their_own(self) -> None:
        frame, _ = frame_of(VALUES)
        own = frame[frame["system"] == "mt"].set_index("pair")["value"]
        assert own["supervised"] == 45
        assert own["zero-shot"] == 6
        assert own["mean"] == pytest.approx(21.6)

    def test_one_missing_value_leaves_its_block_without_a_mean(self) -> None:
        frame, _ = frame_of(VALUES | {"fr-de": None})
        own = frame[frame["system"] == "mt"].set_index("pair")
        assert own["value"]["supervised"] == 45
        assert own["value"][["zero-shot", "mean"]].isna().all()
        assert own["note"]["zero-shot"] == "no mean: not every pair has a value"

    def test_stand_beside_a_few_pairs(self) -> None:
        (table,) = arrange.tables_of(*frame_of(VALUES))
        pairs = ["fr-it", "de-fr", "fr-de", "fr-en", "en-fr"]
        assert table.groups == [("BLEU", [*pairs, "supervised", "zero-shot", "mean"])]
        assert [cell.text for cell in table.rows[0][1]][-3:] == ["45.0", "6.0", "21.6"]
        assert [cell.best for cell in table.rows[1][1]] == [True] * 8

    def test_stand_alone_before_many_pairs(self) -> None:
        table, below = arrange.tables_of(*frame_of(VALUES, many=4))
        assert table.groups == [("BLEU", ["supervised", "zero-shot", "mean"])]
        assert [cell.text for cell in table.rows[0][1]] == ["45.0", "6.6", "15.1"]
        assert below.head == "Pair"
        assert below.groups == [("BLEU", ["stage 1", "stage 2"])]
        assert [pair for pair, _ in below.rows] == [*SUPERVISED, *ZERO_SHOT, "it-nl", "it-ro", "it-de", "it-fr"]
        assert below.rows[0][1][0].text == "40.0"
        assert below.rows[0][1][1] == arrange.Cell("41.0", best=True)
        assert below.places[1:3] == [("supervised", "fr-en"), ("zero-shot", "fr-de")]
        assert "Bold: best of its pair." in below.legend
        assert markup.markdown(below).splitlines()[2] == "| Pair | BLEU stage 1 | BLEU stage 2 |"
        assert "\nPair & stage 1 & stage 2 \\\\\n" in markup.latex(below)


class TestLanguageMap:
    """Languages asked for against languages of the answers."""

    def test_shares_of_a_row_sum_to_100(self) -> None:
        found = language_map.shares({"de": ["de", "en", "en", "und", ""], "en": ["en"]}, ["en", "de"])
        assert found == {
            "de": {"en": 40, "de": 20, "other": 40},
            "en": {"en": 100, "de": 0, "other": 0},
        }

    def test_one_panel_for_each_tuning(self, tmp_path: Path) -> None:
        assert language_map.systems(loaded(tmp_path), "first") == ["ptl", "ours"], (
            "no copies, no second system of a model"
        )
        assert "languages" in figure_kinds.figures_of(loaded(tmp_path), "first")
        assert "languages" not in figure_kinds.figures_of(loaded(tmp_path, ("[bleu, offtarget]", "[bleu]")), "first")

    def test_counts_zero_shot_hypotheses(self, tmp_path: Path) -> None:
        plan = loaded(tmp_path)
        plan.results = tmp_path
        texts = {
            "en-fr": ["This line must not count.", "Nor must this one, of course."],
            "fr-de": ["The house is very beautiful.", "Das Haus ist sehr schön.", "The man buys a red car.", ""],
        }
        for pair, lines in texts.items():
            path = plan.decode_run("first", "ours", pair, 1).hypotheses
            path.parent.mkdir(parents=True)
            TestOffTarget().rows(path, *lines)
        assert language_map.decoded_shares(plan, "first") == [
            ("ours", {"de": {"en": 50, "fr": 0, "de": 25, "other": 25}})
        ]
        figure = figure_kinds.FIGURES["languages"].draw(plan, "first", [])
        assert figure is not None
        text = figures.svg(figure)
        assert text.count(">25</text>") == 2
        assert ">German</text>" in text

    def test_nothing_decoded_draws_nothing(self, tmp_path: Path) -> None:
        plan = loaded(tmp_path)
        plan.results = tmp_path / "none"
        assert figure_kinds.FIGURES["languages"].draw(plan, "first", []) is None


WMT_LINES = {  # lines of sacrebleu's sets; those of 2017 and 2018 hold the same text both ways
    "wmt17": {"en-de": 3004, "en-zh": 2001},
    "wmt18": {"en-de": 2998, "en-zh": 3981},
    "wmt19": {"en-de": 1997, "de-en": 2000, "en-zh": 1997, "zh-en": 2000},
    "wmt20": {"en-de": 1418, "de-en": 785, "en-zh": 1418, "zh-en": 2000},
}


def test_wmt_training_data_has_51198_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On seeded files of the true lengths: 12,202 pairs of German, 13,397 of Chinese, each both ways."""
    monkeypatch.setenv("SACREBLEU", str(tmp_path / "cache"))
    for name, sets in WMT_LINES.items():
        (tmp_path / "cache" / name).mkdir(parents=True)
        for pair, count in sets.items():
            sides = [[f"{name} {pair} {side} number {n} ." for n in range(count)] for side in pair.split("-")]
            ways = [(pair, sides)] + [(pair[3:] + "-" + pair[:2], sides[::-1])] * (len(sets) == 2)
            for way, (source, target) in ways:
                for field, lines in (("src", source), ("ref", target)):
                    (tmp_path / "cache" / name / f"{name}.{way}.{field}").write_text("\n".join(lines) + "\n")
    config = load_config(REPOSITORY / "config" / "papers" / "langaware-revised.yaml")
    corpus = config.corpora["wmt17-20"]
    assert isinstance(corpus, SacrebleuCorpus)
    kept = {}
    for pair in corpus.pairs:
        corpora.fetch(corpus, pair, tmp_path / pair)
        corpora.prepare(corpus, pair, tmp_path / pair, tmp_path / "out" / pair)
        table = corpora.load(tmp_path / "out" / pair, "train")
        kept[pair] = set(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    assert {pair: len(rows) for pair, rows in kept.items()} == {
        "en-de": 12_202, "de-en": 12_202, "en-zh": 13_397, "zh-en": 13_397
    }  # fmt: skip
    assert sum(map(len, kept.values())) == 51_198
    assert kept["de-en"] == {(target, source) for source, target in kept["en-de"]}


PAPERS = REPOSITORY / "config" / "papers"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (  # 6 and 12 pairs of IWSLT, 4 and 14 of WMT, 26 for shots; 3 tunings of 2 models on 2 sets; 10 systems
            PAPERS / "langaware-revised.yaml",
            {"download": 62, "fetch_model": 2, "finetune": 12, "decode": 10 * 2 * (12 + 14)},
        ),
        (  # of IWSLT 6 pairs to train on and 4 to test on, which 6 are made of; 4 and 14 of WMT; 12 of FLORES to test
            # on and 10 more for demonstrations; IWSLT and FLORES test the same three models, WMT three others
            PAPERS / "langaware-v1.yaml",
            {"download": 50, "prepare": 56, "fetch_model": 1, "finetune": 9 - 3, "decode": 10 * (6 + 12 + 14)},
        ),
        (  # stage 1 and: 15 weights, 5 numbers of steps, 4 amounts (of both stages), a larger model; 12 pairs. Three of
            # them share stage 1, and two the paper's stage 2
            PAPERS / "langaware-ablations.yaml",
            {"download": 18, "fetch_model": 2, "finetune": 16 + 6 + 8 + 2 - 3, "decode": 12 * (16 + 6 + 8 + 2)},
        ),
        (  # stage 1 and: 5 numbers of steps, 7 weights, 3 samplers, 4 amounts (of both stages), 5 steps, 9 baselines.
            # Five of them share stage 1, and four the stage 2 that they vary
            REPOSITORY / "config" / "examples" / "langaware-ablations.yaml",
            {"pretrain": 2, "finetune": 6 + 8 + 4 + 8 + 6 + 10 - 7, "decode": 8 * (6 + 8 + 4 + 8 + 6 + 13)},
        ),
        (  # 12 pairs of IWSLT, 4 and 14 of WMT, and Alpaca; two systems, the second compared with the first
            REPOSITORY / "config" / "examples" / "langaware-general.yaml",
            {"download": 31, "fetch_model": 2, "finetune": 6, "decode": 2 * (12 + 12 + 14), "answer": 6, "judge": 3},
        ),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_shipped_configurations_are_planned_whole(tmp_path: Path, path: Path, wanted: dict[str, int]) -> None:
    done = snakemake(tmp_path, "--dry-run", config=path.read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = planned(done)
    assert {rule: jobs.get(rule) for rule in wanted} == wanted
    assert jobs["score"] == jobs["decode"]


def test_an_experiment_is_made_by_itself(tmp_path: Path) -> None:
    """One table of six: its model, six tunings, eight pairs for each of six systems, and nothing of the others."""
    config = (REPOSITORY / "config" / "examples" / "langaware-ablations.yaml").read_text(encoding="utf-8")
    done = snakemake(tmp_path, "--dry-run", "results/ablations/tables/steps.md", config=config)
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = planned(done)
    wanted = {"pretrain": 1, "finetune": 6, "decode": 48, "score": 48, "experiment_records": 1, "table": 1}
    assert {rule: count for rule, count in jobs.items() if rule not in ("prepare", "total")} == wanted


def test_published_systems_are_the_papers(tmp_path: Path) -> None:
    """What the published table compares has the same name here."""
    lines = (REPOSITORY / "config" / "published" / "langaware.tsv").read_text(encoding="utf-8").splitlines()
    head, *rows = (line.split("\t") for line in lines)
    for version, stem in (("v1", "langaware-v1"), ("revised", "langaware-revised")):
        own = [dict(zip(head, row, strict=True)) for row in rows if row[head.index("version")] == version]
        config = load_config(PAPERS / f"{stem}.yaml")
        systems = {row["system"] for row in own if row["system"]}
        assert all(systems <= set(experiment.systems) for experiment in config.experiments.values())
        pairs = {row["pair"] for row in own if row["pair"] and row["pair"] != "mean"}
        zero_shot = {pair for each in config.experiments.values() for pair in gather.blocks(each)["zero-shot"]}
        assert pairs <= zero_shot | {pair for each in config.experiments.values() for pair in each.test.pairs}


def test_the_smoke_test_has_every_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(SMOKE, encoding="utf-8")
    experiment = load_config(tmp_path / "c.yaml").experiments["langaware"]
    assert {tuning.method for tuning in experiment.tunings.values()} == {
        "sft",
        "language-aware",
        "consistency",
        "preference",
    }
    assert {system.decoder.name for system in experiment.systems.values()} == {"offline", "contrastive"}
    assert any(system.shots for system in experiment.systems.values())
    assert set(gather.blocks(experiment)) == {"supervised", "zero-shot"}


def across(line: Line2D) -> bool:
    """Whether it is a curve, not a point of one or its bar."""
    return len({*line.get_xdata()}) > 1


class TestAblation:
    """Curves against a swept setting."""

    def frame(self, experiment: str, *without: str) -> tuple[Plan, list[Record]]:
        plan = Plan(load_config(REPOSITORY / "config" / "examples" / "langaware-ablations.yaml"))
        records = [
            Record("", experiment, run.system, run.pair, "", 1, metric, 10.0, None, None, "s", 5, {}, "")
            for run in plan.decode_runs
            for metric in ("bleu", "offtarget")
            if run.experiment == experiment and run.system not in without
        ]
        return plan, records

    def test_is_drawn_of_every_sweep_and_of_nothing_else(self) -> None:
        plan, _ = self.frame("steps")
        has = {name: "ablation" in figure_kinds.figures_of(plan, name) for name in plan.experiments}
        assert has == dict.fromkeys(has, True) | {"baselines": False}
        assert "scores" in figure_kinds.figures_of(plan, "baselines")

    def test_holds_every_setting_in_order(self) -> None:
        figure = figure_kinds.FIGURES["ablation"].draw(*self.frame("alpha")[:1], "alpha", self.frame("alpha")[1])
        assert figure is not None
        assert [axes.get_title(loc="left") for axes in figure.axes] == [
            f"{metric}, {block}" for metric in ("BLEU", "Off-target") for block in ("supervised", "zero-shot")
        ]
        first = figure.axes[0]
        ticks = [tick.get_text() for tick in first.get_xticklabels()]
        assert ticks == ["0.0", "0.01", "0.03", "0.05", "0.1", "0.3", "1.0"]
        assert sorted(len(line.get_xdata()) for line in first.get_lines() if across(line)) == [2, 7]

    def test_leaves_a_gap_where_a_number_is_missing(self) -> None:
        plan, records = self.frame("alpha", "ours,alpha=0.05")
        figure = figure_kinds.FIGURES["ablation"].draw(plan, "alpha", records)
        assert figure is not None
        assert sorted(len(line.get_xdata()) for line in figure.axes[0].get_lines() if across(line)) == [2, 6]
        assert figure_kinds.FIGURES["ablation"].draw(plan, "alpha", []) is None
