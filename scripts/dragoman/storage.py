"""Files that are whole or absent: write to a temporary name, flush to disk, replace; a manifest comes last."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from dragoman.text import objects

MANIFEST = "manifest.json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when a file cannot grow."""


def canonical(value: Any) -> str:
    """JSON of `value` that is the same text for the same content: sorted keys, no spare blanks, UTF-8 as it is."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file or folder to disk, so that a later rename cannot overtake its content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; when the block ends well it becomes `path`, else it is removed.

    Text is UTF-8 with "\\n" line ends.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        os.fchmod(descriptor, 0o666 & ~_umask())
        with os.fdopen(descriptor, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
            error.filename = str(path)  # writing to an open file, the system does not say to which
        raise


@contextlib.contextmanager
def naming_full_disks(folder: Path) -> Iterator[None]:
    """Raise the system's error if the disk of `folder` is full when a library fails to save something there.

    For a full disk, torch 2.13 raises a RuntimeError ("unexpected pos"), and safetensors 0.8 an error of its own.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(bytes(2**20))
        except OSError as full:
            if full.errno in FULL:
                raise OSError(full.errno, full.strerror, str(folder)) from error
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with replacing(path) as file:
        json.dump(value, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: it holds something else; the message names it.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); remove it and run again") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__} instead of a JSON object; remove it and run again")
    return value


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All objects of a JSON Lines file; a line that is none is named by file and line."""
    return [row for _, row in objects(Path(path))]


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Declare `folder` complete: record `facts`, and the size and SHA-256 of each file in it. Written last.

    A folder without its manifest does not exist, as far as this project is concerned.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST and not path.name.endswith(".part"):
            sync(path)
            files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_json(folder / MANIFEST, {**facts, "files": files})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a complete folder, after a check that its files are there and have their sizes.

    Raises:
        FileNotFoundError: there is no manifest.
        ValueError: a file is missing or has another size than when it was written.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not complete: it has no {MANIFEST}; run the rule that makes it again")
    manifest = read_json(path)
    try:
        files = [(name, file["bytes"], file["sha256"]) for name, file in manifest["files"].items()]
    except (LookupError, TypeError, AttributeError):
        raise ValueError(f"{path} is not a manifest; remove it and run again") from None
    for name, size, _ in files:
        actual = Path(folder) / name
        if not actual.is_file() or actual.stat().st_size != size:
            raise ValueError(
                f"{actual} is missing or was changed since {path} was written; delete {path} and run again"
            )
    return manifest


@contextlib.contextmanager
def building(folder: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """Yield a temporary folder; when the block ends well its files move into `folder` and the manifest is written.

    `facts` may be filled inside the block. What `folder` held before is removed, its manifest first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        with naming_full_disks(folder):
            yield Path(name)
        (folder / MANIFEST).unlink(missing_ok=True)
        for old in folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for path in sorted(Path(name).iterdir()):
            os.replace(path, folder / path.name)
    write_manifest(folder, facts)
