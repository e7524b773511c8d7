"""What tests share. They need nothing but the repository; those that can use data of others skip without it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for a hub; those of the hub start their own
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # as jobs have it; read when the library is imported

pytest.register_assert_rewrite("support")  # so that an assertion of a helper shows its values, too
pytest_plugins = ["browser", "hub_server", "small_runs", "support.identifiers", "support.watching"]

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data"
NO_DATA = "../shared/data, a folder of real corpora, is not there"


@pytest.fixture
def in_repository(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test from the repository root, as a user would."""
    monkeypatch.chdir(REPOSITORY)
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real corpora beside the checkout; tests that want it skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip(NO_DATA)
    return DATA


UNREACHABLE = r"connection broken|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|name resolution"


def environment(name: str, program: str) -> Path:
    """The programs of the environment that `make env-NAME` makes; the test is skipped where it cannot be made."""
    if os.environ.get(f"DRAGOMAN_{name.upper()}") == "skip":
        pytest.skip(f"DRAGOMAN_{name.upper()}=skip")
    programs = REPOSITORY / f".venv-{name}" / "bin"
    if not os.access(REPOSITORY, os.W_OK):
        if (programs / name).exists():
            return programs
        pytest.skip(f"{program}'s environment is not made, and the checkout is read-only")
    make = ["make", "--no-print-directory", f"env-{name}", f"PYTHON={sys.executable}"]
    made = subprocess.run(make, cwd=REPOSITORY, capture_output=True, text=True, env=os.environ | {"PIP_RETRIES": "1"})
    if made.returncode and re.search(UNREACHABLE, made.stderr, flags=re.IGNORECASE):
        pytest.skip(f"{program} cannot be installed: no package index answers")
    assert made.returncode == 0, made.stderr
    return programs


def copy_checkout(folder: Path) -> None:
    """Copy all files that git knows or would take in, wherever the checkout lies and whoever owns it.

    Bytecode comes along, and fits, since files keep their times; compiling takes longer than many tests.
    """
    listed = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    for name in filter(None, done.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)  # scripts stay executable
            (folder / name).chmod((folder / name).stat().st_mode | stat.S_IWUSR)
    kept = [path for name in ("scripts", "tests") for path in (REPOSITORY / name).rglob("__pycache__/*.*")]
    for path in kept:
        if path.suffix in (".pyc", ".json"):
            copied = folder / path.relative_to(REPOSITORY)
            copied.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # replaced by another process meanwhile
                shutil.copy2(path, copied)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout."""
    folder = tmp_path / "checkout"
    copy_checkout(folder)
    return folder


TEXTS = ("The old man buys a red car.", "Le vieil homme achète une voiture.")


def save_model(
    folder: Path, architecture: str = "llama", sharpness: float = 1, texts: Sequence[str] = TEXTS, vocabulary: int = 300
) -> None:
    """Write a small untrained model and its tokenizer; with some sharpness it writes something else to every prompt."""
    import torch

    from dragoman import models
    from support.trainings import spec

    tokenizer = models.train_tokenizer(texts, vocabulary)
    model = models.build(spec(architecture), tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(sharpness if weight.dim() == 2 else 1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Files of small untrained models, by architecture."""
    made = {}
    for architecture in ("llama", "falcon-alibi"):
        folder = tmp_path_factory.mktemp(architecture)
        save_model(folder, architecture)
        made[architecture] = {path.name: path.read_bytes() for path in folder.iterdir()}
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped: one line for each reason, with the number of tests."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(" ".join(report.longrepr[2].removeprefix("Skipped: ").split()) for report in skipped)
    if reasons:
        terminalreporter.section("skipped")
    for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        terminalreporter.write_line(f"{number:4} {'test' if number == 1 else 'tests'}: {reason}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole workflows go first: the many small tests fill the other processes meanwhile, and none is waited for."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)
