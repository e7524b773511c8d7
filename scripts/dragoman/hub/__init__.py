"""Downloads from the Hugging Face hub: only the requested files of one commit, each one checked, never a program.

The hub's own library resolves the commit, reads the token and builds the addresses. The bytes are streamed here, since
that library's downloads into a folder restart an interrupted file at its first byte, and these files are gigabytes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from hashlib import sha1
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from dragoman.hub.requests import HubError, Interrupted, Kind, Place, few, patiently, timeout
from dragoman.storage import MANIFEST, read_manifest, sha256, write_manifest

log = logging.getLogger(__name__)

MODEL_FILES = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
]
"""Files of a causal language model. `consolidated.safetensors` and the like are left out, since they hold the same
weights a second time."""

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


class File(NamedTuple):
    """A file as the hub lists it. `sha256` is given for large files (LFS); `blob` is the git hash of small files."""

    name: str
    size: int | None
    sha256: str | None
    blob: str | None


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file's path matches a glob. `*` does not match `/`, so `*.json` matches in the top folder only."""
    parts = name.split("/")
    return any(
        len(parts) == len(globs) and all(map(fnmatchcase, parts, globs))
        for globs in (pattern.split("/") for pattern in patterns)
    )


def fetch(kind: Kind, repo: str, revision: str, patterns: Sequence[str], folder: Path) -> dict[str, Any]:
    """Download the files of a repository that match `patterns` into `folder`, and return the manifest written there.

    A folder that is complete for this repository, revision and patterns is used without network. The bytes that an
    interrupted call has fetched are kept next to the folder, and the next call continues after them.

    Raises:
        HubError: the files cannot be fetched; the message says what to do.
    """
    folder = Path(folder)
    asked = {"kind": kind, "repo": repo, "patterns": sorted(patterns)}
    if (manifest := _complete(folder, asked, revision)) is not None:
        return manifest
    old = _files_of_ours(folder, patterns)
    place = Place(kind, repo, revision, folder)
    commit, listed = _list(place)
    chosen = _choose(place, listed, patterns)

    work = folder.parent / f".{folder.name}.fetching"
    for number, file in enumerate(chosen, 1):
        if not any(_is_right(where / file.name, file) for where in (work, folder)):
            log.info("fetching %s of %s (%d of %d, %s bytes)", file.name, repo, number, len(chosen), file.size or "?")
            _download(place, commit, file, work)

    (folder / MANIFEST).unlink(missing_ok=True)
    names = {file.name for file in chosen}
    for file in listed:  # complete files of an earlier call with other patterns are kept
        if file.name not in names and any(_is_right(where / file.name, file) for where in (work, folder)):
            names.add(file.name)
    for name in set(old) - names:
        (folder / name).unlink(missing_ok=True)
    for name in names:
        if (work / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).replace(folder / name)
    _remove(work)
    write_manifest(folder, {**asked, "revision": revision, "commit": commit})
    return read_manifest(folder)


# ------------------------------------------------------------------------------------------------------ files and list


def _complete(folder: Path, asked: dict[str, Any], revision: str) -> dict[str, Any] | None:
    try:
        manifest = read_manifest(folder)
    except (FileNotFoundError, ValueError):
        return None
    same = all(manifest.get(key) == value for key, value in asked.items())
    return manifest if same and revision in (manifest.get("revision"), manifest.get("commit")) else None


def _files_of_ours(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Files of an earlier fetch in `folder`, which may be removed; any other file there is an error."""
    listed: set[str] = set()
    if (folder / MANIFEST).is_file():
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            listed = {MANIFEST, *manifest["files"]} if "commit" in manifest else set()
        except (ValueError, KeyError, TypeError):
            listed = {MANIFEST}
    ours = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if name not in listed and not matches(name, patterns):
            raise HubError(f"{folder} holds {name}, which was not downloaded from the hub; use an empty folder")
        ours.append(name)
    return ours


def _list(place: Place) -> tuple[str, list[File]]:
    """The commit behind a revision, and its files."""
    api = HfApi(endpoint=place.endpoint)

    def ask() -> Any:
        return api.repo_info(
            place.repo, repo_type=place.kind, revision=place.revision, files_metadata=True, timeout=timeout()
        )

    try:
        info = patiently(ask, place)
    except HubError:
        raise
    except HFValidationError as error:
        raise HubError(f"{place.repo!r} is not a repository id like `owner/name`: {error}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise HubError(f"{place.endpoint} does not respond like a hub ({error}); check HF_ENDPOINT") from None
    if not info.sha:
        raise HubError(f"{place.endpoint} names no commit for {place.repo}; check HF_ENDPOINT")
    files = []
    for sibling in info.siblings or ():
        lfs = sibling.lfs
        files.append(File(sibling.rfilename, sibling.size, lfs.sha256 if lfs else None, sibling.blob_id))
    return info.sha, sorted(files)


def _choose(place: Place, listed: list[File], patterns: Sequence[str]) -> list[File]:
    """The files to fetch. The error for a missing file lists the files that the repository has."""
    names = [file.name for file in listed]
    chosen = [file for file in listed if matches(file.name, patterns)]
    for name in (file.name for file in chosen):
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or name == MANIFEST:
            raise HubError(f"{place.page} lists a file {name!r}; it is refused, as the name is not allowed here")
    there = f"{place.page} at {place.revision} holds: {few(names)}"
    pickled = [name for name in names if name.endswith(PICKLED)]
    if place.kind == "model" and any(file.name in pickled for file in chosen):
        raise HubError(
            f"pickled files are never downloaded, since they can run code when they are loaded: {few(pickled)}"
        )
    if "config.json" not in patterns:  # a data set, or files of a model by name
        for pattern in patterns:
            if not any(matches(file.name, [pattern]) for file in chosen):
                raise HubError(f"no file matches {pattern!r}; {there}")
        return chosen
    if not any(file.name.endswith(".safetensors") for file in chosen):
        if pickled:
            raise HubError(
                f"{place.page} at {place.revision} has its weights only as {few(pickled)}, which can run code when "
                "loaded; only safetensors are read. Convert it once, where you trust it: "
                "AutoModelForCausalLM.from_pretrained(ID).save_pretrained(FOLDER) and the same with AutoTokenizer, "
                "then use `source: local`; or see whether its page offers a `refs/pr/N` revision with safetensors"
            )
        if gguf := [name for name in names if name.endswith(".gguf")]:
            raise HubError(
                f"{place.page} at {place.revision} has its weights as GGUF: {few(gguf)}. Name one of them: "
                f"{{source: gguf, id: {place.repo}, revision: {place.revision}, files: [{gguf[0]}]}}"
            )
        raise HubError(f"there is no *.safetensors file; {there}")
    if "config.json" not in {file.name for file in chosen}:
        raise HubError(f"no config.json, so this is not a model that can be loaded (an adapter?); {there}")
    return chosen


# ----------------------------------------------------------------------------------------------------------- downloads


def _is_right(path: Path, file: File) -> bool:
    """Whether a file exists with the size and hash that the hub lists; False if the hub lists no hash."""
    if not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
        return False
    if file.sha256:
        return sha256(path) == file.sha256
    if file.blob is None:
        return False
    content = path.read_bytes()
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == file.blob


def _download(place: Place, commit: str, file: File, work: Path) -> None:
    """Stream one file into `work`, continuing at the end of its `.part` file."""
    key = file.sha256 or file.blob
    part = work / f"{file.name}.{(key or 'unknown')[:16]}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    if key is None:
        part.unlink(missing_ok=True)  # without a hash, its beginning may be from another version
    url = hf_hub_url(place.repo, file.name, repo_type=place.kind, revision=commit, endpoint=place.endpoint)

    def size() -> int:
        return part.stat().st_size if part.exists() else 0

    if file.size is None or size() != file.size:
        patiently(lambda: _stream(url, part, size(), file.size), place, size)
    if file.size is not None and size() != file.size:
        broken = f"has {size()} bytes, not the {file.size} that {place.page} states"
    elif file.sha256 and sha256(part) != file.sha256:
        broken = f"has another SHA-256 than {place.page} states"
    else:
        part.replace(work / file.name)
        return
    part.unlink()
    raise HubError(f"{file.name} {broken}; it was removed, so run again (a proxy or a mirror may have changed it)")


def _stream(url: str, part: Path, start: int, size: int | None) -> None:
    # without compression, since a byte range of a compressed response is not a byte range of the file
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with get_session().stream("GET", url, headers=headers, timeout=timeout()) as response:
        if response.status_code == 416:
            part.unlink(missing_ok=True)
            raise Interrupted("the server has no such byte range; starting again")
        hf_raise_for_status(response)
        continues = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {start}-"
        )
        with open(part, "ab" if continues else "wb") as target:
            for chunk in response.iter_bytes():  # in the size received, since a broken connection loses a partial chunk
                target.write(chunk)
    if size is not None and part.stat().st_size < size:
        raise Interrupted(f"the connection ended after {part.stat().st_size} of {size} bytes")


def _remove(work: Path) -> None:
    """Remove the folder of unfinished downloads."""
    for path in sorted(work.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if work.is_dir():
        work.rmdir()
