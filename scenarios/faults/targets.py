"""Which agents or tasks a fault affects: a count, a fraction, all, names, or those of one pool or kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from scenarios.errors import instead, invalid, shown
from scenarios.fields.quantities import SHARE_SCHEMA, Quantity, is_number, percentage

ALL = "all"
INDEX = r"(?:0|[1-9][0-9]{0,8})"
"""The number in a name such as `agent.3`."""
TARGETS_HINT = "valid: a count, a fraction above 0 and up to 1 (0.2 or 20%), all, or a list of names"
PARTS = {"agent": "pool", "task": "kind"}
"""What the agents and the tasks of a part have in common: the pool of `agents.pools`, the kind of `tasks.kinds`."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int | None = None
    share: float | None = None

    @property
    def amount(self) -> int | float | str:
        """How many of the part: a count (int), a fraction (float), or `"all"`."""
        return self.count or self.share or ALL


class PoolTargets(_Part):
    """Agents of a pool: a number or a share of them; without either, all. In a file: `{pool: gpu, count: 2}`."""

    pool: str


class KindTargets(_Part):
    """Running tasks of a kind: a number or a share of them; without either, all. In a file: `{kind: chat}`."""

    kind: str


Targets = int | float | str | tuple[str, ...] | PoolTargets | KindTargets


def targets_of(noun: str, also: str = ALL) -> Callable[[Any], Targets]:
    """A validator of targets named `agent.3` or similar; `also` is an additional valid word."""
    hint = f"{TARGETS_HINT} ({noun}.3)" + (f", or {also}" if also != ALL else "")

    def check(value: Any) -> Targets:
        if isinstance(value, Mapping | _Part):
            return _of_part(value, noun)
        if isinstance(value, str) and value in (ALL, also):
            return value
        if _is_count(value):
            return int(value)
        if isinstance(value, str) and value.startswith(f"{noun}."):
            return (_name(value, noun),)
        if isinstance(value, list | tuple) and value:
            return tuple(_name(name, noun, place) for place, name in enumerate(value))
        share = _share(value)
        if share is None:
            raise invalid(f"{shown(value)} are not targets; {hint}")
        return share

    return check


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 1


def _share(value: Any) -> float | None:
    share = percentage(value) if not isinstance(value, int) else None
    return share if share is not None and 0 < share <= 1 else None


def _of_part(value: Mapping[str, Any] | _Part, noun: str) -> PoolTargets | KindTargets:
    part = PARTS[noun]
    data = value.model_dump() if isinstance(value, _Part) else value
    given = {str(key): each for key, each in data.items() if each is not None}
    keys = (part, "count", "share")
    for key in given:
        if key not in keys:
            raise invalid(f"unknown key; {instead(key, keys)}", key)
    if not isinstance(given.get(part), str):
        said = f"{shown(given[part])} is not a name" if part in given else "is missing; it is required"
        raise invalid(f"{said}, as in {{{part}: NAME, count: 2}}", part)
    if "count" in given and "share" in given:
        raise invalid("is given as a count already; valid: count or share, or none of them for all", "share")
    if "count" in given and not _is_count(given["count"]):
        raise invalid(f"{shown(given['count'])} is not valid; valid: a whole number, 1 or more", "count")
    if "share" in given and _share(given["share"]) is None:
        raise invalid(f"{shown(given['share'])} is not valid; valid: above 0 and up to 1, as 0.2 or 20%", "share")
    share = _share(given["share"]) if "share" in given else None
    whose = PoolTargets if part == "pool" else KindTargets
    return whose.model_validate({part: given[part], "count": given.get("count"), "share": share})


def _name(name: Any, noun: str, *place: int) -> str:
    if not isinstance(name, str) or not re.fullmatch(rf"{noun}\.{INDEX}", name):
        raise invalid(f"{shown(name)} is not a valid {noun}; valid: {noun}.0, {noun}.1, …", *place)
    return name


def targets_schema(noun: str) -> dict[str, Any]:
    """The JSON Schema of targets."""
    name = {"type": "string", "pattern": rf"^{noun}\.{INDEX}$"}
    names = {"type": "array", "items": name, "minItems": 1}
    part = {
        "type": "object",
        "properties": {
            PARTS[noun]: {"type": "string"},
            "count": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "share": {"anyOf": [SHARE_SCHEMA, {"type": "null"}]},
        },
        "required": [PARTS[noun]],
        "additionalProperties": False,
    }
    return {"anyOf": [{"type": "integer", "minimum": 1}, SHARE_SCHEMA, {"const": ALL}, name, names, part]}


AgentTargets = Annotated[
    Targets, BeforeValidator(targets_of("agent")), WithJsonSchema(targets_schema("agent")), Quantity("agents")
]
"""Which agents: a count (int), a fraction (float), `"all"`, a tuple of names such as `agent.3`, or those of a pool."""
TaskTargets = Annotated[
    Targets, BeforeValidator(targets_of("task")), WithJsonSchema(targets_schema("task")), Quantity("tasks")
]
"""Which running tasks: a count (int), a fraction (float), `"all"`, a tuple of names such as `task.17`, or of a kind."""
