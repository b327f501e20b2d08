"""The number of cores and the lease of the leader."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from recovery.leadership import LeaseConfig
from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import Number, PositiveCount, PositiveSeconds, Quantity, bounded


def _at_least_one(value: float) -> float:
    if value < 1:
        raise invalid(f"{shown(value)} is not a ratio of two rates; valid: 1 or more")
    return value


class LeaseSettings(Settings, LeaseConfig):
    """The lease of the leading core."""

    duration: PositiveSeconds = core_field(
        LeaseConfig, "duration", "time without a renewal after which another core takes it"
    )
    renew_every: PositiveSeconds = core_field(LeaseConfig, "renew_every", "time between two renewals")
    drift: Annotated[Number, AfterValidator(_at_least_one), bounded(minimum=1), Quantity("number ≥ 1")] = core_field(
        LeaseConfig, "drift", "maximum ratio between the rates of two clocks"
    )

    @model_validator(mode="after")
    def _can_be_held(self) -> Self:
        if self.renew_every >= self.held_for:
            raise invalid(
                f"{self.renew_every:g}s is too long: the holder releases the lease after {self.held_for:g}s "
                f"(duration / drift); valid: less than {self.held_for:g}s",
                "renew_every",
            )
        return self


class CoresSettings(Settings):
    """The cores: core.0, core.1, …; one of them leads."""

    count: PositiveCount = Field(default=1, description="number of cores: one leader and standbys")
    lease: LeaseSettings = Field(default=LeaseSettings(), description="the lease that determines the leader")
