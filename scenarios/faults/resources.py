"""Faults of resources."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import Duration, Factor, Fault
from scenarios.fields.quantities import PositiveCount


class ResourceUnavailable(Fault):
    """Random units of a pool, held or free, go out of service."""

    kind: ClassVar[str] = "resource_unavailable"
    unites: ClassVar[str] = (
        "units add up, up to the size of the pool: of 4 units, 3 and 3 make 4, and 3 when one has ended"
    )
    resource: str = Field(description="the pool")
    units: PositiveCount = Field(description="number of units")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class ResourceDegraded(Fault):
    """Work that holds units of a pool takes longer, including work in progress. The pool looks healthy."""

    kind: ClassVar[str] = "resource_degraded"
    unites: ClassVar[str] = "factors multiply; of several pools that a task holds, the slowest counts"
    resource: str = Field(description="the pool")
    factor: Factor = Field(description="factor by which durations grow")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class ResourceLeak(Fault):
    """Free units of a pool leak: they count as in service but cannot be allocated until they are found."""

    kind: ClassVar[str] = "resource_leak"
    unites: ClassVar[str] = (
        "units add up, up to the units that are free when each begins; those that another active leak claims are "
        "not found yet"
    )
    resource: str = Field(description="the pool")
    units: PositiveCount = Field(description="number of free units that leak")
    for_: Duration = Field(default=None, alias="for", description="time until they are found; null: never")
