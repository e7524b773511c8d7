"""Test sets of sacrebleu, with the same text that sacrebleu scores: its archives, checksums and conversions are used.

Archives are kept in the folder that the environment variable `SACREBLEU` names, otherwise in a folder `sacrebleu` next
to the folders of pairs, so that all pairs of a set share them. If a set has several references, the first reference
that sacrebleu scores by default is used: `A` for most pairs of WMT 2022, `B` for Czech-English. The manifest names it.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import os
import platform
import shutil
import socket
import tarfile
import urllib.error
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import portalocker
import sacrebleu
from sacrebleu.dataset import DATASETS
from sacrebleu.dataset.base import Dataset
from sacrebleu.utils import extract_tarball, get_md5sum

from dragoman import registry, text
from dragoman.config import SacrebleuCorpus
from dragoman.corpora import SPLITS, CorpusError, Row, require_pair
from dragoman.languages import reverse
from dragoman.storage import MANIFEST, building, read_manifest

STALL = 60.0
"""Seconds without data after which a download fails; sacrebleu has no such limit."""
WAIT = 3600.0
"""Seconds to wait for another process that is downloading the same set."""


def fetch(corpus: SacrebleuCorpus, pair: str, folder: Path) -> None:
    """Download and convert the sets with sacrebleu, and copy source and reference of the pair into `folder`.

    Raises:
        CorpusError: a set or pair does not exist, or there is no network.
    """
    require_pair(pair, corpus.pairs, "the corpus")
    asked = _asked(corpus, pair)
    with contextlib.suppress(FileNotFoundError, ValueError):
        if asked.items() <= read_manifest(folder).items():
            return
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix not in (".source", ".target") and path.name != MANIFEST:
            raise CorpusError(f"{folder} holds {path.name}, which would be lost; name or make an empty folder")
    if not hasattr(tarfile, "data_filter"):
        version = platform.python_version()
        raise CorpusError(
            f"Python {version} cannot unpack archives safely; the provider sacrebleu needs 3.11.4 or newer"
        )
    home = os.environ.get("SACREBLEU")
    cache = Path(home).expanduser() if home else folder.parent / "sacrebleu"
    facts = {**asked, "sacrebleu": sacrebleu.__version__, "references": {}, "archives": {}}
    with building(folder, facts) as place:
        for name in _names(corpus):
            for stem, asked_pair, sides in _readings(corpus, name, pair):
                dataset = _dataset(name, asked_pair, cache)
                source, target, facts["references"][stem] = _texts(dataset, asked_pair, cache)
                facts["archives"][name] = dict(zip(dataset.data, dataset.md5 or [], strict=False))
                for path, side in zip((source, target), sides, strict=True):
                    shutil.copyfile(path, place / f"{_flat(stem)}.{side}")


def read(corpus: SacrebleuCorpus, pair: str, split: str, folder: Path) -> Iterator[Row]:
    """The lines of all sets of a split, one set after the other."""
    if names := getattr(corpus, split):
        _manifest(corpus, pair, folder)
    for name in names:
        for stem, _, _ in _readings(corpus, name, pair):
            sides = (folder / f"{_flat(stem)}.{side}" for side in ("source", "target"))
            yield from (Row(*lines) for lines in text.parallel(*sides))


def describe(corpus: SacrebleuCorpus, pair: str, folder: Path) -> dict[str, Any]:
    """The sets, sacrebleu's version, the archives with their MD5, the references used, and the hashes of the texts."""
    manifest = _manifest(corpus, pair, folder)
    files = {name: file["sha256"] for name, file in manifest["files"].items()}
    return {key: manifest[key] for key in ("sets", "sacrebleu", "references", "archives")} | {"files": files}


def _asked(corpus: SacrebleuCorpus, pair: str) -> dict[str, Any]:
    turned = {"turned": list(corpus.turned)} if corpus.turned else {}
    return {"pair": pair, "sets": {split: list(getattr(corpus, split)) for split in SPLITS}, **turned}


def _readings(corpus: SacrebleuCorpus, name: str, pair: str) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """The ways in which a set is read: (name of the text here, sacrebleu's pair, our sides of its source and
    reference)."""
    yield name, pair, ("source", "target")
    if name in corpus.turned:
        yield f"{name}.turned", reverse(pair), ("target", "source")


def _names(corpus: SacrebleuCorpus) -> list[str]:
    return sorted({name for split in SPLITS for name in getattr(corpus, split)})


def _flat(name: str) -> str:
    return name.replace("/", "_")


def _manifest(corpus: SacrebleuCorpus, pair: str, folder: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        raise CorpusError(f"the test sets are not in {folder} yet; run scripts/download.py first") from None
    if not _asked(corpus, pair).items() <= manifest.items():
        raise CorpusError(f"{folder} holds other sets or another pair than asked for; run scripts/download.py again")
    return manifest


def _dataset(name: str, pair: str, cache: Path) -> Dataset:
    """sacrebleu's entry for a set, with its folders in `cache`. The entry is copied, since sacrebleu sets its folders
    when it is imported."""
    if name not in DATASETS:
        raise CorpusError(registry.unknown("sacrebleu test set", name, DATASETS))
    require_pair(pair, sorted(DATASETS[name].langpairs), f"sacrebleu's {name}")
    dataset = copy.copy(DATASETS[name])
    dataset._outdir = str(cache / name)
    dataset._rawdir = str(cache / name / "raw")
    return dataset


def _texts(dataset: Dataset, pair: str, cache: Path) -> tuple[Path, Path, str]:
    """Paths of the source and the reference, and the reference's field name. Missing files are downloaded and
    converted."""
    if hasattr(dataset, "_get_langpair_allowed_refs"):  # unlike `fieldnames`, this downloads nothing
        allowed = dataset._get_langpair_allowed_refs(pair)
    else:
        allowed = [field for field in dataset.fieldnames(pair) if field.startswith("ref")]
    paths = [Path(dataset._get_txt_file_path(pair, field)) for field in ("src", *allowed[:1])]
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with portalocker.Lock(cache / f"{_flat(dataset.name)}.lock", timeout=WAIT):
            if not all(path.is_file() for path in paths):
                _convert(dataset, pair)
    except portalocker.exceptions.LockException:
        raise CorpusError(f"another process has been fetching {dataset.name} for {WAIT:g} s; stop it or wait") from None
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        raise CorpusError(f"sacrebleu's {dataset.name} has no reference for {pair} (expected {allowed or 'one'})")
    try:
        for _ in text.parallel(*paths):
            pass
    except text.TextError as error:
        raise CorpusError(f"{error} (remove both, and they are made again from the archive)") from None
    return paths[0], paths[1], allowed[0]


def _archives(dataset: Dataset) -> Iterator[tuple[str, Path, str | None]]:
    for index, url in enumerate(dataset.data):
        path = Path(dataset._rawdir) / dataset._get_tarball_filename(url)
        yield url, path, dataset.md5[index] if dataset.md5 else None


def _remove_broken(dataset: Dataset) -> list[str]:
    """Remove archives whose MD5 is wrong: sacrebleu never looks at an archive again once it is there."""
    broken = []
    for url, path, md5 in _archives(dataset):
        if path.is_file() and path.stat().st_size and md5 and get_md5sum(str(path)) != md5:
            path.unlink()
            broken.append(url)
    return broken


def _unpack(dataset: Dataset) -> None:
    """Unpack the archives that are there, as sacrebleu does only when it downloads them.

    One that cannot be unpacked, and whose MD5 nobody knows, is removed, so that it is downloaded again.
    """
    for _, path, md5 in _archives(dataset):
        try:
            with _guarded():
                extract_tarball(str(path), dataset._rawdir)
        except (tarfile.ReadError, zipfile.BadZipFile, EOFError, zlib.error):
            if md5 is not None:
                raise
            path.unlink()


def _convert(dataset: Dataset, pair: str, again: bool = True) -> None:
    """Download what is missing and write the pair's text files, all or none."""
    out = Path(dataset._outdir)
    before = set(out.glob(f"*.{pair}.*"))
    _remove_broken(dataset)
    try:
        with _guarded():
            dataset.process_to_text(pair)
        return
    except BaseException as error:
        for path in set(out.glob(f"*.{pair}.*")) - before:
            path.unlink()
        if not isinstance(error, Exception | SystemExit):
            raise
        failure = error
    missing = [url for url, path, _ in _archives(dataset) if not path.is_file() or not path.stat().st_size]
    if isinstance(failure, FileNotFoundError) and not missing and again:
        try:
            _unpack(dataset)
        except Exception as error:
            failure = error
        else:
            return _convert(dataset, pair, again=False)
    url = (missing or list(dataset.data))[0]
    if isinstance(failure, SystemExit):  # how sacrebleu reports a wrong checksum, or a certificate it does not trust
        if broken := _remove_broken(dataset):
            raise CorpusError(
                f"{broken[0]} has another MD5 than sacrebleu {sacrebleu.__version__} knows; the file was removed, so "
                "run again, and if it happens twice the archive was changed where it lies"
            )
        raise CorpusError(f"{url}: the server's certificate is not trusted; install your system's certificates")
    if isinstance(failure, urllib.error.HTTPError):
        raise CorpusError(f"{url} answers with status {failure.code}; run again later")
    if isinstance(failure, urllib.error.URLError | TimeoutError | ConnectionError | http.client.HTTPException):
        reason = getattr(failure, "reason", None) or f"{type(failure).__name__} {failure}".strip()
        raise CorpusError(
            f"{url} could not be downloaded: {reason}. Check the network; without one, run the download where there is "
            "one with SACREBLEU=FOLDER set, and bring that folder here"
        )
    raise CorpusError(f"sacrebleu's {dataset.name} {pair} cannot be read: {type(failure).__name__}: {failure}")


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Within this context, downloads have a time limit, and archives cannot write outside of their folder; sacrebleu
    ensures neither."""
    usual = socket.getdefaulttimeout(), tarfile.TarFile.extraction_filter
    socket.setdefaulttimeout(STALL)
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        socket.setdefaulttimeout(usual[0])
        tarfile.TarFile.extraction_filter = usual[1]
