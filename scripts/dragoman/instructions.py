"""Instructions that ask for no translation: Alpaca's form to train on, AlpacaEval's to be tested on.

Alpaca (Taori et al. 2023, github.com/tatsu-lab/stanford_alpaca) has two templates, with an input and without; the
prompt `alpaca` of config/prompts.yaml is the first with a translation for its instruction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman import text
from dragoman.config import Prompt, Segment

PAIR = "en-en"
"""What instructions are filed under among corpora and answers, which go by pairs."""

WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}"
    "\n\n### Response:"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)

PROMPT = Prompt(segments=[Segment(role="source", text="{source}"), Segment(role="target", text="{target}")], bos=True)
"""What a model reads: what is `asked`, and the answer glued to its last colon."""


def asked(instruction: str, given: str = "") -> str:
    """An instruction, and the input it is about where it has one, in Alpaca's template."""
    return "".join(with_input(instruction, given))


def with_input(instruction: str, given: str = "") -> tuple[str, str, str]:
    """The template before the input, the input, and the template after it; all of it before, where there is none."""
    if not given:
        return WITHOUT_INPUT.replace("{instruction}", instruction), "", ""
    before, after = WITH_INPUT.split("{input}")
    return before.replace("{instruction}", instruction), given, after


def parts(text: str) -> tuple[str, str] | None:
    """The instruction and the input that were put into Alpaca's template; None of a text that is not of its shape."""
    for template in (WITH_INPUT, WITHOUT_INPUT):
        start, rest = template.split("{instruction}")
        middle, _, end = rest.rpartition("{input}")
        if not text.startswith(start) or not text.endswith(end):
            continue
        inner = text[len(start) : len(text) - len(end)]
        if template is WITHOUT_INPUT:
            return inner, ""
        if middle in inner:  # an instruction that holds this line itself cannot be told from an input
            instruction, _, given = inner.partition(middle)
            return instruction, given
    return None


def prompt_for(pair: str, prompt: Prompt) -> Prompt:
    """What text of a pair is read under: instructions come with a template of their own."""
    return PROMPT if pair == PAIR else prompt


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any] | text.TextError]]:
    """Place of each entry of a .json file (one list) or a .jsonl file (one object a line), also .gz, and the entry: its
    object, or the error that it is none.

    Raises:
        TextError: not such a file.
    """
    if (path.with_suffix("") if path.suffix == ".gz" else path).suffix == ".jsonl":
        yield from ((f"{path}:{number}", value) for number, value in text.object_rows(path))
        return
    try:
        entries = json.loads("\n".join(text.lines(path)))
    except json.JSONDecodeError as error:
        raise text.TextError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    if not isinstance(entries, list):
        raise text.TextError(f"{path}: expected one JSON list of objects, found {type(entries).__name__}")
    for number, entry in enumerate(entries, 1):
        place = f"{path}: entry {number}"
        yield place, entry if isinstance(entry, dict) else text.TextError(f"{place} is no object, but {entry!r}")


def field(entry: dict[str, Any] | text.TextError, key: str, place: str, default: str | None = None) -> str:
    """A text of an entry, blanks around it gone; required unless there is a default.

    Raises:
        TextError: it is missing or no text, or the entry is no object.
    """
    if isinstance(entry, text.TextError):
        raise entry
    value = entry.get(key, default)
    if not isinstance(value, str):
        fault = "is missing" if key not in entry else f"holds {value!r}, not text"
        raise text.TextError(f"{place}: {key!r} {fault}; it has: {', '.join(entry) or 'nothing'}")
    return value.strip()


def questions(path: Path) -> list[dict[str, str]]:
    """`instruction` and `dataset` of every entry of a file in AlpacaEval's form; each instruction stands once.

    Raises:
        TextError: no such file, or an entry that is none.
    """
    entries: dict[str, dict[str, str]] = {}
    for place, entry in objects(path):
        instruction = field(entry, "instruction", place)
        if not instruction or instruction in entries:
            problem = "stands twice, and a judge goes by instructions" if instruction else "is empty"
            raise text.TextError(f"{place}: the instruction {problem}; remove it")
        entries[instruction] = {"instruction": instruction, "dataset": field(entry, "dataset", place, path.stem)}
    if not entries:
        raise text.TextError(f"{path} holds no instructions")
    return list(entries.values())
