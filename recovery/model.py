"""The data model of recovery.

All classes are immutable, except `Incident` and `IncidentFacts`. Identifiers are strings (`"task.172"`,
`"agent.3"`); times are seconds of the event loop's clock, durations are float seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from recovery.audit import EscalationReason

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


def _shown(value: Any) -> str:
    """A step's argument as text."""
    if value is None:
        return "(found out)"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {units}" for name, units in value.items()) + "}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple | list) else str(value)


class FailureKind(StrEnum):
    """The kinds of failure that a recovery condition can be written for."""

    TASK = "task_failure"
    RESOURCE = "resource_failure"
    AGENT = "agent_failure"
    COMMUNICATION = "communication_failure"


class TaskStatus(StrEnum):
    """The status of a task. `LEGAL_TRANSITIONS` has the legal changes."""

    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    ESCALATED = "escalated"
    REJECTED = "rejected"


TASK_KINDS = (FailureKind.TASK, FailureKind.RESOURCE)
"""Failures whose subject is a task."""
FINISHED = frozenset({TaskStatus.COMPLETED, TaskStatus.ESCALATED, TaskStatus.REJECTED})
"""The final statuses."""
HALTED = frozenset({TaskStatus.FAILED, TaskStatus.BLOCKED})
"""The statuses in which a task needs a recovery."""
LEGAL_TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = MappingProxyType(
    {
        TaskStatus.QUEUED: frozenset(
            {TaskStatus.RUNNING, TaskStatus.QUEUED, TaskStatus.ESCALATED, TaskStatus.REJECTED}
        ),
        # A running task is started again elsewhere when the queue redelivers it, queued again when its agent is lost.
        TaskStatus.RUNNING: frozenset(
            {
                TaskStatus.RUNNING,
                TaskStatus.QUEUED,
                TaskStatus.FAILED,
                TaskStatus.BLOCKED,
                TaskStatus.COMPLETED,
                TaskStatus.ESCALATED,
            }
        ),
        TaskStatus.FAILED: frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.ESCALATED}),
        TaskStatus.BLOCKED: frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.ESCALATED}),
        TaskStatus.COMPLETED: frozenset(),
        TaskStatus.ESCALATED: frozenset(),
        TaskStatus.REJECTED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Symptom:
    """One observation of one subject, in the runbook's terms: `Symptom("task_status", "failed", "task.7")`."""

    name: str
    value: str
    subject: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A reported or detected failure: its kind, its subject and the first symptoms; not the injected ground truth.

    `at` is the instant of the failure, as far as its reporter can tell; deadlines of retries are counted from it.
    """

    kind: FailureKind
    subject: str
    at: float
    info: Mapping[str, Any] = field(default_factory=_nothing)
    symptoms: tuple[Symptom, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """What a failure affects directly, and what depends on that (`downstream`; None: nothing that is known)."""

    tasks: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    downstream: Impact | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runbook entry that matches the evidence, with its confidence, 0 to 1 (the formula is in
    `recovery.diagnosis.ranking`).

    `seen` are the entry's symptoms that were observed, `against` those with another observed value, both as
    `name: value`; `confirmed` and `refuted` are the names of its diagnoses that were made.
    """

    scenario: str
    confidence: float
    seen: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    refuted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of matching the evidence with the runbook.

    `scenario` is the matching entry (`"system_failures.agent_failure"`), or None for an operator: no entry matches, or
    several match equally well (`ambiguous`). `confidence` is that of the most likely entry, 0 to 1; `candidates` are
    all entries that were considered, the most likely first. `diagnosis` has the verdicts of the diagnoses that were
    made. `arguments` are the values of the runbook's arguments that are known before the first step.
    """

    failure: Failure
    scenario: str | None
    confidence: float
    evidence: tuple[Symptom, ...]
    impact: Impact
    diagnosis: Mapping[str, bool] = field(default_factory=_nothing)
    arguments: Mapping[str, Any] = field(default_factory=_nothing)
    candidates: tuple[Candidate, ...] = ()
    ambiguous: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The diagnosis in a few words: the runbook's entry, `unknown`, or `ambiguous: a or b`."""
        if self.ambiguous:
            return f"ambiguous: {' or '.join(self.ambiguous)}"
        return self.scenario or "unknown"


class OnFailure(StrEnum):
    """How a recovery continues after a failed step."""

    RESTART = "restart"  # the next try executes all steps again: commands are idempotent
    RESUME = "resume"  # the next try continues with this step, if it has the same plan
    COMPENSATE = "compensate"  # the steps are undone, the last one first; the next try executes all


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a plan.

    `arguments` has the values of arguments; None if the command determines the value (`latest_checkpoint`,
    `new_agent_id`). `awaits` has the names of arguments whose values are results of earlier steps. `on_failure` defines
    how the recovery continues if the step fails or times out; `undo` is the step that undoes it.
    """

    name: str
    command: str
    arguments: Mapping[str, Any]
    awaits: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.RESTART
    undo: Step | None = None

    def __str__(self) -> str:
        given = [f"{name}={_shown(value)}" for name, value in self.arguments.items()]
        text = f"{self.command}({', '.join((*given, *(f'{name}=(of an earlier step)' for name in self.awaits)))})"
        if self.on_failure is not OnFailure.RESTART:
            text += f"; on failure: {self.on_failure.value}"
        return text if self.undo is None else f"{text}; undone by {self.undo}"


@dataclass(frozen=True, slots=True)
class RecoveryStrategy:
    """The ordered steps of a recovery. Its text has one line per step."""

    scenario: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"  {number}. {step.name}: {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join((f"{self.scenario}:", *lines))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A saved state of a task. `progress` is in work-seconds, or in the unit of the system.

    `state` is what the task needs to continue, as JSON data; `checksum` covers all other fields.
    """

    task_id: str
    sequence: int
    epoch: int
    progress: float
    checksum: int
    state: Any = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as a probe sees it. `kind` is its kind of tasks, if the system has several."""

    task_id: str
    status: TaskStatus
    epoch: int
    agent: str | None = None
    error_code: str | None = None
    waiting_in_queue: bool = False
    needs: Mapping[str, int] = field(default_factory=_nothing)
    held: Mapping[str, int] = field(default_factory=_nothing)
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """The result of a health probe of an agent: `reachable` over the network, `responding` to the probe."""

    agent_id: str
    reachable: bool
    responding: bool


@dataclass(frozen=True, slots=True)
class ResourceHealth:
    """The result of a health probe of a pool, in units."""

    name: str
    units: int
    available: int
    free: int

    @property
    def healthy(self) -> bool:
        """Whether every unit of the pool is in service."""
        return self.available == self.units


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """The result of a health probe of a queue; `undelivered` messages wait in outboxes for a replay.

    `disconnected` has the endpoints of the broken connections because of which it is blocked, and `undelivered_by`
    the undelivered messages by such an endpoint, named as in a report of the connection: `agents` if all of them are
    disconnected. Each is None if it concerns every endpoint, or if the system does not distinguish them.
    """

    queue_id: str
    blocked: bool
    depth: int
    undelivered: int
    disconnected: tuple[str, ...] | None = None
    undelivered_by: Mapping[str, int] | None = None

    def of_endpoints(self, endpoints: Sequence[str]) -> QueueHealth:
        """The health of the queue for these endpoints only; its own without any."""
        if not endpoints:
            return self
        blocked, undelivered = self.blocked, self.undelivered
        if self.disconnected is not None:
            blocked = blocked and any(end in self.disconnected for end in endpoints)
        if self.undelivered_by is not None:
            undelivered = sum(self.undelivered_by.get(end, 0) for end in endpoints)
        return replace(self, blocked=blocked, undelivered=undelivered)


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """The result of a probe of the connection between two endpoints."""

    between: tuple[str, str]
    connected: bool


class Phase(StrEnum):
    """The progress of a recovery."""

    OPENED = "opened"  # no try was granted yet
    GRANTED = "granted"  # the next try was granted; it begins when it is due
    STARTED = "started"  # a try has begun, and has executed no step
    EXECUTING = "executing"  # the steps are executed
    EXECUTED = "executed"  # all steps are completed; the verification is next
    FAILED = "failed"  # the try has failed


@dataclass(slots=True)
class IncidentFacts:
    """What the commands of an incident have done. It is persisted with the incident.

    Of the task that is recovered: `fenced` is the highest epoch that was fenced, `new_resources` the units by pool that
    were allocated in the current try, `released` the units by pool that were released in all tries, and
    `checkpoint_id` the checkpoint that an operator chose (None: the latest valid one).

    Of the agent that is recovered: `restarted` is whether it was restarted, or may have been, and `agent_responded`
    whether it responded, so that the current try did not restart it. `tasks` are the tasks that it held. Of these,
    `reassigned` are queued again, `given_up` are escalated, and `counted` has the number of the retry that was counted.
    """

    fenced: int | None = None
    new_resources: dict[str, int] | None = None
    released: dict[str, int] = field(default_factory=dict)
    checkpoint_id: int | None = None
    restarted: bool = False
    agent_responded: bool = False
    tasks: tuple[str, ...] = ()
    reassigned: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Incident:
    """A failure from its detection to its end: verified, escalated or dismissed.

    `facts` are what its commands have done. `analysis` and `strategy` are those of the last try, `reached` is the index
    of the last step that was begun (-1: none), and `under_way` is whether that step has not ended yet. `resume_at` is
    the index of the step with which the next try begins. `stuck` is the command that could not undo a step. `outcome`
    is the reason of its escalation. `phase` is the progress of the recovery, `due` the instant (s of the loop's clock)
    from which a granted try may begin, `delay` the seconds that it waits until then, and `retry` the number of that
    retry among all retries of its subject. `try_began` is the instant from which the time limit of the try counts, and
    `ticket` that of its circuit breaker, until the breaker has its result.
    """

    number: int
    failure: Failure
    opened_at: float
    tries: int = 0
    outcome: str | None = None
    facts: IncidentFacts = field(default_factory=IncidentFacts)
    analysis: Analysis | None = None
    strategy: RecoveryStrategy | None = None
    reached: int = -1
    under_way: bool = False
    resume_at: int | None = None
    stuck: str | None = None
    phase: Phase = Phase.OPENED
    due: float | None = None
    retry: int | None = None
    cause: EscalationReason | None = None  # of its escalation; `outcome` is the text
    delay: float | None = None
    try_began: float | None = None
    ticket: int | None = None


class Severity(StrEnum):
    """The severity of an escalation or an alert."""

    WARNING = "warning"
    CRITICAL = "critical"


URGENCY: Mapping[Severity, int] = {Severity.CRITICAL: 0, Severity.WARNING: 1}
"""The rank of each severity, the most urgent first."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """An incident that was handed over to an operator.

    `opened_at` and `at` (of the escalation) are in seconds of the loop's clock. `analysis` is that of the last try. Of
    a task: `status` is its status before the escalation, `checkpoint` its newest checkpoint, valid or not, without
    the state, and `released` the units by pool that were released in all tries and by the escalation. `unknown` has
    what could not be read, and why. `acknowledged_by` and `resolved_by` are operators.
    """

    incident: int
    failure: Failure
    reason: str
    opened_at: float
    at: float
    tries: int
    severity: Severity
    analysis: Analysis | None = None
    status: TaskStatus | None = None
    checkpoint: Checkpoint | None = None
    released: Mapping[str, int] = field(default_factory=_nothing)
    unknown: tuple[str, ...] = ()
    acknowledged_by: str | None = None
    resolved_by: str | None = None
    note: str = ""
    cause: EscalationReason | None = None  # `reason` is the text; None: escalated by a version without causes

    @property
    def outcome(self) -> str:
        """The reason of the escalation."""
        return self.reason
