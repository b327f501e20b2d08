"""Verification checks the state of the system, not the commands."""

import pytest

from recovery import RecoveryVerification
from recovery.model import TaskStatus
from recovery.stores.memory import MemoryTaskStore
from sim.loop import run
from tests.recovery.small_system import SmallSystem


def queued() -> SmallSystem:
    system = SmallSystem()
    system.submit("task.1", gpu=2)
    return system


def running() -> SmallSystem:
    system = queued()
    system.start("task.1")
    return system


def verified(system: SmallSystem) -> bool:
    return run(RecoveryVerification({}, system.ports).verify_recovery("task.1"))


def test_a_queued_task_is_verified():
    assert verified(queued())


def test_a_task_queued_only_by_status_is_not_verified():
    system = queued()
    system.queue.clear()
    assert not verified(system)


def test_a_running_task_is_verified():
    assert verified(running())


def test_a_task_with_a_fenced_attempt_is_not_verified():
    system = running()
    system.store.fence("task.1")
    assert not verified(system)


class CommitsWhenAsked(MemoryTaskStore):
    """The attempt commits between the inspection of its task and the check of its epoch."""

    def is_current(self, task_id, epoch):
        self.commit(task_id, epoch)
        return super().is_current(task_id, epoch)


def test_a_task_completed_during_verification_is_verified():
    system = SmallSystem(CommitsWhenAsked())
    system.submit("task.1", gpu=2)
    system.start("task.1")
    assert verified(system)


def test_a_running_task_without_an_agent_is_not_verified():
    system = running()
    system.running.clear()
    assert not verified(system)


@pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.BLOCKED])
def test_a_halted_task_is_not_verified(status):
    system = running()
    system.fail("task.1", status)
    assert not verified(system)


def test_a_completed_task_is_verified_once_it_holds_no_resources():
    system = running()
    system.store.commit("task.1", 1)
    assert not verified(system)
    system.held.clear()
    assert verified(system)


def test_an_escalated_task_is_not_verified():
    system = queued()
    system.store.escalate("task.1", "enough")
    assert not verified(system)


@pytest.mark.parametrize(("held", "good"), [({}, True), ({"gpu": 2}, True), ({"gpu": 3}, False), ({"disk": 1}, False)])
def test_a_task_holding_more_than_it_needs_is_not_verified(held, good):
    system = queued()
    system.held["task.1"] = held
    assert verified(system) is good


def test_an_unknown_task_is_not_verified():
    assert not verified(SmallSystem())


def test_an_error_during_verification_is_recorded_as_not_verified():
    system = queued()
    system.raises["inspect"] = TimeoutError("no answer")
    assert not verified(system)
    assert system.trail == ["recovery.failed verification: TimeoutError: no answer"]


def verified_agent(system: SmallSystem) -> bool:
    return run(RecoveryVerification({}, system.ports).verify_agent("agent.0", ("task.1", "task.9")))


def test_an_agent_is_verified_when_it_responds_and_its_tasks_have_owners():
    assert verified_agent(queued())
    assert verified_agent(running())


def test_an_unresponsive_agent_is_not_verified():
    system = queued()
    system.up["agent.0"] = False
    assert not verified_agent(system)


def test_an_agent_with_an_unassigned_task_is_not_verified():
    system = queued()
    system.queue.clear()
    assert not verified_agent(system)


def test_finished_tasks_and_tasks_in_recovery_do_not_block_the_agent():
    over, halted = running(), running()
    over.store.commit("task.1", 1)
    halted.fail("task.1")
    assert verified_agent(over)
    assert verified_agent(halted)


@pytest.mark.parametrize(
    ("broken", "blocked", "queues", "good"),
    [
        ([], False, ("queue",), True),
        ([("a", "b")], False, ("queue",), False),
        ([], True, ("queue",), False),
        ([], True, (), True),  # no queue was named
    ],
)
def test_a_connection_is_verified_with_its_endpoints_and_queues(broken, blocked, queues, good):
    system = SmallSystem()
    system.broken_links, system.blocked = broken, blocked
    assert run(RecoveryVerification({}, system.ports).verify_link(("a", "b"), queues)) is good


@pytest.mark.parametrize(("disconnected", "good"), [(("c",), True), (("a", "c"), False), ((), True), (None, False)])
def test_a_queue_that_is_blocked_for_another_connection_is_not_verified_with_this_one(disconnected, good):
    system = SmallSystem()
    system.blocked, system.disconnected = True, disconnected
    assert run(RecoveryVerification({}, system.ports).verify_link(("a", "b"), ("queue",))) is good
