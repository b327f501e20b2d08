"""Faults of resources."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import Duration, Factor, Fault
from scenarios.fields.quantities import PositiveCount


class ResourceUnavailable(Fault):
    """Units of a pool go out of service, held or free, as chance has it."""

    kind: ClassVar[str] = "resource_unavailable"
    resource: str = Field(description="the pool")
    units: PositiveCount = Field(description="how many units")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class ResourceDegraded(Fault):
    """Work that holds units of a pool takes longer, also what is under way. The pool looks healthy."""

    kind: ClassVar[str] = "resource_degraded"
    resource: str = Field(description="the pool")
    factor: Factor = Field(description="how many times as long")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class ResourceLeak(Fault):
    """Free units of a pool are nobody's: in service by the books, and not to be had until they are found again."""

    kind: ClassVar[str] = "resource_leak"
    resource: str = Field(description="the pool")
    units: PositiveCount = Field(description="how many units, of those that are free")
    for_: Duration = Field(default=None, alias="for", description="until they are found; null: never")
