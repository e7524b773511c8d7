"""Read a configuration file, and say what is wrong with it: file, line, key, value, what is allowed, what was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from dragoman import registry
from dragoman.command import REPOSITORY
from dragoman.config import Config, Prompt
from dragoman.config.base import Name
from dragoman.config.models import HubModel, KnownModel
from dragoman.yamlfile import ConfigError, KeyPath, Marks, key_of, misread, read_yaml, shown

PROMPTS = ("prompts.yaml", "prompts-target-language.yaml", "prompts-ptl.yaml")
"""Files of config/ with prompts that every configuration may name."""

__all__ = [
    "ConfigError",
    "KeyPath",
    "Problem",
    "explained",
    "load_config",
    "parse",
    "placed",
    "problems_in",
    "prompts",
    "with_given",
]


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands and what to do about it."""

    path: KeyPath
    message: str
    value: Any = None
    wants_text: bool = False
    """Whether the value should be text, or one of some words."""


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
    problems = []
    for item in error.errors():
        # pydantic puts the tag of a union into the path; the user's file has no such key
        path = _real_path(item["loc"], data)
        kind, context = item["type"], item.get("ctx", {})
        value = item.get("input")
        wants_text = kind == "string_type"
        if kind == "extra_forbidden":
            message = registry.unknown("key", str(path[-1]), _fields_at(model, path[:-1], data))
            value = None
        elif kind == "missing":
            message, value = "this key is required", None
        elif kind == "literal_error":
            allowed = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            message = registry.unknown("value", str(value), allowed)
            wants_text = isinstance(value, bool | date | None)
        elif kind == "union_tag_invalid":
            key = context["discriminator"].strip("'")
            path = (*path, key)
            value, wants_text = context["tag"], isinstance(_get(value, key), bool | date | None)
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
        problems.append(Problem((*at, *path), message, value, wants_text))
    return problems


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


def _explain(problems: Sequence[Problem], files: Sequence[tuple[str, Marks]]) -> str:
    lines = []
    for problem in problems:
        place, message = files[0][0] if files else "configuration", problem.message
        value = "" if problem.value is None else f" = {shown(problem.value)}"
        for name, marks in reversed(files):
            near = problem.path
            while near and near not in marks:
                near = near[:-1]
            if not near:
                continue
            place, mark = f"{name}:{marks[near].line}", marks[near]
            if problem.wants_text and near == problem.path and mark.read:
                value, message = f" = {mark.written}" if mark.written else "", misread(mark)
            elif isinstance(problem.value, date) and near == problem.path:
                value = f" = {mark.written}"
            break
        key = key_of(problem.path)
        lines.append(f"{place}: {key}{value}: {message}" if key else f"{place}: {message}")
    return "\n".join(dict.fromkeys(lines))


def explained(error: ValidationError, data: Any, model: Any, path: Path, marks: Marks) -> str:
    """Pydantic's errors about the content of one file, one a line."""
    return placed(problems_in(error, data, model), path, marks)


def placed(problems: Sequence[Problem], path: Path, marks: Marks) -> str:
    """Mistakes in one file, one a line."""
    return _explain(problems, [(str(path), marks)])


def prompts(own: Mapping[str, Prompt] | None = None) -> dict[str, Prompt]:
    """The prompts of `PROMPTS`, and `own` over them."""
    return _library() | dict(own or {})


@cache
def _library() -> dict[str, Prompt]:
    """Read once in a process: parsing them takes longer than anything else about a small configuration."""
    library: dict[str, Prompt] = {}
    for name in PROMPTS:
        path = REPOSITORY / "config" / name
        data, marks = read_yaml(path)
        try:
            library |= TypeAdapter(dict[str, Prompt]).validate_python(data)
        except ValidationError as error:
            raise ConfigError(explained(error, data, dict[str, Prompt], path, marks)) from None
    return library


@cache
def known_models() -> dict[str, KnownModel]:
    """The models of config/models.yaml, by name."""
    path = REPOSITORY / "config" / "models.yaml"
    data, marks = read_yaml(path)
    try:
        return TypeAdapter(dict[Name, KnownModel]).validate_python(data)
    except ValidationError as error:
        raise ConfigError(explained(error, data, dict[Name, KnownModel], path, marks)) from None


def with_known_models(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration with the models of `known_models` that its experiments name and that it does not define."""
    experiments, own = data.get("experiments"), data.get("models") or {}
    if not (isinstance(experiments, Mapping) and isinstance(own, Mapping)):
        return data  # a mistake, which validation explains
    named = [each.get("model") for each in experiments.values() if isinstance(each, Mapping)]
    wanted = [name for name in named if isinstance(name, str) and name not in own]
    models = {name: known_models()[name] for name in wanted if name in known_models()}
    if not models:
        return data
    fields = {*HubModel.model_fields}
    return {**data, "models": {**own, **{name: model.model_dump(include=fields) for name, model in models.items()}}}


def parse(data: Mapping[str, Any], files: Sequence[Path] = ()) -> Config:
    """A checked configuration from merged YAML mappings; `files` are only used to say where a mistake stands.

    Raises:
        ConfigError: with one line per mistake.
    """
    from dragoman.checks import problems_of

    places = [(str(path), read_yaml(path)[1]) for path in files]
    data = with_known_models(data)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(problems_in(error, data, Config), places)) from None
    if problems := list(problems_of(config)):
        raise ConfigError(_explain(problems, places))
    return config


def with_given(data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A merged configuration, in which lists and mappings from Snakemake's `--config` have their types.

    Snakemake 9 reads the value of `--config seeds=1` as a number, but in `--config 'seeds=[1]'` every item is text.

    Args:
        data: the merged configuration.
        given: the part of it that was given after `--config`.
    """
    return dict(data) | {key: _given(data.get(key), value, inside=False) for key, value in given.items()}


def _given(before: Any, value: Any, inside: bool) -> Any:
    """A value of `with_given`; `inside` of a list or mapping, texts become numbers, true, false and null where they
    read so."""
    if isinstance(value, Mapping):
        kept = dict(before) if isinstance(before, Mapping) else {}
        return kept | {key: _given(kept.get(key), each, inside=True) for key, each in value.items()}
    if isinstance(value, list):
        return [_given(None, each, inside=True) for each in value]
    if inside and isinstance(value, str):
        with suppress(ValueError):  # other texts stay texts, also the language code `no`
            return json.loads(value)
    return value


def load_config(path: Path | str) -> Config:
    """Read, merge and check one configuration file."""
    data, _ = read_yaml(Path(path))
    return parse(data, [Path(path)])
