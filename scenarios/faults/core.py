"""Faults of the recovery core itself."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import Duration, Fault
from scenarios.fields.distributions import Distribution


class CoreCrash(Fault):
    """The recovery core loses its power. It is started again with what its journal kept, and goes on with it."""

    kind: ClassVar[str] = "core_crash"
    for_: Duration = Field(default=None, alias="for", description="until it is started again; null: it never is")


class CoreHang(Fault):
    """The core that leads does nothing for a while and does not know of it, as a process that is stopped."""

    kind: ClassVar[str] = "core_hang"
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class CoreSlow(Fault):
    """Whatever reaches the core does so later, in its order: heartbeats, reports and the answers that it waits for."""

    kind: ClassVar[str] = "core_slow"
    delay: Distribution = Field(description="by how much later, each")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")
