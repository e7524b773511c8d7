"""What a job's parameters hold: all that its result depends on, and nothing else, so that no result is stale."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import REPOSITORY
from dragoman import corpora, imports, languages, syntax
from dragoman.checks import problems_of
from dragoman.config import OfflineDecoder
from dragoman.configfile import load_config, parse
from dragoman.plan import Plan
from dragoman.prompts import render
from dragoman.storage import digest

SOURCE = '''"""A module."""

import math


class Thing:
    """A thing."""

    size: int = 3
    """How large."""

    @property
    def area(self) -> float:
        """Its area."""
        return math.pi * self.size**2  # as of a circle


async def read(lines, *, limit=1_000, **rest):
    async with lines as found:
        names = [f"{name!r:>{limit}}" "!" for name in found if (short := len(name) < 3) and not short]
    match names:
        case [first, *_] if first:
            return {**rest, "first": first, 1.5: 2j, b"x": None, ...: lambda x, /: x[1:, ::2]}
    try:
        raise ValueError("no" " names") from None
    except* ValueError:
        pass
'''
SAME = [
    ("comment", "return math.pi", "# a comment\n        return math.pi"),
    ("comment that goes", "  # as of a circle", ""),
    ("docstring of a module", '"""A module."""', '"""Another module."""'),
    ("docstring of a class", '"""A thing."""', '"""Something else."""'),
    ("docstring that goes", '        """Its area."""\n', ""),
    ("docstring of a field", '"""How large."""', '"""In metres."""'),
    ("layout", "(lines, *, limit=1_000, **rest)", "(\n    lines,\n    *,\n    limit=1000,\n    **rest,\n)"),
    ("quotes", '"first": first', "'first': first"),
    ("brackets", "math.pi * self.size**2", "(math.pi * (self.size**2))"),
]
OTHER = [
    ("number", "size: int = 3", "size: int = 4"),
    ("number's type", "size: int = 3", "size: int = 3.0"),
    ("truth for a number", "size: int = 3", "size: int = True"),
    ("type of a field", "size: int = 3", "size: float = 3"),
    ("operator", "math.pi * self", "math.pi + self"),
    ("decorator", "    @property\n", ""),
    ("text", '"no" " names"', '"no" "  names"'),
    ("text that is formatted", '"{name!r:>{limit}}"', '"{name!s:>{limit}}"'),
    ("name", "short", "shorter"),
    ("order", '{**rest, "first": first, 1.5: 2j', '{"first": first, 1.5: 2j, **rest'),
    ("empty text in a list", "case [first, *_]", 'case [first, "", *_]'),
]


def digest_of(text: str, tmp_path: Path, name: str = "module.py") -> str:
    path = tmp_path / digest([name, text]) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return imports.content(path)


@pytest.mark.parametrize(("old", "new"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_what_no_result_depends_on_does_not_count(old: str, new: str, tmp_path: Path) -> None:
    assert old in SOURCE
    assert digest_of(SOURCE.replace(old, new), tmp_path) == digest_of(SOURCE, tmp_path)


@pytest.mark.parametrize(("old", "new"), [row[1:] for row in OTHER], ids=[row[0] for row in OTHER])
def test_what_code_does_counts(old: str, new: str, tmp_path: Path) -> None:
    assert old in SOURCE
    assert digest_of(SOURCE.replace(old, new), tmp_path) != digest_of(SOURCE, tmp_path)
    assert digest_of(SOURCE, tmp_path, "page.css") != digest_of(SOURCE.replace(old, new), tmp_path, "page.css")


def test_every_python_gives_the_same(tmp_path: Path) -> None:
    """Computed by Python 3.11, 3.12 and 3.13."""
    assert digest_of(SOURCE, tmp_path)[:16] == "e7cf631cc9c066da"


def test_version_of_a_library_counts_where_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"torch", "transformers", "sacrebleu", "lingua", "yaml"} <= imports.versions().keys()
    steps = [("score", ("metric", "bleu")), ("finetune", ("method", "sft")), ("prepare", ("provider", "files"))]
    before = [imports.code(*step) for step in steps]

    def changed(name: str) -> list[bool]:
        found = imports.versions() | {name: "99"}
        imports.code.cache_clear()
        monkeypatch.setattr(imports, "versions", lambda: found)
        after = [imports.code(*step) for step in steps]
        monkeypatch.undo()
        imports.code.cache_clear()
        return [one != other for one, other in zip(before, after, strict=True)]

    assert changed("sacrebleu") == [True, False, False]
    assert changed("torch") == [False, True, False]
    assert changed("pyarrow") == [False, True, True]
    assert changed("ruff") == [False, False, False]


# ------------------------------------------------------------------------- what is kept between processes about a file


def another_process() -> None:
    """Forget what is not in a file."""
    syntax.keep()
    syntax.found.cache_clear()
    syntax._kept.cache_clear()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module in a folder of scripts, about which nothing is known; what is found is kept in `tmp_path`."""
    monkeypatch.setattr(syntax, "SCRIPTS", tmp_path)
    monkeypatch.setattr(syntax, "KEPT", tmp_path / "__pycache__" / "kept.json")
    monkeypatch.setattr(syntax, "_new", {})
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    another_process()
    path = tmp_path / "module.py"
    path.write_text(SOURCE, encoding="utf-8")
    yield path
    syntax._new.clear()
    another_process()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed."""
    names: list[str] = []
    real = syntax.read

    def read(path: Path) -> syntax.Found:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(syntax, "read", read)
    return names


def test_a_file_is_parsed_once(module: Path, parsed: list[str]) -> None:
    first = syntax.found(module)
    assert first.imports == ["math"]
    another_process()
    assert syntax.found(module) == first
    other = module.with_name("other.py")
    other.write_text("import os\n", encoding="utf-8")
    syntax.found(other)
    another_process()
    assert [syntax.found(path).imports for path in (module, other)] == [["math"], ["os"]]
    assert parsed == ["module.py", "other.py"]


def test_a_file_that_changed_is_parsed_again(module: Path, parsed: list[str]) -> None:
    """Of the same size and time, even."""
    first, times = syntax.found(module), module.stat()
    another_process()
    module.write_text(SOURCE.replace("size: int = 3", "size: int = 4"), encoding="utf-8")
    os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert module.stat().st_size == times.st_size
    assert syntax.found(module).code != first.code
    assert parsed == ["module.py"] * 2


DAMAGES: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "cut off": lambda path: path.write_text('{"by": "'),
    "no object": lambda path: path.write_text("[]"),
    "another version's": lambda path: path.write_text('{"by": "old"}'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_another_version_kept_or_left_damaged_is_not_used(
    damage: Callable[[Path], object], module: Path, parsed: list[str]
) -> None:
    first = syntax.found(module)
    another_process()
    damage(syntax.KEPT)
    for _ in range(2):  # written again, and then used
        assert syntax.found(module) == first
        another_process()
    assert parsed == ["module.py"] * 2


@pytest.mark.parametrize("kept", [True, False], ids=["without bytecode", "a folder that cannot be written"])
def test_nothing_is_kept_where_python_keeps_nothing(
    kept: bool, module: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept:
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
    else:
        syntax.KEPT.parent.write_text("no folder")
    for _ in range(2):
        syntax.found(module)
        another_process()
    assert not syntax.KEPT.exists()
    assert parsed == ["module.py"] * 2


def test_what_is_kept_about_this_checkout_is_right() -> None:
    files = sorted((REPOSITORY / "scripts").rglob("*.py"))
    assert len(files) > 150
    assert [syntax.found(path) for path in files] == [syntax.read(path) for path in files]


PLANS = [Plan(load_config(REPOSITORY / "config" / name)) for name in ("config.yaml", "smoke.yaml")]


def specs(plan: Plan) -> dict[str, str]:
    """The parameter `spec` of every job with a model."""
    found: dict[str, object] = {model.name: model.spec for model in plan.models_used}
    found |= {str(run): run.spec for run in plan.tuning_runs}
    found |= {str(run): run.spec for run in plan.decode_runs}
    found |= {str(run): run.spec for run in plan.divergence_runs}
    found |= {f"answer {run}": run.spec for run in plan.answer_runs}
    return {name: digest(spec) for name, spec in found.items()}


def prompts(plan: Plan) -> dict[str, str]:
    """How the prompts of every training and decoding begin."""
    found = {}
    for run in plan.tuning_runs:
        found[str(run)] = str([render(run.prompt, pair, "", "") for pair in run.pairs])
    for run in plan.decode_runs:
        found[str(run)] = str(render(run.prompt, run.pair, "", ""))
    return found


@pytest.mark.parametrize("plan", PLANS, ids=["demonstration", "smoke"])
def test_name_of_a_language_counts_in_every_prompt_that_holds_it(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before, asked = specs(plan), prompts(plan)
    monkeypatch.setitem(languages.NAMES, "xx", "Xish")
    assert specs(plan) == before, "a new language changes nothing"
    monkeypatch.setitem(languages.NAMES, "it", "Tuscan")
    after, asked_then = specs(plan), prompts(plan)
    changed = {name for name in before if before[name] != after[name]}
    assert {name for name in asked if asked[name] != asked_then[name]} <= changed
    assert changed >= {name for name, model in plan.config.models.items() if "it" in (model.text.languages or ())}
    french = [str(run) for run in plan.decode_runs if run.pair == "en-fr"]
    assert french
    assert not changed & {*french}, "theirs do not name Italian"


def test_script_of_a_language_counts_where_its_units_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = PLANS[1]
    corpus, pairs = "demo", ("en-fr", "en-de")

    def found() -> list[str]:
        return [digest(plan.text(corpus, pair).spec) for pair in pairs]

    before = found(), specs(plan)
    monkeypatch.setitem(languages.TABLE, "fr", languages.TABLE["fr"]._replace(script="Thai"))
    after = found(), specs(plan)
    assert [one != other for one, other in zip(before[0], after[0], strict=True)] == [True, False]
    french = [str(run) for run in plan.decode_runs if run.pair == "en-fr"]
    assert french
    assert all(before[1][name] != after[1][name] for name in french)


def test_defaults_of_a_decoder_that_a_script_makes_itself_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers and comparisons with a twin name no decoder in the configuration."""
    plan = PLANS[1]
    runs = [*(f"answer {run}" for run in plan.answer_runs), *map(str, plan.divergence_runs)]
    before = specs(plan)
    field = OfflineDecoder.model_fields["beam"]
    monkeypatch.setattr(field, "default", 7)
    OfflineDecoder.model_rebuild(force=True)
    try:
        after = specs(plan)
    finally:
        monkeypatch.undo()
        OfflineDecoder.model_rebuild(force=True)
    assert runs
    assert all(before[name] != after[name] for name in runs)


def test_files_that_a_configuration_names_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("m/config.json", "m/model.safetensors", "m/tokenizer.json", "m/notes.md", "m/manifest.json", "d.tsv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("a\tb\n")
    plan = Plan(
        parse(
            {
                "corpora": {"demo": {"provider": "demo", "train": 10, "test": 5}},
                "models": {"m": {"source": "local", "path": "m"}},
                "experiments": {
                    "e": {
                        "title": "t",
                        "model": "m",
                        "prompt": "short",
                        "test": {"corpus": "demo", "pairs": ["en-fr"]},
                        "systems": {"words": {"decoder": {"name": "dictionary", "files": {"en-fr": "d.tsv"}}}},
                    }
                },
            }
        )
    )
    assert plan.decode_runs[0].decoder_files == [Path("d.tsv")]
    assert [str(path) for path in plan.model("m").files] == [
        "m/config.json",
        "m/model.safetensors",
        "m/tokenizer.json",
    ], "its weights too, since config.json may be the same"


def test_text_of_the_checkout_counts_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own examples are found from any folder; a copy of them in the folder is a user's own file."""
    plan, name = PLANS[1], "config/examples/four-scripts.test.tsv"
    monkeypatch.chdir(tmp_path)
    assert plan.text("four-scripts", "en-zh").own_files == []
    away = digest(plan.text("four-scripts", "en-zh").spec)
    assert list(problems_of(plan.config)) == []
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("en\tzh\tja\na\t一\tー\n", encoding="utf-8")
    assert plan.text("four-scripts", "en-zh").own_files == [name]
    assert digest(plan.text("four-scripts", "en-zh").spec) != away
    folder = tmp_path / "out"
    corpora.prepare(plan.config.corpora["four-scripts"], "zh-en", tmp_path, folder)
    assert corpora.load(folder, "test")["source"].to_pylist() == ["一"]
    assert len(corpora.load(folder, "train")) == 32


def test_instructions_count_by_content_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkout's own examples are found from any folder, and a copy of them in the folder goes before."""
    plan, name = PLANS[1], "config/examples/instructions.json"
    run = plan.answer_runs[0]
    assert run.instructed.path == name

    def found() -> list[str]:
        return [digest(run.spec), digest(plan.text("tasks", "en-en").spec)]

    monkeypatch.chdir(REPOSITORY)
    here = found()
    monkeypatch.chdir(tmp_path)
    assert found() == here
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes((REPOSITORY / name).read_bytes())
    assert found() == here
    path.write_bytes(b"[]")
    assert not {*found()} & {*here}
