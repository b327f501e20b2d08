"""The recovery core: ordinary asyncio that detects failures, analyzes them and recovers from them as a runbook says.

It asks the system that it recovers through `recovery.ports`, and never whether that system is simulated.
"""

from recovery.actions.resources import ResourceRecovery
from recovery.actions.state import StateRecovery
from recovery.config import RecoveryConfig
from recovery.diagnosis.verification import RecoveryVerification
from recovery.engine.engine import Outcome, RecoveryEngine
from recovery.model import Failure, FailureKind, Symptom, TaskStatus
from recovery.monitoring.monitor import RecoveryMonitor
from recovery.policies.breaker import BreakerPolicy, CircuitBreaker
from recovery.policies.budget import BudgetPolicy, RetryBudget
from recovery.policies.presets import PRESETS, preset
from recovery.policies.retry import RetryPolicy
from recovery.policies.tenacity_adapter import from_tenacity
from recovery.ports import System
from recovery.supervision.escalation_queue import Escalation, EscalationQueue
from recovery.supervision.supervisor import Supervisor

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
