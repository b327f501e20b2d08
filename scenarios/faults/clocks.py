"""Faults of clocks."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from scenarios.errors import invalid
from scenarios.faults.base import Duration, Fault, Targets, targets_of, targets_schema
from scenarios.fields.quantities import Number, Quantity, SignedSeconds, above_zero, bounded

QUEUE = "queue"


ClockTargets = Annotated[
    Targets,
    BeforeValidator(targets_of("agent", QUEUE)),
    WithJsonSchema({"anyOf": [{"const": QUEUE}, *targets_schema("agent")["anyOf"]]}),
    Quantity("agents, or `queue`"),
]
"""`"queue"`, or which agents."""
Rate = Annotated[Number, AfterValidator(above_zero), bounded(exclusiveMinimum=0), Quantity("number > 0")]
"""Clock seconds per second of true time."""


class ClockSkew(Fault):
    """Clocks are wrong: those of agents, which time heartbeats and attempts, or of the queue, which times leases."""

    kind: ClassVar[str] = "clock_skew"
    unites: ClassVar[str] = (
        "rates multiply and offsets add up, as if the active faults were the only ones; the clock is right when "
        "none is left"
    )
    targets: ClockTargets = Field(default=1, description="agents whose clocks are wrong, or queue")
    rate: Rate = Field(default=1.0, description="clock seconds per second, from the next heartbeat and attempt on")
    offset: SignedSeconds = Field(default=0.0, description="jump of the queue's clock; negative: backwards")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")

    @model_validator(mode="after")
    def _is_wrong(self) -> ClockSkew:
        if self.rate == 1 and self.offset == 0:
            raise invalid("is a correct clock; valid: a rate other than 1, or an offset other than 0")
        if self.offset != 0 and self.targets != QUEUE:
            raise invalid("agents measure only durations; valid: offset for the queue only", "offset")
        return self
