"""Limits of retries beside their number: deadline, timeout of a try, budget."""

import asyncio

import pytest

from recovery.model import FailureKind, TaskStatus
from recovery.policies.retry import RetryPolicy
from tests.recovery.limits import broken, condition, delays, failing_again
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import report, short, supervise


# --------------------------------------------------------------------------------- deadline
def test_no_delay_ends_after_the_deadline():
    system = broken()
    supervise(system, report(("task.1", FailureKind.TASK)), conditions=condition(deadline="25s"))
    assert short(system) == [
        (0.0, "recovery.opened task_failure"),
        (0.0, "retry.granted task_failure"),
        (10.0, "recovery.started"),
        (10.0, "retry.granted task_failure"),
        (20.0, "recovery.started"),
        (20.0, "retry.exhausted task_failure"),
        (20.0, "recovery.escalated retry deadline passed"),
    ]
    assert system.store.status("task.1") is TaskStatus.ESCALATED


def test_the_deadline_applies_to_the_task_and_not_the_incident():
    system = SmallSystem()
    system.failed("task.1")
    supervise(system, failing_again("task.1", 3), conditions=condition(deadline="25s"))
    assert short(system, "recovery.opened", "recovery.escalated") == [
        (0.0, "recovery.opened task_failure"),
        (10.0, "recovery.opened task_failure"),
        (20.0, "recovery.opened task_failure"),
        (20.0, "recovery.escalated retry deadline passed"),
    ]


def test_completing_a_task_resets_its_first_failure():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        await failing_again("task.1", 1)(supervisor)
        supervisor.task_succeeded("task.1")
        await asyncio.sleep(90)
        await failing_again("task.1", 1)(supervisor)

    supervise(system, story, conditions=condition(deadline="25s"))
    assert delays(system) == [10, 10]


def test_a_new_agent_failure_starts_a_new_deadline():
    system = SmallSystem()

    async def story(supervisor):
        for _ in range(2):
            supervisor.report(failure_of("agent.0", FailureKind.AGENT))
            await supervisor.settled()
            await asyncio.sleep(90)

    policy = {"max_retries": 1, "retry_delay": 10, "deadline": 15}
    supervise(system, story, conditions={"agent_failure": policy}, unconditional_tries=9)
    assert delays(system) == [10, 10]


def test_the_deadline_of_an_agent_limits_its_recovery():
    system = SmallSystem()
    system.up["agent.0"] = False
    system.unreachable.append("agent.0")
    policy = {"max_retries": 0, "retry_delay": 10, "deadline": 25}
    supervise(
        system,
        report(("agent.0", FailureKind.AGENT)),
        conditions={"agent_failure": policy},
        unconditional_tries=9,
    )
    assert delays(system) == [10, 10]
    assert short(system)[-1] == (20.0, "recovery.escalated retry deadline passed")


def test_decorrelated_delays_continue_across_failures_of_a_task():
    system = SmallSystem()
    system.failed("task.1")
    policy = condition(jitter="decorrelated", max_delay=50)
    supervise(system, failing_again("task.1", 3), conditions=policy)
    assert delays(system) == [20, 35, 50]


# ------------------------------------------------------------------------------ time of a try
def test_a_try_that_exceeds_its_timeout_fails():
    system = broken()
    del system.raises["enqueue"]
    system.pauses["enqueue"] = 7
    supervise(system, report(("task.1", FailureKind.TASK)), conditions=condition(max_retries=2, try_timeout="5s"))
    assert short(system, "recovery.started", "recovery.failed", "recovery.escalated") == [
        (10.0, "recovery.started"),
        (15.0, "recovery.failed timed out after 5 s"),
        (25.0, "recovery.started"),
        (30.0, "recovery.failed timed out after 5 s"),
        (30.0, "recovery.escalated retries exhausted"),
    ]


def test_an_interrupted_step_is_recorded():
    system = broken()
    del system.raises["enqueue"]
    system.pauses["enqueue"] = 7
    supervise(system, report(("task.1", FailureKind.TASK)), conditions=condition(max_retries=1, try_timeout="5s"))
    steps = [words for _, words in short(system, "step.")]
    assert steps[-2:] == ["step.started retry_task", "step.failed retry_task"]


def test_a_try_within_its_timeout_is_not_interrupted():
    system = broken()
    del system.raises["enqueue"]
    system.pauses["enqueue"] = 4.9
    supervise(system, report(("task.1", FailureKind.TASK)), conditions=condition(try_timeout="5s"))
    assert short(system)[-1] == (14.9, "recovery.verified")


def test_the_timeout_excludes_waiting_for_a_slot():
    system = broken("task.1", "task.2")
    del system.raises["enqueue"]
    system.pauses["enqueue"] = 4
    both = report(("task.1", FailureKind.TASK), ("task.2", FailureKind.TASK))
    supervise(system, both, conditions=condition(try_timeout="5s"), parallel=1)
    assert short(system, "recovery.verified") == [(14.0, "recovery.verified"), (18.0, "recovery.verified")]


# ------------------------------------------------------------------------------------ budget
def test_the_budget_is_shared_by_all_tasks():
    system = broken("task.1", "task.2")
    both = report(("task.1", FailureKind.TASK), ("task.2", FailureKind.TASK))
    supervisor = supervise(system, both, conditions=condition(budget={"tokens": 3, "refill": 0}))
    assert len(delays(system)) == 3
    assert [incident.outcome for incident in supervisor.escalations] == ["retry budget empty"] * 2
    assert short(system, "recovery.escalated") == [
        (10.0, "recovery.escalated retry budget empty"),
        (20.0, "recovery.escalated retry budget empty"),
    ]


def test_a_retry_refused_for_another_reason_costs_no_budget():
    system = broken("task.1", "task.2")

    async def story(supervisor):
        for task in ("task.1", "task.2"):
            supervisor.report(failure_of(task))
            await supervisor.settled()

    supervisor = supervise(system, story, conditions=condition(max_retries=1, budget={"tokens": 2, "refill": 0}))
    assert [incident.outcome for incident in supervisor.escalations] == ["retries exhausted"] * 2


def test_completed_tasks_refund_the_budget_and_task_recoveries_do_not():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        await failing_again("task.1", 1)(supervisor)
        supervisor.task_succeeded("task.0")
        await failing_again("task.1", 2)(supervisor)

    supervise(system, story, conditions=condition(budget={"tokens": 1, "refill": 1}))
    assert delays(system) == [10, 10]
    assert short(system)[-1] == (20.0, "recovery.escalated retry budget empty")


def test_a_recovered_agent_refunds_the_budget_of_agents():
    system = SmallSystem()

    async def story(supervisor):
        for agent in ("agent.0", "agent.1", "agent.0"):
            system.up[agent] = False
            supervisor.report(failure_of(agent, FailureKind.AGENT))
            await supervisor.settled()

    policy = {"max_retries": 1, "retry_delay": 1, "budget": {"tokens": 1, "refill": 1}}
    supervisor = supervise(system, story, conditions={"agent_failure": policy})
    assert delays(system) == [1, 1, 1]
    assert list(supervisor.escalations) == []


# --------------------------------------------------------------------------- by kind and error
def coded(task: str, code: str):
    return failure_of(task, error_code=code)


def test_an_error_code_may_have_its_own_policy():
    system = broken("task.1", "task.2")

    async def story(supervisor):
        supervisor.report(coded("task.1", "out_of_memory"))
        supervisor.report(coded("task.2", "timeout"))

    by_error = {"task_failure": {"out_of_memory": {"max_retries": 0, "retry_delay": 0}}}
    supervise(system, story, conditions=condition(max_retries=1), by_error=by_error)
    assert [(at, whom) for at, whom, words in system.timed_trail if words.startswith("recovery.escalated")] == [
        (0.0, "task.1"),
        (10.0, "task.2"),
    ]


def test_retries_count_per_kind_across_error_codes():
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        for code in ("timeout", "timeout", "out_of_memory"):
            supervisor.report(coded("task.1", code))
            await supervisor.settled()
            if "task.1" in system.queue:
                system.start("task.1")
                system.fail("task.1")

    by_error = {"task_failure": {"out_of_memory": {"max_retries": 2, "retry_delay": 1}}}
    supervise(system, story, conditions=condition(), by_error=by_error)
    assert delays(system) == [10, 10]
    assert short(system)[-1] == (20.0, "recovery.escalated retries exhausted")


def test_each_policy_has_its_own_budget():
    system = broken("task.1", "task.2")

    async def story(supervisor):
        supervisor.report(coded("task.1", "out_of_memory"))
        supervisor.report(coded("task.2", "timeout"))

    bounded = {"tokens": 1, "refill": 0}
    by_error = {"task_failure": {"out_of_memory": {"max_retries": 5, "retry_delay": 1, "budget": bounded}}}
    supervise(system, story, conditions=condition(budget=bounded), by_error=by_error)
    assert delays(system) == [1, 10]


def test_a_kind_without_a_condition_may_have_an_error_policy():
    system = broken("task.1")

    async def story(supervisor):
        supervisor.report(coded("task.1", "timeout"))

    by_error = {"task_failure": {"timeout": RetryPolicy(max_retries=1, retry_delay=3)}}
    supervise(system, story, conditions={}, by_error=by_error)
    assert delays(system) == [3]


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_without_an_error_code_uses_the_policy_of_its_kind(kind):
    system = SmallSystem()
    system.failed("task.1")

    async def story(supervisor):
        policy = supervisor.config.policy(failure_of("task.1", kind))
        assert policy == RetryPolicy(max_retries=1, retry_delay=4)

    one = {"max_retries": 1, "retry_delay": 4}
    other = {"max_retries": 7, "retry_delay": 7}
    supervise(
        system, story, conditions=dict.fromkeys(FailureKind, one), by_error={key: {"E1": other} for key in FailureKind}
    )
