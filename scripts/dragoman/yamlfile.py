"""YAML files, strictly: no key twice, no word or number that YAML reads as something else than it looks like."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser
from yaml.resolver import Resolver

from dragoman.text import TextError, lines

KeyPath = tuple[str | int, ...]
MOST_NODES = 200_000
"""Keys and values that a file may have, aliases written out: a few lines of them can stand for billions."""
_TAG = "tag:yaml.org,2002:"
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d*)?([eE][-+]?\d+)?")
_OTHER_BASE = re.compile(r"[-+]?0[0-7_]+|.*:.*")
"""Numbers to the base 8 and 60: few people know that YAML 1.1 has them."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class ConfigError(ValueError):
    """A configuration that cannot be run; the text holds one line per mistake."""


class Mark(NamedTuple):
    """A key and its value in a file."""

    line: int
    written: str
    """The value as it is written, where that is one word without quotes."""
    read: str
    """What YAML takes this word for: `true`, `null`, `a date`, `a number`; "" for text."""


Marks = dict[KeyPath, Mark]


class _StrictLoader(Composer, CParser, SafeConstructor, Resolver):
    """YAML without repeated keys: the second would silently replace the first.

    libyaml parses, six times as fast as the parser of PyYAML, since every job reads its configuration. The nodes
    are composed in Python, where text that is nested too deeply raises an error.
    """

    def __init__(self, text: str) -> None:
        self.path = ""
        """The file, for messages."""
        CParser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)


def _mapping_without_repeats(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    first: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if key in first:
            raise ConfigError(
                f"{loader.path}:{line}: {key!r} is given twice (first in line {first[key]}); "
                "rename one of them or remove it"
            )
        first[key] = line
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


def read_yaml(path: Path) -> tuple[dict[str, Any], Marks]:
    """The mapping in a YAML file, and where every key path is.

    Raises:
        ConfigError: no such file, not UTF-8, not YAML, a repeated key, a word that YAML misreads, or not a mapping.
    """
    try:
        text = "\n".join(lines(Path(path)))
    except TextError as error:
        missing = not Path(path).exists()
        raise ConfigError(f"{path}: no such configuration file" if missing else str(error)) from None
    marks: Marks = {}
    try:
        loader = _StrictLoader(text)
        loader.path = str(path)
        node = loader.get_single_node()
        if node is not None and (odd := dict.fromkeys(_mark(node, (), marks, loader))):
            raise ConfigError("\n".join(f"{path}:{problem}" for problem in odd))
        data = loader.construct_document(node) if node is not None else None
    except RecursionError:
        raise ConfigError(
            f"{path}: nested too deeply, or an alias refers to itself; write it without such nesting"
        ) from None
    except OverflowError:
        raise ConfigError(
            f"{path}: more than {MOST_NODES:,} keys and values, aliases written out; shorten it"
        ) from None
    except yaml.MarkedYAMLError as error:
        ends = text.rstrip().count("\n") + 1  # a bracket that stays open is found missing after the last line
        line = min(error.problem_mark.line + 1, ends) if error.problem_mark else "?"
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not YAML: U+{error.character:04X}: {error.reason}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys like `corpora:` and `experiments:`, found {shown(data)}")
    return data, marks


def _mark(node: yaml.Node, path: KeyPath, marks: Marks, loader: _StrictLoader) -> Iterator[str]:
    """Fill in `marks`; what is misread in keys, and in numbers, where no later check can see it."""
    written = node.value if isinstance(node, yaml.ScalarNode) and not node.style else ""
    read = _read(node, loader) if written else "nothing" * isinstance(node, yaml.ScalarNode)
    line = marks[path].line if path in marks else node.start_mark.line + 1
    marks[path] = Mark(line, written, read)
    if len(marks) > MOST_NODES:
        raise OverflowError
    if read.startswith("the number") and _OTHER_BASE.fullmatch(written):
        yield f"{line}: {key_of(path)}: {misread(marks[path])}, or {read.split()[-1]}"
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            here, place = (*path, key.value), key.start_mark.line + 1
            marks[here] = Mark(place, key.value, "")
            if not key.style and (misreading := _read(key, loader)) not in ("", "a number"):
                yield f"{place}: {key_of(here)}: {misread(Mark(place, key.value, misreading))}"
            yield from _mark(value, here, marks, loader)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _mark(value, (*path, index), marks, loader)


def _read(node: yaml.Node, loader: _StrictLoader) -> str:
    """What YAML takes an unquoted word for; "" for text."""
    kind = node.tag.removeprefix(_TAG)
    if kind in ("bool", "null"):
        return {True: "true", False: "false", None: "null"}[loader.construct_object(node)]
    if kind == "timestamp":
        return "a date"
    if kind in ("int", "float"):
        return "a number" if _PLAIN_NUMBER.fullmatch(node.value) else f"the number {loader.construct_object(node)}"
    return ""


def misread(mark: Mark) -> str:
    """That a word is not the text it looks like, and how to write it."""
    if not mark.written:
        return "this is empty; write a text"
    return f'YAML reads {mark.written} as {mark.read}; write "{mark.written}"'


def key_of(path: KeyPath) -> str:
    """A key path as messages show it, a line break in a key as `\\n`."""
    return ".".join(part if (part := str(each)).isprintable() else repr(part)[1:-1] for each in path)


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
