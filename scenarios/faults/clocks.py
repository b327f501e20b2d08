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
"""How many seconds a clock counts in one."""


class ClockSkew(Fault):
    """Clocks go wrong. An agent beats, and gives an attempt up, by its own; by the queue's, deliveries are leased."""

    kind: ClassVar[str] = "clock_skew"
    targets: ClockTargets = Field(default=1, description="whose clocks")
    rate: Rate = Field(default=1.0, description="seconds that they count in one, from the next beat and attempt on")
    offset: SignedSeconds = Field(default=0.0, description="by how much the queue's jumps ahead; back with a minus")
    for_: Duration = Field(default=None, alias="for", description="until they are set right; null: they never are")

    @model_validator(mode="after")
    def _is_wrong(self) -> ClockSkew:
        if self.rate == 1 and self.offset == 0:
            raise invalid("is a clock that is right; valid: a rate other than 1, or an offset other than 0")
        if self.offset != 0 and self.targets != QUEUE:
            raise invalid("agents measure time and never look at its date; valid: offset for the queue only", "offset")
        return self
