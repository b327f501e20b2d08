"""A recovery as it stands at one instant, read from what its audit trail says so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from recovery.audit import AuditEntry
from recovery.model import Failure, FailureKind, Incident

PHASE_AFTER = {
    "recovery.opened": "wait",
    "recovery.started": "analyze",
    "recovery.analyzed": "execute",
    "recovery.executed": "verify",
    "recovery.failed": "wait",
    "recovery.verified": "verified",
    "recovery.escalated": "escalated",
    "recovery.dismissed": "dismissed",
}
"""The phase that begins with an event."""


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """What limits retries beside a condition's count; None: there is no such limit.

    `budget_tokens` are left in the retry budget, `breaker_open` says whether the circuit breaker lets nothing through.
    """

    budget_tokens: float | None = None
    breaker_open: bool | None = None


LimitsOf = Callable[[Failure], RetryLimits]


@dataclass(frozen=True, slots=True)
class RecoverySample:
    """One recovery at one instant.

    `at` and `age` (since its opening) are in seconds of the loop's clock. `steps_done` counts those of the present try;
    `retries_left` is None where nothing limits them. `recoveries_open` and `escalations_open` are the whole core's.
    """

    at: float
    incident: int
    subject: str
    kind: FailureKind
    age: float
    tries: int
    phase: str
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
"""What a rule can be about."""


class Recoveries(Protocol):
    """The recoveries that are monitored: `recovery.Supervisor` implements it."""

    @property
    def recoveries_open(self) -> int:
        """How many there are."""

    @property
    def escalations_open(self) -> int:
        """How many escalations wait for an operator."""

    def incident_of(self, subject: str) -> Incident | None:
        """The open incident of a subject."""

    async def retries_left(self, incident: Incident) -> int | None:
        """Retries that its condition still allows; None: any number."""

    def retry_limits(self, failure: Failure) -> RetryLimits:
        """The budget and the circuit breaker that a failure's retries share with others."""


class MetricsCollector:
    """Takes samples of recoveries. `limits` tells of limits that the recoveries themselves do not know of."""

    def __init__(self, recoveries: Recoveries, limits: LimitsOf | None = None) -> None:
        self._recoveries = recoveries
        self._limits = limits

    async def sample(self, incident: Incident, entries: Sequence[AuditEntry], at: float) -> RecoverySample:
        """How an incident stands at `at` (s), given what was said of it until then."""
        phase, steps_done = progress(entries)
        limits = (self._limits or self._recoveries.retry_limits)(incident.failure)
        return RecoverySample(
            at=at,
            incident=incident.number,
            subject=incident.failure.subject,
            kind=incident.failure.kind,
            age=round(at - incident.opened_at, 9),  # the clock adds up seconds: the 20th must not be 19.999…
            tries=incident.tries,
            phase=phase,
            steps_done=steps_done,
            retries_left=await self._recoveries.retries_left(incident),
            recoveries_open=self._recoveries.recoveries_open,
            escalations_open=self._recoveries.escalations_open,
            escalated=phase == "escalated",
            budget_tokens=limits.budget_tokens,
            breaker_open=limits.breaker_open,
        )


def progress(entries: Sequence[AuditEntry]) -> tuple[str, int]:
    """The phase that a recovery is in, and how many steps of the present try are done."""
    phase, steps_done = "wait", 0
    for entry in entries:
        phase = PHASE_AFTER.get(entry.event, phase)
        if entry.event == "recovery.started":
            steps_done = 0
        elif entry.event == "step.completed":
            steps_done += 1
    return phase, steps_done
