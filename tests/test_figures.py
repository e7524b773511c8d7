"""Figures: numbers that are drawn, their looks, and their files."""

from __future__ import annotations

import colorsys
import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import REPOSITORY
from dragoman.configfile import load_config
from dragoman.plan import Plan
from dragoman.reporting import boxes, curves, dot_plots, figure_kinds, figures, gather, latency, tables
from dragoman.results import records
from small_runs import layout, made

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


def test_figures_have_the_same_bytes_every_time(tmp_path):
    frame = tables.cells([made(), made("b"), made(pair="en-fr"), made(value=None, metric="chrf")], layout())
    lines = [("a $b", [(1, 3.0), (2, 2.0)]), ("a $b", [(1, 3.1), (2, 2.1)]), ("c", [(2, 2.05)]), ("d", [])]
    for name, draw in (("scores", lambda: dot_plots.scores(frame)), ("loss", lambda: curves.loss_curves(lines))):
        figures.save(draw(), tmp_path / "one" / name)
        figures.save(draw(), tmp_path / "two" / name)
        for suffix in ("svg", "png", "pdf"):
            one, two = (tmp_path / folder / f"{name}.{suffix}" for folder in ("one", "two"))
            assert one.read_bytes() == two.read_bytes()
        text = (tmp_path / "one" / f"{name}.svg").read_text(encoding="utf-8")
        assert "dc:date" not in text
        assert "matplotlib.org" not in text
    assert "a $b" in text
    assert curves.loss_curves([("x", [])]) is None


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
    curved = [line for line in axes.lines if line.get_linewidth() == 1.5 and line.get_marker() in ("None", "none")]
    return [line.get_xydata() for line in curved]


def test_curves_against_latency_go_through_every_setting_in_order():
    figure = drawn(swept_rows())
    assert [axes.get_title("left") for axes in figure.axes] == ["BLEU, en-de", "BLEU, en-fr", "BLEU, mean"]
    for axes in figure.axes:
        causal, mask = lines_of(axes)
        assert causal == pytest.approx(np.array(list(SWEEP["causal"].values())))
        assert mask == pytest.approx(np.array(list(SWEEP["mask"].values())))
        assert {line.get_linestyle() for line in axes.lines if line.get_linewidth() == 1.2} >= {"--"}
    named = [text.get_text() for text in figure.axes[2].texts]
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
    first, second, mean = drawn(rows).axes
    assert lines_of(first)[1] == pytest.approx(np.array(list(SWEEP["mask"].values())))
    for axes in (mean, second):
        broken = lines_of(axes)[1]
        assert [x == x for x, _ in broken] == [True, False, True]
    alone = [row for row in rows if row.system != "causal" or row.pair == "en-de"]
    texts = [[text.get_text() for text in axes.texts] for axes in drawn(alone).axes]
    assert ["causal" in own for own in texts] == [True, False, False]


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
    figure = boxes.boxes({"a": [0, 10, 11, 12, 13, 14, 30], "b": [7]}, "s", dict.fromkeys("ab", figures.QUIET))
    text = figures.svg(figure)
    assert "s: median 12\nhalf of them from 10.5 to 13.5\nwhiskers 10 to 14\n7 translations" in text
    assert "s: median 7\nhalf of them from 7 to 7\nwhiskers 7 to 7\n1 translations" in text


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
    assert gather.curve(tmp_path) == [(1, 2.5)]
    (tmp_path / "curve.json").unlink()
    assert gather.curve(tmp_path) == [(1, 2.5)]


def test_figures_follow_from_the_plan(first_run, swept):
    assert figure_kinds.figures_of(first_run, "first") == ["scores", "loss"]
    assert figure_kinds.figures_of(swept, "sweep") == ["latency", "cost", "loss"]
    assert figure_kinds.swept(swept, "sweep") == {"mask", "every", "turns"}
    assert figure_kinds.lag(["bleu", "ap", "laal:unit=char", "al"]) == "laal:unit=char"
    assert figure_kinds.qualities(["bleu", "ap", "chrf:word_order=2", "gflops"]) == ["bleu", "chrf:word_order=2"]
    files = figure_kinds.inputs(swept, "sweep", "cost")
    assert len(files) == len(swept.decode_runs) == 2 * (1 + 2 * (2 + 1 + 1 + 1))
    assert all(path.is_file() for path in files)


def test_figures_are_named_without_loading_what_draws_them():
    heavy = "('matplotlib', 'pandas', 'torch')"
    code = f"import sys, dragoman.reporting.figure_kinds; print([name for name in {heavy} if name in sys.modules])"
    scripts = Path(figure_kinds.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=scripts)
    assert done.stdout.strip() == "[]", done.stderr


def test_cost_is_of_every_sentence_setting_and_pair_of_the_first_seed(swept):
    samples = gather.cost_samples(swept, "sweep")
    assert list(samples) == ["SM", "every k", "turns", "offline"]
    assert [len(sample) for sample in samples.values()] == [2 * 2 * 4, 2 * 2 * 4, 2 * 4, 2 * 4]
    assert max(samples["SM"]) == 1.3


def test_loss_curves_of_a_sweep_are_named_by_model_while_that_can_be_read(swept, monkeypatch):
    names = [label for label, *_ in gather.tuning_curves(swept, "sweep")]
    assert sorted(set(names)) == ["full", *(f"mask, k={k}, {p}" for k in (1, 3) for p in ("en-de", "en-fr")), "turns"]
    monkeypatch.setattr(gather, "MANY", 4)
    assert sorted({label for label, *_ in gather.tuning_curves(swept, "sweep")}) == ["full", "mask", "turns"]


def test_every_figure_has_the_same_bytes_every_time(swept):
    found = records.read(swept.results / "records.jsonl")
    for name in ("latency", "cost"):
        once, twice = (figures.svg(figure_kinds.FIGURES[name].draw(swept, "sweep", found)) for _ in range(2))
        assert once == twice
    assert figure_kinds.FIGURES["latency"].draw(swept, "sweep", []) is None
    assert figure_kinds.FIGURES["loss"].draw(swept, "sweep", []) is None


def hue(colour):
    """Degrees; None for grey."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    found, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    return 360 * found if saturation > 0.05 else None


def apart(a, b):
    """Degrees between two hues."""
    return min(abs(a - b), 360 - abs(a - b))


def test_a_family_has_one_hue_and_no_two_lines_one_look():
    families = {"offline": "sft", "causal": "sft", "mask": "sm", "prefix": "p", "turns": "c", "any": "sm", "mod": "sm"}
    looks = figures.looks(families, {"sft"})
    hues = {line: hue(look["color"]) for line, look in looks.items()}
    assert hues["offline"] is hues["causal"] is None
    assert hues["mask"] == hues["any"] == hues["mod"]
    shown = [hues[line] for line in ("mask", "prefix", "turns")]
    assert all(apart(a, b) >= 25 for a, b in itertools.combinations(shown, 2))
    assert len({(str(look["linestyle"]), look["marker"]) for look in looks.values()}) == len(looks), "also in grey"
    many = figures.looks({str(n): str(n % 7) for n in range(40)})
    assert len({(look["color"], str(look["linestyle"])) for look in many.values()}) == 40


def test_hues_of_the_palette_and_of_the_page_are_distinct():
    assert all(apart(*map(hue, pair)) >= 25 for pair in itertools.combinations(figures.PALETTE, 2))
    style = (Path(figures.__file__).parent / "page.css").read_text(encoding="utf-8")
    for ground in re.findall(r"(?<=--c1: )[^\n]+", style):
        colours = re.findall(r"#\w{6}", ground)
        assert len(colours) == len(figures.PALETTE)
        assert all(apart(*map(hue, pair)) >= 25 for pair in itertools.combinations(colours, 2))


def test_systems_of_one_method_are_a_family(first_run, swept):
    layout = gather.layout_from(swept, "sweep")
    assert layout.families == {
        "copy": "untuned", "mask": "simulmask", "every": "sft", "turns": "converse", "offline": "sft"}  # fmt: skip
    looks = curves.curved_and_level(layout, {"mask", "every", "turns"})
    colours = {key: look["color"] for key, look in looks.items()}
    assert colours["copy"] == colours["every"] == colours["offline"] == figures.QUIET
    assert len({colours["mask"], colours["turns"], figures.QUIET}) == 3
    assert len({str(look["linestyle"]) for key, look in looks.items() if colours[key] == figures.QUIET}) == 3
    only = gather.layout_from(first_run, "first")
    assert len({*only.families.values()}) == 2, "where there are only baselines, each is a family"
    assert not only.baselines & {*only.families.values()}


def test_policies_on_one_model_differ_in_hue() -> None:
    plan = Plan(load_config(REPOSITORY / "config" / "examples" / "policies.yaml"))
    layout = gather.layout_from(plan, "policies")
    looks = figures.looks(layout.families, layout.baselines)
    colours = {key: look["color"] for key, look in looks.items()}
    policies = ["wait-k", "agreement", "confidence", "ralcp", "alignatt", "interleaved"]
    assert len({*map(colours.get, policies)} | {figures.QUIET}) == len(policies) + 1
    assert colours["whole-agreement"] == colours["agreement"], "the same policy on another model"
    assert looks["whole-agreement"]["linestyle"] != looks["agreement"]["linestyle"]
    assert colours["whole-wait-k"] == figures.QUIET


def test_names_are_no_formulas_and_grids_have_the_colour_that_the_page_swaps():
    text = figures.svg(curves.loss_curves([("a $x_1$ b", [(1, 2.0), (2, 1.0)])]))
    assert "a $x_1$ b" in text
    assert {*re.findall(r"stroke: (#\w{6})", text)} <= {*figures.THEMED}


def test_a_shorter_row_makes_no_gap_above_it():
    figure, shown = figures.panels(["abc", "de"], 2.0)
    for axes in (axes for _, axes, last in shown if last):
        curves.name_ends(axes, [("a system with a long name", 1.0, 0.5, {"color": "k", "linestyle": "solid"})])
    figure.draw_without_rendering()
    (above, below) = ([axes.get_position() for key, axes, _ in shown if key in row] for row in ("abc", "de"))
    gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(above)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.005)
    assert [box.width for box in below] == pytest.approx([box.width for box in above[:2]], rel=0.1)
    assert [axes.get_title("left") for axes in figure.axes] == [""] * 5
