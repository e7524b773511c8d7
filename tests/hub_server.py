"""A hub of our own: the Hugging Face hub's protocol for models and data sets, on this machine, with faults on order.

It keeps repositories in memory, answers what `huggingface_hub` asks (info, tree, refs, HEAD and GET of files, byte
ranges, large files behind a redirect to "another host" with their SHA-256), and does a fault as often as told.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LARGE = (".parquet", ".safetensors", ".bin")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@dataclass
class Fault:
    """What goes wrong with requests whose path matches: a status, a stall, or a stream cut after some bytes."""

    path: str
    status: int | None = None
    cut: int | None = None
    stall: float | None = None
    corrupt: bool = False
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """Repositories (kind, name) -> revision -> file -> bytes, and a record of every request."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], dict[str, dict[str, bytes]]] = {}
        self.gated: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        hub = self

        class Handler(_Handler):
            server_hub = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def add(self, kind: str, name: str, files: dict[str, bytes], revision: str = "main") -> str:
        self.repositories.setdefault((kind, name), {})[revision] = files
        return self.commit(files)

    @staticmethod
    def commit(files: dict[str, bytes]) -> str:
        return hashlib.sha1("".join(f"{name}{sha256(files[name])}" for name in sorted(files)).encode()).hexdigest()

    def fail(self, path: str, **facts: object) -> None:
        self.faults.append(Fault(path, **facts))  # type: ignore[arg-type]

    def fault_for(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def gets(self, part: str) -> list[dict[str, str]]:
        """Headers of every GET whose path holds `part`."""
        return [headers for method, path, headers in self.requests if method == "GET" and part in path]

    def iwslt2017(self, rows: int = 5) -> str:
        """IWSLT 2017 as the real hub has it: a loading script on main, the text on `refs/convert/parquet`."""
        self.add(
            "dataset", "IWSLT/iwslt2017", {"README.md": b"# IWSLT", "iwslt2017.py": b"raise SystemExit('never run')"}
        )
        kind = pa.struct([("de", pa.string()), ("en", pa.string())])

        def table(split: str, count: int) -> bytes:
            texts = [
                {"de": f"Das ist Satz {n} von {split}.", "en": f"This is sentence {n} of {split}."}
                for n in range(count)
            ]
            return parquet(pa.table({"translation": pa.array(texts, kind)}))

        sizes = {"train": rows, "validation": 2, "test": 3}
        files = {f"iwslt2017-de-en/{split}/0000.parquet": table(split, count) for split, count in sizes.items()}
        other = {"iwslt2017-ro-nl/train/0000.parquet": parquet(pa.table({"translation": pa.array([], kind)}))}
        return self.add("dataset", "IWSLT/iwslt2017", {**files, **other}, "refs/convert/parquet")

    def tiny_llama(self) -> dict[str, bytes]:
        """A model repository with the files real ones have, weights included; also files that must never be fetched."""
        import numpy as np
        from safetensors.numpy import save

        weights = save({"model.embed_tokens.weight": np.arange(4096, dtype=np.float32).reshape(64, 64)})
        files = {
            "config.json": json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}).encode(),
            "tokenizer.json": b'{"version": "1.0"}',
            "tokenizer_config.json": b"{}",
            "model.safetensors": weights,
            "consolidated.safetensors": weights + b"again",
            "pytorch_model.bin": b"a pickle",
            "modeling_llama.py": b"raise SystemExit('never run')",
            "onnx/model.safetensors": b"elsewhere",
            "README.md": b"# tiny",
        }
        self.add("model", "tiny/llama", files)
        return files

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        hub = self.server_hub
        hub.requests.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        fault = hub.fault_for(path)
        if fault and fault.stall:
            time.sleep(fault.stall)
            self.close_connection = True
        elif fault and fault.status:
            self._send(fault.status, b"{}", fault.headers)
        else:
            parts = [unquote(part) for part in address.path.strip("/").split("/")]
            try:
                self._answer(parts, parse_qs(address.query), fault)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, parts: list[str], query: dict[str, list[str]], fault: Fault | None) -> None:
        if parts[0] == "cdn":  # the other host: content by its hash
            found = [
                content
                for revisions in self.server_hub.repositories.values()
                for files in revisions.values()
                for content in files.values()
                if sha256(content) == parts[1]
            ]
            return self._file(found[0], {}, fault)
        if parts[0] == "api":
            kind, name, rest = parts[1].removesuffix("s"), "/".join(parts[2:4]), parts[4:]
            revisions = self.server_hub.repositories.get((kind, name))
            if revisions is None:
                return self._missing("RepoNotFound", 401)
            if rest[:1] == ["refs"]:
                refs = [{"name": r, "ref": r, "targetCommit": Hub.commit(f)} for r, f in revisions.items()]
                converts = [ref for ref in refs if "convert" in ref["ref"]]
                return self._json(
                    {"branches": [r for r in refs if r not in converts], "converts": converts, "tags": []}
                )
            files = self._revision(revisions, rest[1] if len(rest) > 1 else "main")
            if files is None:
                return self._missing("RevisionNotFound")
            if rest[:1] == ["tree"]:
                return self._json(
                    [{"type": "file", "path": n, **self._facts(c, "oid")} for n, c in sorted(files.items())]
                )
            siblings = [
                {"rfilename": n, **(self._facts(c, "blobId", n) if "blobs" in query else {})} for n, c in files.items()
            ]
            facts = {"id": name, "_id": "0", "sha": Hub.commit(files), "private": False, "downloads": 0, "likes": 0}
            return self._json({**facts, "tags": [], "gated": False, "disabled": False, "siblings": siblings})
        kind = "dataset" if parts[0] == "datasets" else "model"
        owner, name, _, revision, *path = parts[kind == "dataset" :]
        repository = f"{owner}/{name}"
        revisions = self.server_hub.repositories.get((kind, repository))
        files = self._revision(revisions, revision) if revisions else None
        if files is None:
            return self._missing("RevisionNotFound" if revisions else "RepoNotFound")
        if (token := self.server_hub.gated.get(repository)) and self.headers["Authorization"] != f"Bearer {token}":
            return self._missing("GatedRepo", 403 if self.headers["Authorization"] else 401)
        content = files.get("/".join(path))
        if content is None:
            return self._missing("EntryNotFound")
        headers = {"X-Repo-Commit": Hub.commit(files), "ETag": f'"{blob(content)}"'}
        if path[-1].endswith(LARGE):
            headers |= {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
            headers["Location"] = f"http://localhost:{self.server_hub.port}/cdn/{sha256(content)}"
            return self._send(302, b"", headers)
        return self._file(content, headers, fault)

    @staticmethod
    def _revision(revisions: dict[str, dict[str, bytes]], wanted: str) -> dict[str, bytes] | None:
        commits = {Hub.commit(files): files for files in revisions.values()}
        return revisions.get(wanted) or commits.get(wanted)

    @staticmethod
    def _facts(content: bytes, key: str, name: str = "") -> dict[str, object]:
        facts: dict[str, object] = {"size": len(content), key: blob(content)}
        if name.endswith(LARGE):
            facts["lfs"] = {"size": len(content), "sha256": sha256(content), "pointerSize": 134}
        return facts

    def _file(self, content: bytes, headers: dict[str, str], fault: Fault | None) -> None:
        status, body = 200, content
        if fault and fault.corrupt:
            body = bytes([content[0] ^ 1]) + content[1:]
        if (asked := self.headers["Range"]) is not None:
            first = int(asked.removeprefix("bytes=").split("-")[0])
            if first >= len(content):
                return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            status, body = 206, body[first:]
            headers = {**headers, "Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        self._send(status, body, headers, cut=fault.cut if fault else None)

    def _missing(self, code: str, status: int = 404) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that `HF_ENDPOINT` points to; no token, no waiting between attempts."""
    from huggingface_hub import close_session, constants

    from dragoman.hub import requests

    close_session()  # its settings are those of the environment in which it was opened
    server = Hub()
    # Tests are offline by default; the library has read that switch by now, its children will read the variable.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "no-token")
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "5")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(requests, "PAUSES", (0, 0, 0, 0))
    yield server
    server.close()
