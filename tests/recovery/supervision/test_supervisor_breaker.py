"""A circuit breaker delays the tries of a supervisor while they fail."""

import asyncio

from recovery.model import FailureKind, TaskStatus
from tests.recovery.limits import broken, condition, delays
from tests.recovery.small_system import failure_of
from tests.recovery.supervised import report, short, supervise

GUARD = {"failures": 2, "open_for": "60s", "counts": "tries"}
GUARDED = ("breaker.", "recovery.started", "recovery.verified", "recovery.escalated")


def two_failures(**settings):
    system = broken("task.1", "task.2")
    both = report(("task.1", FailureKind.TASK), ("task.2", FailureKind.TASK))
    breaker = {**GUARD, **settings.pop("breaker", {})}
    supervise(system, both, conditions=condition(**{"max_retries": 2, "breaker": breaker, **settings}))
    return system


def test_while_open_tries_wait_and_one_probes():
    assert [(at, whom, words) for at, whom, words in two_failures().timed_trail if words.startswith(GUARDED)] == [
        (10.0, "task.1", "recovery.started"),
        (10.0, "task.2", "recovery.started"),
        (10.0, "task_failure", "breaker.opened"),
        (70.0, "task_failure", "breaker.half_opened"),
        (70.0, "task.1", "recovery.started"),
        (70.0, "task_failure", "breaker.opened"),
        (70.0, "task.1", "recovery.escalated retries exhausted"),
        (130.0, "task_failure", "breaker.half_opened"),
        (130.0, "task.2", "recovery.started"),
        (130.0, "task_failure", "breaker.opened"),
        (130.0, "task.2", "recovery.escalated retries exhausted"),
    ]


def test_a_successful_probe_admits_the_waiting_tries():
    system = broken("task.1", "task.2")

    async def story(supervisor):
        for task in ("task.1", "task.2"):
            supervisor.report(failure_of(task))
        await asyncio.sleep(30)
        del system.raises["enqueue"]
        system.pauses["enqueue"] = 5

    supervise(system, story, conditions=condition(breaker=GUARD))
    assert short(system, *GUARDED)[2:] == [
        (10.0, "breaker.opened"),
        (70.0, "breaker.half_opened"),
        (70.0, "recovery.started"),
        (75.0, "recovery.verified"),
        (75.0, "breaker.closed"),
        (75.0, "recovery.started"),
        (80.0, "recovery.verified"),
    ]


def test_a_probe_with_nothing_to_recover_lets_the_next_try_probe():
    system = broken("task.1", "task.2")

    async def story(supervisor):
        for task in ("task.1", "task.2"):
            supervisor.report(failure_of(task))
        await asyncio.sleep(30)
        system.store.escalate("task.1", "by hand")

    supervise(system, story, conditions=condition(max_retries=2, breaker=GUARD))
    after = [(at, whom, words) for at, whom, words in system.timed_trail if at > 10 and whom != "task_failure"]
    assert after[:3] == [
        (70.0, "task.1", "recovery.started"),
        (70.0, "task.1", "recovery.dismissed task_finished"),
        (70.0, "task.2", "recovery.started"),
    ]


def test_the_open_time_is_recorded():
    system = two_failures()
    assert [entry.value for entry in system.audit.entries if entry.event == "breaker.opened"] == [60, 60, 60]


def test_a_rejecting_breaker_escalates_instead_of_waiting():
    system = two_failures(breaker={"when_open": "refuse"})
    assert [(at, whom, words) for at, whom, words in system.timed_trail if words.startswith(GUARDED)] == [
        (10.0, "task.1", "recovery.started"),
        (10.0, "task.2", "recovery.started"),
        (10.0, "task_failure", "breaker.opened"),
        (10.0, "task.2", "recovery.escalated circuit breaker open"),
        (20.0, "task.1", "recovery.escalated circuit breaker open"),  # it opened during the delay
    ]


def test_a_retry_due_after_the_open_time_is_not_rejected():
    system = two_failures(breaker={"when_open": "refuse", "open_for": "10s"})
    assert delays(system) == [10, 10, 10, 10]


def test_no_try_waits_for_the_breaker_beyond_the_deadline():
    system = two_failures(deadline="50s")
    assert short(system, "recovery.escalated") == [(20.0, "recovery.escalated retry deadline passed")] * 2


def test_a_try_waiting_for_a_probe_ends_at_its_deadline():
    system = broken("task.1", "task.2")

    async def story(supervisor):
        for task in ("task.1", "task.2"):
            supervisor.report(failure_of(task))
        await asyncio.sleep(30)
        del system.raises["enqueue"]
        system.pauses["enqueue"] = 50

    supervise(system, story, conditions=condition(breaker=GUARD, deadline="80s"))
    assert short(system, "recovery.verified", "recovery.escalated") == [
        (80.0, "recovery.escalated retry deadline passed"),
        (120.0, "recovery.verified"),
    ]


def test_a_timed_out_try_counts_as_a_failure():
    system = broken("task.1")
    del system.raises["enqueue"]
    system.pauses["enqueue"] = 7
    policy = condition(max_retries=1, try_timeout=5, breaker={"failures": 1, "counts": "tries"})
    supervise(system, report(("task.1", FailureKind.TASK)), conditions=policy)
    assert short(system, "breaker.") == [(15.0, "breaker.opened")]


def test_a_try_waiting_for_the_breaker_holds_no_slot():
    system = broken("task.1")
    system.failed("task.2", TaskStatus.BLOCKED)

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(12)
        supervisor.report(failure_of("task.2", FailureKind.RESOURCE))

    conditions = condition(breaker={"failures": 1, "open_for": "100s", "counts": "tries"}, max_retries=2)
    conditions["resource_failure"] = {"max_retries": 1, "retry_delay": 0}
    supervise(system, story, conditions=conditions, parallel=1)
    second = [(at, words) for at, whom, words in system.timed_trail if whom == "task.2"]
    assert (12.0, "recovery.started") in second


def test_a_stopped_supervisor_leaves_no_waiters():
    system = broken("task.1")

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(30)
        await supervisor.stop()
        await supervisor.start()

    supervise(system, story, conditions=condition(breaker={"failures": 1, "open_for": "100s", "counts": "tries"}))
    assert short(system)[-1] == (10.0, "retry.granted task_failure")
    assert [at for at, _ in short(system, "breaker.")] == [10]


def test_a_stopped_try_is_no_defect_and_escalates_nothing():
    """The breaker gets the end of the try, with the time of the loop on which the supervisor no longer runs."""
    system = broken("task.1")
    del system.raises["enqueue"]
    system.pauses["enqueue"] = 50

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(12)
        await supervisor.stop()

    supervise(system, story, conditions=condition(breaker=GUARD))
    assert [words for _, words in short(system)][-1] == "recovery.started"
