"""How many cores there are, and how long one of them leads without saying that it is there."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from recovery.leadership import LeaseConfig
from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import Number, PositiveCount, PositiveSeconds, Quantity, bounded


def _at_least_one(value: float) -> float:
    if value < 1:
        raise invalid(f"{shown(value)} is no factor between two rates; valid: 1 or more")
    return value


class LeaseSettings(Settings, LeaseConfig):
    """The lease that the core holds which leads."""

    duration: PositiveSeconds = core_field(
        LeaseConfig, "duration", "after so long without a renewal another core takes it"
    )
    renew_every: PositiveSeconds = core_field(LeaseConfig, "renew_every", "time between two renewals")
    drift: Annotated[Number, AfterValidator(_at_least_one), bounded(minimum=1), Quantity("number ≥ 1")] = core_field(
        LeaseConfig, "drift", "by what factor the rates of two clocks may differ"
    )

    @model_validator(mode="after")
    def _can_be_held(self) -> Self:
        if self.renew_every >= self.held_for:
            raise invalid(
                f"{self.renew_every:g}s is too late: its holder gives it up after {self.held_for:g}s "
                f"(duration / drift); valid: less than {self.held_for:g}s",
                "renew_every",
            )
        return self


class CoresSettings(Settings):
    """The cores: core.0, core.1, …, of which one leads."""

    count: PositiveCount = Field(default=1, description="number of cores; those that do not lead stand by")
    lease: LeaseSettings = Field(default=LeaseSettings(), description="how it is settled who leads, where it matters")
