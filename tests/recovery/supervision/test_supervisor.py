"""Automatic recovery on virtual time: delays, limits and concurrency."""

import asyncio

import pytest

from recovery.model import FailureKind, TaskStatus
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import HesitantEngine, at_once, report, short, supervise


def test_a_failed_task_is_recovered_after_its_delay():
    system = SmallSystem()
    system.failed("task.1")
    supervise(system, report(("task.1", FailureKind.TASK)))
    assert short(system) == [
        (0.0, "recovery.opened task_failure"),
        (0.0, "retry.granted task_failure"),
        (30.0, "recovery.started"),
        (30.0, "recovery.verified"),
    ]
    assert [entry.value for entry in system.audit.entries if entry.event == "retry.granted"] == [30.0]


def test_a_task_is_escalated_after_three_retries():
    system = SmallSystem()
    system.failed("task.1", gpu=1)
    system.raises["enqueue"] = ConnectionError("queue is away")
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)))
    assert short(system) == [
        (0.0, "recovery.opened task_failure"),
        (0.0, "retry.granted task_failure"),
        (30.0, "recovery.started"),
        (30.0, "retry.granted task_failure"),
        (60.0, "recovery.started"),
        (60.0, "retry.granted task_failure"),
        (90.0, "recovery.started"),
        (90.0, "retry.exhausted task_failure"),
        (90.0, "recovery.escalated retries exhausted"),
    ]
    assert system.store.status("task.1") is TaskStatus.ESCALATED
    assert system.calls[-1] == ("give_up", "task.1", "retries exhausted")
    assert [incident.failure.subject for incident in supervisor.escalations] == ["task.1"]
    assert supervisor.escalations[0].outcome == "retries exhausted"


def test_retries_count_per_task_and_not_per_incident():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        for _ in range(2):
            supervisor.report(failure_of("task.1"))
            await supervisor.settled()
            if "task.1" in system.queue:
                system.start("task.1")
                system.fail("task.1")

    supervise(system, story, conditions={"task_failure": {"max_retries": 1, "retry_delay": "7s"}})
    assert short(system, "retry.", "recovery.escalated") == [
        (0.0, "retry.granted task_failure"),
        (7.0, "retry.exhausted task_failure"),
        (7.0, "recovery.escalated retries exhausted"),
    ]


def test_a_blocked_task_uses_the_condition_of_its_kind():
    system = SmallSystem()
    system.failed("task.1", TaskStatus.BLOCKED, gpu=2)
    system.available["gpu"] = 1
    supervise(system, report(("task.1", FailureKind.RESOURCE)))
    assert short(system, "recovery.started", "recovery.escalated") == [
        (15.0, "recovery.started"),
        (30.0, "recovery.started"),
        (30.0, "recovery.escalated retries exhausted"),
    ]


def test_delays_follow_backoff_and_jitter_of_the_policy():
    system = SmallSystem()
    system.failed("task.1")
    system.raises["enqueue"] = ConnectionError()
    asked = []

    def jitter(subject, retry):
        asked.append((subject, retry))
        return 0.25

    policy = {"max_retries": 3, "retry_delay": 8, "backoff": "exponential", "jitter": "full"}
    supervise(system, report(("task.1", FailureKind.TASK)), jitter=jitter, conditions={"task_failure": policy})
    assert [entry.value for entry in system.audit.entries if entry.event == "retry.granted"] == [2.0, 4.0, 8.0]
    assert asked == [("task.1", 1), ("task.1", 2), ("task.1", 3)]


def test_retries_of_a_failed_resource_have_random_numbers_of_their_own():
    asked = []

    def jitter(subject, retry):
        asked.append((subject, retry))
        return 0.25

    policy = {"max_retries": 2, "retry_delay": 8}
    conditions = {"task_failure": policy, "resource_failure": policy}
    for kind in (FailureKind.TASK, FailureKind.RESOURCE):
        system = SmallSystem()
        system.failed("task.1")
        system.raises["enqueue"] = system.raises["release"] = ConnectionError()
        supervise(system, report(("task.1", kind)), jitter=jitter, conditions=conditions)
    assert len(asked) == len(set(asked)) == 4


def test_decorrelated_delays_continue_across_retries():
    system = SmallSystem()
    system.failed("task.1")
    system.raises["enqueue"] = ConnectionError()
    policy = {"max_retries": 3, "retry_delay": 10, "jitter": "decorrelated", "max_delay": 50}
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={"task_failure": policy})
    assert [entry.value for entry in system.audit.entries if entry.event == "retry.granted"] == [20.0, 35.0, 50.0]


def test_a_kind_without_a_condition_is_tried_immediately_with_a_bound():
    system = SmallSystem()
    system.failed("task.1")
    system.raises["enqueue"] = ConnectionError()
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={}, unconditional_tries=2)
    assert short(system) == [
        (0.0, "recovery.opened task_failure"),
        (0.0, "recovery.started"),
        (0.0, "recovery.started"),
        (0.0, "retry.exhausted task_failure"),
        (0.0, "recovery.escalated retries exhausted"),
    ]
    assert system.store.retries("task.1", FailureKind.TASK) == 0


def test_a_task_completed_during_its_delay_is_not_touched():
    system = SmallSystem()
    system.submit("task.1")
    epoch = system.start("task.1")

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(10)
        assert system.store.commit("task.1", epoch)

    supervise(system, story)
    assert short(system)[-1] == (30.0, "recovery.dismissed task_finished")
    assert system.calls == []


def test_an_unknown_task_is_dismissed():
    system = SmallSystem()
    supervise(system, report(("task.9", FailureKind.TASK)))
    assert short(system) == [
        (0.0, "recovery.opened task_failure"),
        (0.0, "recovery.dismissed task_unknown"),
    ]


def test_a_failure_without_a_documented_entry_is_escalated():
    system = SmallSystem()
    system.submit("task.1")
    system.queue.clear()  # its location is unknown

    async def story(supervisor):
        failure = failure_of("task.1")
        supervisor.report(type(failure)(failure.kind, failure.subject, failure.at))  # without any symptom

    supervise(system, story, conditions=at_once())
    assert short(system, "recovery.")[1:] == [
        (0.0, "recovery.started"),
        (0.0, "recovery.analyzed unknown"),
        (0.0, "recovery.escalated nothing documented looks like this"),
    ]


# ------------------------------------------------------------------------------------------------ at the same time
def test_a_second_report_joins_the_open_recovery():
    system = SmallSystem()
    system.failed("task.1")
    supervise(system, report(("task.1", FailureKind.TASK), ("task.1", FailureKind.TASK)))
    assert [words for _, words in short(system, "recovery.opened", "recovery.verified")] == [
        "recovery.opened task_failure",
        "recovery.verified",
    ]


def test_a_subject_can_be_reported_again_after_its_recovery():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await supervisor.settled()
        system.start("task.1")
        system.fail("task.1")
        supervisor.report(failure_of("task.1"))

    supervise(system, story)
    assert short(system, "recovery.opened", "recovery.verified") == [
        (0.0, "recovery.opened task_failure"),
        (30.0, "recovery.verified"),
        (30.0, "recovery.opened task_failure"),
        (60.0, "recovery.verified"),
    ]


@pytest.mark.parametrize(("parallel", "starts"), [(1, [0, 10, 20]), (2, [0, 0, 10]), (None, [0, 0, 0])])
def test_the_number_of_concurrent_recoveries_is_limited(parallel, starts):
    system = SmallSystem()
    tasks = [f"task.{number}" for number in range(3)]
    for task_id in tasks:
        system.failed(task_id)
    system.pauses["release"] = 10.0
    supervise(
        system,
        report(*((task_id, FailureKind.TASK) for task_id in tasks)),
        conditions=at_once(),
        parallel=parallel,
    )
    assert [at for at, _ in short(system, "recovery.started")] == starts


def test_a_delay_holds_no_slot():
    system = SmallSystem()
    system.failed("task.1")
    system.failed("task.2")
    supervise(system, report(("task.1", FailureKind.TASK), ("task.2", FailureKind.TASK)), parallel=1)
    assert [at for at, _ in short(system, "recovery.verified")] == [30.0, 30.0]


def test_a_task_failure_during_its_recovery_is_not_lost():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(2)  # verified in fact, but not in words
        system.start("task.1")
        system.fail("task.1")
        supervisor.report(failure_of("task.1"))

    supervise(system, story, engine=HesitantEngine({}, system.ports), conditions=at_once())
    assert short(system, "recovery.opened", "recovery.verified") == [
        (0.0, "recovery.opened task_failure"),
        (5.0, "recovery.verified"),
        (5.0, "recovery.opened task_failure"),
        (10.0, "recovery.verified"),
    ]


def test_a_late_report_of_a_running_task_changes_nothing():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(2)
        supervisor.report(failure_of("task.1"))  # the same failure, by another way

    supervise(system, story, engine=HesitantEngine({}, system.ports), conditions=at_once())
    assert [words for _, words in short(system, "recovery.opened")] == ["recovery.opened task_failure"]
