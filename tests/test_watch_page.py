"""The page on which a translation can be watched, in a browser. test_watch.py has the same server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser import LOCAL, grave, watch
from dragoman.decoding.watch import LONGEST
from dragoman.decoding.watch_server import Server
from dragoman.plan import Plan
from support.watching import SOURCES, events_of, wait_for

PHONE = 390


@pytest.fixture
def complaints() -> list[str]:
    """Errors of the page; a test takes out those that it expects."""
    return []


@pytest.fixture
def opened(chromium: Any, watch_server: Server, complaints: list[str]) -> Iterator[Callable[..., Any]]:
    """Open the page; afterwards, nothing may have gone wrong in it."""
    contexts = []

    def open_page(**options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        tab = context.new_page()
        watch(tab, complaints, (*LOCAL, watch_server.address))
        tab.goto(watch_server.address)
        tab.wait_for_selector("#translate:not([disabled])")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def translate(tab: Any, text: str, **choices: str) -> None:
    """Choose, write and send; returns when the translation is over."""
    for name, value in choices.items():
        tab.locator(f"#{name}").select_option(value)
    tab.get_by_label("Source sentence").fill(text)
    tab.get_by_role("button", name="Translate").click()
    tab.wait_for_selector("#stop", state="hidden")


def test_words_are_shown_as_they_were_written(opened: Callable[..., Any], watch_server: Server) -> None:
    tab, text = opened(), SOURCES["en-fr"]
    for setting in ("k=1", "k=3"):
        translate(tab, text, system="sweep/plain", pair="en-fr", setting=setting)
        found = events_of(watch_server, setting=setting)
        words = [event for event in found if "word" in event]
        end = found[-1]["end"]
        assert tab.locator("#source").inner_text() == text
        assert tab.locator("#target").text_content() == " ".join(event["word"] for event in words)
        assert tab.locator("#read").inner_text() == f"{len(text.split())} of {len(text.split())}"
        assert tab.locator("#written").inner_text() == str(len(words))
        assert tab.locator("#laal").inner_text() == f"{end['laal']:.2f}"
        assert tab.locator("#signature").inner_text() == end["signature"]
        assert tab.locator(".stairs thead th").all_text_contents()[1:] == text.split()
        lines = tab.locator(".stairs tbody tr")
        assert lines.locator("th").all_text_contents() == [event["word"] for event in words]
        bars = lines.locator("td.read").evaluate_all("(all) => all.map((each) => [each.colSpan, each.textContent])")
        assert bars == [[event["read"], str(event["read"])] for event in words]
    assert tab.locator("#target").get_attribute("aria-live") == "polite"
    assert [tab.locator(f"#{side}").get_attribute("lang") for side in ("source", "target")] == ["en", "fr"]


def test_systems_without_a_model_cannot_be_chosen(opened: Callable[..., Any], watched: Plan) -> None:
    tab = opened()
    mask = tab.locator("#system option", has_text="mask")
    assert mask.is_disabled() and mask.inner_text() == "mask, no model yet"
    tab.get_by_text("2 models are not made yet").click()
    models = [f"{watched.results}/tunings/sweep/mask,k={k}/all/seed-1/manifest.json" for k in (1, 3)]
    commands = [f"snakemake --cores all {model} --configfile c.yaml" for model in models]
    assert tab.locator("#unmade code").all_inner_texts() == commands
    assert tab.locator("#unmade dt").all_inner_texts() == ["sweep: mask, k=1", "sweep: mask, k=3"]
    assert tab.locator("#seeds").is_hidden()
    tab.locator("#system").select_option("sweep/sure")
    assert tab.locator("#setting").input_value() == "threshold=0.5"
    tab.locator("#system").select_option("far/plain")
    assert tab.locator("#pair option").all_inner_texts() == ["Chinese to Japanese", "Arabic to English"]


def test_other_scripts(opened: Callable[..., Any]) -> None:
    tab = opened(viewport={"width": PHONE, "height": 844})
    translate(tab, SOURCES["ar-en"], system="far/plain", pair="ar-en")
    direction = "(element) => getComputedStyle(element).direction"
    assert [tab.locator(place).evaluate(direction) for place in ("#text", "#source", ".stairs")] == ["rtl"] * 3
    cells = tab.locator(".stairs thead th")
    corner, first, second = (cells.nth(place).bounding_box() for place in range(3))
    assert corner["x"] + 1 > first["x"] + first["width"], "the first source word is in view"
    assert first["x"] > second["x"]
    translate(tab, SOURCES["zh-ja"], pair="zh-ja")
    assert tab.locator(".stairs").evaluate(direction) == "ltr"
    assert tab.locator("#source").text_content() == SOURCES["zh-ja"]
    assert cells.all_text_contents()[1:] == [*SOURCES["zh-ja"].replace(" ", "")]
    assert "When each character was written" in tab.locator("#result").inner_text()


def test_a_translation_by_keyboard_is_stopped(opened: Callable[..., Any], watch_server: Server) -> None:
    tab = opened()
    tab.locator("#pause").select_option("1")
    tab.get_by_label("Source sentence").focus()
    tab.keyboard.type("a " * LONGEST)
    tab.keyboard.press("Control+Enter")
    tab.wait_for_selector("#source .read")
    assert tab.get_by_role("status").inner_text() == "Translating."
    tab.get_by_role("button", name="Stop").press("Enter")
    tab.get_by_text("Stopped.").wait_for()
    assert tab.evaluate("document.activeElement.id") == "translate"
    wait_for(lambda: not watch_server.desk.busy.locked())


def test_a_closed_tab_ends_its_translation(opened: Callable[..., Any], watch_server: Server) -> None:
    tab = opened()
    tab.locator("#pause").select_option("1")
    tab.get_by_label("Source sentence").fill("a " * LONGEST)
    tab.get_by_role("button", name="Translate").click()
    tab.wait_for_selector("#source .read")
    assert watch_server.desk.busy.locked()
    tab.close()
    wait_for(lambda: not watch_server.desk.busy.locked())


def test_errors_are_shown(opened: Callable[..., Any], complaints: list[str]) -> None:
    tab = opened()
    translate(tab, "a " * (LONGEST + 1))
    assert tab.get_by_role("alert").inner_text().startswith(f"the source has {LONGEST + 1} words")
    translate(tab, "   ")
    assert tab.get_by_role("alert").inner_text() == "the source is empty; write a sentence first"
    assert tab.get_by_role("button", name="Translate").is_enabled()
    translate(tab, "a b")
    assert tab.locator("#error").is_hidden()
    assert [text.partition(": ")[2] for text in complaints] == [
        "the server responded with a status of 400 (Bad Request)"
    ] * 2
    complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(opened: Callable[..., Any], scheme: str) -> None:
    tab = opened(color_scheme=scheme)
    translate(tab, SOURCES["en-fr"])
    tab.evaluate("document.getElementById('error').hidden = false")
    assert grave(tab) == []


def test_page_fits_a_phone(opened: Callable[..., Any]) -> None:
    tab = opened(viewport={"width": PHONE, "height": 844})
    translate(tab, SOURCES["en-fr"] * 3)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert tab.evaluate("document.documentElement.scrollWidth") == PHONE
