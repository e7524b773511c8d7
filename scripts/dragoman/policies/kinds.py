"""The registered policies as types of a configuration: `Trained` is one policy, `Decoded` the policies of a curve."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Union, get_args

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from dragoman import registry
from dragoman.policies import Policy
from dragoman.strict import Strict


class Curve(Strict):
    """A policy with several values of its axis; a subclass per policy is made from the policy's options."""

    POLICY: ClassVar[type[Policy]]
    name: str

    @property
    def points(self) -> list[Policy]:
        """The policy at each value."""
        given, axis = {key: getattr(self, key) for key in self.model_fields_set}, self.POLICY.AXIS
        return [self.POLICY(**given | {axis: value}) for value in given[axis]] if axis else [self.POLICY(**given)]


def _listed(value: Any) -> Any:
    """One value is a list of one."""
    return value if isinstance(value, list) else [value]


def _different(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError(f"every value may be given only once, not {values}")
    return values


def _curve_of(policy: type[Policy]) -> type[Curve]:
    fields: dict[str, Any] = {key: (field.annotation, field) for key, field in policy.model_fields.items()}
    if axis := policy.AXIS:
        field = policy.model_fields[axis]
        each: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        listed = BeforeValidator(_listed, json_schema_input_type=each | list[each])
        several = Annotated[list[each], listed, AfterValidator(_different)]
        fields[axis] = (several, Field(min_length=1))
    made = create_model(f"{policy.__name__}Curve", __base__=Curve, __doc__=policy.__doc__, **fields)
    made.POLICY = policy
    return made


def registered() -> dict[str, type[Policy]]:
    """Name -> policy.

    Raises:
        TypeError: a policy is registered under another name than its own.
    """
    policies = {name: registry.module_of("policy", name) for name in registry.names("policy")}
    for name, policy in policies.items():
        if get_args(policy.model_fields["name"].annotation) != (name,):
            raise TypeError(f"registry.py calls {policy.__name__} {name!r}, so its `name` must be Literal[{name!r}]")
    return policies


POLICIES = registered()


def _known_in_advance(policy: Policy) -> Policy:
    if policy.adaptive():
        others = ", ".join(name for name, other in POLICIES.items() if not other.adaptive())
        text = f"{policy.name!r} decides by what the model predicts, so nothing can be trained under it"
        raise ValueError(f"{text}; train under one of these: {others}")
    return policy


def _decoding(curve: Curve) -> Curve:
    if not curve.POLICY.decodes():
        others = ", ".join(name for name, other in POLICIES.items() if other.decodes())
        raise ValueError(f"{curve.name!r} needs the reference, so no decoder has it; take one of these: {others}")
    assert curve.points  # a value that its policy refuses is refused here
    return curve


_curves = tuple(map(_curve_of, POLICIES.values()))
Trained = Annotated[
    Union[tuple(POLICIES.values())],  # noqa: UP007 - of a tuple
    Field(discriminator="name"),
    AfterValidator(_known_in_advance),
]
"""One policy, whose schedule is known before training."""
Decoded = Annotated[
    Union[_curves],  # noqa: UP007
    Field(discriminator="name"),
    AfterValidator(_decoding),
]
"""The points of one curve."""
