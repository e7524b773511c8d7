"""The page on which a translation can be watched: its events, and the server behind it. A browser opens it in
test_watch_page.py."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stream
from dragoman import models
from dragoman.decoding import live
from dragoman.decoding.watch import KEPT, LONGEST, Desk, Request, laal
from dragoman.decoding.watch_server import LARGEST, Server
from dragoman.languages.units import WORDS, of_pair, units
from dragoman.plan import Plan
from dragoman.reporting import watch_page
from dragoman.reporting.examples import visible
from dragoman.storage import write_manifest
from support.watching import CONFIG, PLAIN, SOURCES, ask, events_of, wait_for, watched_plan

# -- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment", "system", "pair", "setting"),
    [
        ("sweep", "plain", "en-fr", ""),
        ("sweep", "plain", "en-fr", "k=3"),
        ("sweep", "plain", "en-de", "k=2"),  # a setting that the configuration does not have
        ("sweep", "sure", "en-fr", "threshold=0.01"),
        ("far", "plain", "zh-ja", "k=2"),
        ("far", "plain", "ar-en", "k=1"),
    ],
)
def test_events_are_what_the_terminal_shows(
    watched: Plan, watch_server: Server, experiment: str, system: str, pair: str, setting: str
) -> None:
    source = SOURCES.get(pair, SOURCES["en-fr"])
    found = events_of(watch_server, experiment=experiment, system=system, pair=pair, setting=setting, text=source)
    interpreter = live.interpreter(watched, live.chosen(watched, experiment, system, pair, 1, setting), CONFIG)
    rows, written = [], []
    for unit in units(source, of_pair(pair).source):  # as scripts/stream.py feeds it
        rows += [(word, len(interpreter.source)) for word in interpreter.read(unit)]
    rows += [(word, len(interpreter.source)) for word in interpreter.finish()]
    assert len(rows) > 2
    shown = [(event["word"], event["read"]) for event in found if "word" in event]
    assert shown == [(visible(word), read) for word, read in rows]
    assert interpreter.writer.delays == [read for _, read in rows]
    (begun,) = (event for event in found if "source" in event)
    assert begun == {"source": units(source, of_pair(pair).source), "units": of_pair(pair)._asdict()}
    read = 0
    for event in found:
        if "word" in event:
            written.append(event["read"])
            assert event["read"] == read, "a word is shown after the source that it was written with"
            assert event["laal"] == pytest.approx(by_formula(written, read))
        elif "read" in event:
            assert event["read"] == (read := read + 1)
    end = found[-1]["end"]
    assert end["laal"] == pytest.approx(by_formula(written, len(begun["source"])))
    kinds = "|".join(f"{name}:{'word' if unit == 'word' else 'char'}" for name, unit in of_pair(pair)._asdict().items())
    assert kinds.replace("|", "s|") in end["signature"] and "reflen:hypothesis" in end["signature"]
    assert (end["ended"], end["note"]) == (interpreter.writer.ended, "")


def by_formula(delays: list[int], source: int) -> float:
    """LAAL without a reference, as Papi et al. write it."""
    last = next((i for i, delay in enumerate(delays, 1) if delay >= source), len(delays))
    return sum(delays[i] - i * source / len(delays) for i in range(last)) / last


def test_latency_by_hand() -> None:
    """wait-2 of five words: each of the first words lags two words behind, and so does the last before the end."""
    found = laal([2, 3, 4, 5, 5], 5, WORDS)
    assert found is not None and found.value == 2
    assert laal([2], 2, WORDS).value == 2
    assert laal([2, 2, 2, 2], 2, WORDS).value == 2  # all four at once: only the first counts
    assert laal([], 3, WORDS) is None


def test_text_cannot_rearrange_the_page(watch_server: Server) -> None:
    begun = next(event for event in events_of(watch_server, text="a\u202eb \x07 c") if "source" in event)
    assert begun["source"] == ["a⟨U+202E⟩b", "␇", "c"]


def test_a_translation_without_a_word_has_no_latency(watched: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(watched, CONFIG)
    monkeypatch.setattr("dragoman.decoding.streaming.Stream.outgrown", "the model has too few positions")
    *_, last = desk.translate(Request(**PLAIN))
    assert last == {"end": {"laal": None, "signature": None, "ended": False, "note": "the model has too few positions"}}


# -- systems ----------------------------------------------------------------------------------------------------------


def test_every_system_that_decodes_word_by_word_is_offered(watched: Plan, watch_server: Server) -> None:
    status, text = ask(watch_server, path="/systems")
    rows = json.loads(text)
    assert status == 200
    found = {(row["experiment"], row["system"], row["pair"], row["setting"]): row for row in rows}
    sweep = [("plain", "k=1"), ("plain", "k=3"), ("sure", "threshold=0.5"), ("mask", "k=1"), ("mask", "k=3")]
    wanted = {("sweep", system, pair, setting) for system, setting in sweep for pair in ("en-fr", "en-de")}
    assert {*found} == wanted | {("far", "plain", pair, "k=2") for pair in ("zh-ja", "ar-en")}
    row = found["sweep", "sure", "en-de", "threshold=0.5"]
    assert (row["title"], row["label"], row["languages"]) == ("Word by word", "until sure", "English to German")
    for (experiment, system, pair, setting), row in found.items():
        point = live.chosen(watched, experiment, system, pair, row["seed"], setting)
        assert (point.system, point.policy.setting) == (system, setting)
        manifest = point.run.model.manifest
        assert bool(row["missing"]) != manifest.is_file()
        assert row["missing"] in ("", f"snakemake --cores all {manifest} --configfile c.yaml")
    assert "/mask,k=3/" in found["sweep", "mask", "en-fr", "k=3"]["missing"]


def test_the_default_configuration_needs_no_option(watched: Plan) -> None:
    run = watched.decode_run("sweep", "mask,k=3", "en-fr", 1)
    assert "--configfile" not in live.missing(run, Path("config/config.yaml"))
    assert live.missing(run, Path("my folder/c.yaml")).endswith("--configfile 'my folder/c.yaml'")


# -- the server -------------------------------------------------------------------------------------------------------


def test_the_page_runs_one_script_and_loads_nothing(watch_server: Server) -> None:
    status, text = ask(watch_server, path="/")
    assert status == 200 and text == watch_page.render()
    assert "script-src 'sha256-" in watch_page.SECURITY and text.count("<script>") == 1
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(""", text)
    assert watch_server.server_address[0] == "127.0.0.1"


REFUSED = {
    "another host": (PLAIN, {"Host": "evil.example:8765"}, 403, "not as 'evil.example:8765'"),
    "a host that begins like ours": (PLAIN, {"Host": "localhost.evil.example"}, 403, "not as"),
    "a host with a user": (PLAIN, {"Host": "localhost@evil.example"}, 403, "not as"),
    "no host": (PLAIN, {"Host": None}, 403, "not as ''"),
    "a broken host": (PLAIN, {"Host": "[::"}, 403, "not as"),
    "a page of another site": (PLAIN, {"Origin": "https://evil.example"}, 403, "other sites"),
    "a page of another port": (PLAIN, {"Origin": "http://localhost:1"}, 403, "other sites"),
    "a page of no origin": (PLAIN, {"Origin": "null"}, 403, "other sites"),
    "a request across sites": (PLAIN, {"Sec_Fetch_Site": "cross-site"}, 403, "other sites"),
    "a request of a sibling": (PLAIN, {"Sec_Fetch_Site": "same-site"}, 403, "other sites"),
    "a form": (PLAIN, {"Content_Type": "text/plain"}, 415, "JSON"),
    "no kind": (PLAIN, {"Content_Type": None}, 415, "JSON"),
    "no length": (PLAIN, {"Content_Length": None}, 411, "length"),
    "a length that is none": (PLAIN, {"Content_Length": "-1"}, 411, "length"),
    "too large": (PLAIN, {"Content_Length": str(LARGEST + 1)}, 413, f"{LARGEST} at most"),
    "no JSON": (b"{", {}, 400, "the request: Invalid JSON"),
    "no object": (b"[]", {}, 400, "the request: "),
    "half a character": (b'{"text": "\\ud800"}', {}, 400, "the request: Invalid JSON"),
    "a key that is none": (PLAIN | {"k": 3}, {}, 400, "k: Extra inputs"),
    "a key is missing": ({"text": "a"}, {}, 400, "experiment: Field required"),
    "no number": (PLAIN | {"seed": "1"}, {}, 400, "seed: "),
    "a long pause": (PLAIN | {"pause": 60}, {}, 400, "pause: "),
    "an unknown experiment": (PLAIN | {"experiment": "swepe"}, {}, 400, "did you mean 'sweep'?"),
    "an unknown system": (PLAIN | {"system": "plian"}, {}, 400, "did you mean 'sweep/plain/en-fr seed 1'?"),
    "an unknown pair": (PLAIN | {"pair": "en-it"}, {}, 400, "unknown run 'sweep/plain/en-it seed 1'"),
    "an unknown seed": (PLAIN | {"seed": 2}, {}, 400, "unknown run 'sweep/plain/en-fr seed 2'"),
    "an offline system": (PLAIN | {"system": "offline"}, {}, 400, "'offline' does not decode word by word"),
    "published code": (PLAIN | {"system": "old"}, {}, 400, "'old' does not decode word by word"),
    "another axis": (PLAIN | {"setting": "threshold=1"}, {}, 400, "'wait-k', and its settings are like k=1"),
    "no value": (PLAIN | {"setting": "k=0"}, {}, 400, "cannot have k=0"),
    "no model": (PLAIN | {"system": "mask", "setting": "k=3"}, {}, 400, "manifest.json --configfile c.yaml`"),
    "an empty source": (PLAIN | {"text": " \n\u3000"}, {}, 400, "the source is empty"),
    "a long source": (PLAIN | {"text": "a " * (LONGEST + 1)}, {}, 400, f"{LONGEST + 1} words, and {LONGEST} at most"),
}


@pytest.mark.parametrize(("body", "headers", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_a_request_is_refused(
    watch_server: Server, body: Any, headers: dict[str, str | None], status: int, message: str
) -> None:
    found, text = ask(watch_server, body, **headers)
    assert (found, [*json.loads(text)]) == (status, ["error"])
    assert message in json.loads(text)["error"]
    assert not watch_server.desk.busy.locked()


def test_other_sites_read_no_systems_and_other_paths_are_none(watch_server: Server) -> None:
    assert ask(watch_server, path="/systems", Origin="https://evil.example")[0] == 403
    assert ask(watch_server, path="/", Host="evil.example")[0] == 403
    assert ask(watch_server, path="/", Sec_Fetch_Site="cross-site")[0] == 200  # a link to the page
    assert [ask(watch_server, path=path)[0] for path in ("/translate", "/c.yaml", "/../c.yaml")] == [404] * 3
    assert ask(watch_server, PLAIN, path="/systems")[0] == 404


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "localhost:9000"])
def test_a_reader_comes_by_any_port(watch_server: Server, host: str) -> None:
    assert (
        ask(watch_server, path="/systems", Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")[0] == 200
    )


def test_an_error_in_the_middle_is_the_last_event(watch_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([""] * 3)
    monkeypatch.setattr("dragoman.decoding.streaming.Stream.outgrown", property(lambda self: next(calls)))
    found = events_of(watch_server)
    assert "source" in found[0] and [*found[-1]] == ["error"]
    assert not watch_server.desk.busy.locked()


def open_translation(watch_server: Server, **change: Any) -> socket.socket:
    """A connection over which a translation has been asked for."""
    body = json.dumps(PLAIN | change).encode()
    head = (
        f"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    found = socket.create_connection(("127.0.0.1", watch_server.server_port), timeout=60)
    found.sendall(f"{head}\r\n\r\n".encode() + body)
    return found


def test_a_closed_tab_ends_its_translation(watch_server: Server) -> None:
    tab = open_translation(watch_server, pause=1, text="a " * LONGEST)  # would take minutes
    wait_for(watch_server.desk.busy.locked)
    tab.close()
    wait_for(lambda: not watch_server.desk.busy.locked())
    assert "end" in events_of(watch_server)[-1]


def lines_of(tab: socket.socket) -> Iterator[dict[str, Any]]:
    """The events that arrive, after the head of the answer."""
    lines = tab.makefile("rb")
    while (line := lines.readline()) != b"\r\n":
        assert line, "no head"
    for line in lines:
        yield json.loads(line)


def test_one_translation_at_a_time(watch_server: Server) -> None:
    with watch_server.desk.busy:
        tab = open_translation(watch_server)
        events = lines_of(tab)
        assert next(events) == {"waiting": True}
    rest = [*events]
    assert "source" in rest[0] and "end" in rest[-1]
    tab.close()


def test_a_closed_tab_gives_up_its_place(watch_server: Server) -> None:
    with watch_server.desk.busy:
        others = set(threading.enumerate())  # connections of other tests may still be open
        tab = open_translation(watch_server)
        events = lines_of(tab)
        assert next(events) == {"waiting": True}
        answering = [each for each in threading.enumerate() if "process_request" in each.name and each not in others]
        assert answering
        events.close()
        tab.close()
        wait_for(lambda: not any(thread.is_alive() for thread in answering))


def test_a_model_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, read = watched_plan(tmp_path / "results"), []
    load = models.load
    monkeypatch.setattr(models, "load", lambda folder: read.append(folder) or load(folder))
    desk = Desk(watched, CONFIG)

    def loads(**change: Any) -> bool:
        *_, last = events = [*desk.translate(Request(**PLAIN | change))]
        assert "end" in last
        return {"loading": True} in events

    assert [loads(), loads(setting="k=3"), loads(system="sure"), loads(pair="en-de")] == [True, False, False, False]
    assert len(read) == 1
    for number in range(KEPT):  # as if it was made again, with other facts
        write_manifest(watched.model("tiny").folder, {"again": number})
        assert [loads(), loads()] == [True, False]
    assert len(desk.models) == KEPT


def test_nothing_is_written(
    watched: Plan, watch_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for root in (watched.results, tmp_path) for path in root.rglob("*")}

    before = files()
    ask(watch_server, path="/")
    ask(watch_server, path="/systems")
    assert "end" in events_of(watch_server)[-1]
    assert files() == before


@pytest.mark.parametrize(
    ("port", "message"), [(None, "is in use; choose another --port"), (70000, "between 0 and 65535")]
)
def test_a_port_that_cannot_be_used(watch_server: Server, watched: Plan, port: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Server(Desk(watched, CONFIG), watch_server.server_port if port is None else port)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--page --system a", "--system does not go with --page"),
        ("--page --k 3", "--k does not go with --page"),
        ("--page --serve", "--serve does not go with --page"),
        ("--experiment a --pair en-fr", "required: --system (or --page)"),
        ("--experiment a --system b --pair en-fr --port 1", "--port belongs to --page"),
    ],
)
def test_options_that_do_not_go_together(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stream.main(arguments.split())
    assert message in capsys.readouterr().err
