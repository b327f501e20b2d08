"""The recovery core: ordinary asyncio that detects failures, analyzes them and recovers from them as a runbook says.

It asks the system that it recovers through `recovery.ports`, and never whether that system is simulated.
"""

from recovery.breaker import BreakerPolicy, CircuitBreaker
from recovery.budget import BudgetPolicy, RetryBudget
from recovery.config import RecoveryConfig
from recovery.engine import Outcome, RecoveryEngine
from recovery.escalation import Escalation, EscalationQueue
from recovery.model import Failure, FailureKind, Symptom, TaskStatus
from recovery.monitor import RecoveryMonitor
from recovery.policy import RetryPolicy
from recovery.ports import System
from recovery.presets import PRESETS, preset
from recovery.resources import ResourceRecovery
from recovery.state import StateRecovery
from recovery.supervisor import Supervisor
from recovery.tenacious import from_tenacity
from recovery.verification import RecoveryVerification

__all__ = [
    "PRESETS",
    "BreakerPolicy",
    "BudgetPolicy",
    "CircuitBreaker",
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
    "RetryBudget",
    "RetryPolicy",
    "StateRecovery",
    "Supervisor",
    "Symptom",
    "System",
    "TaskStatus",
    "from_tenacity",
    "preset",
]
