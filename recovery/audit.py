"""The words in which the core says what it does, and a trail that keeps them in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

AUDIT_EVENTS: tuple[str, ...] = (
    "core.started",  # it has found a journal of an earlier one; subject core; value: recoveries that it takes up
    "recovery.taken_up",  # it was open when the core ended, and goes on where it was; detail: how far it had come
    "agent.suspected",  # subject agent: the detector believes it down
    "agent.cleared",  # subject agent: the detector believes it up again
    "task.stalled",  # subject task: what its agent's beats say of it has not changed for too long; detail: the agent
    "resource.suspected",  # subject pool: probed unhealthy; value: units out of service
    "resource.cleared",  # subject pool: probed whole again
    "resource.probe_failed",  # detail: why
    "recovery.opened",  # detail: failure kind; subject: task, agent or link
    "retry.granted",  # value: delay in seconds; detail: failure kind
    "retry.exhausted",  # detail: failure kind
    "recovery.paced",  # value: seconds that it waits before it may put a task back, for the load's sake
    "recovery.started",  # the delay is over and a slot was free: analysis begins
    "recovery.analyzed",  # detail: runbook entry, unknown, ambiguous: a or b; value: confidence 0..1; text: why
    "step.started",  # detail: command
    "step.completed",  # detail: command
    "step.failed",  # detail: command
    "step.undone",  # detail: the command that undid what a step had done
    "step.undo_failed",  # detail: the command that should have
    "recovery.resumed",  # this try goes on with a step that had failed; detail: its command
    "recovery.executed",  # all steps done
    "recovery.verified",  # the end of a recovery that worked
    "recovery.failed",  # this try did not work; detail: why
    "recovery.escalated",  # given up: the end; detail: why
    "recovery.dismissed",  # nothing to recover any more: the end; detail: why
    "breaker.opened",  # subject failure kind: tries are held back; value: for how many seconds
    "breaker.half_opened",  # subject failure kind: probes may pass
    "breaker.closed",  # subject failure kind: the probes have worked
    "task.fenced",  # subject task; value: the highest void epoch
    "checkpoint.restored",  # subject task; value: progress in work-seconds
    "checkpoint.stale",  # subject task; value: how many were acknowledged that could not be read
    "checkpoint.rejected",  # subject task; detail: why; value: sequence of the checkpoint where it is damaged
    "alert.raised",  # detail: severity and rule; value: what was measured; subject alerts: a storm is folded
    "alert.cleared",  # detail: severity and rule; value: seconds that it stood, of a storm the alerts that it counted
    "monitor.failed",  # a recovery is not watched any more; detail: why
    "escalation.acknowledged",  # detail: the operator
    "escalation.resolved",  # detail: the operator
)
OPERATOR_EVENTS: tuple[str, ...] = (
    "operator.admitted",  # subject operator; detail: the token's key, the procedure and the task that it is good for
    "operator.refused",  # subject operator; detail: a `RefusalReason`; text: what would be valid
    "operator.finished",  # subject operator; detail as for operator.admitted: the token is good for nothing any more
)
"""What those say who let operators in; the core itself never does."""
ENDS: frozenset[str] = frozenset({"recovery.verified", "recovery.escalated", "recovery.dismissed"})


class RefusalReason(StrEnum):
    """Why an operator is refused: the detail of `operator.refused`."""

    WRONG_CREDENTIALS = "wrong_credentials"  # unknown operator, or wrong token
    TOO_MANY_ATTEMPTS = "too_many_attempts"  # with wrong credentials
    EXPIRED = "expired"  # token
    WRONG_ROLE = "wrong_role"
    RECOVERY_COMPLETE = "recovery_complete"  # the token was valid for it
    OTHER_RECOVERY = "other_recovery"  # the token is valid for another recovery
    NOT_POSSIBLE = "not_possible"  # the operator is authorized, but the state of the task forbids the procedure


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the trail. `at` is in seconds of the clock that the trail was given; `text` explains it to people."""

    at: float
    event: str
    incident: int
    subject: str
    detail: str
    value: float | None
    text: str = ""

    def __str__(self) -> str:
        value = "" if self.value is None else f"{self.value:g}"
        return " ".join(part for part in (self.event, self.subject, self.detail, value) if part)


class MemoryAudit:
    """An append-only trail in memory; `clock` gives the time of an entry in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: list[AuditEntry] = []

    def record(
        self,
        event: str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one entry. Raises ValueError for an event that is not in `AUDIT_EVENTS`."""
        if event not in AUDIT_EVENTS:
            raise ValueError(f"unknown audit event {event!r}")
        self._entries.append(AuditEntry(self._clock(), event, incident, subject, detail, value, text))

    @property
    def entries(self) -> tuple[AuditEntry, ...]:
        """All entries so far, oldest first."""
        return tuple(self._entries)
