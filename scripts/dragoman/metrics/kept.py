"""Values of sentences that cost a GPU or seconds are kept by content, so that the same texts are not scored again.

An entry's name is the SHA-256 of all that its values depend on: the texts, the model's version, the versions of its
libraries. It is written whole or not at all, and holds a SHA-256 of its own content: a damaged one is made again.
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
    """Where entries are kept from now on, and where else they are looked for; None keeps no new ones.

    Of a run of the workflow it is `RESULTS/.cache/scores`.
    """
    global _folder, _others
    _folder, _others = folder, others


def recall(made_from: dict[str, Any]) -> dict[str, Any] | None:
    """What was kept under these facts; None where there is nothing, or nothing whole."""
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


def keep(made_from: dict[str, Any], content: dict[str, Any]) -> None:
    """Keep JSON under the facts it was made from."""
    if _folder is not None:
        write_json(_path(_folder, made_from), {"sha256": _sha256(content), "content": content})


def _path(folder: Path, made_from: dict[str, Any]) -> Path:
    return folder / f"{_sha256(made_from)}.json"


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
