"""Faults of the recovery core itself."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import Duration, Fault
from scenarios.fields.distributions import Distribution


class CoreCrash(Fault):
    """The recovery core crashes. After its restart it continues from its journal."""

    kind: ClassVar[str] = "core_crash"
    unites: ClassVar[str] = (
        "the core is down in the union of all crashes and hangs; it continues from its journal after the last "
        "one. While no core leads, the one that led last is the target"
    )
    for_: Duration = Field(default=None, alias="for", description="time to the restart; null: no restart")


class CoreHang(Fault):
    """The leading core is suspended, like a stopped process, and does not notice it."""

    kind: ClassVar[str] = "core_hang"
    unites: ClassVar[str] = (
        "the core is stopped in the union of all crashes and hangs. While no core leads, the one that led last is "
        "the target"
    )
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class CoreSlow(Fault):
    """Messages to the core arrive later, in order: heartbeats, reports and the responses that it waits for."""

    kind: ClassVar[str] = "core_slow"
    unites: ClassVar[str] = "delays add up"
    delay: Distribution = Field(description="delay of each message")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")
