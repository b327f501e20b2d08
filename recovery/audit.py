"""The audit vocabulary: events of the core, phases and outcomes of a recovery, reasons, and a trail in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class AuditEvent(StrEnum):
    """Everything that an audit trail records. The comments describe the other fields of an entry."""

    # --- the core
    CORE_STARTED = "core.started"  # with the journal of an earlier core; subject: core; value: recoveries to resume
    RECOVERY_TAKEN_UP = "recovery.taken_up"  # resumed after a restart of the core; detail: phase in the journal

    # --- detection
    AGENT_SUSPECTED = "agent.suspected"  # subject: agent; the detector considers it down
    AGENT_CLEARED = "agent.cleared"  # subject: agent; the detector considers it up again
    TASK_STALLED = "task.stalled"  # subject: task; no progress in the agent's heartbeats; detail: agent
    RESOURCE_SUSPECTED = "resource.suspected"  # subject: pool; unhealthy in a probe; value: units out of service
    RESOURCE_CLEARED = "resource.cleared"  # subject: pool; healthy again
    RESOURCE_PROBE_FAILED = "resource.probe_failed"  # detail: error

    # --- a recovery; subject: task, agent or link
    RECOVERY_OPENED = "recovery.opened"  # detail: failure kind
    RETRY_GRANTED = "retry.granted"  # detail: failure kind; value: delay in seconds
    RETRY_EXHAUSTED = "retry.exhausted"  # detail: failure kind
    RECOVERY_PACED = "recovery.paced"  # delayed by the load limit; value: delay in seconds
    RECOVERY_STARTED = "recovery.started"  # start of a try: its delay is over and it has a slot
    RECOVERY_ANALYZED = "recovery.analyzed"  # detail: verdict; value: confidence, 0 to 1; text: explanation
    STEP_STARTED = "step.started"  # detail: command
    STEP_COMPLETED = "step.completed"  # detail: command
    STEP_FAILED = "step.failed"  # detail: command; text: error
    STEP_UNDONE = "step.undone"  # detail: command that undid a step
    STEP_UNDO_FAILED = "step.undo_failed"  # detail: command that could not undo a step; text: error
    RECOVERY_RESUMED = "recovery.resumed"  # the try continues with a step that failed before; detail: its command
    RECOVERY_EXECUTED = "recovery.executed"  # all steps are complete
    RECOVERY_VERIFIED = "recovery.verified"  # end: the recovery was successful
    RECOVERY_FAILED = "recovery.failed"  # end of an unsuccessful try; detail: reason
    RECOVERY_ESCALATED = "recovery.escalated"  # end: handed over to an operator; detail: reason
    RECOVERY_DISMISSED = "recovery.dismissed"  # end: there is nothing to recover; detail: reason

    # --- circuit breakers; subject: failure kind
    BREAKER_OPENED = "breaker.opened"  # value: seconds until it is half open
    BREAKER_HALF_OPENED = "breaker.half_opened"  # probes are admitted
    BREAKER_CLOSED = "breaker.closed"  # the probes were successful

    # --- state; subject: task
    TASK_FENCED = "task.fenced"  # value: highest void epoch
    CHECKPOINT_RESTORED = "checkpoint.restored"  # value: progress in work-seconds
    CHECKPOINT_STALE = "checkpoint.stale"  # value: number of acknowledged checkpoints that cannot be read yet
    CHECKPOINT_REJECTED = "checkpoint.rejected"  # detail: reason; value: sequence of a damaged checkpoint

    # --- monitoring
    ALERT_RAISED = "alert.raised"  # detail: severity and rule; value: measured value; subject alerts: a storm
    ALERT_CLEARED = "alert.cleared"  # detail: severity and rule; value: duration in seconds, or alerts in a storm
    MONITOR_FAILED = "monitor.failed"  # monitoring of a recovery has stopped; detail: error
    ESCALATION_ACKNOWLEDGED = "escalation.acknowledged"  # detail: operator
    ESCALATION_RESOLVED = "escalation.resolved"  # detail: operator

    # --- authorization; subject: operator
    OPERATOR_ADMITTED = "operator.admitted"  # detail: token key, procedure and task that the token is valid for
    OPERATOR_REFUSED = "operator.refused"  # detail: a `RefusalReason`; text: what would be valid
    OPERATOR_FINISHED = "operator.finished"  # detail: as for operator.admitted; the token is invalid from now on
    OPERATOR_PLANNED = "operator.planned"  # detail: SHA-256 and task of a plan
    OPERATORS_ENROLLED = "operators.enrolled"  # subject: who enrolled a file; detail: SHA-256 of the record; text: file
    OPERATORS_CHANGED = "operators.changed"  # subject: whose tokens; detail: SHA-256 of the record of the enrolled file


OPERATOR_EVENTS = (
    AuditEvent.OPERATOR_ADMITTED,
    AuditEvent.OPERATOR_REFUSED,
    AuditEvent.OPERATOR_FINISHED,
    AuditEvent.OPERATOR_PLANNED,
    AuditEvent.OPERATORS_ENROLLED,
    AuditEvent.OPERATORS_CHANGED,
)
"""The events of authorization. The core records all others, `AUDIT_EVENTS`."""
AUDIT_EVENTS = tuple(event for event in AuditEvent if event not in OPERATOR_EVENTS)


class RecoveryPhase(StrEnum):
    """The phases of a recovery, in order. Their durations add up to the recovery time."""

    DETECT = "detect"  # from the fault to the opening of the recovery
    WAIT = "wait"  # for the delay of a retry, and for a slot
    ANALYZE = "analyze"
    EXECUTE = "execute"
    VERIFY = "verify"


class RecoveryOutcome(StrEnum):
    """The state of a recovery at the end of a record."""

    VERIFIED = "verified"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"
    OPEN = "open"


PHASE_AFTER: Mapping[str, RecoveryPhase] = MappingProxyType(
    {
        AuditEvent.RECOVERY_OPENED: RecoveryPhase.WAIT,
        AuditEvent.RECOVERY_STARTED: RecoveryPhase.ANALYZE,
        AuditEvent.RECOVERY_ANALYZED: RecoveryPhase.EXECUTE,
        AuditEvent.RECOVERY_EXECUTED: RecoveryPhase.VERIFY,
        AuditEvent.RECOVERY_FAILED: RecoveryPhase.WAIT,
    }
)
"""The phase that begins with an event; it lasts until the next event in this table or in `OUTCOME_OF`."""
OUTCOME_OF: Mapping[str, RecoveryOutcome] = MappingProxyType(
    {
        AuditEvent.RECOVERY_VERIFIED: RecoveryOutcome.VERIFIED,
        AuditEvent.RECOVERY_ESCALATED: RecoveryOutcome.ESCALATED,
        AuditEvent.RECOVERY_DISMISSED: RecoveryOutcome.DISMISSED,
    }
)
"""The outcome of a recovery that ends with an event."""


class EscalationReason(StrEnum):
    """Why automatic recovery escalates: the detail of `recovery.escalated`, unless a comment says otherwise."""

    RETRIES_EXHAUSTED = "retries exhausted"
    DEADLINE_PASSED = "retry deadline passed"
    BUDGET_EMPTY = "retry budget empty"
    BREAKER_OPEN = "circuit breaker open"
    UNDOCUMENTED = "nothing documented looks like this"
    AMBIGUOUS = "ambiguous"  # detail: the verdict of the analysis, `ambiguous: a or b`
    UNDO_FAILED = "undo failed"  # detail: a sentence with the command
    ERROR = "error"  # detail: the error


class DismissalReason(StrEnum):
    """Why there is nothing to recover: the detail of `recovery.dismissed`."""

    AGENT_RESPONDS = "agent_responds"
    TASK_UNKNOWN = "task_unknown"
    TASK_FINISHED = "task_finished"
    TASK_WAITS = "task_waits"  # in the queue
    TASK_RUNS = "task_runs"


class FailureReason(StrEnum):
    """The part of a try that was not successful: the detail of `recovery.failed`, with the error if there is one.

    The detail of a try that failed at a step is the command of the step, or its error.
    """

    VERIFICATION = "verification"
    RESOURCES = "resources"  # of a task that is not part of a recovery


class RefusalReason(StrEnum):
    """Why an operator is refused: the detail of `operator.refused`."""

    WRONG_CREDENTIALS = "wrong_credentials"  # unknown operator, or wrong token
    TOO_MANY_ATTEMPTS = "too_many_attempts"  # with wrong credentials
    OTHER_OPERATORS_FILE = "other_operators_file"  # not the one that is enrolled in the store
    OTHER_STORE = "other_store"  # the token is valid for another store
    EXPIRED = "expired"  # token
    WRONG_ROLE = "wrong_role"
    RECOVERY_COMPLETE = "recovery_complete"  # the token was valid for it
    OTHER_RECOVERY = "other_recovery"  # the token is valid for another recovery
    NOT_POSSIBLE = "not_possible"  # the operator is authorized, but the state of the task forbids the procedure


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of a trail. `at` is in seconds of the trail's clock, `text` an explanation for people.

    `event` is an `AuditEvent`, or a name that this version does not define: a newer version may have written the store,
    or the store was changed.
    """

    at: float
    event: AuditEvent | str
    incident: int
    subject: str
    detail: str
    value: float | None
    text: str = ""

    def __str__(self) -> str:
        value = "" if self.value is None else f"{self.value:g}"
        return " ".join(part for part in (self.event, self.subject, self.detail, value) if part)


def audit_event(name: str, among: Collection[AuditEvent] = AUDIT_EVENTS) -> AuditEvent:
    """The event with this name. Raises ValueError when there is none among these."""
    if name not in among:
        raise ValueError(f"unknown audit event {name!r}")
    return AuditEvent(name)


class MemoryAudit:
    """An append-only trail in memory; `clock` gives the time of an entry in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: list[AuditEntry] = []

    def record(
        self,
        event: AuditEvent | str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one entry. Raises ValueError for an event that is not in `AUDIT_EVENTS`."""
        event = audit_event(event)
        self._entries.append(AuditEntry(self._clock(), event, incident, subject, detail, value, text))

    @property
    def entries(self) -> tuple[AuditEntry, ...]:
        """All entries so far, oldest first."""
        return tuple(self._entries)
