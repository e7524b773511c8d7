import base64
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dragoman import records
from dragoman.config import Config
from dragoman.configfile import parse
from dragoman.plan import Plan, TuningRun
from dragoman.records import Record
from dragoman.reporting import (
    arrange,
    boxes,
    compute,
    curves,
    dots,
    figures,
    gallery,
    gather,
    latency,
    markup,
    page,
    tables,
    timings,
)
from dragoman.reporting.examples import Hypothesis, Output, choose, compare, pick, spread, visible
from dragoman.storage import building, write_json

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")
HOSTILE = "<script>alert('x')</script> & \u202eevil \x00 $x_1$ | 100% ~^{}\\#"


METRICS = ("bleu", "chrf", "laal", "gflops")


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
    assert tuple(cell(frame, "Alpha", "mean")[["value", "low", "high"]]) == (25, 23, 27)
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
    assert tuple(several[["low", "high"]]) == (18, 22), "the bounds are averaged over seeds"
    assert tuple(cell(frame, "Alpha", "mean")[["value", "spread", "low", "high"]]) == (20, 1, 18, 22)
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
    with pytest.raises(ValueError, match="two records for the same number: e, a, k=3, en-de, bleu, seed 1"):
        tables.cells([made("a,k=3"), made(setting="k=3")], layout())


def test_a_model_for_each_setting_is_one_system():
    rows = [made("a,k=3", setting="k=3", value=3.0), made("a,k=1", value=1.0), made(setting="k=5", value=5.0)]
    rows.append(made("a,alpha=0.5", setting="k=5", value=7.0))
    only = layout(systems={"a": "wait-k"}, pairs=("en-de",), settings={"a": ("k=1", "k=3", "k=5", "k=7")})
    frame = tables.cells(rows, only)
    assert dict(zip(frame["setting"], frame["value"].fillna(-1), strict=True)) == {
        "alpha=0.5, k=5": 7.0,
        "k=1": 1.0,
        "k=3": 3.0,
        "k=5": 5.0,
        "k=7": -1.0,  # promised, and missing
    }
    assert cell(frame, "wait-k, k=7", "en-de")["note"] == "not scored"


def test_the_best_is_sought_among_rows_of_one_setting():
    values = {"k=1": (10.0, 12.0), "k=3": (20.0, 18.0)}
    rows = [made(s, setting=k, value=v) for k, pair in values.items() for s, v in zip("ab", pair, strict=True)]
    rows += [made(s, setting="k=1", metric="laal", value=v) for s, v in (("a", 1.0), ("b", 2.0))]
    rows.append(made("off", value=30.0))
    only = layout(systems={"a": "A, one", "b": "B", "off": "offline"}, pairs=("en-de",), metrics=("bleu", "laal"))
    table = arrange.lay_out(tables.cells(rows, only), only)
    assert [cells[0].best for _, cells in table.rows] == [False, True, True, False, False]
    assert not any(cells[1].best for _, cells in table.rows), "little lag is what the setting asks for"
    assert table.places == [("A, one", "k=1"), ("A, one", "k=3"), ("B", "k=1"), ("B", "k=3"), ("offline", "")]
    assert "Bold: best of its column among rows of one setting." in table.legend


def test_latex_of_many_systems_is_a_table_for_each_metric():
    rows = [made(setting=f"k={k}", pair=p, metric=m) for k in range(12) for p in ("en-de", "en-fr") for m in METRICS]
    only = layout(systems={"a": "wait-k"}, metrics=METRICS)
    text = markup.latex(arrange.lay_out(tables.cells(rows, only), only))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\begin{tabular}") == 4
    assert re.findall(r"caption{e?(.*)}", text) == [": BLEU", ": chrF", ": LAAL", ": GFLOPs"]


def test_csv_has_every_digit():
    frame = tables.cells([made(value=1 / 3)], layout())
    assert f",{1 / 3!r}," in tables.csv(frame)


def test_markdown_is_escaped():
    wanted = layout(systems={"a": HOSTILE, "b": "b"}, title=HOSTILE)
    text = markup.markdown(arrange.lay_out(tables.cells([made()], wanted), wanted))
    assert "<script>" not in text
    assert r"\|" in text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def hostile_latex(pairs):
    """Tables of hostile names, notes and seeds: several groups of columns, intervals, spreads, a number missing."""
    rows = [made(pair=pair, metric=m, seed=s) for pair in pairs for m in ("bleu", "chrf") for s in (1, 2)]
    rows.append(made("b", metric="chrf", note='50 % & more_ "so" → 日本'))
    wanted = layout(
        systems={"a": HOSTILE + " é ü ș → “q”", "b": "[b]"},
        pairs=pairs,
        metrics=("bleu", "chrf"),
        seeds={"a": (1, 2), "b": (1,)},
        title=HOSTILE,
        assumptions={"A1 " + HOSTILE: HOSTILE + " → 日本"},
    )
    found = list(map(markup.latex, arrange.tables_of(tables.cells(rows, wanted), wanted)))
    found.append(markup.latex_rows(HOSTILE, ("a_b", "50 %"), [(HOSTILE, "−1")] * 41, "@{}lr@{}"))
    assert found[-1].count("a\\_b") == 2, "41 lines are two tables"
    return "\n".join(found)


PAIRS = [
    ("en-de",),
    ("en-de", "en-fr", "en-nl", "en-it"),
    tuple(f"en-{c}" for c in ["cs", "de", "fr", "it", "ja", "nl", "ro", "ru", "uk"]),
]
TEX = shutil.which("pdflatex") or shutil.which("tectonic")


@pytest.mark.skipif(not TEX, reason="there is no pdflatex or tectonic here")
@pytest.mark.parametrize("pairs", PAIRS)
def test_latex_compiles_in_a_bare_article(tmp_path, pairs):
    body = hostile_latex(pairs)
    source = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + body + "\\end{document}\n"
    (tmp_path / "table.tex").write_text(source, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if TEX.endswith("pdflatex") else []
    command = [TEX, *options, "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.skipif(not TEX, reason="there is no pdflatex or tectonic here")
def test_latex_fits_the_page_with_spreads_and_intervals(tmp_path):
    wanted = layout(pairs=("en-de", "en-fr"), metrics=("bleu", "chrf"), systems={"a": "A task model, n=1"})
    rows = [
        made(metric=metric, pair=pair, seed=seed, value=77.7 + seed)
        for metric in wanted.metrics
        for pair in wanted.pairs
        for seed in (1, 2)
    ]
    body = markup.latex(arrange.lay_out(tables.cells(rows, wanted), wanted))
    assert r"$\pm$" in body
    source = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + body + "\\end{document}\n"
    (tmp_path / "table.tex").write_text(source, encoding="utf-8")
    options = ["-interaction=nonstopmode"] if TEX.endswith("pdflatex") else ["--print"]
    done = subprocess.run([TEX, *options, "table.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert "Overfull" not in done.stdout + done.stderr


@pytest.mark.parametrize("pairs", PAIRS)
def test_latex_is_sound_as_far_as_one_can_tell_without_tex(pairs):
    lines = [line for line in hostile_latex(pairs).splitlines() if not line.startswith("%")]
    text = "\n".join(lines)
    opened = []
    for kind, name in re.findall(r"\\(begin|end){(\w+)}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    bare = re.sub(r"\\[\\{}%&#_$]", "", text)  # what is escaped
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert not set(bare) & set('%#_^~<>|"'), "special characters are escaped"
    assert bare.count("$") % 2 == 0
    assert all(ord(letter) < 0x180 for letter in text), "the fonts of a bare article have no more"
    for tabular in re.findall(r"\\begin{tabular}(.*?)\\end{tabular}", text, re.DOTALL):
        columns = 1 + tabular.partition("@{}l")[2].partition("@")[0].count("r")
        for row in re.sub(r"\\&", "", tabular).splitlines():
            spans = [int(width) - 1 for width in re.findall(r"\\multicolumn{(\d+)}", row)]
            assert row.count("&") + sum(spans) in ((columns - 1,) if row.endswith(r"\\") else (0,))


def test_numbers_of_latex_carry_their_intervals():
    text = hostile_latex(("en-de", "en-fr"))
    numbers = re.findall(r"(?:^|& )(?:\\textbf{)?\d+\.\d", text, re.MULTILINE)
    # a row of numbers, a row of intervals below it
    assert len(re.findall(r"{\\scriptsize \[\d+\.\d, \d+\.\d\]}", text)) == len(numbers) > 6
    assert "Of means over seeds and pairs, the mean of the bounds" in text


def test_assumptions_stand_under_the_table_and_nowhere_else():
    wanted = layout(assumptions={"A1 what n counts": "token_ids", "A2 model": "ours & <b>theirs"})
    [table] = arrange.tables_of(tables.cells([made()], wanted), wanted)
    text = markup.markdown(table)
    assert text.endswith(
        f"{arrange.ASSUMED}\n\n- **A1 what n counts** token\\_ids.\n- **A2 model** ours &amp; &lt;b&gt;theirs.\n"
    )
    assert r"\textbf{A1 what n counts}\,token\_ids. \textbf{A2 model}\,ours \&" in markup.latex(table)
    plain = arrange.lay_out(tables.cells([made()], layout()), layout())
    assert arrange.ASSUMED not in markup.markdown(plain) + markup.latex(plain)


def test_latex_escapes_every_special_character():
    assert markup.latex_text(r"a_b & 5% #1 $x$ {y} ~^\ <z>") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textasciitilde{}\textasciicircum{}\textbackslash{} \textless{}z\textgreater{}"
    )
    assert markup.latex_text("日é\x00") == "U+65E5éU+0000"
    assert markup.latex_text("e\u0301") == "é", "decomposed"


# ----------------------------------------------------------------------------------------------------------- figures


def test_figures_have_the_same_bytes_every_time(tmp_path):
    frame = tables.cells([made(), made("b"), made(pair="en-fr"), made(value=None, metric="chrf")], layout())
    lines = [("a $b", [(1, 3.0), (2, 2.0)]), ("a $b", [(1, 3.1), (2, 2.1)]), ("c", [(2, 2.05)]), ("d", [])]
    for name, draw in (("scores", lambda: dots.scores(frame)), ("loss", lambda: curves.loss_curves(lines))):
        figures.save(draw(), tmp_path / "one" / name)
        figures.save(draw(), tmp_path / "two" / name)
        for suffix in ("svg", "png", "pdf"):
            one, two = (tmp_path / folder / f"{name}.{suffix}" for folder in ("one", "two"))
            assert one.read_bytes() == two.read_bytes()
        text = (tmp_path / "one" / f"{name}.svg").read_text(encoding="utf-8")
        assert "dc:date" not in text
        assert "matplotlib.org" not in text
    assert "a $b" in text
    assert "Nothing was trained" in figures.svg(curves.loss_curves([("x", [])]))


SWEEP = {"causal": {1: (1.4, 8.7), 3: (3.5, 29.9)}, "mask": {1: (2.0, 28.9), 3: (3.7, 36.5), 11: (9.1, 38.8)}}


def swept_rows(pairs=("en-de", "en-fr")):
    points = [(s, p, k, x, y) for s, curve in SWEEP.items() for p in pairs for k, (x, y) in curve.items()]
    rows = [made(s, p, metric="laal", value=x, setting=f"k={k}") for s, p, k, x, _ in points]
    rows += [made(s, p, metric="bleu", value=y, setting=f"k={k}") for s, p, k, _, y in points]
    return rows + [made("full", p, value=38.3) for p in pairs]


def drawn(rows, pairs=("en-de", "en-fr"), qualities=("bleu",)):
    names = {"full": "offline", "causal": "causal", "mask": "mask"}
    only = layout(systems=names, pairs=pairs, metrics=(*qualities, "laal"))
    return latency.trade_off(tables.cells(rows, only), only, qualities, "laal", {"causal", "mask"})


def lines_of(axes):
    """The points of each curve: what is drawn neither as a node nor as a bar nor as a level."""
    curved = [line for line in axes.lines if line.get_linewidth() == 1.5 and line.get_marker() == "None"]
    return [line.get_xydata() for line in curved]


def test_curves_against_latency_go_through_every_setting_in_order():
    figure = drawn(swept_rows())
    assert [axes.get_title("left") for axes in figure.axes] == ["mean", "en-fr", "en-de"]
    for axes in figure.axes:
        causal, mask = lines_of(axes)
        assert causal == pytest.approx(np.array(list(SWEEP["causal"].values())))
        assert mask == pytest.approx(np.array(list(SWEEP["mask"].values())))
        assert {line.get_linestyle() for line in axes.lines if line.get_linewidth() == 1.2} >= {"--"}
    named = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in named if text.isdecimal()] == ["1", "3", "1", "3", "11"]
    assert {"offline", "causal", "mask"} <= set(named)
    bars = [line for line in figure.axes[1].lines if line.get_linewidth() == 0.8]
    assert len(bars) == 2 * 5
    assert bars[0].get_xdata() == pytest.approx([-0.6, 3.4])
    assert bars[1].get_ydata() == pytest.approx([6.7, 10.7])


def test_a_missing_number_breaks_the_line_and_takes_the_mean_away():
    rows = [
        replace(r, value=None, low=None, high=None) if (r.metric, r.setting, r.pair) == ("laal", "k=3", "en-fr") else r
        for r in swept_rows()
    ]
    mean, second, first = drawn(rows).axes
    assert lines_of(first)[1] == pytest.approx(np.array(list(SWEEP["mask"].values())))
    for axes in (mean, second):
        broken = lines_of(axes)[1]
        assert [x == x for x, _ in broken] == [True, False, True]
    alone = [row for row in rows if row.system != "causal" or row.pair == "en-de"]
    texts = [[text.get_text() for text in axes.texts] for axes in drawn(alone).axes]
    assert ["causal" in own for own in texts] == [False, False, True]


def test_several_seeds_are_a_mean_with_its_spread():
    rows = [replace(r, seed=s, value=r.value + s) for r in swept_rows(("en-de",)) for s in (1, 2, 3)]
    (axes,) = drawn(rows, pairs=("en-de",)).axes
    assert lines_of(axes)[0][0] == pytest.approx([3.4, 10.7])
    bars = [line for line in axes.lines if line.get_linewidth() == 0.8]
    assert bars[0].get_xdata() == pytest.approx([2.4, 4.4])


def test_more_panels_than_a_line_show_one_metric():
    pairs = ("en-de", "en-fr", "en-nl")
    rows = [*swept_rows(pairs), *(replace(r, metric="chrf") for r in swept_rows(pairs) if r.metric == "bleu")]
    assert len(drawn(rows, pairs, ("bleu", "chrf")).axes) == 4
    assert len(drawn(rows, pairs[:2], ("bleu", "chrf")).axes) == 6
    assert drawn([]) is None


def test_long_settings_stand_beside_their_points():
    rows = [replace(r, setting=r.setting.replace("k=", "alpha=0.5, k=")) for r in swept_rows(("en-de",))]
    rows = [replace(r, setting="" if r.system == "full" else r.setting) for r in rows]
    texts = [text.get_text() for text in drawn(rows, pairs=("en-de",)).axes[0].texts]
    assert "0.5, 11" in texts


def test_box_is_tukeys():
    assert boxes.box([1, 2, 3, 4, 5]) == (1, 2, 3, 4, 5)
    assert boxes.box([0, 10, 11, 12, 13, 14, 30]) == (10, 10.5, 12, 13.5, 14)
    assert boxes.box([7]) == (7, 7, 7, 7, 7)


def test_boxes_have_a_logarithmic_axis_where_the_range_needs_it():
    colours = {"a": figures.PALETTE[0], "b": figures.PALETTE[1]}
    (axes,) = boxes.boxes({"a": [1, 2, 3], "b": [10, 20, 29]}, "GFLOPs", colours).axes
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] == 0
    (axes,) = boxes.boxes({"a": [1, 2, 3], "b": [10, 2000, 3100]}, "GFLOPs", colours).axes
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["2", "2,000", "median"]
    assert axes.get_xlabel() == "GFLOPs, logarithmic"


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
    a, b = Output("a", "", rows), Output("b", "", rows[:1])
    found = choose({"en-de": [a, b], "en-fr": [Output("a", "", rows[:3])]}, 20)
    assert len(found) == 13
    assert [e.pair for e in found[:4]] == ["en-de", "en-fr", "en-de", "en-fr"]
    assert found[-1].hypotheses[1] == Hypothesis("b", "", False, None)
    assert spread(200, 4) == [25, 75, 125, 175]
    assert choose({}, 20) == []


def test_examples_are_spread_astray_or_far_apart():
    gaps = [float(i == 7) for i in range(40)]
    astray = [i in (2, 3, 30) for i in range(40)]
    # every tenth; of three astray two; the one where systems differ, and the first of the others
    assert pick(gaps, astray, 8) == sorted([5, 15, 25, 35, *(2, 30), *(7, 0)])
    assert pick([0.0] * 3, [False] * 3, 20) == [0, 1, 2]
    assert pick([], [], 20) == []


def test_differences_are_between_first_settings_and_other_languages_are_named():
    def rows(*hypotheses):
        return [{"id": i, "source": "s", "reference": "ein Haus", "hypothesis": h} for i, h in enumerate(hypotheses)]

    outputs = [
        Output("a", "k=1", rows("ein Haus", "ein Haus"), astray=["", ""]),
        Output("a", "k=3", rows("zzz", "zzz"), folded=True, astray=["", "Dutch"]),
        Output("b", "k=1", rows("ein Haus", "zzz"), astray=["", ""]),
    ]
    same, apart = choose({"en-de": outputs}, 9)
    assert (same.gap, apart.gap) == (0, 100)
    assert (same.astray, apart.astray) == (False, True)
    assert [h.astray for h in apart.hypotheses] == ["", "Dutch", ""]
    assert [h.name for h in apart.hypotheses if not h.folded] == ["a, k=1", "b, k=1"]


def test_words_stand_where_they_were_written():
    pieces = compare("der alte Mann will", "der alte  Mann geht")
    hypothesis = Hypothesis("a", "k=1", False, pieces, words=["der", "alte", "Mann", "geht"], delays=[0, 2, 2, 4])
    assert hypothesis.columns(5) == ["der", "alte Mann", "", "geht", ""]
    with pytest.raises(ValueError, match="shorter"):
        replace(hypothesis, delays=[1]).columns(5)


def test_separators_of_lines_part_words_as_decoders_do():
    row = {"id": 0, "source": "one\u2028two\x85three", "reference": "eins", "hypothesis": "eins\u2029zwei\ufeffdrei"}
    (example,) = choose({"en-de": [Output("a", "k=1", [row | {"delays": [1, 3]}])]}, 1)
    assert (example.source, example.words) == ("one⟨U+2028⟩two⟨U+0085⟩three", ["one", "two", "three"])
    assert example.hypotheses[0].columns(len(example.words)) == ["eins", "", "zwei\ufeffdrei"]
    assert example.timed


def test_characters_stand_where_they_were_written():
    """Of text in which signs stand for what cannot be seen."""
    row = {"id": 0, "source": "猫\u202e a", "reference": "我爱", "hypothesis": "我 \u202e爱茶", "delays": [1, 2, 2, 3]}
    (example,) = choose({"zh-ja": [Output("a", "k=1", [row])]}, 1)
    assert example.words == ["猫", "⟨U+202E⟩", "a"]
    assert example.hypotheses[0].columns(3) == ["我", "⟨U+202E⟩爱", "茶"]
    assert example.timed


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
        "assumptions": {"A1": f"taken {HOSTILE}"},
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


def only_script(text):
    """The page's one script, which is the one that its security policy names."""
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return script


def test_page_is_whole_harmless_and_repeatable(plan):
    found = records.read(plan.results / "records.jsonl")
    text = page.render(plan, found)
    assert text == page.render(plan, found)
    assert str(plan.results.resolve()) not in text
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert only_script(text) == (Path(page.__file__).parent / "page.js").read_text(encoding="utf-8")
    assert all(link.startswith(("#", "data:")) for link in checker.links)
    assert "alert(" not in re.sub(r"&lt;script&gt;alert\(&#39;x&#39;\)|data:[^\"]*", "", text).replace(
        "&lt;script&gt;alert('x')&lt;/script&gt;", ""
    )
    assert not {"\u202e", "\x00"} & set(text)
    for expected in (
        "1,234,567",
        f"<p>{arrange.ASSUMED}</p>",
        "<b>A1</b> taken &lt;script&gt;",
        "10 % were &lt;dropped&gt;",
        "A &lt;title&gt; &amp; more",
        "not made yet",
        "not scored",
    ):
        assert expected in text
    assert text.count('<article class="example"') == gather.EXAMPLES < 80
    assert "60 of 80 sentences" in text
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
    table.main(["--config", config, "--training-cost", "--out-dir", str(tmp_path / "tables")])
    for figure in ("scores", "loss"):
        own = ["--results", str(plan.results), "--out-dir", str(tmp_path / "figures"), "--figure", figure]
        plot.main([*common, *own])
    with pytest.raises(ValueError, match="first: unknown figure 'latency'"):
        plot.main([*common, "--out-dir", str(tmp_path / "figures"), "--figure", "latency"])
    report.main(["--config", config, "--results", str(plan.results), "--out", str(tmp_path / "report" / "index.html")])
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "first.csv",
        "first.md",
        "first.tex",
        "training-cost.csv",
        "training-cost.md",
        "training-cost.tex",
    ]
    names = [f"first-{figure}.{kind}" for figure in ("loss", "scores") for kind in ("pdf", "png", "svg")]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names
    assert (tmp_path / "report" / "index.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path(config).is_file()


# --------------------------------------------------------------------------------------- sweeps, from plan to page


@pytest.fixture
def swept(tmp_path):
    """Models for each k, one model for every k, a conversation, and an offline system: two pairs, two seeds."""
    training = {"steps": 2, "batch_size": 4}
    sweep = {"axis": "k", "key": "training.steps", "values": {"1": 5, "3": 7}}
    simultaneous = {"name": "simultaneous", "k": [1, 3]}
    experiment = {
        "title": "Sweep",
        "model": "tiny",
        "prompt": "simulmask",
        "seeds": [1, 2],
        "train": {"corpus": "demo", "pairs": ["en-de", "en-fr"]},
        "test": {"corpus": "demo", "pairs": ["en-de", "en-fr"]},
        "tunings": {
            "full": {"training": training},
            "mask": {"training": training, "per_pair": True, "sweep": sweep},
            "turns": {"method": "converse", "training": training},
        },
        "metrics": list(METRICS),
        "systems": {
            "copy": {"decoder": {"name": "copy"}},
            "mask": {"tuning": "mask", "label": "SM", "decoder": simultaneous},
            "every": {"tuning": "full", "label": "every k", "decoder": simultaneous},
            "turns": {"tuning": "turns", "decoder": {"name": "conversation", "chunk": [3]}},
            "offline": {"tuning": "full"},
        },
    }
    scratch = {"source": "scratch", "architecture": "llama", "text": {"corpus": "demo", "languages": ["en", "de"]}}
    scratch["text"]["count"] = 9
    config = Config.model_validate(
        {
            "corpora": {"demo": {"provider": "demo", "train": 10, "test": 4}},
            "models": {"tiny": scratch},
            "experiments": {"sweep": experiment},
        }
    )
    plan = Plan(config)
    plan.results = tmp_path / "results"
    found = []
    for number, run in enumerate(plan.decode_runs):
        key, _, own = run.system.partition(",")
        settings = {"copy": [""], "offline": [""], "turns": ["n=3"]}.get(key) or ([own] if own else ["k=1", "k=3"])
        rows = []
        for setting in settings:
            place = {"experiment": "sweep", "setting": setting, "seed": run.seed}
            metrics = ("bleu", "chrf") if key == "copy" else METRICS
            found += [made(run.system, run.pair, metric=m, value=10.0 + number, **place) for m in metrics]
            for i in range(4):
                row = {"id": i, "setting": setting, "source": "a b", "reference": "c d", "hypothesis": f"{key} x"}
                rows.append(row if key == "copy" else row | {"delays": [1, 2], "gflops": run.seed + i / 10})
        path = plan.decode_folder(run) / "hypotheses.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    records.write(plan.results / "records.jsonl", found)
    return plan


def measure(plan, seconds):
    """Write what every fine-tuning took: `seconds(run)`; None for one that was not measured."""
    for run in plan.tuning_runs:
        if (taken := seconds(run)) is not None:
            row = {"seconds": taken, "steps": 5, "tokens": 1000, "tokens_per_second": 1000 / taken, "examples": 10}
            row |= {"peak_memory_mb": 100.0 + run.seed, "device": "AVX2", "threads": 1}
            write_json(plan.timing_file(run), row)


def test_figures_follow_from_the_plan(plan, swept):
    assert gallery.figures_of(plan, "first") == ["scores", "loss"]
    assert gallery.figures_of(swept, "sweep") == ["latency", "cost", "loss"]
    assert gallery.swept(swept, "sweep") == {"mask", "every", "turns"}
    assert gallery.lag(["bleu", "ap", "laal:unit=char", "al"]) == "laal:unit=char"
    assert gallery.qualities(["bleu", "ap", "chrf:word_order=2", "gflops"]) == ["bleu", "chrf:word_order=2"]
    files = gallery.inputs(swept, "sweep", "cost")
    assert len(files) == len(swept.decode_runs) == 2 * (1 + 2 * (2 + 1 + 1 + 1))
    assert all(path.is_file() for path in files)
    with pytest.raises(KeyError, match="did you mean 'latency'"):
        gallery.kind("latncy")


def test_figures_are_named_without_loading_what_draws_them():
    heavy = "('matplotlib', 'pandas', 'torch')"
    code = f"import sys, dragoman.reporting.gallery; print([name for name in {heavy} if name in sys.modules])"
    scripts = Path(gallery.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=scripts)
    assert done.stdout.strip() == "[]", done.stderr


def test_layout_promises_every_setting(swept):
    found = gather.layout_from(swept, "sweep")
    assert found.systems == {"copy": "copy", "mask": "SM", "every": "every k", "turns": "turns", "offline": "offline"}
    assert found.settings["mask"] == found.settings["every"] == ("k=1", "k=3")
    assert (found.settings["turns"], found.settings["copy"]) == (("n=3",), ("",))
    assert (found.seeds["mask"], found.seeds["copy"]) == ((1, 2), (1,))


def test_cost_is_of_every_sentence_setting_and_pair_of_the_first_seed(swept):
    samples = gather.cost_samples(swept, "sweep")
    assert list(samples) == ["SM", "every k", "turns", "offline"]
    assert [len(sample) for sample in samples.values()] == [2 * 2 * 4, 2 * 2 * 4, 2 * 4, 2 * 4]
    assert max(samples["SM"]) == 1.3


def test_training_cost_is_averaged_over_whole_tunings_only(swept):
    taken = {"full": 10.0, "mask": 30.0, "turns": None}
    measure(swept, lambda run: taken[run.tuning.partition(",")[0]])
    rows = timings.read(swept)
    assert list(rows["setting"])[:4] == ["k=1", "k=1", "k=1", "k=1"]
    mask, full, turns = timings.costs(rows)
    assert (mask.tuning, mask.models, mask.seconds, mask.relative) == ("mask", 8, 30, 3)
    assert (full.models, full.seconds, full.relative, full.peak_memory_mb) == (2, 10, 1, 102)
    assert full.tokens_per_second == 100
    assert full.device == "AVX2, 1 thread"
    assert turns.cells() == ["turns", "2", "–", "–", "–", "–", "–", "–"]
    text = timings.markdown([mask, full, turns])
    assert "| mask | 8 | 30.0 | 3.00× | 5 | 33 | 102 | AVX2, 1 thread |" in text
    assert timings.csv(rows).count("\n") == 1 + 12

    slow = TuningRun("sweep", "mask,k=3", "en-de", 2)
    swept.timing_file(slow).unlink()
    assert timings.costs(timings.read(swept))[0].seconds is None
    swept.timing_file(slow).write_text('{"seconds": 1}')
    with pytest.raises(ValueError, match=r"mask,k=3/en-de/seed-2\.json: steps, tokens, .* missing; train again"):
        timings.read(swept)


def test_hours_of_compute_are_those_of_the_plan(swept):
    assert compute.steps(swept) == []
    head = "s\tmax_rss\tcpu_time\n"
    lines = {
        "finetune/sweep/full/all/seed-1.tsv": "3600.0\t2000.5\t1800",
        "finetune/sweep/full/all/seed-2.tsv": "1800.0\t1000\t0",
        "finetune/sweep/gone/all/seed-1.tsv": "9999.0\t9999\t9999",
        "pretrain/tiny.tsv": "36\t100\t18.5",
    }
    for place, line in lines.items():
        path = swept.results / "benchmarks" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + line + "\n", encoding="utf-8")
    pretrain, finetune, decode, everything = compute.steps(swept)
    assert pretrain.cells() == ["pretrain", "1", "1", "0.010", "0.005", "100"]
    assert finetune.cells() == ["finetune", "12", "2", "1.500", "0.500", "2,000"]
    assert decode.cells() == ["decode", "22", "0", "–", "–", "–"]
    assert everything.cells() == ["all", "35", "3", "1.510", "0.505", "2,000"]
    text = page.render(swept, [])
    cost = re.search(r'<section id="training-cost">.*?</section>', text, flags=re.DOTALL).group()
    assert "<td>1.510</td>" in cost
    assert text.count(compute.machine()) == cost.count(compute.machine()) == 1


def test_times_on_different_devices_are_not_compared(swept):
    measure(swept, lambda run: 10.0 + 10 * (run.tuning == "full"))
    for run in swept.tuning_runs:
        path = swept.timing_file(run)
        if run.tuning == "turns" or run == TuningRun("sweep", "mask,k=3", "en-de", 2):
            path.write_text(path.read_text().replace("AVX2", "H200"))
    mask, full, turns = timings.costs(timings.read(swept))
    assert (mask.relative, mask.device) == (None, "AVX2, 1 thread; H200, 1 thread")
    assert (full.relative, turns.relative) == (1, 1)


def test_page_of_a_sweep(swept, monkeypatch):
    monkeypatch.setattr(page.provenance, "commit", lambda: "a" * 40)  # somebody may commit between two pages
    found = records.read(swept.results / "records.jsonl")
    pages = []
    for seconds in (10.0, 77.7):
        measure(swept, lambda run, seconds=seconds: seconds + (run.tuning == "full"))
        pages.append(page.render(swept, found))
    cut = [re.sub(r'<section id="training-cost">.*?</section>', "", text, flags=re.DOTALL) for text in pages]
    assert pages[0] != pages[1]
    assert cut[0] == cut[1]
    assert "77.7" not in cut[1]
    assert "<td>77.7</td>" in pages[1]
    checker = Checker()
    checker.feed(pages[0])
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert pages[0].count("<figure>") == 2, "latency and cost; no loss curve is there"
    assert re.findall(r'scope="rowgroup" colspan="13"><span>(.*?)<', pages[0]) == ["SM", "every k", "turns"]
    assert pages[0].count('<tr class="setting"><th scope="row"><span class="of">SM, </span>k=3</th>') == 1
    assert "one for each k = 1, 3 (training.steps = 5, 7)" in pages[0]
    example = pages[0][pages[0].index('<article class="example"') :]
    shown, folded = example[: example.index("</article>")].split("The other settings")
    assert re.findall(r"<dt>(.*?)</dt>", shown)[2:] == ["copy", "SM, k=1", "every k, k=1", "turns, n=3", "offline"]
    assert re.findall(r"<dt>(.*?)</dt>", folded) == ["SM, k=3", "every k, k=3"]


def test_loss_curves_of_a_sweep_are_named_by_model_while_that_can_be_read(swept, monkeypatch):
    names = [label for label, _ in gather.tuning_curves(swept, "sweep")]
    assert sorted(set(names)) == ["full", *(f"mask, k={k}, {p}" for k in (1, 3) for p in ("en-de", "en-fr")), "turns"]
    monkeypatch.setattr(gather, "MANY", 4)
    assert sorted({label for label, _ in gather.tuning_curves(swept, "sweep")}) == ["full", "mask", "turns"]


def test_every_figure_has_the_same_bytes_every_time(swept):
    found = records.read(swept.results / "records.jsonl")
    for name in ("latency", "cost"):
        once, twice = (figures.svg(gallery.kind(name).draw(swept, "sweep", found)) for _ in range(2))
        assert once == twice
    assert gallery.kind("latency").draw(swept, "sweep", []) is None
    assert gallery.kind("loss").draw(swept, "sweep", []) is None
