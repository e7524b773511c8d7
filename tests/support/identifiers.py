"""A small language identifier like GlotLID, and a server that has it."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

import fasttext_files
from dragoman import known_files
from dragoman.languages import identify

GLOT = ("ast_Latn", "eng_Latn", "deu_Latn", "zxx_Latn", "mlt_Latn")
VOTES = {
    "</s>": {"eng_Latn": 0.1},
    "The": {"eng_Latn": 9, "ast_Latn": 6},
    "Der": {"deu_Latn": 9, "ast_Latn": 6},
    "Los": {"ast_Latn": 9, "deu_Latn": 6},
    "Il-kelb": {"mlt_Latn": 9},
    "@": {"zxx_Latn": 9},
}


@pytest.fixture
def glot(tmp_path):
    path = tmp_path / "glot.bin"
    fasttext_files.write(path, GLOT, VOTES)
    return path


@pytest.fixture
def file_server():
    """A web server: path -> bytes, which may be cut off once; and the headers of what it was asked."""
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        cut = None

        def do_GET(self):
            asked.append((self.path, self.headers.get("Range")))
            content = files.get(self.path)
            if content is None:
                return self.send_error(404)
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            if start > len(content):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            sent, Handler.cut = content[start : Handler.cut], None
            self.wfile.write(sent)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    running.files, running.asked, running.handler = files, asked, Handler
    running.url = f"http://127.0.0.1:{running.server_address[1]}"
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def glotlid_file(file_server, tmp_path, glot, monkeypatch):
    """The small model, as if it were GlotLID's published one."""
    content = glot.read_bytes()
    path = "/cis-lmu/glotlid/resolve/85cd6716494360367b75f642b5bc78667605d0b4/model_v3.bin"
    file_server.files[path] = content
    known = identify.MODELS["glotlid"]["model_v3.bin"]
    assert known.url == f"{known_files.HUB}{path}"
    file = known._replace(sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(identify.MODELS, "glotlid", {file.name: file})
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", f"{file_server.url}/")
    return file
