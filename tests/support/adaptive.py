"""Adaptive policies, at once and word by word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from dragoman.config import SimultaneousDecoder
from dragoman.configfile import prompts
from dragoman.decoding import Context, Item, Row, simultaneous, streaming

PROMPT = prompts()["short"]
SOURCES = ["My brother wants  to give the\u00a0old dog a name.", "He sleeps."]
CHINESE = ["买 红车"]
LIMITS = {"max_lag": 2, "max_word_tokens": 3}


def decoded(module: ModuleType, folder: Path, pair: str = "en-fr", **options: Any) -> list[list[Row]]:
    """Rows of a few sentences; `streaming` counts no cost."""
    settings = SimultaneousDecoder(**{"name": module.__name__.rpartition(".")[2]} | LIMITS | options)
    lines = CHINESE if pair.startswith("zh") else SOURCES
    items = [Item(number, line, "") for number, line in enumerate(lines)]
    return module.Decoder(Context(folder, pair, PROMPT), settings).decode(items)


def without_cost(rows: Sequence[Sequence[Row]]) -> list[list[Row]]:
    return [[{key: value for key, value in row.items() if key != "gflops"} for row in each] for each in rows]


def same_in_streaming(folder: Path, pair: str = "en-fr", **options: Any) -> list[list[Row]]:
    """Rows, which are the same one by one."""
    found = without_cost(decoded(simultaneous, folder, pair, **options))
    assert found == decoded(streaming, folder, pair, **options)
    return found
