"""Tables of records, and as Markdown and LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from dragoman.reporting import arrange, gather, markup, tables
from small_runs import HOSTILE, METRICS, cell, layout, made


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


def test_settings_in_words_have_an_order() -> None:
    assert sorted(["latency=high", "latency=low", "latency=medium"], key=tables.natural) == [
        "latency=low",
        "latency=medium",
        "latency=high",
    ]


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


def test_the_only_row_of_a_setting_is_not_the_best():
    values = {("none", "n=0"): 5.0, ("gold", "n=1"): 9.0, ("pseudo", "n=1"): 8.0, ("twin", ""): 12.0}
    rows = [made(system, setting=n, value=value) for (system, n), value in values.items()]
    rows.append(made("pseudo", setting="n=0", value=None, note="out of memory"))
    only = layout(systems={name: name for name in ("none", "gold", "pseudo", "twin")}, pairs=("en-de",))
    table = arrange.lay_out(tables.cells(rows, only), only)
    assert {label: cells[0].best for label, cells in table.rows} == {
        "none, n=0": False,
        "gold, n=1": True,
        "pseudo, n=0": False,
        "pseudo, n=1": False,
        "twin": False,
    }


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
    assert "For means over seeds and pairs, the bounds are averaged" in text


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


def test_layout_promises_every_setting(swept):
    found = gather.layout_from(swept, "sweep")
    assert found.systems == {"copy": "copy", "mask": "SM", "every": "every k", "turns": "turns", "offline": "offline"}
    assert found.settings["mask"] == found.settings["every"] == ("k=1", "k=3")
    assert (found.settings["turns"], found.settings["copy"]) == (("n=3",), ("",))
    assert (found.seeds["mask"], found.seeds["copy"]) == ((1, 2), (1,))
