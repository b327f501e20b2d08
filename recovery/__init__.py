"""The recovery core: asyncio code that detects failures, analyzes them, and recovers by a runbook.

It accesses the system that it recovers, simulated or real, through the ports of a `System`. Each public name is
imported when it is first used, so that `import recovery` loads little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recovery.actions.context import STANDALONE, RecoveryContext, RecoveryServices
    from recovery.actions.resources import ResourceRecovery
    from recovery.actions.state import StateRecovery
    from recovery.audit import (
        AuditEntry,
        AuditEvent,
        EscalationReason,
        MemoryAudit,
        RecoveryOutcome,
        RecoveryPhase,
    )
    from recovery.config import DetectionConfig, RecoveryConfig
    from recovery.diagnosis.verification import RecoveryVerification
    from recovery.engine.engine import Outcome, RecoveryEngine
    from recovery.errors import CommandFailed, RecoveryBenchError
    from recovery.journal import MemoryJournal
    from recovery.model import (
        AgentHealth,
        Checkpoint,
        Escalation,
        Failure,
        FailureKind,
        IncidentFacts,
        LinkHealth,
        QueueHealth,
        ResourceHealth,
        Symptom,
        TaskStatus,
        TaskView,
    )
    from recovery.monitoring.monitor import MonitorConfig, RecoveryMonitor
    from recovery.null_ports import NoLogs, NoNetwork, NoQueues, NoResources
    from recovery.policies.breaker import BreakerPolicy, CircuitBreaker
    from recovery.policies.budget import BudgetPolicy, RetryBudget
    from recovery.policies.presets import PRESETS, preset
    from recovery.policies.retry import RetryPolicy
    from recovery.policies.tenacity_adapter import from_tenacity
    from recovery.ports import (
        AgentPort,
        AuditTrail,
        LogPort,
        NetworkPort,
        QueuePort,
        ResourcePort,
        System,
        TaskPort,
        TaskStore,
        TopologyPort,
    )
    from recovery.runbook.parser import RunbookError
    from recovery.stores.memory import MemoryTaskStore
    from recovery.stores.sync_adapter import inline, threaded
    from recovery.supervision.escalation_queue import EscalationQueue
    from recovery.supervision.supervisor import Supervisor

__all__ = [
    "PRESETS",
    "STANDALONE",
    "AgentHealth",
    "AgentPort",
    "AuditEntry",
    "AuditEvent",
    "AuditTrail",
    "BreakerPolicy",
    "BudgetPolicy",
    "Checkpoint",
    "CircuitBreaker",
    "CommandFailed",
    "DetectionConfig",
    "Escalation",
    "EscalationQueue",
    "EscalationReason",
    "Failure",
    "FailureKind",
    "IncidentFacts",
    "LinkHealth",
    "LogPort",
    "MemoryAudit",
    "MemoryJournal",
    "MemoryTaskStore",
    "MonitorConfig",
    "NetworkPort",
    "NoLogs",
    "NoNetwork",
    "NoQueues",
    "NoResources",
    "Outcome",
    "QueueHealth",
    "QueuePort",
    "RecoveryBenchError",
    "RecoveryConfig",
    "RecoveryContext",
    "RecoveryEngine",
    "RecoveryMonitor",
    "RecoveryOutcome",
    "RecoveryPhase",
    "RecoveryServices",
    "RecoveryVerification",
    "ResourceHealth",
    "ResourcePort",
    "ResourceRecovery",
    "RetryBudget",
    "RetryPolicy",
    "RunbookError",
    "StateRecovery",
    "Supervisor",
    "Symptom",
    "System",
    "TaskPort",
    "TaskStatus",
    "TaskStore",
    "TaskView",
    "TopologyPort",
    "from_tenacity",
    "inline",
    "preset",
    "threaded",
]

_HOMES = {
    "STANDALONE": "recovery.actions.context",
    "RecoveryContext": "recovery.actions.context",
    "RecoveryServices": "recovery.actions.context",
    "ResourceRecovery": "recovery.actions.resources",
    "StateRecovery": "recovery.actions.state",
    "AuditEntry": "recovery.audit",
    "AuditEvent": "recovery.audit",
    "EscalationReason": "recovery.audit",
    "MemoryAudit": "recovery.audit",
    "RecoveryOutcome": "recovery.audit",
    "RecoveryPhase": "recovery.audit",
    "DetectionConfig": "recovery.config",
    "RecoveryConfig": "recovery.config",
    "RecoveryVerification": "recovery.diagnosis.verification",
    "Outcome": "recovery.engine.engine",
    "RecoveryEngine": "recovery.engine.engine",
    "RecoveryBenchError": "recovery.errors",
    "CommandFailed": "recovery.errors",
    "MemoryJournal": "recovery.journal",
    "AgentHealth": "recovery.model",
    "Checkpoint": "recovery.model",
    "Failure": "recovery.model",
    "FailureKind": "recovery.model",
    "IncidentFacts": "recovery.model",
    "LinkHealth": "recovery.model",
    "QueueHealth": "recovery.model",
    "ResourceHealth": "recovery.model",
    "Symptom": "recovery.model",
    "TaskStatus": "recovery.model",
    "TaskView": "recovery.model",
    "MonitorConfig": "recovery.monitoring.monitor",
    "RecoveryMonitor": "recovery.monitoring.monitor",
    "NoLogs": "recovery.null_ports",
    "NoNetwork": "recovery.null_ports",
    "NoQueues": "recovery.null_ports",
    "NoResources": "recovery.null_ports",
    "BreakerPolicy": "recovery.policies.breaker",
    "CircuitBreaker": "recovery.policies.breaker",
    "BudgetPolicy": "recovery.policies.budget",
    "RetryBudget": "recovery.policies.budget",
    "PRESETS": "recovery.policies.presets",
    "preset": "recovery.policies.presets",
    "RetryPolicy": "recovery.policies.retry",
    "from_tenacity": "recovery.policies.tenacity_adapter",
    "AgentPort": "recovery.ports",
    "AuditTrail": "recovery.ports",
    "LogPort": "recovery.ports",
    "NetworkPort": "recovery.ports",
    "QueuePort": "recovery.ports",
    "ResourcePort": "recovery.ports",
    "System": "recovery.ports",
    "TaskPort": "recovery.ports",
    "TaskStore": "recovery.ports",
    "TopologyPort": "recovery.ports",
    "RunbookError": "recovery.runbook.parser",
    "MemoryTaskStore": "recovery.stores.memory",
    "inline": "recovery.stores.sync_adapter",
    "threaded": "recovery.stores.sync_adapter",
    "Escalation": "recovery.model",
    "EscalationQueue": "recovery.supervision.escalation_queue",
    "Supervisor": "recovery.supervision.supervisor",
}
"""The module that defines each public name."""


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recovery' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
