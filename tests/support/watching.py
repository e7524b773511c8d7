"""A plan and a server whose translations can be watched."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import save_model
from dragoman.config import Config
from dragoman.decoding.watch import Desk
from dragoman.decoding.watch_server import Server
from dragoman.plan import Plan
from dragoman.storage import building

SOURCES = {
    "en-fr": "The old man buys a red car today.",
    "zh-ja": "我爱 Go 猫。",
    "ar-en": "الرجل العجوز يشتري سيارة",
}
CONFIG = Path("c.yaml")
WHERE = {"seed": 1, "setting": "", "pause": 0}
PLAIN = WHERE | {"experiment": "sweep", "system": "plain", "pair": "en-fr", "text": SOURCES["en-fr"]}


def watched_plan(results: Path) -> Plan:
    """Systems with a model, which is small and untrained, and systems whose models are not made."""
    common = {"model": "tiny", "prompt": "short", "metrics": ["bleu"]}
    limits = {"max_lag": 2, "max_word_tokens": 4, "recompute": True}
    swept = {"axis": "k", "key": "options.policies.0.k", "values": {1: 5, 3: 7}}
    options = {"policies": [{"name": "wait-k", "k": 1}], "positions": "plain"}
    mask = {"method": "simulmask", "training": {"steps": 2, "batch_size": 4}, "options": options, "sweep": swept}
    sweep = common | {
        "title": "Word by word",
        "train": {"corpus": "demo", "pairs": ["en-fr"]},
        "test": {"corpus": "demo", "pairs": ["en-fr", "en-de"]},
        "tunings": {"mask": mask},
        "systems": {
            "plain": {"decoder": {"name": "simultaneous", "k": [1, 3], **limits}},
            "sure": {
                "label": "until sure",
                "decoder": {"name": "streaming", "policy": {"name": "confidence", "threshold": 0.5}, **limits},
            },
            "mask": {"tuning": "mask", "decoder": {"name": "simultaneous", "k": [1, 3]}},
            "offline": {},
            "old": {"decoder": {"name": "simultaneous", "k": [1], "legacy": True}},
        },
    }
    far = common | {
        "title": "Other scripts",
        "test": {"corpus": "far", "pairs": ["zh-ja", "ar-en"]},
        "systems": {"plain": {"decoder": {"name": "simultaneous", "k": [2], **limits}}},
    }
    text = {"corpus": "demo", "languages": ["en", "fr"], "count": 9}
    files = {pair: {"test": {"source": "a", "target": "b"}} for pair in ("zh-ja", "ar-en")}
    config = {
        "corpora": {"demo": {"provider": "demo", "train": 10, "test": 4}, "far": {"provider": "files", "pairs": files}},
        "models": {"tiny": {"source": "scratch", "architecture": "llama", "text": text}},
        "experiments": {"sweep": sweep, "far": far},
    }
    plan = Plan(Config.model_validate(config))
    plan.results = results
    with building(plan.model("tiny").folder, {}) as folder:
        save_model(folder, sharpness=10, texts=list(SOURCES.values()))
    return plan


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return watched_plan(tmp_path_factory.mktemp("watch") / "results")


@pytest.fixture(scope="module")
def watch_server(watched: Plan) -> Iterator[Server]:
    with Server(Desk(watched, CONFIG), 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(watch_server: Server, body: Any = None, path: str = "/translate", **headers: str | None) -> tuple[int, str]:
    """Status and text of an answer; a header that is None is left out."""
    connection = http.client.HTTPConnection("127.0.0.1", watch_server.server_port, timeout=60)
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Host": f"localhost:{watch_server.server_port}"}
    given |= {} if data is None else {"Content-Type": "application/json", "Content-Length": str(len(data))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest("GET" if data is None else "POST", path, skip_host=True)
    for name, value in given.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def events_of(watch_server: Server, **change: Any) -> list[dict[str, Any]]:
    status, text = ask(watch_server, PLAIN | change)
    assert status == 200, text
    return [json.loads(line) for line in text.splitlines()]


def wait_for(condition: Any) -> None:
    """Wait until a condition holds; the test fails by its own time limit if it never does."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
