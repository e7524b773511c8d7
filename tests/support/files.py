"""Corpora from files: their configuration, the command that prepares them, and what they hold afterwards."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from dragoman import corpora
from dragoman.config import FilesCorpus


def sides(folder: Path, split: str) -> list[tuple[str, str]]:
    table = corpora.load(folder, split)
    return list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))


def rows(corpus: FilesCorpus, tmp_path: Path, pair: str = "en-fr") -> list[tuple[str, str]]:
    corpora.prepare(corpus, pair, tmp_path / "none", tmp_path / "out")
    return sides(tmp_path / "out", "train")


def files_config(**train: Any) -> str:
    """A configuration whose corpus is one's own files."""
    return corpus_config({"provider": "files", "pairs": {"en-fr": {"train": train}}})


def corpus_config(corpus: dict[str, Any]) -> str:
    """A configuration with this corpus; whether it can be read is found out when it is."""
    web = {"corpus": "demo", "languages": ["en", "fr"], "count": 1}
    experiment = {"title": "t", "model": "m", "prompt": "short", "systems": {"copy": {"decoder": {"name": "copy"}}}}
    return json.dumps(
        {
            "corpora": {"c": corpus, "demo": {"provider": "demo", "train": 2, "test": 2}},
            "models": {"m": {"source": "scratch", "architecture": "llama", "text": web}},
            "experiments": {"e": experiment | {"test": {"corpus": "demo", "pairs": ["en-fr"]}}},
        }
    )


PREPARE = "prepare.py --config c.yaml --corpus c --pair en-fr --downloads raw --out out"
Sides = list[tuple[str, str]]


def lay(path: Path, content: str) -> Path:
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path
