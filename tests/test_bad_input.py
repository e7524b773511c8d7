"""What no single part is about: command lines, models, the hub, results of another run, disks that are full or closed.

Tables of bad configurations, texts, translations, logs and published numbers stand in the tests of those. All of them
with their messages: `pytest -s -k refused`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_server import Hub
from refusals import Bad, called, lay, over, refuse
from support.inputs import NONE, RECORD, WORLD

DEMO = "--corpus demo --pair en-fr --downloads raw --out results/corpora/demo/en-fr"
FETCH = "fetch_model.py --config c.yaml --model local"
TUNE = "finetune.py --config c.yaml --experiment first --tuning sft"
DECODE = "decode.py --config c.yaml --experiment first --system foundation --pair en-fr"
TABLE = "table.py --config c.yaml --experiment first --records r.jsonl --out-dir tables"


# ------------------------------------------------------------------------------------------------------ command lines

NEEDS = {
    # script -> what it needs, and an unknown name
    "validate.py": ("CONFIG", None),
    "download.py": ("--corpus, --pair, --out", "--corpus dmeo --pair en-fr --out x"),
    "prepare.py": ("--corpus, --pair, --downloads, --out", "--corpus dmeo --pair en-fr --downloads x --out x"),
    "fetch_model.py": ("--model", "--model locla"),
    "pretrain.py": ("--model", "--model scrtach"),
    "finetune.py": ("--experiment, --tuning", "--experiment fisrt --tuning sft"),
    "decode.py": ("--experiment, --system, --pair", "--experiment first --system cpoy --pair en-fr"),
    "diverge.py": ("--experiment, --pair", "--experiment fisrt --pair en-fr"),
    "stream.py": ("--experiment, --system, --pair", "--experiment fisrt --system copy --pair en-fr"),
    "table.py": ("--out-dir", "--experiment fisrt --records r.jsonl --out-dir x"),
    "plot.py": (
        "--experiment, --figure, --records, --out-dir",
        "--experiment first --figure los --records r --out-dir x",
    ),
    "claims.py": ("--out", None),
    "report.py": ("--out", None),
    "score.py": ("command", None),
}
LINES = [
    *(Bad("nothing", name, [f"{needs}", "usage:"], code=2, lines=0) for name, (needs, _) in NEEDS.items()),
    *(
        Bad("an unknown option", f"{name} --nonsense", ["usage:"], code=2, lines=0)
        for name in ("speak.py", "generate.py", "verdicts.py")
    ),
    *(
        Bad(unknown, f"{name} --config c.yaml {unknown}", ["did you mean"], {"c.yaml": WORLD})
        for name, (_, unknown) in NEEDS.items()
        if unknown
    ),
    *(
        Bad("no configuration", f"{name} {arguments}", ["no.yaml: no such configuration file"])
        for name, arguments in [
            ("validate.py", "no.yaml"),
            ("verdicts.py", "no.yaml"),
            ("claims.py", "--config no.yaml --out x"),
            ("report.py", "--config no.yaml --out x"),
            ("finetune.py", "--config no.yaml --experiment a --tuning b"),
        ]
    ),
    Bad("a number that is none", f"{TUNE} --seed one", ["invalid int value: 'one'"], code=2, lines=0),
    Bad(
        "a seed that is not planned",
        f"{TUNE} --seed 7",
        ["'first/sft/all seed 7'; did you mean 'first/sft/all seed 1'?"],
    ),
    Bad(
        "a scope that is not planned", f"{TUNE} --scope en-fr", ["unknown run", "did you mean 'first/sft/all seed 1'?"]
    ),
    Bad("a pair that is not planned", DECODE.replace("en-fr", "en-de"), ["unknown run", "foundation/en-fr seed 1"]),
    Bad(
        "a model from a folder, to train",
        "pretrain.py --config c.yaml --model local",
        ["local is not a model from scratch", "fetch_model.py"],
    ),
    Bad(
        "a model from scratch, to fetch",
        FETCH.replace("local", "scratch"),
        ["scratch is a model from scratch", "pretrain.py"],
    ),
    Bad(
        "an unknown figure",
        "plot.py --config c.yaml --experiment first --figure cost --records r.jsonl --out-dir x",
        ["first: unknown figure 'cost'"],
    ),
    Bad(
        "no records",
        "table.py --config c.yaml --experiment first --out-dir x",
        ["--experiment needs --records"],
        code=2,
        lines=0,
    ),
    Bad("an unknown language", "speak.py --languages xx", ["invalid choice: 'xx'"], code=2, lines=0),
    Bad("an unknown benchmark", "bench.py corpra", ["unknown benchmark 'corpra'; did you mean 'corpora'?"]),
    Bad(
        "a system that is not simultaneous",
        "stream.py --config c.yaml --experiment first --system copy --pair en-fr",
        ["'copy' does not decode word by word"],
    ),
    Bad(
        "nothing to claim",
        "claims.py --config c.yaml --claims x.yaml --out x",
        ["x.yaml: expected keys"],
        {"x.yaml": ""},
    ),
    Bad(
        "claims that are none",
        "claims.py --config c.yaml --claims x.yaml --out x",
        ["x.yaml:1: claims", "at least 1"],
        {"x.yaml": "claims: []"},
    ),
    Bad(
        "an unknown key of a claim",
        "claims.py --config c.yaml --claims x.yaml --out x",
        ["unknown key 'idd'; did you mean 'id'?"],
        {"x.yaml": "claims: [{idd: a}]"},
    ),
    Bad("no claims file", "claims.py --config c.yaml --claims x.yaml --out x", ["x.yaml: no such configuration file"]),
]


@over(LINES)
def test_refused_command(bad: Bad, tmp_path: Path) -> None:
    lay(tmp_path, {"model/config.json": "{}", "none.tsv": NONE, "c.yaml": WORLD})
    refuse(bad._replace(lines=0), tmp_path)


def test_debug_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    for command in ("validate.py --debug no.yaml", "score.py --debug text", "score.py text --debug"):
        more = " --hypothesis no --pair en-fr" if "score" in command else ""
        with pytest.raises(ValueError, match="no"):
            called(command + more)


# ------------------------------------------------------------------------------------------- what other steps have made


def records(**change: object) -> dict[str, str]:
    return {"r.jsonl": json.dumps(RECORD) + "\n" + json.dumps(RECORD | {"metric": "chrf"} | change) + "\n"}


RESULTS = [
    *(
        Bad(what, TABLE, said, records(**change))
        for what, change, said in [
            ("an unknown key", {"vlaue": 1}, ["r.jsonl:2: unknown keys in a record: vlaue"]),
            ("NaN for a value", {"value": float("nan")}, ["r.jsonl:2: ", "value is nan"]),
            ("infinity for a bound", {"high": float("inf")}, ["r.jsonl:2: ", "high is inf"]),
            ("a text for a value", {"value": "30"}, ["r.jsonl:2: 'value' of a record is '30', not float | None"]),
            ("true for a value", {"value": True}, ["r.jsonl:2: 'value' of a record is True"]),
            ("a list for a metric", {"metric": []}, ["r.jsonl:2: 'metric' of a record is []"]),
            ("a text for a seed", {"seed": "1"}, ["r.jsonl:2: 'seed' of a record is '1', not int"]),
            ("no seed", {"seed": None}, ["r.jsonl:2: 'seed' of a record is None, not int"]),
            ("the same number twice", {"metric": "bleu"}, ["two records", "copy"]),
        ]
    ),
    Bad("keys missing", TABLE, ["r.jsonl:1: keys missing from a record: experiment"], {"r.jsonl": '{"paper": "p"}\n'}),
    Bad("half a record", TABLE, ["r.jsonl:1: not JSON"], {"r.jsonl": json.dumps(RECORD)[:40]}),
    Bad("records that are not there", TABLE, ["r.jsonl cannot be read: No such file"]),
    Bad("text that was never made", DECODE, ["results/corpora/demo/en-fr is not complete"], {}),
    *(
        Bad(
            what,
            TUNE,
            ["results/models/local/manifest.json", "remove it and run again"],
            {"results/models/local/manifest.json": content},
        )
        for what, content in [
            ("half a manifest", '{"files": {'),
            ("a list for a manifest", "[]"),
            ("a manifest without files", "{}"),
            ("a manifest without sizes", '{"files": {"a": {}}}'),
            ("a manifest that is not UTF-8", b"\xff"),
        ]
    ),
    Bad(
        "a manifest of a file that is gone",
        TUNE,
        ["results/models/local/a is missing or was changed"],
        {"results/models/local/manifest.json": '{"files": {"a": {"bytes": 1, "sha256": ""}}}'},
    ),
    Bad(
        "a measurement that is none",
        "table.py --config c.yaml --training-cost --out-dir x",
        ["seed-1.json"],
        {"results/timings/first/sft/all/seed-1.json": "{"},
    ),
]


@over(RESULTS)
def test_refused_result(bad: Bad, tmp_path: Path) -> None:
    lay(tmp_path, {"model/config.json": "{}", "none.tsv": NONE, "c.yaml": WORLD})
    refuse(bad, tmp_path)


# -------------------------------------------------------------------------------------------------------------- models


Change = Callable[[dict[str, bytes], dict[str, bytes]], dict[str, bytes]]
"""(a LLaMA's files, a Falcon's) -> files that are written over the LLaMA's; b"" removes one."""


def _json(name: str, **change: Any) -> Change:
    def changed(llama: dict[str, bytes], falcon: dict[str, bytes]) -> dict[str, bytes]:
        facts = json.loads(llama[name]) | change
        return {name: json.dumps({key: value for key, value in facts.items() if value != "remove"}).encode()}

    return changed


BROKEN: list[tuple[str, Change, str, list[str]]] = [
    # what, how, the first command that must notice, what it says
    ("no weights", lambda a, b: {"model.safetensors": b""}, FETCH, ["model has no *.safetensors weights", "run code"]),
    (
        "half the weights",
        lambda a, b: {"model.safetensors": a["model.safetensors"][:5000]},
        FETCH,
        ["model.safetensors is not a complete safetensors file"],
    ),
    (
        "weights that are none",
        lambda a, b: {"model.safetensors": b"nonsense" * 9},
        FETCH,
        ["model.safetensors is not a complete safetensors file"],
    ),
    (
        "a pickle under another name",
        lambda a, b: {"model.safetensors": b"\x80\x02}q\x00."},
        FETCH,
        ["model.safetensors is not a complete safetensors file"],
    ),
    ("half a configuration", lambda a, b: {"config.json": b"{"}, FETCH, ["config.json"]),
    (
        "an unknown architecture",
        lambda a, b: {"config.json": b'{"model_type": "lama"}'},
        FETCH,
        ["model/config.json cannot be read", "lama"],
    ),
    (
        "no tokenizer",
        lambda a, b: {"tokenizer.json": b"", "tokenizer_config.json": b""},
        FETCH,
        ["the tokenizer in model cannot be read"],
    ),
    (
        "half a tokenizer",
        lambda a, b: {"tokenizer.json": a["tokenizer.json"][:99]},
        FETCH,
        ["the tokenizer in model cannot be read"],
    ),
    (
        "a tokenizer that is none",
        lambda a, b: {"tokenizer.json": b"{}"},
        FETCH,
        ["the tokenizer in model cannot be read"],
    ),
    (
        "no end-of-sequence token",
        _json("tokenizer_config.json", eos_token="remove"),
        FETCH,
        ["no end-of-sequence token", "eos_token"],
    ),
    (
        "a tokenizer of more entries than the model",
        _json("config.json", vocab_size=100),
        FETCH,
        ["the tokenizer in model has a token", "ends at 99"],
    ),
    (
        "a Falcon's configuration",
        lambda a, b: {"config.json": b["config.json"]},
        TUNE,
        ["not those of the falcon", "missing or of another shape"],
    ),
    (
        "a Falcon's weights",
        lambda a, b: {"model.safetensors": b["model.safetensors"]},
        DECODE,
        ["not those of the llama", "missing or of another shape"],
    ),
    ("layers without weights", _json("config.json", num_hidden_layers=5), TUNE, ["not those of the llama"]),
    ("weights of another width", _json("config.json", hidden_size=64, head_dim=32), DECODE, ["not those of the llama"]),
]


@pytest.mark.parametrize(("what", "change", "command", "said"), BROKEN, ids=[what for what, *_ in BROKEN])
def test_refused_model(
    what: str, change: Change, command: str, said: list[str], checkpoints: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    llama = checkpoints["llama"]
    files = llama | change(llama, checkpoints["falcon-alibi"])
    lay(tmp_path, {f"model/{name}": content for name, content in files.items() if content})
    lay(tmp_path, {"none.tsv": NONE, "c.yaml": WORLD})
    if command != FETCH:
        _ran(tmp_path, f"prepare.py --config c.yaml {DEMO}", FETCH)
    refuse(Bad(what, command, said), tmp_path)


def test_refused_training(checkpoints: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    """Nothing to learn from is said before anything is learnt."""
    lay(tmp_path, {f"model/{name}": content for name, content in checkpoints["llama"].items()})
    lay(tmp_path, {"none.tsv": NONE, "c.yaml": WORLD})
    empty = "--corpus none --pair en-fr --downloads raw --out results/corpora/none/en-fr"
    _ran(tmp_path, f"prepare.py --config c.yaml {DEMO}", f"prepare.py --config c.yaml {empty}", FETCH)
    refuse(Bad("no training text", TUNE.replace("first", "empty"), ["no training examples"]), tmp_path)
    refuse(
        Bad("all too long", TUNE.replace("sft", "short"), ["none of 40 training examples has at most max_length = 1"]),
        tmp_path,
    )


def _ran(folder: Path, *commands: str) -> None:
    here = Path.cwd()
    os.chdir(folder)
    try:
        for command in commands:
            code, _, error = called(command)
            assert code == 0, error
    finally:
        os.chdir(here)


# ----------------------------------------------------------------------------------------------------------------- hub

DOWNLOAD = "download.py --config c.yaml --corpus hub --pair de-en --out raw"
FETCH_HUB = FETCH.replace("local", "hub")
FAULTS: list[tuple[str, Callable[[Hub], object], str, list[str]]] = [
    (
        "401",
        lambda hub: hub.fail("/api/", status=401, times=9),
        DOWNLOAD,
        ["does not exist, or is private or gated", "HF_TOKEN"],
    ),
    ("403", lambda hub: hub.fail("/api/", status=403, times=9), DOWNLOAD, ["is gated: accept the licence"]),
    (
        "404",
        lambda hub: hub.repositories.clear(),
        DOWNLOAD,
        ["does not exist, or is private or gated", "check the name"],
    ),
    ("404 of a file", lambda hub: hub.fail("/resolve/", status=404, times=9), DOWNLOAD, ["does not exist"]),
    (
        "no such revision",
        lambda hub: hub.repositories.update({("dataset", "IWSLT/iwslt2017"): {"main": {}}}),
        DOWNLOAD,
        ["has no revision 'refs/convert/parquet'", "main"],
    ),
    (
        "429",
        lambda hub: hub.fail("/api/", status=429, times=9),
        DOWNLOAD,
        ["limits the number of requests (status 429)", "wait some minutes"],
    ),
    (
        "500",
        lambda hub: hub.fail("/api/", status=500, times=9),
        DOWNLOAD,
        ["responds with status 500", "run again later"],
    ),
    (
        "503 of the bytes",
        lambda hub: hub.fail("/cdn/", status=503, times=9),
        DOWNLOAD,
        ["responds with status 503", "the download continues where it stopped"],
    ),
    (
        "stalls",
        lambda hub: hub.fail("/api/", stall=0.4, times=9),
        DOWNLOAD,
        ["no network connection to", "Timeout", "Run again"],
    ),
    (
        "a stream cut in the middle",
        lambda hub: hub.fail("/cdn/", cut=0, times=9),
        DOWNLOAD,
        ["no network connection to", "received 0 bytes"],
    ),
    (
        "changed bytes",
        lambda hub: hub.fail("/cdn/", corrupt=True),
        DOWNLOAD,
        ["has another SHA-256", "removed, so run again"],
    ),
    (
        "a folder of somebody else",
        lambda hub: None,
        DOWNLOAD.replace("--out raw", "--out ."),
        ["which was not downloaded from the hub", "empty folder"],
    ),
    (
        "pickled weights",
        lambda hub: hub.add("model", "tiny/llama", {"config.json": b"{}", "pytorch_model.bin": b""}),
        FETCH_HUB,
        ["pytorch_model.bin", "can run code"],
    ),
    (
        "no configuration",
        lambda hub: hub.add("model", "tiny/llama", {"model.safetensors": b"1"}),
        FETCH_HUB,
        ["no config.json"],
    ),
    (
        "a program for a model",
        lambda hub: hub.add("model", "tiny/llama", {"config.json": b"{}", "modeling.py": b""}),
        FETCH_HUB,
        ["there is no *.safetensors file"],
    ),
]


@pytest.mark.parametrize(("what", "fault", "command", "said"), FAULTS, ids=[what for what, *_ in FAULTS])
def test_refused_hub(
    what: str,
    fault: Callable[[Hub], object],
    command: str,
    said: list[str],
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.iwslt2017()
    hub.tiny_llama()
    fault(hub)
    lay(tmp_path, {"model/config.json": "{}", "none.tsv": NONE, "c.yaml": WORLD})
    assert "hf_secret" not in refuse(Bad(f"hub: {what}", command, said), tmp_path)


def test_there_are_enough_rows() -> None:
    """Counted over the tables of all modules, so that none gets lost when they are moved; `over` counts their rows."""
    texts = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    others = [int(least) for text in texts for least in re.findall(r"^@over\(\w+, least=(\d+)\)$", text, re.MULTILINE)]
    assert len(others) >= 5
    assert sum(map(len, [LINES, RESULTS, BROKEN, FAULTS])) + sum(others) >= 350
