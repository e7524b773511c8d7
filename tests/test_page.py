"""The page as text: whole, harmless, the same every time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dragoman.plan import TuningRun
from dragoman.reporting import arrange, compute, gather, page, timings
from dragoman.results import records
from small_runs import Checker, measure, only_script, rendered

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


def test_page_is_whole_harmless_and_repeatable(first_run):
    found = records.read(first_run.results / "records.jsonl")
    text = rendered(first_run, found)
    assert text == page.render(first_run, found)
    assert str(first_run.results.resolve()) not in text
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


def test_page_without_any_results(first_run, tmp_path):
    first_run.results = tmp_path / "empty"
    text = page.render(first_run, [])
    assert "not made yet" in text
    assert "Side by side" not in text


def test_layout_follows_the_configuration(first_run):
    found = gather.layout_from(first_run, "first")
    assert found.systems["tuned"] == "tuned"
    assert found.seeds == {"copy": (1,), "tuned": (1,)}
    with pytest.raises(KeyError, match="did you mean 'first'"):
        gather.layout_from(first_run, "frist")


def test_systems_of_one_label_stay_apart(first_run):
    spec = first_run.experiment("first")
    system = spec.systems["copy"].model_copy(update={"label": "same"})
    twice = spec.model_copy(update={"systems": {"a": system, "b": system, "c": spec.systems["tuned"]}})
    assert gather.labels(twice) == {"a": "same (a)", "b": "same (b)", "c": "c"}


def test_scripts_write_their_files(first_run, tmp_path):
    import plot
    import report
    import table

    config = str(first_run.save())
    common = ["--config", config, "--experiment", "first", "--records", str(first_run.results / "records.jsonl")]
    table.main([*common, "--out-dir", str(tmp_path / "tables")])
    table.main(["--config", config, "--training-cost", "--out-dir", str(tmp_path / "tables")])
    for figure in ("scores", "loss"):
        own = ["--results", str(first_run.results), "--out-dir", str(tmp_path / "figures"), "--figure", figure]
        plot.main([*common, *own])
    with pytest.raises(ValueError, match="first: unknown figure 'latency'"):
        plot.main([*common, "--out-dir", str(tmp_path / "figures"), "--figure", "latency"])
    out = tmp_path / "report" / "index.html"
    report.main(["--config", config, "--results", str(first_run.results), "--out", str(out)])
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "first.csv",
        "first.html",
        "first.md",
        "first.tex",
        "training-cost.csv",
        "training-cost.md",
        "training-cost.tex",
    ]
    names = [f"first-{figure}.{kind}" for figure in ("loss", "scores") for kind in ("pdf", "png", "svg")]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path(config).is_file()


def test_training_cost_is_averaged_over_whole_tunings_only(swept):
    taken = {"full": 10.0, "mask": 30.0, "turns": None}
    measure(swept, lambda run: taken[run.tuning.partition(",")[0]])
    rows = timings.read(swept)
    assert list(rows["setting"])[:4] == ["k=1", "k=1", "k=1", "k=1"]
    mask, full, turns = timings.costs(rows)["sweep"]
    assert (mask.tuning, mask.models, mask.seconds, mask.relative) == ("mask", 8, 30, 3)
    assert (full.models, full.seconds, full.relative, full.peak_memory_mb) == (2, 10, 1, 102)
    assert full.tokens_per_second == 100
    assert full.device == "AVX2, 1 thread"
    assert turns.cells() == ["turns", "2", "–", "–", "–", "–", "–", "–"]
    text = timings.files(rows)
    assert "| mask | 8 | 30.0 | 3.00× | 5 | 33 | 102 | AVX2, 1 thread |" in text["md"]
    assert text["csv"].count("\n") == 1 + 12

    slow = TuningRun(swept, "sweep", "mask,k=3", "en-de", 2)
    slow.timing.unlink()
    assert timings.costs(timings.read(swept))["sweep"][0].seconds is None
    slow.timing.write_text('{"seconds": 1}')
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
        path = run.timing
        if run.tuning == "turns" or run == TuningRun(swept, "sweep", "mask,k=3", "en-de", 2):
            path.write_text(path.read_text().replace("AVX2", "H200"))
    mask, full, turns = timings.costs(timings.read(swept))["sweep"]
    assert (mask.relative, mask.device) == (None, "AVX2, 1 thread; H200, 1 thread")
    assert (full.relative, turns.relative) == (1, 1)


def test_page_of_a_sweep(swept, monkeypatch):
    monkeypatch.setattr(page.provenance, "commit", lambda: "a" * 40)  # somebody may commit between two pages
    found = records.read(swept.results / "records.jsonl")
    pages = []
    for seconds in (10.0, 77.7):
        measure(swept, lambda run, seconds=seconds: seconds + (run.tuning == "full"))
        pages.append(rendered(swept, found))
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
