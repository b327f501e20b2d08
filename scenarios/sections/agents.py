"""Agents: their number, failures and restart times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution, RandomInterval
from scenarios.fields.quantities import Count, PositiveCount, Quantity, is_number

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


_KINDS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}


def _something(kinds: tuple[str, ...]) -> tuple[str, ...]:
    if not kinds:
        raise invalid("is empty: its agents would execute nothing; valid: one kind of tasks or more, or null for all")
    for place, kind in enumerate(kinds):
        if kind in kinds[:place]:
            raise invalid(f"{shown(kind)} is there twice; valid: each kind once", place)
    return kinds


def _names(pools: dict[str, PoolSettings]) -> dict[str, PoolSettings]:
    for name in pools:
        if not re.fullmatch(NAME, name):
            raise invalid(f"{shown(name)} is not a name; valid: letters, digits, - and _", name)
    return pools


class PoolSettings(Settings):
    """A part of the agents."""

    count: PositiveCount = Field(description="number of agents of the pool")
    takes: (
        Annotated[
            tuple[str, ...], AfterValidator(_something), WithJsonSchema(_KINDS), Quantity("list of kinds of tasks")
        ]
        | None
    ) = Field(default=None, description="the kinds of tasks that its agents execute; null: all")
    prefetch: Count | None = Field(default=None, description="as `agents.prefetch`; null: that one")


def _count_or_pools(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema: the number of agents is that of all pools, if there are any."""
    schema["required"].remove("count")
    schema["anyOf"] = [{"required": ["count"]}, {"required": ["pools"]}]


class AgentSettings(Settings):
    """The agents."""

    model_config = ConfigDict(json_schema_extra=_count_or_pools)

    count: PositiveCount = Field(description="number of agents: agent.0, agent.1, …")
    pools: Annotated[dict[str, PoolSettings], AfterValidator(_names)] = Field(
        default={},
        description="parts of the agents by name, numbered in this order; `count` is then their sum, and need not be "
        "given",
    )
    slots: PositiveCount = Field(default=1, description="tasks that an agent executes concurrently")
    prefetch: Count | None = Field(
        default=None,
        description="deliveries that an agent takes beyond those that it works on; they wait in the agent, leased, "
        "even if other agents are idle; null: that of the preset of `queue`, 0 without one",
    )
    mtbf: RandomInterval | None = Field(
        default=None,
        description="time between random crashes; a bare duration is the mean of an exponential; null: none",
    )
    failure_clock: Literal["always", "busy"] = Field(
        default="always", description="whether the mtbf clock runs always, or only while the agent is busy"
    )
    restart_time: Distribution = Field(default=ZERO, description="duration of a restart")
    restart_slots: PositiveCount | None = Field(default=None, description="concurrent restarts; null: no limit")

    @model_validator(mode="before")
    @classmethod
    def _count_of_pools(cls, data: Any) -> Any:
        pools = data.get("pools") if isinstance(data, Mapping) else None
        if not isinstance(pools, Mapping) or not pools:
            return data
        counts: list[Any] = [
            pool.get("count") if isinstance(pool, Mapping) else getattr(pool, "count", None) for pool in pools.values()
        ]
        whole = [int(count) for count in counts if is_number(count) and count == int(count)]
        if len(whole) < len(counts):
            return {"count": 1, **data}  # the error is that of the pool
        together = sum(whole)
        if data.get("count", together) != together:
            raise invalid(
                f"{shown(data['count'])} is not the sum of the pools, {together}; valid: without count", "count"
            )
        return {**data, "count": together}

    def pool_of(self, number: int) -> str:
        """The pool of an agent by its number; empty if there are no pools."""
        for name, pool in self.pools.items():
            if number < pool.count:
                return name
            number -= pool.count
        return ""
