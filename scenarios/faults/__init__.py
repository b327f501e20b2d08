"""Faults: kind, targets, time and duration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from scenarios.errors import invalid
from scenarios.faults.agents import AgentCrash, AgentFlap, AgentHang, AgentSlow
from scenarios.faults.base import Duration, Fault
from scenarios.faults.clocks import ClockSkew
from scenarios.faults.core import CoreCrash, CoreHang, CoreSlow
from scenarios.faults.downstream import DependencyDown, DependencySlow
from scenarios.faults.group import member
from scenarios.faults.messages import (
    MessageDelay,
    MessageDuplicate,
    MessageLoss,
    MessageReorder,
    Partition,
    QueueBlocked,
)
from scenarios.faults.resources import ResourceDegraded, ResourceLeak, ResourceUnavailable
from scenarios.faults.storage import CheckpointCorrupt, CheckpointStale, CheckpointTorn, StorageFailure, StorageSlow
from scenarios.faults.tasks import ExecutionFailure, LoadSurge, PoisonTask
from scenarios.faults.trigger import Trigger
from scenarios.fields.base import OneOf
from scenarios.fields.quantities import Quantity

SINGLE = (
    AgentCrash,
    AgentHang,
    AgentSlow,
    AgentFlap,
    ExecutionFailure,
    PoisonTask,
    ResourceUnavailable,
    ResourceDegraded,
    ResourceLeak,
    Partition,
    MessageLoss,
    MessageDelay,
    MessageReorder,
    MessageDuplicate,
    QueueBlocked,
    CheckpointCorrupt,
    CheckpointTorn,
    CheckpointStale,
    StorageFailure,
    StorageSlow,
    LoadSurge,
    CoreCrash,
    CoreHang,
    CoreSlow,
    ClockSkew,
    DependencyDown,
    DependencySlow,
)
AnyFault = (
    AgentCrash
    | AgentHang
    | AgentSlow
    | AgentFlap
    | ExecutionFailure
    | PoisonTask
    | ResourceUnavailable
    | ResourceDegraded
    | ResourceLeak
    | Partition
    | MessageLoss
    | MessageDelay
    | MessageReorder
    | MessageDuplicate
    | QueueBlocked
    | CheckpointCorrupt
    | CheckpointTorn
    | CheckpointStale
    | StorageFailure
    | StorageSlow
    | LoadSurge
    | CoreCrash
    | CoreHang
    | CoreSlow
    | ClockSkew
    | DependencyDown
    | DependencySlow
)


def _some(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    if not faults:
        raise invalid("is empty; valid: at least one fault")
    return faults


Members = Annotated[
    tuple[Annotated[AnyFault, OneOf("fault", tuple(map(member, SINGLE)))], ...],
    AfterValidator(_some),
    Quantity("list of faults"),
]
"""The faults of a group, without the keys that schedule them."""


class Group(Fault):
    """Several faults happen at one instant, and those with a duration end at one instant: a correlated failure."""

    kind: ClassVar[str] = "group"
    faults: Members = Field(
        description="each without at, every, when, after and for", json_schema_extra={"minItems": 1}
    )
    for_: Duration = Field(
        default=None, alias="for", description="duration of all faults that have one; null: each has its default"
    )


def each(faults: Iterable[AnyFault | Group]) -> Iterator[AnyFault]:
    """All faults, with groups replaced by their members."""
    for fault in faults:
        if isinstance(fault, Group):
            yield from fault.faults
        else:
            yield fault


FORMS = (*SINGLE, Group)
FaultEntry = Annotated[AnyFault | Group, OneOf("fault", FORMS), Quantity("fault")]
"""One entry of `faults`."""

__all__ = [
    "FORMS",
    "SINGLE",
    "AgentCrash",
    "AgentFlap",
    "AgentHang",
    "AgentSlow",
    "AnyFault",
    "CheckpointCorrupt",
    "CheckpointStale",
    "CheckpointTorn",
    "ClockSkew",
    "CoreCrash",
    "CoreHang",
    "CoreSlow",
    "DependencyDown",
    "DependencySlow",
    "ExecutionFailure",
    "Fault",
    "FaultEntry",
    "Group",
    "LoadSurge",
    "MessageDelay",
    "MessageDuplicate",
    "MessageLoss",
    "MessageReorder",
    "Partition",
    "PoisonTask",
    "QueueBlocked",
    "ResourceDegraded",
    "ResourceLeak",
    "ResourceUnavailable",
    "StorageFailure",
    "StorageSlow",
    "Trigger",
    "each",
]
