#!/usr/bin/env python3
"""Write all generated files: the JSON Schema and the tables of keys and models of configurations, and the conda
environments."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import to_jsonable_python
from pydantic_core.core_schema import ModelSchema

from dragoman import command, registry
from dragoman.command import REPOSITORY
from dragoman.config import Config, Strict, Tuning
from dragoman.config.decoders import BROUGHT
from dragoman.configfile import known_models
from dragoman.plan import resources
from dragoman.policies import Policy
from dragoman.policies.kinds import POLICIES, Curve
from dragoman.room import gigabytes
from dragoman.storage import replacing
from dragoman.strict import docstrings

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.json"
ENVIRONMENTS = REPOSITORY / "envs"
README = REPOSITORY / "config" / "README.md"
MARK = "<!-- keys -->"
MODELS = ("<!-- models -->", "<!-- end of models -->")
POLICY, DECODER = "policy-", "decoder-"
"""Beginnings of the anchors of the tables of policies, and of decoders with their own `Options`."""
PYTHON = "3.11"


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field of a model; the points of a curve are described in their policy."""
    return docstrings(model.POLICY if issubclass(model, Curve) and model is not Curve else model)


class Described(GenerateJsonSchema):
    """Adds the text under each field to the schema."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """The schema of a model, with descriptions of its fields."""
        made = super().model_schema(schema)
        for key, text in _texts(schema["cls"]).items():
            made["properties"][key]["description"] = text
        return made


def schema() -> str:
    """JSON Schema of configurations, for editors."""
    described = Config.model_json_schema(schema_generator=Described)
    _add_options(described["$defs"])
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _options() -> dict[str, type[BaseModel]]:
    """Method -> model of its `options`, in alphabetical order."""
    return {name: registry.module_of("method", name).Options for name in registry.names("method")}


def _add_options(definitions: dict[str, Any]) -> None:
    """Make the schema of a tuning's `options` depend on its method. In a swept tuning, required options may be missing,
    since the sweep may set them."""
    tuning = definitions[Tuning.__name__]
    tuning["properties"]["method"]["enum"] = registry.names("method")
    default, cases = Tuning.model_fields["method"].get_default(), []
    for name, model in _options().items():
        own = model.model_json_schema(ref_template="#/$defs/{model}", schema_generator=Described)
        definitions |= own.pop("$defs", {})
        needed = own.pop("required", [])
        definitions[f"options-{name}"] = own
        # a tuning without `method` has the default one
        is_method = {"properties": {"method": {"const": name}}} | ({} if name == default else {"required": ["method"]})
        cases.append({"if": is_method, "then": {"properties": {"options": {"$ref": f"#/$defs/options-{name}"}}}})
        if needed:
            unswept = is_method | {"not": {"required": ["sweep"]}}
            given = {"required": ["options"], "properties": {"options": {"required": needed}}}
            cases.append({"if": unswept, "then": given})
    tuning["allOf"] = cases


def conda(name: str) -> str:
    """A conda environment with the pins of `envs/<name>.lock` and the other requirements of `envs/<name>.txt`.

    All packages are installed by pip, with the pins of the ordinary environment, so that both have the same packages.
    """
    needs, pins = (_requirements(ENVIRONMENTS / f"{name}.{ending}") for ending in ("txt", "lock"))
    pinned = set(map(_package, pins))
    pins += [need for need in needs if _package(need) not in pinned]
    lines = [
        f"# Made by scripts/generate.py from envs/{name}.lock: for `snakemake --sdm conda`.",
        f"name: dragoman-{name}",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {pin}" for pin in pins),
    ]
    return "\n".join(lines) + "\n"


def _requirements(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"[A-Za-z0-9]", line)]


def _package(requirement: str) -> str:
    """The normalised name of a package: `PyYAML==6` is `pyyaml`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def _shown(annotation: Any) -> str:
    """A type in words for readers of YAML."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shown(arguments[0])
    if origin is Literal:
        return " \\| ".join(f"`{argument}`" for argument in arguments)
    if origin is list:
        return f"list of {_shown(arguments[0])}"
    if origin is dict:
        return f"mapping of {_shown(arguments[0])} to {_shown(arguments[1])}"
    if origin in (Union, UnionType):
        return " \\| ".join("null" if a is type(None) else _shown(a) for a in arguments)
    if isinstance(annotation, type) and issubclass(annotation, Policy | Curve):
        (name,) = get_args(annotation.model_fields["name"].annotation)
        return f"[{name}](#{POLICY}{name})"
    if annotation in BROUGHT.values():
        (name,) = get_args(annotation.model_fields["name"].annotation)
        return f"[{name}](#{DECODER}{name})"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {str: "text", int: "whole number", float: "number", bool: "true \\| false", Any: "anything"}[annotation]


def _link(method: str) -> str:
    return f"[{method}](#options-of-{method})"


def _sections(model: type[BaseModel], seen: dict[str, str], title: str | None = None) -> None:
    """Add the tables of a model's keys and of all models below it to `seen`, outermost first.

    Args:
        model: typed model.
        seen: title of a section -> its text.
        title: title of the model's section; None: its name.
    """
    title = title or model.__name__
    if title in seen:
        return
    lines = [f"### {title}", "", " ".join((model.__doc__ or "").split()), ""]
    if not model.model_fields:
        seen[title] = "\n".join(lines[:-1])
        return
    lines += ["| key | what it holds | default | |", "|---|---|---|---|"]
    below, texts = [], _texts(model)
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else f"`{json.dumps(to_jsonable_python(field.get_default()))}`"
        text = " ".join((texts.get(name) or field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_shown(field.annotation)} | {default} | {text} |")
        below += re.findall(r"\(#([\w-]+)\)", lines[-1])
    if model is Tuning:
        lines += ["", "What `options` holds, by method: " + ", ".join(map(_link, _options())) + "."]
    if issubclass(model, Policy):
        lines += ["", " ".join(_uses(model))]
    seen[title] = "\n".join(lines)
    if model is Tuning:
        for name, options in _options().items():
            _sections(options, seen, f"Options of {name}")
    known = {other.__name__.lower(): other for other in _models(Strict)}
    for name in below:
        if name.startswith(POLICY):
            _sections(POLICIES[name.removeprefix(POLICY)], seen, f"Policy {name.removeprefix(POLICY)}")
        elif name.startswith(DECODER):
            _sections(BROUGHT[name.removeprefix(DECODER)], seen, f"Decoder {name.removeprefix(DECODER)}")
        else:
            _sections(known[name], seen)


def _uses(policy: type[Policy]) -> list[str]:
    """Sentences about the use of a policy in training and decoding."""
    if not policy.decodes():
        return ["Only for training."]
    sentences = ["Only for decoding."] if policy.adaptive() else []
    axis = policy.AXIS
    return sentences + (
        [f"A decoder takes a list for `{axis}`: the points of a curve, named `{axis}=...`."] if axis else []
    )


def _models(base: type[BaseModel]) -> list[type[BaseModel]]:
    """All classes below a class."""
    return [each for child in base.__subclasses__() for each in (child, *_models(child))]


def models() -> str:
    """The models that every configuration may name, as a table."""
    rows = ["| name | on the hub | weights | download | licence | needs an account | languages |"]
    rows.append("|---|---|---:|---:|---|---|---|")
    each_byte = resources.load().estimate.download_bytes
    for name, model in known_models().items():
        assert model.parameters is not None  # a test checks this
        size = f"{model.parameters:,} | {gigabytes(int(model.parameters * each_byte))}"
        link = f"[{model.id}](https://huggingface.co/{model.id})"
        gated = "yes" if model.gated else "no"
        rows.append(f"| `{name}` | {link} | {size} | {model.licence} | {gated} | {model.languages} |")
    return "\n".join(rows)


def readme() -> str:
    """config/README.md with new tables of models and keys."""
    text = README.read_text(encoding="utf-8")
    begin, end = MODELS
    text = f"{text[: text.index(begin)]}{begin}\n\n{models()}\n\n{text[text.index(end) :]}"
    seen: dict[str, str] = {}
    _sections(Config, seen)
    return text[: text.index(MARK)] + MARK + "\n\n" + "\n\n".join(seen.values()) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/generate.py")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with code 1 if a file is out of date")
    arguments = parser.parse_args(argv)
    made: dict[Path, str] = {SCHEMA: schema(), README: readme()}
    for lock in sorted(ENVIRONMENTS.glob("*.lock")):
        made[lock.with_suffix(".yaml")] = conda(lock.stem)
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if arguments.check:
            print(f"{path.relative_to(REPOSITORY)} is out of date; run python scripts/generate.py", file=sys.stderr)
        else:
            with replacing(path) as file:
                file.write(made[path])
            print(f"wrote {path.relative_to(REPOSITORY)}")
    if stale and arguments.check:
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
