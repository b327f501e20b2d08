"""Escalations: the operator's queue and the data of each escalation."""

import pytest

from recovery import Escalation, EscalationQueue
from recovery.audit import EscalationReason
from recovery.model import FailureKind, Severity, Symptom, TaskStatus
from recovery.stores import inline
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import at_once, report, supervise
from tests.recovery.supervision.test_supervisor_lifecycle import BrokenStore


def escalation(incident, *, opened_at=0.0, severity=Severity.WARNING, reason="retries exhausted"):
    return Escalation(incident, failure_of(f"task.{incident}"), reason, opened_at, opened_at + 9, 1, severity)


def queue_of(*escalations, events=None):
    queue = EscalationQueue(events)
    for each in escalations:
        queue.add(each)
    return queue


# ---------------------------------------------------------------------------------------------------- the queue
def test_escalations_are_sorted_by_severity_then_age():
    queue = queue_of(
        escalation(1, opened_at=5),
        escalation(2, opened_at=3),
        escalation(3, opened_at=8, severity=Severity.CRITICAL),
        escalation(4, opened_at=3),
    )
    assert [each.incident for each in queue] == [3, 2, 4, 1]
    assert queue[0].incident == 3
    assert len(queue) == 4


def test_an_acknowledged_escalation_stays_until_it_is_resolved():
    events = []
    queue = queue_of(escalation(1), events=lambda event, of, operator: events.append((event, of.incident, operator)))
    assert queue.acknowledge(1, "ada").acknowledged_by == "ada"
    assert len(queue) == 1
    resolved = queue.resolve(1, "bob", "restarted by hand")
    assert (resolved.acknowledged_by, resolved.resolved_by, resolved.note) == ("ada", "bob", "restarted by hand")
    assert (len(queue), queue.resolved) == (0, (resolved,))
    assert queue.of(1) is resolved
    assert events == [("escalation.acknowledged", 1, "ada"), ("escalation.resolved", 1, "bob")]


def test_two_operators_cannot_acknowledge_the_same_escalation():
    events = []
    queue = queue_of(escalation(1), events=lambda *words: events.append(words))
    queue.acknowledge(1, "ada")
    queue.acknowledge(1, "ada")
    with pytest.raises(ValueError, match="incident 1 is already acknowledged by ada"):
        queue.acknowledge(1, "bob")
    assert len(events) == 1


@pytest.mark.parametrize("act", ["acknowledge", "resolve"])
def test_an_absent_escalation_cannot_be_acknowledged_or_resolved(act):
    queue = queue_of(escalation(1))
    queue.resolve(1, "ada")
    for incident in (1, 2):
        with pytest.raises(KeyError, match=f"no escalation of incident {incident} waits"):
            getattr(queue, act)(incident, "ada")
    with pytest.raises(KeyError, match="no escalation of incident 2"):
        queue.of(2)


def test_a_later_escalation_updates_the_earlier_one():
    queue = queue_of(escalation(1, reason="first"), escalation(1, reason="second"))
    assert [each.reason for each in queue] == ["second"]


# ------------------------------------------------------------------------------------------- what is known of one
def test_an_escalation_contains_all_data_of_the_task():
    system = SmallSystem()
    system.submit("task.1", gpu=2)
    epoch = system.start("task.1")
    system.store.save_checkpoint("task.1", epoch, 0.5)
    system.store.save_checkpoint("task.1", epoch, 1.5)
    system.fail("task.1")
    system.raises["enqueue"] = ConnectionError("queue is away")
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(2))
    (known,) = supervisor.escalations
    assert (known.incident, known.reason, known.outcome) == (0, "retries exhausted", "retries exhausted")
    assert known.cause is EscalationReason.RETRIES_EXHAUSTED
    assert (known.tries, known.severity, known.status) == (
        3,
        Severity.WARNING,
        TaskStatus.QUEUED,
    )  # the last try came so far
    assert known.checkpoint.progress == 1.5
    assert known.analysis.scenario == "task_failures.execution_failure"
    assert Symptom("error_code", "present", "task.1") in known.analysis.evidence
    assert known.released == {"gpu": 2}
    assert known.unknown == ()


def test_an_escalation_lists_the_released_resources():
    system = SmallSystem()
    system.failed("task.1", gpu=3)
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    assert supervisor.escalations[0].released == {"gpu": 3}
    assert supervisor.escalations[0].analysis is None


def test_resources_that_failed_to_release_are_not_listed_as_released():
    system = SmallSystem()
    system.failed("task.1", gpu=3)
    system.raises["give_up"] = ConnectionError("no route")
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    assert supervisor.escalations[0].released == {}


def test_resources_still_held_are_not_listed_as_released():
    system = SmallSystem()
    system.failed("task.1", gpu=3)

    async def give_up(task_id, reason):
        system.held[task_id]["gpu"] = 2

    system.ports.tasks.give_up = give_up
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    assert supervisor.escalations[0].released == {"gpu": 1}


def test_an_unreadable_allocation_does_not_prevent_the_escalation():
    system = SmallSystem()
    system.failed("task.1", gpu=3)

    async def held(task_id):
        raise TimeoutError("no answer")

    system.ports.resources.held = held
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    assert system.store.status("task.1") is TaskStatus.ESCALATED
    assert system.calls == [("give_up", "task.1", "retries exhausted")]
    assert supervisor.escalations[0].released == {}


def test_missing_data_is_listed_in_the_escalation():
    system = SmallSystem()
    system.failed("task.1")
    ports = type(system.ports)(
        **{name: getattr(system.ports, name) for name in type(system.ports).__slots__ if name != "store"},
        store=inline(BrokenStore(system.store, "checkpoints")),
    )
    system.ports = ports
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    assert supervisor.escalations[0].unknown == ("checkpoint: OSError: disk full",)
    assert supervisor.escalations[0].status is TaskStatus.FAILED


def test_an_agent_is_more_urgent_than_a_task():
    system = SmallSystem()
    system.failed("task.1")
    system.up["agent.0"] = False
    system.unreachable = ["agent.0"]
    supervisor = supervise(
        system,
        report(("task.1", FailureKind.TASK), ("agent.0", FailureKind.AGENT)),
        conditions=at_once(0) | {"agent_failure": {"max_retries": 3, "retry_delay": "10s"}},
    )
    assert [(each.failure.subject, each.severity) for each in supervisor.escalations] == [
        ("agent.0", "critical"),
        ("task.1", "warning"),
    ]
    assert supervisor.escalations[0].status is None


def test_operator_actions_are_in_the_audit_trail():
    system = SmallSystem()
    system.failed("task.1")
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    supervisor.escalations.acknowledge(0, "ada")
    supervisor.escalations.resolve(0, "ada")
    assert system.trail[-2:] == ["escalation.acknowledged ada", "escalation.resolved ada"]
    assert [each.failure.subject for each in supervisor.escalations.resolved] == ["task.1"]
    assert supervisor.escalations_open == 0


@pytest.mark.parametrize(
    ("raised", "cause", "reason"),
    [
        ("escalate", EscalationReason.RETRIES_EXHAUSTED, "retries exhausted"),
        ("retries", EscalationReason.ERROR, "OSError: disk full"),
    ],
)
def test_the_cause_of_an_escalation_is_one_of_the_enum_and_the_reason_its_text(raised, cause, reason):
    system = SmallSystem()
    system.failed("task.1")
    ports = {name: getattr(system.ports, name) for name in type(system.ports).__slots__ if name != "store"}
    system.ports = type(system.ports)(**ports, store=inline(BrokenStore(system.store, raised)))
    (known,) = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0)).escalations
    assert (known.cause, known.reason) == (cause, reason)
