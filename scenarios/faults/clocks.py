"""Faults of clocks."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from scenarios.errors import invalid, shown
from scenarios.faults.base import Duration, Fault
from scenarios.faults.targets import INDEX, Targets, targets_of, targets_schema
from scenarios.fields.quantities import (
    Number,
    Quantity,
    SignedSeconds,
    above_zero,
    bounded,
    percentage,
)

QUEUE = "queue"
CORE = "core"
_agents = targets_of("agent", QUEUE)


def _clock_targets(value: Any) -> Any:
    """`core` (all of them), names of cores, or the targets of agents, or `queue`."""
    names = value if isinstance(value, list | tuple) else [value]
    if value == CORE or not names or not all(isinstance(name, str) and name.startswith(CORE) for name in names):
        return value if value == CORE else _agents(value)
    for place, name in enumerate(names):
        if not re.fullmatch(rf"{CORE}\.{INDEX}", name):
            where = () if name is value else (place,)
            raise invalid(f"{shown(name)} is not a valid core; valid: core, core.0, core.1, …", *where)
    return tuple(names)


def _drift(value: Any) -> float:
    """A rate error as a number, a percentage or `ppm`."""
    parts = value.strip().removesuffix("ppm") if isinstance(value, str) and value.strip().endswith("ppm") else None
    found = percentage(value) if parts is None else percentage(parts) if "%" not in parts else None
    if found is None:
        raise invalid(f"{shown(value)} is not a drift; valid: a number, a percentage or ppm, as in 0.01, 1% or 200ppm")
    found = found if parts is None else found / 1e6
    if found <= -1:
        raise invalid(f"{shown(value)} would stop the clock; valid: more than -1")
    return found


_CORE_NAME = {"type": "string", "pattern": rf"^core\.{INDEX}$"}
ClockTargets = Annotated[
    Targets,
    BeforeValidator(_clock_targets),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": QUEUE},
                {"const": CORE},
                *targets_schema("agent")["anyOf"],
                _CORE_NAME,
                {"type": "array", "items": _CORE_NAME, "minItems": 1},
            ]
        }
    ),
    Quantity("agents, `queue`, or cores"),
]
"""`"queue"`, `"core"` for all cores, a tuple of names such as `core.1`, or which agents."""
Rate = Annotated[Number, AfterValidator(above_zero), bounded(exclusiveMinimum=0), Quantity("number > 0")]
"""Clock seconds per second of true time."""
Drift = Annotated[
    float,
    BeforeValidator(_drift),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": -1},
                {"type": "string", "pattern": r"^\s*-?[0-9.eE+-]+\s*(%|ppm)?\s*$"},
            ]
        }
    ),
    Quantity("number, percentage or ppm"),
]
"""The relative error of a clock's rate."""


class ClockSkew(Fault):
    """Clocks are wrong: those of agents, which time heartbeats and attempts, of the queue, which times leases, or of
    cores, which time the lease of the leader.
    """

    kind: ClassVar[str] = "clock_skew"
    unites: ClassVar[str] = (
        "rates multiply and offsets add up, as if the active faults were the only ones; the clock is right when none "
        "is left"
    )
    targets: ClockTargets = Field(
        default=1, description="whose clocks are wrong: agents, queue, core (all cores), core.0, …"
    )
    rate: Rate = Field(default=1.0, description="clock seconds per second, from the next heartbeat and attempt on")
    drift: Drift = Field(default=0.0, description="instead of rate, its error: 0.01, 1% or 10000ppm for a rate of 1.01")
    offset: SignedSeconds = Field(
        default=0.0, description="jump of the clock of the queue or of a core; negative: backwards"
    )
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")

    @property
    def speed(self) -> float:
        """Clock seconds per second of true time, by `rate` or by `drift`."""
        return self.rate + self.drift

    @property
    def of_cores(self) -> bool:
        """Whether it hits cores."""
        return self.targets == CORE or (isinstance(self.targets, tuple) and self.targets[0].startswith(CORE))

    @model_validator(mode="after")
    def _is_wrong(self) -> ClockSkew:
        if self.rate != 1 and self.drift != 0:
            raise invalid("is given by rate already; valid: rate or drift", "drift")
        if self.speed == 1 and self.offset == 0:
            raise invalid("is a correct clock; valid: a rate other than 1, a drift, or an offset other than 0")
        if self.offset != 0 and self.targets != QUEUE and not self.of_cores:
            raise invalid("agents measure only durations; valid: offset for the queue and for cores only", "offset")
        return self
