"""Test modules stand alone: what two of them use is in tests/support, or a fixture in conftest.py."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
IMPORTS = re.compile(r"^\s*(?:from|import) +(test_\w+)", re.MULTILINE)
"""Of one module in a line, as the linter wants them; in functions, too."""


def test_no_file_imports_a_test_module() -> None:
    found = {path.name: IMPORTS.findall(path.read_text(encoding="utf-8")) for path in TESTS.rglob("*.py")}
    assert sum(name.startswith("test_") for name in found) > 90
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_every_way_to_import_is_seen() -> None:
    text = (
        "import test_a\nfrom test_b import c\n\n\ndef f() -> None:\n    import test_d as d\n    from test_e import g\n"
    )
    assert IMPORTS.findall(text) == ["test_a", "test_b", "test_d", "test_e"]
    assert IMPORTS.findall("import a.test_a\nfrom a import test_b\n") == []
