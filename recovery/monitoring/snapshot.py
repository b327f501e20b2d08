"""Samples of running recoveries, computed from their audit entries so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from recovery.audit import OUTCOME_OF, PHASE_AFTER, AuditEntry, AuditEvent, RecoveryOutcome, RecoveryPhase
from recovery.model import Failure, FailureKind, Incident


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """Limits of retries beside the count of a condition; None: there is no such limit.

    `budget_tokens` are the tokens left in the retry budget; `breaker_open` is true while the circuit breaker admits
    nothing.
    """

    budget_tokens: float | None = None
    breaker_open: bool | None = None


LimitsOf = Callable[[Failure], RetryLimits]


@dataclass(frozen=True, slots=True)
class RecoverySample:
    """One recovery at one instant.

    `at` and `age` (since its opening) are in seconds of the loop's clock. `phase` is the current phase, or the outcome
    of a recovery that has ended. `steps_done` counts the completed steps of the current try; `retries_left` is None
    without a limit. `recoveries_open` and `escalations_open` count those of the whole core.
    """

    at: float
    incident: int
    subject: str
    kind: FailureKind
    age: float
    tries: int
    phase: RecoveryPhase | RecoveryOutcome
    steps_done: int
    retries_left: int | None
    recoveries_open: int
    escalations_open: int
    escalated: bool
    budget_tokens: float | None = None
    breaker_open: bool | None = None


MEASURES = (
    "age",
    "tries",
    "steps_done",
    "retries_left",
    "recoveries_open",
    "escalations_open",
    "escalated",
    "budget_tokens",
    "breaker_open",
)
"""The fields of a sample that an alert rule can test."""


class Recoveries(Protocol):
    """The monitored recoveries: `recovery.Supervisor` implements this protocol."""

    @property
    def recoveries_open(self) -> int:
        """Number of open recoveries."""

    @property
    def escalations_open(self) -> int:
        """Number of escalations that no operator has resolved."""

    def incident_of(self, subject: str) -> Incident | None:
        """The open incident of a subject; None: there is none."""

    async def retries_left(self, incident: Incident) -> int | None:
        """Number of retries that its condition still allows; None: no limit."""

    def retry_limits(self, failure: Failure) -> RetryLimits:
        """The retry budget and the circuit breaker that apply to a failure."""


class MetricsCollector:
    """Takes samples of recoveries. `limits` replaces their own `retry_limits`."""

    def __init__(self, recoveries: Recoveries, limits: LimitsOf | None = None) -> None:
        self._recoveries = recoveries
        self._limits = limits

    async def sample(self, incident: Incident, entries: Sequence[AuditEntry], at: float) -> RecoverySample:
        """A sample of an incident at `at` (s), from its audit entries until then."""
        phase, steps_done = progress(entries)
        limits = (self._limits or self._recoveries.retry_limits)(incident.failure)
        return RecoverySample(
            at=at,
            incident=incident.number,
            subject=incident.failure.subject,
            kind=incident.failure.kind,
            age=round(at - incident.opened_at, 9),  # without rounding errors of the clock, such as 19.999…
            tries=incident.tries,
            phase=phase,
            steps_done=steps_done,
            retries_left=await self._recoveries.retries_left(incident),
            recoveries_open=self._recoveries.recoveries_open,
            escalations_open=self._recoveries.escalations_open,
            escalated=phase is RecoveryOutcome.ESCALATED,
            budget_tokens=limits.budget_tokens,
            breaker_open=limits.breaker_open,
        )


def progress(entries: Sequence[AuditEntry]) -> tuple[RecoveryPhase | RecoveryOutcome, int]:
    """The current phase or the outcome of a recovery, and the number of completed steps of the current try."""
    phase: RecoveryPhase | RecoveryOutcome = RecoveryPhase.WAIT
    steps_done = 0
    for entry in entries:
        phase = PHASE_AFTER.get(entry.event) or OUTCOME_OF.get(entry.event) or phase
        if entry.event == AuditEvent.RECOVERY_STARTED:
            steps_done = 0
        elif entry.event == AuditEvent.STEP_COMPLETED:
            steps_done += 1
    return phase, steps_done
