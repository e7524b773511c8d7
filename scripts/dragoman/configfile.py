"""Read a configuration file, and say what is wrong with it: file, line, key, value, what is allowed, what was meant."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.config import Config, Prompt

KeyPath = tuple[str | int, ...]
MOST_NODES = 200_000
"""Keys and values that a configuration may have, aliases written out: a few lines of them can stand for billions."""
PROMPTS = ("prompts.yaml", "prompts-target-language.yaml", "prompts-ptl.yaml")
"""Files of config/ with prompts that every configuration may name."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class ConfigError(ValueError):
    """A configuration that cannot be run; the text holds one line per mistake."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands and what to do about it."""

    path: KeyPath
    message: str
    value: Any = None


class _StrictLoader(yaml.SafeLoader):
    """YAML without repeated keys: the second would silently replace the first."""


def _mapping_without_repeats(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    first: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if key in first:
            raise ConfigError(
                f"{node.start_mark.name}:{line}: {key!r} stands twice (first in line {first[key]}); "
                "rename one of them or remove it"
            )
        first[key] = line
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The mapping in a YAML file, and the line every key path stands on.

    Raises:
        ConfigError: no such file, not UTF-8, not YAML, a repeated key, or not a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    lines: dict[KeyPath, int] = {}
    try:
        loader = _StrictLoader(text)
        loader.name = str(path)
        node = loader.get_single_node()
        if node is not None:
            _mark_lines(node, (), lines)
        data = loader.construct_document(node) if node is not None else None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply, or a part that holds itself; write it out flat") from None
    except OverflowError:
        raise ConfigError(
            f"{path}: more than {MOST_NODES:,} keys and values, aliases written out; shorten it"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys like `corpora:` and `experiments:`, found {_shown(data)}")
    return data, lines


def _mark_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > MOST_NODES:
        raise OverflowError
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                lines[(*path, key.value)] = key.start_mark.line + 1
                _mark_lines(value, (*path, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _mark_lines(value, (*path, index), lines)


def _shown(value: Any) -> str:
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields_at(model: Any, path: Iterable[str | int], data: Any) -> list[str]:
    """Names of the keys that may stand at `path`, following the value of each discriminator on the way."""
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
            if field is not None and field.discriminator and isinstance(data, Mapping):
                tag = (data.get(part) or {}).get(field.discriminator) if isinstance(data.get(part), Mapping) else None
                model = _tagged(model, field.discriminator, tag)
        else:
            model = _element(model)
        data = _get(data, part)
        model = _narrow(model, data)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return sorted(model.model_fields)
    return []


def _get(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _element(model: Any) -> Any:
    args = get_args(model)
    return args[-1] if args else None


def _tagged(model: Any, discriminator: str, tag: Any) -> Any:
    for candidate in get_args(model) or (model,):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            field = candidate.model_fields.get(discriminator)
            if field is not None and tag in get_args(field.annotation):
                return candidate
    return None


def _narrow(model: Any, data: Any) -> Any:
    """Look through Annotated, Optional and tagged unions to the model that `data` means."""
    while True:
        metadata = getattr(model, "__metadata__", ())
        for item in metadata:
            if (discriminator := getattr(item, "discriminator", None)) and isinstance(data, Mapping):
                return _tagged(get_args(model)[0], discriminator, data.get(discriminator))
        if metadata:
            model = get_args(model)[0]
            continue
        args = [a for a in get_args(model) if a is not type(None)]
        if type(None) in get_args(model) and len(args) == 1:
            model = args[0]
            continue
        return model


def problems_in(error: ValidationError, data: Any, model: Any, at: KeyPath = ()) -> list[Problem]:
    """Pydantic's errors about `data` in our words: real key paths, what is allowed, what was meant."""
    found = []
    for item in error.errors():
        # pydantic puts the tag of a union into the path; the user's file has no such key
        path = _real_path(item["loc"], data)
        kind, context = item["type"], item.get("ctx", {})
        value = item.get("input")
        if kind == "extra_forbidden":
            message = registry.unknown("key", str(path[-1]), _fields_at(model, path[:-1], data))
            value = None
        elif kind == "missing":
            message, value = "this key is required", None
        elif kind == "literal_error":
            allowed = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            message = registry.unknown("value", str(value), allowed)
        elif kind == "union_tag_invalid":
            key = context["discriminator"].strip("'")
            path = (*path, key)
            value = context["tag"]
            allowed = context["expected_tags"].replace("'", "").split(", ")
            message = registry.unknown(key, str(value), allowed)
        elif kind == "union_tag_not_found":
            key = context["discriminator"].strip("'")
            message, value = f"the key {key!r} is required", None
        elif kind == "string_pattern_mismatch":
            message = "a name is lower-case letters and digits, joined by '-', '.' or '_'"
        elif kind == "float_type" and re.fullmatch(r"[-+]?\d+e[-+]?\d+", str(value), flags=re.IGNORECASE):
            message = f"YAML reads this as text; write {re.sub('e', '.0e', str(value), flags=re.IGNORECASE)}"
        elif kind == "value_error":
            message = str(context["error"])
            if isinstance(value, Mapping):
                value = None
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
        found.append(Problem((*at, *path), message, value))
    return found


def _real_path(loc: KeyPath, data: Any) -> KeyPath:
    path: list[str | int] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if part == "[key]":
            continue
        if isinstance(data, Mapping):
            if part in data or last:
                path.append(part)
                data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            path.append(part)
            data = data[part] if part < len(data) else None
    return tuple(path)


def _explain(problems: Sequence[Problem], files: Sequence[tuple[str, dict[KeyPath, int]]]) -> str:
    lines = []
    for problem in problems:
        place = files[0][0] if files else "configuration"
        for name, marks in reversed(files):
            near = problem.path
            while near and near not in marks:
                near = near[:-1]
            if near:
                place = f"{name}:{marks[near]}"
                break
        # a line break in a key must not break the line
        key = ".".join(part if (part := str(each)).isprintable() else repr(part)[1:-1] for each in problem.path)
        value = "" if problem.value is None else f" = {_shown(problem.value)}"
        lines.append(f"{place}: {key}{value}: {problem.message}" if key else f"{place}: {problem.message}")
    return "\n".join(dict.fromkeys(lines))


def explained(error: ValidationError, data: Any, model: Any, path: Path, lines: dict[KeyPath, int]) -> str:
    """Pydantic's errors about the content of one file, one a line."""
    return _explain(problems_in(error, data, model), [(str(path), lines)])


def prompts(own: Mapping[str, Prompt] | None = None) -> dict[str, Prompt]:
    """The prompts of `PROMPTS`, and `own` over them."""
    library: dict[str, Prompt] = {}
    for name in PROMPTS:
        path = REPOSITORY / "config" / name
        data, lines = read_yaml(path)
        try:
            library |= TypeAdapter(dict[str, Prompt]).validate_python(data)
        except ValidationError as error:
            raise ConfigError(explained(error, data, dict[str, Prompt], path, lines)) from None
    return library | dict(own or {})


def parse(data: Mapping[str, Any], files: Sequence[Path] = ()) -> Config:
    """A checked configuration from merged YAML mappings; `files` are only used to say where a mistake stands.

    Raises:
        ConfigError: with one line per mistake.
    """
    from dragoman.checks import problems_of

    places = [(str(path), read_yaml(path)[1]) for path in files]
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(problems_in(error, data, Config), places)) from None
    if problems := list(problems_of(config)):
        raise ConfigError(_explain(problems, places))
    return config


def load_config(path: Path | str) -> Config:
    """Read, merge and check one configuration file."""
    data, _ = read_yaml(Path(path))
    return parse(data, [Path(path)])
