"""The page in a browser: a page of numbers made up here, so that what it must show is known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import grave, watch
from dragoman.config import Config
from dragoman.languages.units import units
from dragoman.plan import Plan
from dragoman.reporting import figure_kinds, figures, gather, tables
from dragoman.results import records
from dragoman.results.records import Record
from small_runs import rendered

PHONE = 390


SENTENCES = {
    "de": ["Der alte Mann kauft heute ein rotes Auto.", "Die Frau liest am Abend ein gutes Buch."],
    "fr": ["Le vieil homme achète une voiture rouge.", "La femme lit un bon livre le soir."],
    "en": ["The old man buys a red car today.", "The woman reads a good book in the evening."],
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A finished run that nobody ran: a sweep with delays, and systems that answer in the wrong language."""
    training = {"steps": 2, "batch_size": 4}
    common = {"model": "tiny", "prompt": "simulmask", "train": {"corpus": "demo", "pairs": ["en-de", "en-fr"]}}
    common["test"] = {"corpus": "demo", "pairs": ["en-de", "en-fr"]}
    simultaneous = {"name": "simultaneous", "k": [1, 3]}
    experiments = {
        "sweep": common
        | {
            "title": "Sweep",
            "tunings": {"full": {"training": training}, "mask": {"method": "simulmask", "training": training}},
            "metrics": ["bleu", "laal"],
            "systems": {
                "mask": {"tuning": "mask", "label": "SM", "decoder": simultaneous},
                "causal": {"tuning": "full", "label": "causal <&>", "decoder": simultaneous},
                "offline": {"tuning": "full"},
            },
        },
        "away": common
        | {
            "title": "Away",
            "tunings": {"sft": {"training": training}},
            "metrics": ["bleu", "offtarget"],
            "systems": {"obedient": {"tuning": "sft"}, "stubborn": {"prompt": "headed"}},
        },
    }
    # as if German were written without blanks
    experiments["letters"] = experiments["sweep"] | {"title": "Letters", "unit": {"target": "character"}}
    text = {"corpus": "demo", "languages": ["en", "de"], "count": 9}
    corpora = {"demo": {"provider": "demo", "train": 10, "test": 8}}
    models = {"tiny": {"source": "scratch", "architecture": "llama", "text": text}}
    plan = Plan(Config.model_validate({"corpora": corpora, "models": models, "experiments": experiments}))
    plan.results = tmp_path_factory.mktemp("browser") / "results"
    found = []
    for number, run in enumerate(plan.decode_runs):
        settings = ["k=1", "k=3"] if run.system in ("mask", "causal") else [""]
        target = run.pair.partition("-")[2]
        rows = []
        for place, setting in enumerate(settings):
            for at, metric in enumerate(run.experiment_config.metrics):
                value = 10.0 + 7 * (number % 3) + number + 3 * place + at
                where = ("p", run.experiment, run.system, run.pair, setting, run.seed)
                found.append(Record(*where, metric, value, value - 2, value + 2, f"{metric}|signature", 8))
            for i in range(8):
                row = {"id": i, "setting": setting, "source": SENTENCES["en"][i % 2]}
                row["reference"] = SENTENCES[target][i % 2]
                row["hypothesis"] = SENTENCES["en" if run.system == "stubborn" and i < 3 else target][(i + place) % 2]
                if setting:
                    width, k = len(row["source"].split()), int(setting[2:])
                    unit = run.experiment_config.unit.target.replace("auto", "word")
                    row["delays"] = [min(k + at, width) for at in range(len(units(row["hypothesis"], unit)))]
                rows.append(row)
        path = run.hypotheses
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    records.write(plan.results / "records.jsonl", found)
    return plan


@pytest.fixture(scope="module")
def path(plan: Plan) -> Path:
    """The page of that run, with every file of one figure."""
    path, found = plan.results / "index.html", records.read(plan.results / "records.jsonl")
    figures.save(figure_kinds.FIGURES["scores"].draw(plan, "away", found), plan.results / "figures" / "away-scores")
    path.write_text(rendered(plan, found), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Any, path: Path) -> Iterator[Callable[..., Any]]:
    """Open the page; afterwards, nothing may have gone wrong in it."""
    complaints: list[str] = []
    contexts = []

    def open_page(**options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        tab = context.new_page()
        watch(tab, complaints)
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def column(tab: Any, table: str, number: int) -> list[str]:
    """What stands in a column, row by row, hidden rows left out."""
    script = """(table, number) => [...table.tBodies].flatMap((body) => [...body.rows])
        .filter((row) => !row.hidden && !row.matches('.system')).map((row) => row.cells[number].innerText)"""
    return [" ".join(text.split()) for text in tab.locator(table).first.evaluate(script, number)]


def test_page_opens_alone(opened: Callable[..., Any]) -> None:
    tab = opened()
    assert tab.title() == "dragoman"
    assert tab.locator("svg[role=img]").count() == 4
    assert tab.locator(".sort").count() > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(opened: Callable[..., Any], scheme: str) -> None:
    assert grave(opened(color_scheme=scheme)) == []


def test_curves_answer_the_pointer_and_the_keyboard(opened: Callable[..., Any], plan: Plan) -> None:
    tab = opened()
    drawing, bubble = tab.locator("#experiment-sweep svg[role=img]").first, tab.locator("#bubble")
    assert not bubble.is_visible()
    wanted = next(
        r
        for r in records.read(plan.results / "records.jsonl")
        if (r.system, r.pair, r.setting, r.metric) == ("causal", "en-fr", "k=3", "bleu")
    )
    # panels stand in the figure from left to right: en-de, en-fr, mean
    node = drawing.locator('[data-series="causal <&>"] use').nth(3)
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert bubble.is_visible()
    lines = bubble.inner_text().split("\n")
    assert lines[0] == "causal <&>, k=3 · en-fr"
    assert lines[1] == f"BLEU {wanted.value:.1f} [{wanted.low:.1f}, {wanted.high:.1f}]"
    assert lines[2].startswith("LAAL ")
    assert lines[3:] == ["bleu|signature", "laal|signature"]
    faint = drawing.locator("[data-series].faint")
    assert set(faint.evaluate_all("(all) => all.map((each) => each.dataset.series)")) == {"SM", "offline"}

    tab.mouse.move(1, 1)
    assert not bubble.is_visible()
    region = drawing.locator("xpath=..")
    region.focus()
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "End"):
        tab.keyboard.press(key)
        said.append(bubble.inner_text().split("\n")[0])
    assert said[0] == said[2] != said[1]
    assert said[3] != said[2]
    tab.keyboard.press("Escape")
    assert not bubble.is_visible()


def test_systems_are_hidden_and_shown(opened: Callable[..., Any]) -> None:
    tab = opened()
    figure = tab.locator("#experiment-sweep figure").first
    button = figure.get_by_role("button", name="SM")
    shown = "(all) => all.filter((each) => getComputedStyle(each).display !== 'none').length"
    own, others = (figure.locator(f'svg [data-series="{name}"]') for name in ("SM", "offline"))
    before = own.evaluate_all(shown)
    assert before > 10
    button.focus()
    tab.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert (own.evaluate_all(shown), others.evaluate_all(shown)) == (0, others.count())
    figure.get_by_role("button", name="Show all").click()
    assert button.get_attribute("aria-pressed") == "true"
    assert own.evaluate_all(shown) == before


def test_tables_sort_and_come_back(opened: Callable[..., Any]) -> None:
    tab = opened()
    table = "#experiment-sweep table.results"
    head = tab.locator(f"{table} thead tr").last.locator("th")
    start = [column(tab, table, number) for number in (0, 1)]
    names = ["SM, k=1", "SM, k=3", "causal <&>, k=1", "causal <&>, k=3", "offline"]
    assert start[0] == names
    whole = tab.locator(f"{table} .of").first
    assert whole.bounding_box()["width"] == 1, "the system's name stands above its settings already"
    head.nth(1).get_by_role("button").click()
    assert head.nth(1).get_attribute("aria-sort") == "descending"
    values = [float(text.split()[0]) for text in column(tab, table, 1)]
    assert values == sorted(values, reverse=True) != [float(text.split()[0]) for text in start[1]]
    assert set(column(tab, table, 0)) == {f"{name}, k={k}" for name in ("SM", "causal <&>") for k in (1, 3)} | {
        "offline"
    }
    head.nth(1).get_by_role("button").press("Enter")
    assert head.nth(1).get_attribute("aria-sort") == "ascending"
    assert [float(text.split()[0]) for text in column(tab, table, 1)] == sorted(values)
    head.nth(1).get_by_role("button").press("Enter")
    assert head.nth(1).get_attribute("aria-sort") is None
    assert [column(tab, table, number) for number in (0, 1)] == start
    head.nth(0).get_by_role("button").click()
    assert column(tab, table, 0)[0] == "causal <&>, k=1"


def test_downloads_hold_what_is_shown(opened: Callable[..., Any], plan: Plan) -> None:
    tab = opened()
    shown = [text.split()[0] for text in column(tab, "#experiment-away table.results", 1)]

    def fetched(name: str) -> bytes:
        with tab.expect_download() as waiting:
            tab.locator(f'a[download="{name}"]').click()
        assert waiting.value.suggested_filename == name
        return Path(waiting.value.path()).read_bytes()

    text = fetched("away.csv").decode()
    layout = gather.layout_from(plan, "away")
    assert text == tables.csv(tables.cells(records.read(plan.results / "records.jsonl"), layout))
    rows = [row for row in csv.DictReader(io.StringIO(text)) if (row["metric"], row["pair"]) == ("bleu", "en-de")]
    assert [f"{float(row['value']):.1f}" for row in rows] == shown
    for kind in ("md", "tex"):
        assert all(value in fetched(f"away.{kind}").decode() for value in shown)
    assert b"<title>" in fetched("away-scores.svg")
    assert fetched("away-scores.png").startswith(b"\x89PNG")
    drawn = fetched("away-scores.pdf")
    assert drawn.startswith(b"%PDF")
    assert b"Date" not in drawn


def test_examples_are_filtered_and_ordered(opened: Callable[..., Any]) -> None:
    tab = opened()
    box = tab.locator("#experiment-away .examples")
    count, cards = box.get_by_role("status"), box.locator(".example:visible")
    assert (count.inner_text(), cards.count()) == ("5 of 16 sentences", 5)
    box.get_by_role("button", name="Show 5 more").click()
    assert (count.inner_text(), cards.count()) == ("10 of 16 sentences", 10)
    box.get_by_label("Pair").select_option("en-fr")
    assert count.inner_text() == "5 of 8 sentences"
    assert {text.partition(",")[0] for text in cards.locator("h4").all_inner_texts()} == {"en-fr"}
    box.get_by_label("Only off target").check()
    assert count.inner_text() == "3 of 3 sentences"
    assert cards.locator(".astray").all_inner_texts() == ["in English"] * 3
    box.get_by_label("Only off target").uncheck()
    box.get_by_label("Order").select_option("gap")
    gaps = [float(card.get_attribute("data-gap")) for card in cards.all()]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 50 > gaps[-1]


def test_words_stand_under_what_had_been_read(opened: Callable[..., Any]) -> None:
    tab = opened()
    box = tab.locator("#experiment-sweep .examples")
    card = box.locator(".example:visible").first
    card.get_by_text("Word by word").press("Enter")
    line = card.locator(".timeline tbody tr").first
    assert line.locator("th, td").all_inner_texts() == ["SM, k=1", *SENTENCES["de"][0].split()]
    box.get_by_label("Setting").select_option("k=3")
    assert card.locator("dt:visible").all_inner_texts() == [
        "source",
        "reference",
        "SM, k=3",
        "causal <&>, k=3",
        "offline",
    ]
    words = SENTENCES["de"][1].split()  # eight, of a source of eight words
    assert line.locator("th, td").all_inner_texts() == ["SM, k=3", "", "", *words[:5], " ".join(words[5:])]
    box.get_by_label("Setting").select_option("*")
    assert card.locator("dt:visible").count() == 2 + 5
    assert card.locator(".timeline tbody tr").count() == 4


def test_without_scripts_nothing_is_missing(opened: Callable[..., Any]) -> None:
    bare, full = opened(java_script_enabled=False), opened()
    assert bare.locator("button, select").count() == 0
    for place in ("h2", "h3", "table.results td", "figure svg use", ".hypothesis", "a[download]"):
        assert bare.locator(place).count() == full.locator(place).count() > 0
    assert "BLEU" in bare.locator("figure svg title").first.text_content()
    # the script draws the lines of timelines itself: the same as the page has without it
    lines = ".timeline tbody tr"
    assert bare.locator(lines).all_text_contents() == full.locator(lines).all_text_contents()


def test_page_fits_a_phone_and_paper(opened: Callable[..., Any]) -> None:
    tab = opened(viewport={"width": PHONE, "height": 844})
    tab.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert tab.evaluate("document.documentElement.scrollWidth") == PHONE
    tab.emulate_media(media="print")
    assert not tab.locator(".tools:visible, .downloads:visible").count()
    assert tab.locator("svg[role=img]:visible").count() == 4


@pytest.mark.parametrize("width", [1280, PHONE])
def test_tables_are_whole_or_scroll(opened: Callable[..., Any], width: int) -> None:
    tab = opened(viewport={"width": width, "height": 800})
    tab.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    cut = """() => [...document.querySelectorAll('table')].filter((table) => !table.closest('.scroll')
        && table.getBoundingClientRect().right > innerWidth).length"""
    assert tab.evaluate(cut) == 0
    assert tab.locator("#overview article h2").first.bounding_box()["y"] < 400


def test_figures_come_before_tables(opened: Callable[..., Any]) -> None:
    order = """(part) => [...part.querySelectorAll('.scroll > svg, table.results')].map((each) => each.localName)"""
    for place in ("sweep", "away", "letters"):
        found = opened().locator(f"#experiment-{place}").evaluate(order)
        assert found == sorted(found) and {*found} == {"svg", "table"}
