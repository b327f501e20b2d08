"""Faults: what goes wrong, whom it hits, when, and for how long."""

from __future__ import annotations

from typing import Annotated

from scenarios.faults.agents import AgentCrash, AgentFlap, AgentHang, AgentSlow
from scenarios.faults.base import Fault
from scenarios.faults.clocks import ClockSkew
from scenarios.faults.core import CoreCrash, CoreSlow
from scenarios.faults.messages import (
    MessageDelay,
    MessageDuplicate,
    MessageLoss,
    MessageReorder,
    Partition,
    QueueBlocked,
)
from scenarios.faults.resources import ResourceDegraded, ResourceLeak, ResourceUnavailable
from scenarios.faults.storage import CheckpointCorrupt, CheckpointTorn, StorageFailure, StorageSlow
from scenarios.faults.tasks import ExecutionFailure, LoadSurge, PoisonTask
from scenarios.faults.trigger import Trigger
from scenarios.quantities import Quantity
from scenarios.settings import OneOf

FORMS = (
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
    StorageFailure,
    StorageSlow,
    LoadSurge,
    CoreCrash,
    CoreSlow,
    ClockSkew,
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
    | StorageFailure
    | StorageSlow
    | LoadSurge
    | CoreCrash
    | CoreSlow
    | ClockSkew
)
FaultEntry = Annotated[AnyFault, OneOf("fault", FORMS), Quantity("fault")]
"""One entry of `faults`."""

__all__ = [
    "FORMS",
    "AgentCrash",
    "AgentFlap",
    "AgentHang",
    "AgentSlow",
    "AnyFault",
    "CheckpointCorrupt",
    "CheckpointTorn",
    "ClockSkew",
    "CoreCrash",
    "CoreSlow",
    "ExecutionFailure",
    "Fault",
    "FaultEntry",
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
]
