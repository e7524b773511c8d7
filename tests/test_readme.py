"""What the README says can be done, can be done."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from conftest import environment
from dragoman.configfile import load_config
from dragoman.plan import Plan, resources
from dragoman.plan.estimates import forecast

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.split("  #")[0].strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.strip()
]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_there_are_commands() -> None:
    assert {"make demo", "make test", "snakemake --cores all"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_it(command: str) -> None:
    done = run([*shlex.split(command), "--dry-run"], REPOSITORY)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("snakemake ")])
def test_snakemake_plans_it(command: str, tmp_path: Path) -> None:
    for name in ("config", "workflow"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    done = run([*shlex.split(command), "--dry-run", "--snakefile", str(REPOSITORY / "Snakefile")], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "This was a dry-run" in done.stdout + done.stderr


def in_comments() -> list[tuple[str, str]]:
    """The file and text of every snakemake command in comments of configurations and in other pages."""
    pages = [*REPOSITORY.glob("config/**/*.yaml"), *REPOSITORY.glob("*.md"), *REPOSITORY.glob("config/*.md")]
    pages += REPOSITORY.glob("workflow/profiles/**/*.yaml")
    pattern = re.compile(r"^[#\s]*(snakemake (?:-|results/)[^#`|\n]*)", re.MULTILINE)
    return [
        (path.relative_to(REPOSITORY).as_posix(), found.strip())
        for path in sorted(pages)
        for found in pattern.findall(path.read_text(encoding="utf-8").replace("\\\n#", " "))
    ]


@pytest.mark.parametrize(("page", "command"), in_comments())
def test_a_written_command_is_read_as_meant(page: str, command: str) -> None:
    """`--configfile` takes every following word for a file, so targets stand before it."""
    given = get_argument_parser().parse_args(shlex.split(command)[1:])
    for path in given.configfile or []:
        assert path.suffix in (".yaml", ".yml"), f"{page}: {path} is no configuration file"
        assert path.name == "my.yaml" or path.parent == Path() or (REPOSITORY / path).is_file(), f"{page}: no {path}"
    assert all(target.startswith("results/") for target in given.targets), f"{page}: {given.targets}"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python ")])
def test_script_runs(command: str, tmp_path: Path) -> None:
    instance = (
        '{"index": 0, "prediction": "a b", "delays": [1, 2], "reference": "a b", "source": "c d", "source_length": 2}'
    )
    talk = instance.replace('"c d"', '["t.wav"]').replace('th": 2', 'th": 2000').replace("[1, 2]", "[900, 1900]")
    files = {"S": "One cat.", "H": "Один кот.", "R": "Один кот.", "LOG": instance, "TALKS": talk}
    files["S.yaml"] = "- {wav: t.wav, offset: 0.0, duration: 2.0}"
    if "TALKS" in command:
        environment("omnisteval", "OmniSTEval")
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    for name in ("scripts", "config"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    done = run(shlex.split(command), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_links_lead_somewhere() -> None:
    for page in (REPOSITORY / "README.md", REPOSITORY / "config" / "README.md"):
        for target in re.findall(r"\]\(([^)#][^)#]*)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_top_level_is_what_it_says() -> None:
    allowed = {"Snakefile", "workflow", "envs", "config", "scripts", "results", "tests", "README.md", "LICENSE"}
    allowed |= {
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "CITATION.cff",
        "Makefile",
        "pyproject.toml",
        "Dockerfile",
        "apptainer.def",
        "findings",
    }
    tracked = run(["git", "-c", "safe.directory=*", "ls-files"], REPOSITORY).stdout.splitlines()
    if not tracked:
        pytest.skip("this is no git checkout")
    top = {name.split("/")[0] for name in tracked}
    assert {name for name in top if not name.startswith(".")} <= allowed


def test_snakefile_is_a_table_of_contents() -> None:
    lines = (REPOSITORY / "Snakefile").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60 or sum(bool(line.strip()) for line in lines) < 60


@pytest.mark.parametrize("paper", ["simulmask", "langaware-revised", "langaware-ablations", "langaware-v1", "pretty"])
def test_hours_and_sizes_are_those_of_plan(paper: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| [papers/{paper}.yaml]"))
    estimate = forecast(Plan(load_config(REPOSITORY / f"config/papers/{paper}.yaml")), resources.load())
    sizes = [sum(part.values()) / 1e9 for part in (estimate.disk, estimate.download)]
    assert f"| {estimate.gpu_hours:,.0f} | {sizes[0]:,.0f} GB | {sizes[1]:,.0f} GB |" in row
