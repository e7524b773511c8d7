import html.parser
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman import records
from dragoman.configfile import parse
from dragoman.plan import Plan
from dragoman.records import Record
from dragoman.reporting import arrange, curves, dots, figures, gather, markup, page, tables
from dragoman.reporting.examples import choose, compare, spread, visible
from dragoman.storage import building, write_json

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")
HOSTILE = "<script>alert('x')</script> & \u202eevil \x00 $x_1$ | 100% ~^{}\\#"


def made(system="a", pair="en-de", seed=1, metric="bleu", value=20.0, **change):
    low, high = (None, None) if value is None else (value - 2, value + 2)
    record = Record("p", "e", system, pair, "", seed, metric, value, low, high, f"{metric}|v", 200)
    return replace(record, **change)


def layout(**change):
    start = {
        "experiment": "e",
        "systems": {"a": "Alpha", "b": "Beta"},
        "pairs": ("en-de", "en-fr"),
        "metrics": ("bleu",),
    }
    return tables.Layout(**(start | change))


def cell(frame, label, pair, metric="bleu"):
    return frame[(frame["label"] == label) & (frame["pair"] == pair) & (frame["metric"] == metric)].iloc[0]


# ------------------------------------------------------------------------------------------------------------ tables


def test_one_seed_keeps_its_interval_and_complete_rows_have_a_mean():
    rows = [made(), made(pair="en-fr", value=30.0), made("b", value=25.0)]
    frame = tables.cells(rows, layout())
    assert tuple(cell(frame, "Alpha", "en-de")[["value", "low", "high"]]) == (20, 18, 22)
    assert cell(frame, "Alpha", "mean")["value"] == 25
    assert frame[frame["label"] == "Beta"].set_index("pair")["value"].isna().to_dict() == {
        "en-de": False,
        "en-fr": True,
        "mean": True,
    }
    table = arrange.lay_out(frame, layout())
    (_, alpha), (_, beta) = table.rows
    assert [c.text for c in alpha] == ["20.0", "30.0", "25.0"]
    assert [c.text for c in beta] == ["25.0", "–", "–"]
    assert [c.best for c in alpha + beta] == [False, False, False, True, False, False]
    assert dict(table.notes)[beta[1].mark] == "not scored"
    assert " 0.0" not in markup.markdown(table)


def test_several_seeds_show_mean_and_spread():
    rows = [made(seed=s, value=v, pair=p) for p in ("en-de", "en-fr") for s, v in ((1, 19.0), (2, 20.0), (3, 21.0))]
    rows += [made("b", seed=1), made("b", pair="en-fr", seed=1)]
    wanted = layout(seeds={"a": (1, 2, 3), "b": (1,)})
    frame = tables.cells(rows, wanted)
    several = cell(frame, "Alpha", "en-de")
    assert (several["value"], several["spread"], several["seeds"]) == (20, 1, "1 2 3")
    assert several[["low", "high"]].isna().all()
    assert tuple(cell(frame, "Alpha", "mean")[["value", "spread"]]) == (20, 1)
    assert arrange.lay_out(frame, wanted).rows[0][1][0].spread == "1.0"
    # a tie at the digits shown is a tie
    assert [row[1][0].best for row in arrange.lay_out(frame, wanted).rows] == [True, True]


def test_a_missing_seed_is_noted_and_takes_the_mean_away():
    rows = [made(seed=1), made(seed=2), made(pair="en-fr", seed=1)]
    frame = tables.cells(rows, layout(systems={"a": "Alpha"}, seeds={"a": (1, 2)}))
    assert cell(frame, "Alpha", "en-fr")["value"] == 20
    assert cell(frame, "Alpha", "en-fr")["note"] == "seed 2 of 1, 2 not scored"
    assert cell(frame, "Alpha", "mean")[["value"]].isna().all()


def test_a_failed_run_shows_its_reason():
    rows = [made(), made("b", value=None, note="out of memory")]
    table = arrange.lay_out(tables.cells(rows, layout(pairs=("en-de",))), layout(pairs=("en-de",)))
    assert table.rows[1][1][0].text == "–"
    assert table.notes == [("a", "out of memory")]
    assert table.rows[0][1][0].best is False


def test_settings_are_rows_in_natural_order():
    rows = [made(setting=f"k={k}") for k in (11, 3, 9)]
    only = layout(systems={"a": "wait-k"}, pairs=("en-de",))
    assert [label for label, _ in arrange.lay_out(tables.cells(rows, only), only).rows] == [
        "wait-k, k=3",
        "wait-k, k=9",
        "wait-k, k=11",
    ]


def test_two_records_for_one_number_are_refused():
    with pytest.raises(ValueError, match="two records"):
        tables.cells([made(), made(value=3.0)], layout())


def test_csv_has_every_digit():
    frame = tables.cells([made(value=1 / 3)], tables.layout_of([made()], "e"))
    assert f",{1 / 3!r}," in tables.csv(frame)


def test_markdown_is_escaped():
    wanted = layout(systems={"a": HOSTILE, "b": "b"}, title=HOSTILE)
    text = markup.markdown(arrange.lay_out(tables.cells([made()], wanted), wanted))
    assert "<script>" not in text
    assert r"\|" in text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex here")
@pytest.mark.parametrize("pairs", [("en-de",), ("en-de", "en-fr", "en-nl", "en-it")])
def test_latex_compiles_in_a_bare_article(tmp_path, pairs):
    rows = [made(pair=pair, metric=m, seed=s) for pair in pairs for m in ("bleu", "chrf") for s in (1, 2)]
    rows.append(made("b", metric="chrf", note='50 % & more_ "so" → 日本'))
    wanted = layout(
        systems={"a": HOSTILE + " é ü ș → “q”", "b": "[b]"},
        pairs=pairs,
        metrics=("bleu", "chrf"),
        seeds={"a": (1, 2), "b": (1,)},
        title=HOSTILE,
    )
    body = markup.latex(arrange.lay_out(tables.cells(rows, wanted), wanted))
    source = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + body + "\\end{document}\n"
    (tmp_path / "table.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


def test_latex_escapes_every_special_character():
    assert markup.latex_text(r"a_b & 5% #1 $x$ {y} ~^\ <z>") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textasciitilde{}\textasciicircum{}\textbackslash{} \textless{}z\textgreater{}"
    )
    assert markup.latex_text("日é\x00") == "U+65E5éU+0000"


# ----------------------------------------------------------------------------------------------------------- figures


def test_figures_have_the_same_bytes_every_time(tmp_path):
    frame = tables.cells([made(), made("b"), made(pair="en-fr"), made(value=None, metric="chrf")], layout())
    lines = [("a $b", [(1, 3.0), (2, 2.0)]), ("a $b", [(1, 3.1), (2, 2.1)]), ("c", [(2, 2.05)]), ("d", [])]
    for name, draw in (("scores", lambda: dots.scores(frame)), ("loss", lambda: curves.loss_curves(lines))):
        figures.save(draw(), tmp_path / "one" / name)
        figures.save(draw(), tmp_path / "two" / name)
        for suffix in ("svg", "png"):
            one, two = (tmp_path / folder / f"{name}.{suffix}" for folder in ("one", "two"))
            assert one.read_bytes() == two.read_bytes()
        text = (tmp_path / "one" / f"{name}.svg").read_text(encoding="utf-8")
        assert "dc:date" not in text
        assert "matplotlib.org" not in text
    assert "a $b" in text
    assert "Nothing was trained" in figures.svg(curves.loss_curves([("x", [])]))


def test_labels_are_moved_apart_in_order():
    placed = curves.spread_out([1.0, 1.01, 0.99, 3.0], 0.5, 0, 4)
    assert sorted(range(4), key=lambda i: placed[i]) == [2, 0, 1, 3]
    assert all(b - a > 0.49 for a, b in zip(sorted(placed), sorted(placed)[1:], strict=False))


def test_logs_in_both_forms(tmp_path):
    rows = [{"step": 1, "loss": 2.5, "learning_rate": 0.1}, {"step": 2, "learning_rate": 0.1}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "curve.json").write_text(json.dumps(rows))
    assert curves.read_log(tmp_path / "log.jsonl") == curves.read_log(tmp_path / "curve.json") == [(1, 2.5)]


# ---------------------------------------------------------------------------------------------------------- examples


def test_differing_words_are_marked_as_runs():
    pieces = compare("the cat sat on the mat.", "the dog sat on a big mat.")
    assert [p.text for p in pieces if p.differs] == ["dog", "a big"]
    assert "".join(p.text for p in pieces) == "the dog sat on a big mat."
    assert [p.text for p in compare("我很好。", "我不好。") if p.differs] == ["不"]
    assert compare("x", "") == []


def test_examples_come_from_every_pair_and_keep_gaps():
    rows = [{"id": i, "source": "s", "reference": "r", "hypothesis": f"h{i}"} for i in range(100)]
    found = choose({"en-de": [("a", rows), ("b", rows[:1])], "en-fr": [("a", rows[:3])]}, 20)
    assert len(found) == 13
    assert [e.pair for e in found[:4]] == ["en-de", "en-fr", "en-de", "en-fr"]
    assert found[0].hypotheses[1] == ("b", None)
    assert spread(200, 4) == [25, 75, 125, 175]
    assert choose({}) == []


def test_invisible_characters_become_visible():
    assert visible("a\x00b\u202ec\u2028\t") == "a␀b⟨U+202E⟩c⟨U+2028⟩␉"


# -------------------------------------------------------------------------------------------------------------- page


@pytest.fixture
def plan(tmp_path):
    tuning = {"method": "sft", "training": {"steps": 2}}
    scratch = {
        "source": "scratch",
        "architecture": "llama",
        "text": {"corpus": "demo", "languages": ["en", "de"], "count": 9},
    }
    experiment = {
        "title": f"First {HOSTILE}",
        "model": "tiny",
        "prompt": "simulmask",
        "train": {"corpus": "demo", "pairs": ["en-de"]},
        "test": {"corpus": "demo", "pairs": ["en-de", "de-en"]},
        "tunings": {"sft": tuning},
        "metrics": ["bleu", "chrf"],
        "systems": {"copy": {"label": HOSTILE, "decoder": {"name": "copy"}}, "tuned": {"tuning": "sft"}},
    }
    config = {
        "title": "A <title> & more",
        "corpora": {"demo": {"provider": "demo", "train": 10, "test": 40}},
        "models": {"tiny": scratch},
        "experiments": {"first": experiment, "second": experiment | {"title": "Nothing yet"}},
    }
    plan = Plan(parse(config))
    plan.results = tmp_path / "results"
    split = {"rows_in": 1000, "rows_kept": 900, "dropped": {"empty": 100, "long": 0}}
    facts = {"provider": "demo", "pair": "de-en", "splits": {"train": split}, "warning": "10 % were <dropped>"}
    with building(plan.corpus_folder("demo", "de-en"), facts):
        pass
    with building(plan.model_folder("tiny"), {"parameters": 1_234_567}) as folder:
        write_json(folder / "curve.json", [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])
    written = []
    for run in plan.decode_runs:
        if run.experiment == "second":
            continue
        path = plan.decode_folder(run) / "hypotheses.jsonl"
        path.parent.mkdir(parents=True)
        with open(path, "w", encoding="utf-8") as file:
            for i in range(40):
                text = f"{HOSTILE} line {i}"
                row = {"id": i, "setting": "", "source": text, "reference": "line", "hypothesis": text}
                file.write(json.dumps(row) + "\n")
        written += [made(run.system, run.pair, metric=m, experiment="first") for m in ("bleu", "chrf")]
    records.write(plan.results / "records.jsonl", written)
    return plan


class Checker(html.parser.HTMLParser):
    """Every element that is opened is closed, in order; no id twice; nothing is fetched."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.tags, self.links = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("src", "href", "xlink:href", "action") if values.get(name)]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_whole_harmless_and_repeatable(plan):
    found = records.read(plan.results / "records.jsonl")
    text = page.render(plan, found)
    assert text == page.render(plan, found)
    assert str(plan.results.resolve()) not in text
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert "script" not in checker.tags
    assert all(link.startswith(("#", "data:")) for link in checker.links)
    assert "alert(" not in re.sub(r"&lt;script&gt;alert\(&#39;x&#39;\)|data:[^\"]*", "", text).replace(
        "&lt;script&gt;alert('x')&lt;/script&gt;", ""
    )
    assert not {"\u202e", "\x00"} & set(text)
    for expected in (
        "1,234,567",
        "10 % were &lt;dropped&gt;",
        "A &lt;title&gt; &amp; more",
        "not made yet",
        "not scored",
    ):
        assert expected in text
    assert text.count('<article class="example">') == 20
    assert not re.search(r"(?<!-)\bnan\b", text)


def test_page_without_any_results(plan, tmp_path):
    plan.results = tmp_path / "empty"
    text = page.render(plan, [])
    assert "not made yet" in text
    assert "Side by side" not in text


def test_layout_follows_the_configuration(plan):
    found = gather.layout_from(plan, "first")
    assert found.systems["tuned"] == "tuned"
    assert found.seeds == {"copy": (1,), "tuned": (1,)}
    with pytest.raises(KeyError, match="did you mean 'first'"):
        gather.layout_from(plan, "frist")


def test_systems_of_one_label_stay_apart(plan):
    spec = plan.experiment("first")
    system = spec.systems["copy"].model_copy(update={"label": "same"})
    twice = spec.model_copy(update={"systems": {"a": system, "b": system, "c": spec.systems["tuned"]}})
    assert gather.labels(twice) == {"a": "same (a)", "b": "same (b)", "c": "c"}


def test_scripts_write_their_files(plan, tmp_path):
    import plot
    import report
    import table

    config = str(plan.save())
    common = ["--config", config, "--experiment", "first", "--records", str(plan.results / "records.jsonl")]
    table.main([*common, "--out-dir", str(tmp_path / "tables")])
    plot.main([*common, "--results", str(plan.results), "--out-dir", str(tmp_path / "figures")])
    report.main(["--config", config, "--results", str(plan.results), "--out", str(tmp_path / "report" / "index.html")])
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["first.csv", "first.md", "first.tex"]
    names = [f"first-{figure}.{kind}" for figure in ("loss", "scores") for kind in ("png", "svg")]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names
    assert (tmp_path / "report" / "index.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path(config).is_file()
