"""Disks that are full, or that may not be written to: one message, and nothing half-written."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from conftest import REPOSITORY
from dragoman import models, room, storage
from dragoman.config import Lora
from dragoman.training import loop
from refusals import Bad, lay, refuse
from support.inputs import NONE, RECORD, WORLD
from support.trainings import train


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    # lazily, since the writer of a stopped training may still have its log open
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


WRITERS = [
    "prepare.py --config ../c.yaml --corpus big --pair en-fr --downloads raw --out results/corpora/big/en-fr",
    "score.py hypotheses --config ../c.yaml --experiment first --system copy --pair en-fr --seed 1"
    " --hypotheses ../h.jsonl --out results/s.jsonl",
    "table.py --config ../c.yaml --experiment first --records ../r.jsonl --out-dir tables",
    "report.py --config ../c.yaml --results ../results --out index.html",
    "fetch_model.py --config ../c.yaml --model local",
    "plot.py --config ../c.yaml --experiment first --figure loss --records ../r.jsonl --out-dir figures",
]
"""Commands that write, run inside a folder of which the world is the parent."""


@pytest.fixture
def world(tmp_path: Path, checkpoints: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Inputs of the commands that write."""
    row = {"id": 1, "setting": "", "source": "a", "reference": "b", "hypothesis": "b"}
    big = "".join(f"sentence number {n} {n**5}\tphrase numéro {n} {n**7}\n" for n in range(9000))
    config = WORLD.replace(
        "  hub: {provider", "  big: {provider: files, pairs: {en-fr: {train: {path: ../big.tsv}}}}\n  hub: {provider", 1
    )
    lay(
        tmp_path,
        {
            "c.yaml": config.replace("path: model", "path: ../model").replace("none.tsv", "../none.tsv"),
            "none.tsv": NONE,
            "big.tsv": NONE + big,
            "h.jsonl": json.dumps(row) + "\n",
            "r.jsonl": json.dumps(RECORD) + "\n",
            **{f"model/{name}": content for name, content in checkpoints["llama"].items()},
        },
    )
    return tmp_path


@pytest.mark.parametrize("command", WRITERS, ids=[command.split()[0] for command in WRITERS])
def test_refused_full_disk(command: str, small_disk: Path, world: Path) -> None:
    with suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    said = ["o space left on", "make room there"] if "fetch_model" not in command else ["o space left on"]
    refuse(Bad("a full disk", command, said), small_disk)


def test_a_training_names_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk becomes full later, torch raises an error of its own, which names no file; what it has written is
    removed."""
    monkeypatch.setattr(room, "check_disk", lambda *given: None)
    tokenizer = models.train_tokenizer(["a b"], 300)
    with pytest.raises(OSError, match=r"[Nn]o space left on device.*checkpoints") as refused:
        train(tokenizer, small_disk / "work")
    assert refused.value.errno == errno.ENOSPC
    assert not [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size > 10_000]


@pytest.mark.parametrize("options", [{}, {"checkpoint_every": 6}, {"adapter": Lora(rank=2)}])
def test_a_training_that_the_disk_has_no_room_for_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    """What is asked for is what is written: two checkpoints at a time, or the last one and the finished model."""
    tokenizer, work, written, asked = models.train_tokenizer(["a b"], 300), tmp_path / "work", [], []
    make_real = loop.Run._make_real

    def measured(self: loop.Run, staged: Path, final: Path) -> None:
        written.append(sum(path.stat().st_size for path in (tmp_path / "work").rglob("*") if path.is_file()))
        make_real(self, staged, final)

    monkeypatch.setattr(loop.Run, "_make_real", measured)
    monkeypatch.setattr(room, "check_disk", lambda folder, size, what: asked.append(size))
    model, _ = train(tokenizer, work, **options)
    last = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    model.save_pretrained(tmp_path / "finished")
    finished = (tmp_path / "finished" / "model.safetensors").stat().st_size
    most = max([*written, last + finished])
    assert most - 90_000 < asked[0] <= most, "files without weights take some more"
    train(tokenizer, work, **options)
    assert (asked[1] < asked[0]) == bool(written), "a checkpoint is there already"
    monkeypatch.undo()

    shutil.rmtree(work)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=asked[0] - 1))
    with pytest.raises(ValueError, match=r"test with its checkpoints takes .* left; make room there"):
        train(tokenizer, work, **options)
    assert not list(work.rglob("step-*"))


@pytest.mark.parametrize(
    "save", [torch.save, lambda made, path: save_file({"a": made}, path)], ids=["torch", "safetensors"]
)
def test_a_saved_model_names_a_full_disk(small_disk: Path, save: Callable[[torch.Tensor, Path], None]) -> None:
    with (
        pytest.raises(OSError, match=f"[Nn]o space left on device.*{small_disk}"),
        storage.building(small_disk / "model", {}) as place,
    ):
        save(torch.zeros(10**5), place / "weights")
    assert not list((small_disk / "model").iterdir())


def test_other_errors_of_libraries_stay(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), storage.naming_full_disks(tmp_path):
        raise RuntimeError("shapes differ")


@contextmanager
def _small_files() -> Iterator[None]:
    limits, bytecode = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # Python would keep the first hundred bytes, and fail on them ever after
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        sys.dont_write_bytecode = bytecode


@pytest.mark.parametrize("command", WRITERS, ids=[command.split()[0] for command in WRITERS])
def test_refused_file_limit(command: str, world: Path) -> None:
    """As on a full disk, where mounting is not allowed: files may not grow beyond a hundred bytes."""
    (world / "here").mkdir()
    refuse(Bad("files may not grow", command, ["ile too large"]), world / "here", _small_files())


@pytest.mark.parametrize("command", WRITERS, ids=[command.split()[0] for command in WRITERS])
def test_refused_closed_disk(command: str, small_disk: Path, world: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refuse(Bad("a disk that cannot be written to", command, ["read-only file system", "may write to"]), small_disk)


CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
"""Capabilities with which root reads and writes whatever the mode of a file (linux/capability.h)."""


@contextmanager
def _held_to_modes(folder: Path, top: Path) -> Iterator[None]:
    """Root, whom no mode stops, must obey modes for this long. Folders from `top` to `folder` let it pass.

    It becomes the owner of the checkout, which must stay readable. Where that is root itself, it does without the
    capabilities that make the difference.
    """
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root is held to modes on Linux only")
    way = [each for each in (folder, *folder.parents) if each.is_relative_to(top)]
    modes = {each: each.stat().st_mode & 0o777 for each in way}
    for each in way[1:]:
        each.chmod(0o755)
    libc, header = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(0x20080522, 0)
    before, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    less[:] = before[:]
    less[0] &= ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)  # of those in force, not of those permitted
    assert libc.capset(header, less) == 0
    os.seteuid(REPOSITORY.stat().st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        assert libc.capset(header, before) == 0
        for each, mode in modes.items():
            each.chmod(mode)


@pytest.mark.parametrize("command", WRITERS, ids=[command.split()[0] for command in WRITERS])
def test_refused_forbidden(command: str, world: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    here = world / "here"
    here.mkdir(mode=0o555)
    said = ["ermission denied", "may write to"]
    refuse(
        Bad("no permission to write", command, said), here, _held_to_modes(here, tmp_path_factory.getbasetemp().parent)
    )


@contextmanager
def _unreadable(path: Path, within: AbstractContextManager[None]) -> Iterator[None]:
    """Take a file's permissions away for this long."""
    path.chmod(0)
    with within:
        yield
    path.chmod(0o644)


def test_refused_unreadable(world: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    here = world / "here"
    here.mkdir()
    lay(here, {"secret.tsv": NONE, "c.yaml": WORLD.replace("none.tsv", "secret.tsv"), "model/config.json": "{}"})
    command = "prepare.py --config c.yaml --corpus none --pair en-fr --downloads raw --out out"
    said = ["secret.tsv cannot be read: Permission denied"]
    bad = Bad("no permission to read", command, said)
    refuse(bad, here, _unreadable(here / "secret.tsv", _held_to_modes(here, tmp_path_factory.getbasetemp().parent)))
