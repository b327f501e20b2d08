"""The recovery core: ordinary asyncio that detects failures, analyzes them and recovers from them as a runbook says.

It asks the system that it recovers through `recovery.ports`, and never whether that system is simulated.
"""

from recovery.config import RecoveryConfig
from recovery.engine import Outcome, RecoveryEngine
from recovery.escalation import Escalation, EscalationQueue
from recovery.model import Failure, FailureKind, Symptom, TaskStatus
from recovery.monitor import RecoveryMonitor
from recovery.policy import RetryPolicy
from recovery.ports import System
from recovery.resources import ResourceRecovery
from recovery.state import StateRecovery
from recovery.supervisor import Supervisor
from recovery.verification import RecoveryVerification

__all__ = [
    "Escalation",
    "EscalationQueue",
    "Failure",
    "FailureKind",
    "Outcome",
    "RecoveryConfig",
    "RecoveryEngine",
    "RecoveryMonitor",
    "RecoveryVerification",
    "ResourceRecovery",
    "RetryPolicy",
    "StateRecovery",
    "Supervisor",
    "Symptom",
    "System",
    "TaskStatus",
]
