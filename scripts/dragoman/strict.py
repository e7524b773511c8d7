"""The base of every typed model that a YAML file is read into."""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Base of every section: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field of a model, and under the fields that it inherits.

    Only documentation needs these texts. pydantic's `use_attribute_docstrings` would read them whenever a class is
    made, which takes more than a third of the time in which all classes are made.
    """
    texts = {}
    for base in reversed([base for base in model.__mro__ if issubclass(base, Strict)]):
        for node in ast.walk(ast.parse(inspect.getsource(sys.modules[base.__module__]))):
            if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                for field, text in pairwise(node.body):
                    match field, text:
                        case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(value))):
                            texts[name] = inspect.cleandoc(value)
    return {name: text for name, text in texts.items() if name in model.model_fields}
