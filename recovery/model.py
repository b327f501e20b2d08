"""The nouns of recovery: what is said between the parts of the core.

Everything here is a frozen value, but for `Incident`, which is a running record. Identifiers are strings (`"task.172"`,
`"agent.3"`); times are seconds of the event loop's clock, durations are float seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


def _shown(value: Any) -> str:
    """A step's argument, for people."""
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
    """Where a task stands; `LEGAL_TRANSITIONS` says what may follow what."""

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
"""Nothing can happen to such a task any more."""
HALTED = frozenset({TaskStatus.FAILED, TaskStatus.BLOCKED})
"""Such a task goes on only when somebody recovers it."""
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
    """One thing observed of one subject, in the runbook's words: `Symptom("task_status", "failed", "task.7")`."""

    name: str
    value: str
    subject: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What the core was told, or noticed: a kind, whom it concerns and the first symptoms. Never the injected truth."""

    kind: FailureKind
    subject: str
    at: float
    info: Mapping[str, Any] = field(default_factory=_nothing)
    symptoms: tuple[Symptom, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """Whom a failure touches: directly, and `downstream` those who depend on them (None: nobody that is known)."""

    tasks: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    downstream: Impact | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runbook entry that the evidence speaks for, with its confidence, 0 to 1 (`recovery.diagnosis.ranking` has the
    formula).

    `seen` are the entry's symptoms that were observed, `against` those of which something else was, both as
    `name: value`; `confirmed` and `refuted` are the names of the diagnoses that were made for it.
    """

    scenario: str
    confidence: float
    seen: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    refuted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """The outcome of matching evidence with the runbook.

    `scenario` is the runbook's entry (`"system_failures.agent_failure"`), or None when nothing matched, or more than
    one entry as well (`ambiguous`), and an operator has to look. `confidence` is that of the likeliest entry, 0 to 1;
    `candidates` are all that were considered, likeliest first. `diagnosis` has the verdicts of the diagnoses that had
    to be made. `arguments` are the values of the names that the runbook's arguments use, as far as they are known by
    now.
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
    """How a recovery goes on after a step that failed part-way."""

    RESTART = "restart"  # the next try takes all steps again: commands are idempotent
    RESUME = "resume"  # the next try goes on with this step, if it comes to the same plan
    COMPENSATE = "compensate"  # what was done is undone, the last first; the next try begins anew


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a plan.

    `arguments` have the values that they will be given; None where the command finds out itself (`latest_checkpoint`,
    `new_agent_id`). `awaits` names the arguments whose values only an earlier step of the plan will know. `on_failure`
    says how the recovery goes on when the step fails, or is cut off, part-way; `undo` undoes what it has done.
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
    """The ordered steps that a recovery will take, inspectable before it runs: as text, one line for each."""

    scenario: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"  {number}. {step.name}: {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join((f"{self.scenario}:", *lines))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A saved state of a task. `progress` is in work-seconds, or in whatever the system counts in.

    `state` is what the task needs to go on, as JSON has it; `checksum` guards everything else.
    """

    task_id: str
    sequence: int
    epoch: int
    progress: float
    checksum: int
    state: Any = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as the core can see it from outside."""

    task_id: str
    status: TaskStatus
    epoch: int
    agent: str | None = None
    error_code: str | None = None
    waiting_in_queue: bool = False
    needs: Mapping[str, int] = field(default_factory=_nothing)
    held: Mapping[str, int] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """What a health probe of one agent says: `reachable` over the network, `responding` to the probe."""

    agent_id: str
    reachable: bool
    responding: bool


@dataclass(frozen=True, slots=True)
class ResourceHealth:
    """What a health probe of one pool says, in units."""

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
    """What a health probe of the queue says; `undelivered` messages wait in outboxes for a replay."""

    queue_id: str
    blocked: bool
    depth: int
    undelivered: int


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """What a probe of the connection between two endpoints says."""

    between: tuple[str, str]
    connected: bool


class Phase(StrEnum):
    """How far a recovery has come."""

    OPENED = "opened"  # nothing was decided yet
    GRANTED = "granted"  # the next try was granted and counted; it may begin when it is due
    STARTED = "started"  # a try has begun, and acted on nothing
    EXECUTING = "executing"  # its steps are taken
    EXECUTED = "executed"  # all are done; it is to be verified
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
    from which a granted try may begin, and `retry` the number of that retry among all retries of its subject.
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


class Severity(StrEnum):
    """How soon somebody has to look."""

    WARNING = "warning"
    CRITICAL = "critical"


URGENCY: Mapping[Severity, int] = {Severity.CRITICAL: 0, Severity.WARNING: 1}
"""The most urgent first."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """An incident that is an operator's now.

    `opened_at` and `at` (it was given up) are in seconds of the loop's clock. `analysis` is that of the last try that
    came so far. Of a task: `status` is its last one before it was given up, `checkpoint` the newest stored one without
    its state, intact or not, `released` the units by pool that were given back by the command `release_resources`, in
    all tries, and by handing it over. `unknown` says what could not be found out, and why. `acknowledged_by` and
    `resolved_by` are operators.
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

    @property
    def outcome(self) -> str:
        """Why it was given up: the incident's word for it."""
        return self.reason
