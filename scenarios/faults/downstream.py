"""Faults of downstream dependencies."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import Duration, Factor, Fault


class DependencyDown(Fault):
    """A dependency refuses every call, and those that it serves or that wait fail: `dependency_down`."""

    kind: ClassVar[str] = "dependency_down"
    unites: ClassVar[str] = "the dependency is down in the union of all intervals"
    dependency: str = Field(description="the dependency")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class DependencySlow(Fault):
    """Calls to a dependency take longer, those that are being served included."""

    kind: ClassVar[str] = "dependency_slow"
    unites: ClassVar[str] = "factors multiply"
    dependency: str = Field(description="the dependency")
    factor: Factor = Field(description="factor by which the rest of the latency grows")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")
