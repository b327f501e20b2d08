"""Checks of a `TaskPort`: probes of tasks, and idempotent changes."""

from __future__ import annotations

from recovery.conformance.check import Check, Checks, NotConformant, Rig, expect
from recovery.engine.engine import RecoveryEngine
from recovery.model import TaskStatus, TaskView
from recovery.ports import System

_check = Checks("TaskPort")


async def _seen(system: System, task_id: str) -> TaskView:
    view = await system.tasks.inspect(task_id)
    if view is None:
        raise NotConformant(f"inspect({task_id!r}) is None; expected the submitted task")
    return view


@_check
async def _waiting(rig: Rig) -> None:
    """A submitted task is queued and waits; an unknown one is None."""
    expect("an unknown task", await rig.system.tasks.inspect("task.9"), None)
    await rig.submit("task.1", {})
    view = await _seen(rig.system, "task.1")
    expect("its name", view.task_id, "task.1")
    expect("its status", view.status, TaskStatus.QUEUED)
    expect("whether it waits", view.waiting_in_queue, True)
    expect("its agent", view.agent, None)


@_check
async def _running(rig: Rig) -> None:
    """A started task runs on its agent under its epoch, and does not wait."""
    agent = rig.agents[0]
    await rig.submit("task.1", {})
    epoch = await rig.begin("task.1", agent)
    view = await _seen(rig.system, "task.1")
    expect("its status, epoch and agent", (view.status, view.epoch, view.agent), (TaskStatus.RUNNING, epoch, agent))
    expect("whether it waits", view.waiting_in_queue, False)
    expect("the tasks of its agent", list(await rig.system.tasks.tasks_on(agent)), ["task.1"])


@_check
async def _stopped(rig: Rig) -> None:
    """After its attempts are stopped, no agent has the task; a second call has no effect."""
    await rig.submit("task.1", {})
    await rig.begin("task.1", rig.agents[0])
    await rig.system.store.fence("task.1")
    for _ in range(2):
        await rig.system.tasks.stop_attempts("task.1")
    expect("the tasks of its agent", list(await rig.system.tasks.tasks_on(rig.agents[0])), [])


@_check
async def _enqueued(rig: Rig) -> None:
    """An enqueued task waits once, also after a second call, and can be started again."""
    await rig.submit("task.1", {})
    await rig.begin("task.1", rig.agents[0])
    fenced = await rig.system.store.fence("task.1")
    await rig.system.tasks.stop_attempts("task.1")
    expect("the requeue", await rig.system.store.requeue("task.1", fenced), True)
    for _ in range(2):
        expect("enqueue", await rig.system.tasks.enqueue("task.1", "retry"), True)
    expect("whether it waits", (await _seen(rig.system, "task.1")).waiting_in_queue, True)
    expect("the next epoch", await rig.begin("task.1", rig.agents[0]), fenced + 1)
    expect("whether it still waits", (await _seen(rig.system, "task.1")).waiting_in_queue, False)


@_check
async def _failed(rig: Rig) -> None:
    """A failed task has its error code."""
    await rig.submit("task.1", {})
    await rig.fail("task.1", await rig.begin("task.1", rig.agents[0]))
    view = await _seen(rig.system, "task.1")
    expect("its status", view.status, TaskStatus.FAILED)
    if not view.error_code:
        raise NotConformant("its error code is missing")


@_check
async def _given_up(rig: Rig) -> None:
    """A task that was given up does not wait, and no agent has it."""
    await rig.submit("task.1", {})
    await rig.begin("task.1", rig.agents[0])
    await rig.system.store.escalate("task.1", "enough")
    for _ in range(2):
        await rig.system.tasks.give_up("task.1", "enough")
    expect("the tasks of its agent", list(await rig.system.tasks.tasks_on(rig.agents[0])), [])
    view = await rig.system.tasks.inspect("task.1")
    expect("whether it waits", view is not None and view.waiting_in_queue, False)


@_check
async def _recovered(rig: Rig) -> None:
    """The core recovers a failed task: it is verified, queued, and can be started and committed."""
    await rig.submit("task.1", {})
    late = await rig.begin("task.1", rig.agents[0])
    await rig.fail("task.1", late)
    engine = RecoveryEngine({}, rig.system)
    expect("its recovery", await engine.recover_task("task.1", {}), True)
    expect("its status", await rig.system.store.status("task.1"), TaskStatus.QUEUED)
    epoch = await rig.begin("task.1", rig.agents[0])
    expect("a commit of the failed attempt", await rig.system.store.commit("task.1", late), False)
    expect("a commit of the next one", await rig.system.store.commit("task.1", epoch), True)


OF_TASKS: tuple[Check, ...] = tuple(_check.all)
