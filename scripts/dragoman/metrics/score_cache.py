"""A cache of sentence values that need a GPU or seconds, so that the same texts are not scored twice.

The name of an entry is the SHA-256 of everything that its values depend on: the texts, the model's version, and the
versions of its libraries. An entry is written atomically, and holds a SHA-256 of its own content; a damaged entry is
computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from dragoman.storage import canonical, write_json

log = logging.getLogger(__name__)

_folder: Path | None = None
_others: tuple[Path, ...] = ()


def use(folder: Path | None, *others: Path) -> None:
    """Set the folder for new entries, and other folders to read entries from; None stores no new entries.

    A run of the workflow uses `RESULTS/.cache/scores`.
    """
    global _folder, _others
    _folder, _others = folder, others


def load(made_from: dict[str, Any]) -> dict[str, Any] | None:
    """The content that was stored for these inputs; None if there is none, or if it is damaged."""
    for folder in filter(None, (_folder, *_others)):
        path = _path(folder, made_from)
        if path.is_file():
            try:
                entry = json.loads(path.read_text(encoding="utf-8"))
                if entry["sha256"] == _sha256(entry["content"]):
                    return entry["content"]
            except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError):
                pass
            log.warning("%s is damaged; its scores are computed again", path)
    return None


def store(made_from: dict[str, Any], content: dict[str, Any]) -> None:
    """Store JSON content for the inputs it was computed from."""
    if _folder is not None:
        write_json(_path(_folder, made_from), {"sha256": _sha256(content), "content": content})


def _path(folder: Path, made_from: dict[str, Any]) -> Path:
    return folder / f"{_sha256(made_from)}.json"


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
