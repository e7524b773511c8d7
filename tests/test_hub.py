"""The hub client against a local hub: what is fetched, what is refused, and what survives a broken connection."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.hub import MODEL_FILES, HubError, fetch, matches

pytest_plugins = ["hub_server"]
if TYPE_CHECKING:
    from hub_server import Hub

WANTED = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def get(folder: Path, revision: str = "main", patterns: list[str] = MODEL_FILES) -> dict:
    return fetch("model", "tiny/llama", revision, patterns, folder)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(*said: str, call=get, **arguments) -> str:
    with pytest.raises(HubError) as caught:
        call(**arguments)
    for word in said:
        assert word in str(caught.value), caught.value
    return str(caught.value)


def test_fetches_weights_and_tokenizer_but_no_program(hub: Hub, tmp_path: Path) -> None:
    files = hub.tiny_llama()
    manifest = get(tmp_path / "m")
    assert names(tmp_path / "m") == sorted([*WANTED, "manifest.json"])
    assert all((tmp_path / "m" / name).read_bytes() == files[name] for name in WANTED)
    assert manifest["commit"] == hub.commit(files) and manifest["revision"] == "main"
    assert hub.url not in json.dumps(manifest)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_complete_folder_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    hub.tiny_llama()
    first = get(tmp_path / "m")
    hub.requests.clear()
    assert get(tmp_path / "m") == first
    assert get(tmp_path / "m", revision=first["commit"]) == first
    assert hub.requests == []


def test_new_commit_keeps_what_did_not_change(hub: Hub, tmp_path: Path) -> None:
    files = hub.tiny_llama()
    get(tmp_path / "m")
    hub.add(
        "model",
        "tiny/llama",
        {n: c for n, c in files.items() if n != "tokenizer_config.json"} | {"vocab.txt": b"a"},
        "v2",
    )
    hub.requests.clear()
    get(tmp_path / "m", revision="v2")
    assert names(tmp_path / "m") == ["config.json", "manifest.json", "model.safetensors", "tokenizer.json", "vocab.txt"]
    assert not hub.gets("cdn") and len(hub.gets("/resolve/")) == 1


def test_other_files_of_the_same_commit_stay(hub: Hub, tmp_path: Path) -> None:
    """A training set of gigabytes is not lost when only the test set is asked for, be the fetch finished or not."""
    hub.add("dataset", "tiny/set", {"train.parquet": b"train" * 9, "test.parquet": b"test", "old.parquet": b"old"})

    def get_set(*patterns: str) -> dict:
        return fetch("dataset", "tiny/set", "main", list(patterns), tmp_path / "d")

    work = tmp_path / ".d.fetching"
    work.mkdir()
    (work / "train.parquet").write_bytes(b"train" * 9)  # of a fetch that was stopped
    (work / "old.parquet").write_bytes(b"changed")
    get_set("test.parquet")
    assert names(tmp_path / "d") == ["manifest.json", "test.parquet", "train.parquet"]
    hub.requests.clear()
    manifest = get_set("train.parquet")
    assert (manifest["patterns"], hub.gets("/resolve/")) == (["train.parquet"], [])
    assert names(tmp_path / "d") == ["manifest.json", "test.parquet", "train.parquet"]


def test_damaged_file_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    files = hub.tiny_llama()
    get(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"short")
    get(tmp_path / "m")
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_foreign_folder_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    hub.tiny_llama()
    (tmp_path / "thesis.tex").write_text("years of work")
    refused("thesis.tex", "empty folder", folder=tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_cut_stream_goes_on_at_the_byte(hub: Hub, tmp_path: Path) -> None:
    files = hub.tiny_llama()
    hub.fail("/cdn/", cut=5000, times=2)
    get(tmp_path / "m")
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert [request.get("range") for request in hub.gets("/cdn/")] == [None, "bytes=5000-", "bytes=10000-"]


def test_next_process_goes_on_at_the_byte(hub: Hub, tmp_path: Path) -> None:
    files = hub.tiny_llama()
    hub.fail("/cdn/", cut=5000)
    hub.fail("/cdn/", status=503, times=5)
    refused("503", "the download continues where it stopped", folder=tmp_path / "m")
    assert not (tmp_path / "m").exists()
    get(tmp_path / "m")
    assert hub.gets("/cdn/")[-1]["range"] == "bytes=5000-"
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_stream_that_never_gets_on_is_an_error(hub: Hub, tmp_path: Path) -> None:
    hub.tiny_llama()
    hub.fail("/cdn/", cut=0, times=99)
    refused("no network", "HF_ENDPOINT", folder=tmp_path / "m")
    assert len(hub.gets("/cdn/")) == 5


def test_stall_ends(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.tiny_llama()
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    hub.fail("/cdn/", stall=1.0)
    get(tmp_path / "m")
    hub.fail("/api/", stall=1.0, times=5)
    refused("Timeout", call=fetch, kind="model", repo="tiny/other", revision="main", patterns=[], folder=tmp_path / "n")


def test_wrong_content_is_removed_and_said(hub: Hub, tmp_path: Path) -> None:
    hub.tiny_llama()
    hub.fail("/cdn/", corrupt=True)
    refused("model.safetensors", "SHA-256", folder=tmp_path / "m")
    get(tmp_path / "m")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_passes(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.tiny_llama()
    hub.fail("/api/", status=status, headers={"Retry-After": "0"})
    hub.fail("/resolve/", status=status, times=2)
    get(tmp_path / "m")


def test_lasting_trouble_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.tiny_llama()
    hub.fail("/api/", status=429, times=99)
    refused("limits the number of requests", "429", folder=tmp_path / "m")
    assert len(hub.requests) == 5
    hub.faults.clear()
    hub.requests.clear()
    hub.fail("/api/", status=429, times=99, headers={"Retry-After": "86400"})
    refused("limits the number of requests", folder=tmp_path / "m")
    assert len(hub.requests) == 1


def test_gated_model(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    hub.tiny_llama()
    hub.gated["tiny/llama"] = "hf_right"
    refused("accept the licence", "HF_TOKEN is not set", f"{hub.url}/tiny/llama", folder=tmp_path / "m")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    said = refused("accept the licence", "HF_TOKEN is set, but", folder=tmp_path / "m")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    manifest = get(tmp_path / "m")
    assert hub.gets("/resolve/")[-1]["authorization"] == "Bearer hf_right"
    assert all("authorization" not in request for request in hub.gets("/cdn/")), "a token for a foreign host"
    assert not any("hf_" in text for text in (said, json.dumps(manifest), caplog.text))


def test_what_is_not_there_is_listed(hub: Hub, tmp_path: Path) -> None:
    hub.tiny_llama()
    hub.add("dataset", "tiny/text", {"a.parquet": b"1"}, "refs/convert/parquet")
    refused("no revision 'v9'", "main", revision="v9", folder=tmp_path / "m")
    arguments = {"call": fetch, "kind": "dataset", "folder": tmp_path / "d"}
    refused("does not exist", "HF_TOKEN", repo="tiny/none", revision="main", patterns=["*"], **arguments)
    refused("'b.*'", "a.parquet", repo="tiny/text", revision="refs/convert/parquet", patterns=["b.*"], **arguments)
    refused("no revision", "refs/convert/parquet", repo="tiny/text", revision="v9", patterns=["*"], **arguments)
    refused("owner/name", repo="a/b/c", revision="main", patterns=["*"], **arguments)


def test_pickled_weights_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.add("model", "tiny/llama", {"config.json": b"{}", "pytorch_model.bin": b"a pickle"})
    refused("pytorch_model.bin", "safetensors", "save_pretrained", "source: local", folder=tmp_path / "m")
    refused("run code", folder=tmp_path / "m", patterns=["config.json", "*.bin"])
    hub.add("model", "tiny/llama", {"model.safetensors": b"1", "adapter_config.json": b"{}"})
    refused("no config.json", "adapter_config.json", folder=tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["../../evil.parquet", "/evil.parquet", "a\\..\\..\\evil.parquet", "manifest.json"])
def test_names_that_leave_the_folder(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.add("dataset", "tiny/evil", {name: b"1"})
    patterns = ["*", "*/*", "*/*/*"]
    refused(
        "refused",
        call=fetch,
        kind="dataset",
        repo="tiny/evil",
        revision="main",
        patterns=patterns,
        folder=tmp_path / "d",
    )
    assert list(tmp_path.rglob("*evil*")) == []


def test_no_network(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        refused("no network", "HF_ENDPOINT", "copy it", folder=tmp_path / "m")


def test_not_a_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_server._Handler._answer", lambda self, *_: self._send(200, b"<html>", {}))
    refused("does not respond like a hub", folder=tmp_path / "m")


def test_offline_switch(hub: Hub, tmp_path: Path) -> None:
    """In a process of its own: the hub's library reads the switch when it is imported."""
    hub.tiny_llama()
    get(tmp_path / "there")
    program = (
        "import sys; from pathlib import Path; from dragoman.hub import MODEL_FILES, fetch\n"
        "for name in ('there', 'missing'): fetch('model', 'tiny/llama', 'main', MODEL_FILES, Path(sys.argv[1]) / name)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[1] / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert "HF_HUB_OFFLINE is set; unset it" in done.stderr


def test_globs_stay_in_their_folder() -> None:
    assert matches("a/train/0.parquet", ["a/*/*.parquet"])
    assert not matches("a/b/train/0.parquet", ["a/*/*.parquet"])
    assert not matches("onnx/model.safetensors", MODEL_FILES) and matches(
        "model-00001-of-00002.safetensors", MODEL_FILES
    )


def test_the_hubs_own_client_accepts_our_hub(hub: Hub, tmp_path: Path) -> None:
    """What the fake speaks is the real protocol, not only what our client understands."""
    from huggingface_hub import snapshot_download

    files = hub.tiny_llama()
    snapshot_download("tiny/llama", endpoint=hub.url, local_dir=tmp_path / "m", etag_timeout=5)
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == files["model.safetensors"]
