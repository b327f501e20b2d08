"""Start and stop of the supervisor, and errors that must not stop it."""

import asyncio

import pytest

from recovery import Supervisor
from recovery.model import FailureKind, TaskStatus
from recovery.stores import inline
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import at_once, report, short, supervise


class BrokenStore:
    """A store of which one method raises."""

    def __init__(self, store, method):
        self._store = store
        self._method = method

    def __getattr__(self, name):
        if name == self._method:
            raise OSError("disk full")
        return getattr(self._store, name)


@pytest.mark.parametrize("method", ["count_retry", "escalate"])
def test_a_store_error_leaves_no_recovery_open(method):
    system = SmallSystem()
    system.failed("task.1")
    ports = type(system.ports)(
        **{name: getattr(system.ports, name) for name in type(system.ports).__slots__ if name != "store"},
        store=inline(BrokenStore(system.store, method)),
    )
    system.ports = ports
    supervisor = supervise(
        system, report(("task.1", FailureKind.TASK)), conditions=at_once(0 if method == "escalate" else 1)
    )
    ends = [words for _, words in short(system, "recovery.escalated")]
    assert ends == [
        "recovery.escalated retries exhausted" if method == "escalate" else "recovery.escalated OSError: disk full"
    ]
    assert len(supervisor.escalations) == 1


def test_a_task_with_unreleasable_resources_is_escalated():
    system = SmallSystem()
    system.failed("task.1")
    system.raises["give_up"] = ConnectionError("no route")
    supervisor = supervise(system, report(("task.1", FailureKind.TASK)), conditions=at_once(0))
    assert [words for _, words in short(system, "recovery.")] == [
        "recovery.opened task_failure",
        "recovery.failed ConnectionError: no route",
        "recovery.escalated retries exhausted",
    ]
    assert len(supervisor.escalations) == 1


# ------------------------------------------------------------------------------------------------ start and stop
def test_stop_cancels_recoveries_without_further_events():
    system = SmallSystem()
    system.failed("task.1")
    supervisor = Supervisor({}, system.ports)

    async def story():
        await supervisor.start()
        supervisor.watch("agent.0")
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(10)
        await supervisor.stop()
        supervisor.heartbeat("agent.0")  # it was on its way
        await asyncio.sleep(1000)

    run(story())
    assert short(system, "")[-1] == (0.0, "retry.granted task_failure")
    assert system.store.status("task.1") is TaskStatus.FAILED


def test_a_step_that_ends_while_detection_stops_is_followed_by_nothing():
    """The cancellation of the resource probe takes its time, and the recovery must not go on meanwhile."""
    system = SmallSystem()
    system.failed("task.1")
    system.pauses["enqueue"] = 5
    config = {"conditions": {"task_failure": {"max_retries": 3, "retry_delay": 0}}}
    supervisor = Supervisor({**config, "detection": {"resource_probe": 100}}, system.ports)

    async def story():
        await supervisor.start()
        asyncio.get_running_loop().call_later(5, lambda: stops.append(asyncio.ensure_future(supervisor.stop())))
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(1000)

    stops = []
    run(story())
    assert stops[0].done()
    assert short(system, "step.")[-1] == (0.0, "step.started retry_task")


def test_a_stopped_supervisor_rejects_reports():
    system = SmallSystem()
    supervisor = Supervisor({}, system.ports)

    async def story():
        await supervisor.start()
        await supervisor.stop()

    run(story())
    for refused in (
        lambda: supervisor.report(failure_of("task.1")),
        lambda: supervisor.watch("agent.0"),
        lambda: supervisor.agent_down("agent.0"),
    ):
        with pytest.raises(RuntimeError, match=r"does not run: call start\(\) first"):
            refused()
    assert system.trail == []


@pytest.mark.parametrize("begun", [False, True])
def test_a_stopped_supervisor_can_start_on_another_loop(begun):
    """Whether the recoveries that were canceled had begun or not."""
    system = SmallSystem()
    tasks = ["task.1", "task.2"]
    for task_id in tasks:
        system.failed(task_id)
    system.pauses["release"] = 20.0  # two recoveries for one slot: one of them waits for it
    supervisor = Supervisor({"conditions": at_once(None), "parallel": 1}, system.ports)

    async def cut_short():
        await supervisor.start()
        for task_id in tasks:
            supervisor.report(failure_of(task_id))
        if begun:
            await asyncio.sleep(10)
        await supervisor.stop()

    async def to_the_end():
        await supervisor.start()
        for task_id in tasks:
            supervisor.report(failure_of(task_id))
        await supervisor.settled()
        await supervisor.stop()

    run(cut_short())
    run(to_the_end())
    assert system.queue == tasks


def test_a_supervisor_starts_only_once():
    supervisor = Supervisor({}, SmallSystem().ports)

    async def story():
        await supervisor.start()
        with pytest.raises(RuntimeError, match="runs already"):
            await supervisor.start()
        await supervisor.stop()

    run(story())
