"""CONTRIBUTING.md's worked example does what it says, word by word; the files for maintainers hold together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from conftest import REPOSITORY, pytest_terminal_summary
from dragoman import registry
from support.handbook import FILE, SECTIONS

LINES = re.compile(r"in `([\w./-]+)`,\sunder\s`([^`\n]+)`[^`]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def carried_out(checkout: Path, title: str, expected: list[str]) -> str:
    """Write a section's files into a checkout, add its lines, run its commands; gives what these print."""
    section = SECTIONS[title]
    files = FILE.findall(section)
    assert [name for name, _ in files] == expected
    for name, content in files:
        assert not (checkout / name).exists()
        (checkout / name).write_text(content, encoding="utf-8")
    for name, anchor, lines in LINES.findall(section):
        before, place, after = re.split(
            rf"^( *{re.escape(anchor)}\n)", (checkout / name).read_text(encoding="utf-8"), flags=re.MULTILINE
        )  # the anchor is there once
        (checkout / name).write_text(before + place + lines + after, encoding="utf-8")

    modules = " ".join(name for name, _ in files if name.endswith(".py"))
    style = f"ruff check --quiet {modules}\nruff format --check --quiet {modules}\n" if modules else ""
    commands = COMMANDS.findall(section)[0] + style
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=checkout, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_worked_example(checkout: Path) -> None:
    """Another method, from the text alone."""
    files = ["scripts/dragoman/methods/smoothed.py", "tests/test_smoothed.py", "smoothed.yaml"]
    printed = carried_out(checkout, "A new method, worked through", files)
    assert "wrote config/README.md" in printed
    assert "| `smoothing` | number | `0.1` |" in (checkout / "config/README.md").read_text(encoding="utf-8")
    assert "1 passed" in printed
    assert "smoothed.yaml: fine. Experiments: smoothed. Fine-tunings: 2, decodings: 2." in printed
    table = printed[printed.index("|") :]
    assert re.search(r"^\| smoothed +\|", table, flags=re.MULTILINE), table


def test_the_worked_policy(checkout: Path) -> None:
    files = ["scripts/dragoman/policies/entropy.py", "tests/test_entropy_policy.py", "entropy.yaml"]
    printed = carried_out(checkout, "A new policy, worked through", files)
    assert "1 passed" in printed
    assert "entropy.yaml: fine. Experiments: entropy. Fine-tunings: 0, decodings: 1." in printed
    table = (checkout / "config/README.md").read_text(encoding="utf-8")
    assert "### Policy entropy" in table
    assert "A decoder takes a list for `limit`: the points of a curve, named `limit=...`." in table


def test_the_worked_decoder_and_a_paper_about_it(checkout: Path) -> None:
    files = ["scripts/dragoman/decoding/pivot.py", "tests/test_pivot.py"]
    printed = carried_out(checkout, "A new decoder, worked through", files)
    assert "1 passed" in printed
    table = (checkout / "config/README.md").read_text(encoding="utf-8")
    assert "### Decoder pivot" in table
    assert '| `through` | text | `"en"` |' in table

    files = ["config/published/pivoting.tsv", "config/papers/pivoting.yaml", "pivoting.yaml"]
    printed = carried_out(checkout, "A new paper, worked through", files)
    assert "pivoting.yaml: fine. Experiments: pivoting. Fine-tunings: 0, decodings: 2." in printed
    assert re.search(r"^\| pivoting +\| v1 +\| Table 1 +\| some-1b +\| +2 \| +2 \|$", printed, flags=re.MULTILINE), (
        printed
    )
    (claim,) = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    assert claim["paper"] == "pivoting"
    assert claim["verdict"] in ("holds", "fails", "undecided")
    assert claim["evidence"][0]["n"] == 12
    rows = (checkout / "results/pivoting/decodes/pivoting/pivot/fr-de/seed-1/hypotheses.jsonl").read_text("utf-8")
    assert all("through" in json.loads(row) for row in rows.splitlines())


def test_the_worked_metric(checkout: Path) -> None:
    """6 errors of 7 words and 2 of 6: 8 of 13."""
    printed = carried_out(checkout, "A new metric", ["scripts/dragoman/metrics/wer.py", "tests/test_wer.py"])
    assert "1 passed" in printed
    record, *sentences = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    assert record["value"] == pytest.approx(61.54, abs=0.005)
    assert record["signature"] == "WER|case:mixed|tok:blanks|bs:1000|seed:12345"
    assert record["low"] <= record["value"] <= record["high"]
    assert [each["value"] for each in sentences] == pytest.approx([100 * 6 / 7, 100 * 2 / 6])


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "config/traps.md", "findings/README.md"])
def test_links_lead_somewhere(name: str) -> None:
    path = REPOSITORY / name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_citation() -> None:
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert [reference["year"] for reference in cited["references"]] == [2024] * 3


def test_continuous_integration_is_the_test_command() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step] == ["make test"]
    for path in (REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_make_test_makes_the_environment_of_neural_metrics() -> None:
    """As if its list had changed, so that there is something to make."""
    for options, makes in (([], True), (["NEURAL=0"], False)):
        command = ["make", "--dry-run", "--what-if=envs/neural.txt", "test", *options]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert ("-r envs/neural.txt" in done.stdout) == makes


def test_skipped_tests_are_named_by_reason() -> None:
    class Reporter:
        """As much of pytest's as is used."""

        def __init__(self, *reasons: str) -> None:
            reports = [SimpleNamespace(longrepr=("test.py", 1, f"Skipped: {reason}")) for reason in reasons]
            self.stats = {"skipped": reports} if reports else {}
            self.lines: list[str] = []

        def section(self, title: str) -> None:
            self.lines.append(title)

        write_line = section

    reporter = Reporter("no LaTeX", "no SLURM:\ninstall it", "no LaTeX")
    pytest_terminal_summary(reporter)
    assert reporter.lines == ["skipped", "   2 tests: no LaTeX", "   1 test: no SLURM: install it"]
    pytest_terminal_summary(reporter := Reporter())
    assert reporter.lines == []


def test_hooks_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {repository["repo"] for repository in hooks} == {"local"}, "another source would have versions of its own"
    lint = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for hook in hooks[0]["hooks"]:
        assert hook["entry"].split("/")[-1].split()[0] in lint


@pytest.mark.parametrize("line", ["dragoman.methods.sfd", "dragoman.methods.sft:loss_of"])
def test_a_line_of_the_registry_that_leads_nowhere_is_named(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setitem(registry.REGISTRY["method"], "mine", line)
    with pytest.raises(registry.UnknownNameError, match=f"the method 'mine' should be in {line}, which does not"):
        registry.module_of("method", "mine")


def test_what_a_registered_module_lacks_itself_is_not_blamed_on_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.REGISTRY["method"], "mine", "mine")
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere_to_be_found'"):
        registry.module_of("method", "mine")
