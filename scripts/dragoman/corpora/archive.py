"""Parallel text in a published archive. For example, test sets of IWSLT and WMT are XML or SGML files in a .tgz.

The archive is kept next to the folders of pairs, so that all pairs of a corpus share it. A part of a path inside it may
be an archive itself (`texts/it/nl/it-nl.tgz/it-nl/test.it.xml`). In .xml and .sgm files, each `<seg>` is a line; other
files are plain text. Blanks at both ends of a line are removed; in a `<seg>`, a line break becomes a blank.
"""

from __future__ import annotations

import contextlib
import gzip
import html
import io
import re
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import portalocker

from dragoman.config import ArchiveCorpus
from dragoman.corpora import CorpusError, Row, require_pair
from dragoman.hub.requests import few
from dragoman.languages import split_pair
from dragoman.storage import building, digest, read_manifest, replacing, sha256
from dragoman.text import parallel

ENDINGS = (".tgz", ".tar.gz", ".tar", ".zip")
SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL)
STALL = 60.0
"""Seconds without data after which a download fails."""
WAIT = 3600.0
"""Seconds to wait for another process that is downloading the same archive."""


def fetch(corpus: ArchiveCorpus, pair: str, folder: Path) -> None:
    """Download the archive, unless another pair has downloaded it, and extract the files of this pair.

    Raises:
        CorpusError: there is no network, the address gives no archive or one with another SHA-256 than `sha256`, or a
            file is not in the archive.
    """
    require_pair(pair, corpus.pairs, "the corpus")
    asked = _asked(corpus, pair)
    with contextlib.suppress(FileNotFoundError, ValueError):
        if asked.items() <= read_manifest(folder).items():
            return
    with building(folder, asked) as place:
        path = _archive(corpus, folder.parent / "archives" / digest(corpus.url))
        asked["archive"] = sha256(path)
        for split, sides in corpus.files.items():
            for side in ("source", "target"):
                name = _filled(getattr(sides, side), pair)
                content = _member(path.read_bytes(), PurePosixPath(name).parts, f"{corpus.url} ({path})")
                text = "".join(line + "\n" for line in _lines(name, content, corpus.url))
                (place / f"{split}.{side}").write_bytes(text.encode())


def read(corpus: ArchiveCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The rows of one split, in the order of the files."""
    if split in corpus.files:
        _manifest(corpus, pair, folder)
        yield from (Row(*sides) for sides in parallel(folder / f"{split}.source", folder / f"{split}.target"))


def describe(corpus: ArchiveCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The address, the hash of the archive, and the hashes of the texts."""
    manifest = _manifest(corpus, pair, folder)
    files = {name: file["sha256"] for name, file in manifest["files"].items()}
    return {"url": manifest["url"], "archive": manifest["archive"], "files": files}


def _asked(corpus: ArchiveCorpus, pair: str) -> dict[str, Any]:
    return {"url": corpus.url, "pair": pair, "paths": {s: each.model_dump() for s, each in corpus.files.items()}}


def _manifest(corpus: ArchiveCorpus, pair: str, folder: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        raise CorpusError(f"{corpus.url} is not in {folder} yet; run scripts/download.py first") from None
    if not _asked(corpus, pair).items() <= manifest.items():
        raise CorpusError(f"{folder} holds files of another archive or pair; run scripts/download.py again")
    return manifest


def _by_hand(corpus: ArchiveCorpus) -> str:
    where = f" from {corpus.page}" if corpus.page else ""
    return f"download it by hand{where} and write `url: file:///path/to/the/file`"


def _archive(corpus: ArchiveCorpus, path: Path) -> Path:
    """The path of the archive on this machine, after downloading it if necessary.

    Raises:
        CorpusError: it cannot be downloaded, has another SHA-256, or is not an archive.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with portalocker.Lock(path.with_suffix(".lock"), timeout=WAIT):
            if not path.is_file():
                with urllib.request.urlopen(corpus.url, timeout=STALL) as answer, replacing(path, "wb") as file:
                    shutil.copyfileobj(answer, file)
    except portalocker.exceptions.LockException:
        text = f"another process has been fetching {corpus.url} for {WAIT:g} s; stop it or wait"
        raise CorpusError(text) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise CorpusError(
            f"{corpus.url} cannot be fetched ({error}); check the network, or {_by_hand(corpus)}"
        ) from None
    actual = sha256(path)
    if corpus.sha256 not in (None, actual):
        path.unlink()
        text = f"{corpus.url} gives a file with the SHA-256 {actual}, not {corpus.sha256}; it was removed"
        raise CorpusError(f"{text}. Run again, and if it happens twice, {_by_hand(corpus)}")
    if not (tarfile.is_tarfile(path) or zipfile.is_zipfile(path)):
        start = path.read_bytes()[:40]
        if corpus.sha256 is None:
            path.unlink()
        raise CorpusError(f"{corpus.url} gives no archive (it begins with {start!r}); {_by_hand(corpus)}")
    return path


def _filled(pattern: str, pair: str) -> str:
    source, target = split_pair(pair)
    return pattern.replace("{source}", source).replace("{target}", target)


def _member(content: bytes, parts: tuple[str, ...], where: str) -> bytes:
    """A file inside an archive, given by the parts of its path, some of which may be archives themselves."""
    for end in range(1, len(parts) + 1):
        if end < len(parts) and not parts[end - 1].endswith(ENDINGS):
            continue
        name = "/".join(parts[:end])
        inner = _extracted(content, name, where)
        return inner if end == len(parts) else _member(inner, parts[end:], f"{where}: {name}")
    raise AssertionError("a path has a part")


def _extracted(content: bytes, name: str, where: str) -> bytes:
    """A file of an archive, read into memory, so that no name in an archive is ever used as a path on disk.

    Raises:
        CorpusError: the archive is damaged, or the file cannot be read or does not exist.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                names = packed.namelist()
                if name in names:
                    return packed.read(name)
        else:
            if content.startswith(b"\x1f\x8b"):  # unpacked completely, since tarfile would not check gzip's checksum
                content = gzip.decompress(content)
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                names = tar.getnames()
                matching = [each for each in names if PurePosixPath(each) == PurePosixPath(name)]
                if matching and (file := tar.extractfile(matching[0])) is not None:
                    return file.read()
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise CorpusError(f"{where} is not a whole archive ({error}); remove it, and it is fetched again") from None
    except RuntimeError as error:  # zipfile: the file has a password or an unsupported compression
        raise CorpusError(f"{where}: {name} cannot be read ({error}); give an archive without that") from None
    raise CorpusError(f"{where} has no {name!r}; correct `files` (it has: {few(sorted(names))})")


def _lines(name: str, content: bytes, where: str) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{where}: {name} is not UTF-8 ({error})") from None
    if not name.endswith((".xml", ".sgm")):
        return [line.removesuffix("\r").strip() for line in text.removesuffix("\n").split("\n")] if text else []
    segments = [" ".join(html.unescape(segment).split("\n")).strip() for segment in SEGMENT.findall(text)]
    if not segments:
        raise CorpusError(f"{where}: {name} has no <seg>; name a file of plain text, or one with segments")
    return segments
