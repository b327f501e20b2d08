"""Common parts of all faults: time, duration and endpoints."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from scenarios.errors import invalid, nearest, shown
from scenarios.faults.targets import INDEX
from scenarios.faults.trigger import When
from scenarios.fields.base import Form
from scenarios.fields.distributions import Distribution, Interval
from scenarios.fields.quantities import Number, Quantity, Seconds, bounded

STORE = "store"
"""The store of the cores: lease, journal and task states."""
ENDPOINTS = "agents, queue, core, agent.0, agent.1, …"
SIDES = f"{ENDPOINTS}; or a core (core.0, core.1, … or all of them: core) and {STORE}"


def _endpoints(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise invalid(f"{shown(value)} are not two endpoints; valid: two of {ENDPOINTS}, as in [agents, queue]")
    for place, name in enumerate(value):
        if not isinstance(name, str) or not re.fullmatch(rf"agents|queue|core|agent\.{INDEX}", name):
            near = nearest(str(name), ("agents", "queue", "core"))
            hint = f" (nearest: '{near}')" if near else ""
            raise invalid(f"{shown(name)} is not an endpoint; valid: {ENDPOINTS}{hint}", place)
    if value[0] == value[1]:
        raise invalid(f"{shown(value[1])} cannot be disconnected from itself; valid: two of {ENDPOINTS}", 1)
    return tuple(value)


def _sides(value: Any) -> Any:
    """Validate two endpoints, or a core and the store."""
    if isinstance(value, list | tuple) and len(value) == 2:
        for place, name in enumerate(value):
            other = value[1 - place]
            if name == STORE and (not isinstance(other, str) or not re.fullmatch(rf"core(\.{INDEX})?", other)):
                raise invalid(f"{shown(other)} is not a core, and only cores use the store; valid: {SIDES}", 1 - place)
            if isinstance(name, str) and re.fullmatch(rf"core\.{INDEX}", name) and other != STORE:
                raise invalid(f"{shown(name)} can be disconnected only from the store; valid: core, or {STORE}", place)
        if STORE in value:
            return tuple(value)
    return _endpoints(value)


_ENDPOINT_SCHEMA = {"type": "string", "pattern": rf"^(agents|queue|core|agent\.{INDEX})$"}
Endpoints = Annotated[
    tuple[str, str],
    BeforeValidator(_endpoints),
    WithJsonSchema({"type": "array", "items": _ENDPOINT_SCHEMA, "minItems": 2, "maxItems": 2, "uniqueItems": True}),
    Quantity("two endpoints"),
]
"""Two of `agents`, `agent.N`, `queue` and `core`."""
_CORE_SCHEMA = {"type": "string", "pattern": rf"^core(\.{INDEX})?$"}
_STORE_SCHEMA = {"const": STORE}
_TWO = {"type": "array", "minItems": 2, "maxItems": 2}
Sides = Annotated[
    tuple[str, str],
    BeforeValidator(_sides),
    WithJsonSchema(
        {
            "anyOf": [
                {**_TWO, "items": _ENDPOINT_SCHEMA, "uniqueItems": True},
                {**_TWO, "prefixItems": [_CORE_SCHEMA, _STORE_SCHEMA]},
                {**_TWO, "prefixItems": [_STORE_SCHEMA, _CORE_SCHEMA]},
            ]
        }
    ),
    Quantity("two endpoints"),
]
"""Two of `agents`, `agent.N`, `queue` and `core`, or a core and the store."""
Duration = Distribution | None


def _slower(value: float) -> float:
    if value <= 1:
        raise invalid(f"{shown(value)} is not valid; valid: more than 1")
    return value


Factor = Annotated[Number, AfterValidator(_slower), bounded(exclusiveMinimum=1), Quantity("number > 1")]
"""Factor by which durations or speeds grow."""


PLACES = ("at", "every", "when")
"""The keys that schedule a fault."""
PLACED = (*PLACES, "after")
"""All keys about the time of a fault."""


def _placed(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema: exactly one scheduling key is given and not null; `after` requires `when`."""
    schema["oneOf"] = [_given(key) for key in PLACES]
    schema["if"], schema["then"] = _given("after"), _given("when")


def _given(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


class Fault(Form):
    """A fault is scheduled by exactly one of `at`, `every` and `when`.

    `unites` is what several active faults of this kind do to one target.
    """

    unites: ClassVar[str]
    model_config = ConfigDict(json_schema_extra=_placed)

    at: Seconds | None = Field(default=None, description="happens once, at this time")
    every: Interval | None = Field(default=None, description="happens repeatedly, with this time in between")
    when: When | None = Field(default=None, description="happens once, the first time that this condition is true")
    after: Distribution | None = Field(
        default=None, description="with when: delay after the condition became true; null: none"
    )

    @classmethod
    def lasts(cls) -> bool:
        """Whether this kind of fault has a duration."""
        return "for_" in cls.model_fields

    @model_validator(mode="after")
    def _placed_once(self) -> Fault:
        given = [key for key in PLACES if getattr(self, key) is not None]
        if len(given) != 1:
            problem = f"has {' and '.join(given)}" if given else "has no time"
            raise invalid(f"{problem}; valid: exactly one of {', '.join(PLACES)}")
        if self.after is not None and self.when is None:
            raise invalid(f"'after' starts at a condition, not at {given[0]}; valid: with when only", "after")
        return self


INSTANT = {"for": "this fault has no duration; valid: omit 'for'"}
"""The keys that a fault without a duration rejects."""
