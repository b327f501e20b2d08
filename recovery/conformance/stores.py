"""Checks of a `TaskStore`: epochs, fencing, one effect per task, and checkpoints."""

from __future__ import annotations

import asyncio

from recovery.checkpoints import is_intact
from recovery.conformance.check import AGENT, Check, Checks, Rig, expect, expect_raised
from recovery.model import TaskStatus

_check = Checks("TaskStore")
NAMES = ("task.1", "'; drop table tasks; --", "näm é \U0001f40d", "%s ? :task")


@_check
async def _registered(rig: Rig) -> None:
    """A new task is queued under epoch 0, and its name is unique."""
    store = rig.system.store
    expect("the status of an unknown task", await store.status("task.1"), None)
    for name in NAMES:
        await store.register(name)
        expect(f"the status of {name!r}", await store.status(name), TaskStatus.QUEUED)
        expect(f"the epoch of {name!r}", await store.epoch(name), 0)
    await expect_raised("a second task with the same name", ValueError, store.register("task.1"))


@_check
async def _epochs(rig: Rig) -> None:
    """Each attempt has an epoch one higher than the last, also of concurrent attempts."""
    store = rig.system.store
    await store.register("task.1")
    epochs = await asyncio.gather(*(store.begin("task.1", AGENT) for _ in range(8)))
    expect("the epochs of eight attempts", sorted(epochs, key=lambda epoch: epoch or 0), list(range(1, 9)))
    expect("the latest epoch", await store.epoch("task.1"), 8)
    expect("the status", await store.status("task.1"), TaskStatus.RUNNING)


@_check
async def _one_effect(rig: Rig) -> None:
    """The first commit completes a task, and all others are refused, also concurrent ones."""
    store = rig.system.store
    await store.register("task.1")
    epochs = [await store.begin("task.1", AGENT) or 0 for _ in range(8)]
    commits = await asyncio.gather(*(store.commit("task.1", epoch) for epoch in epochs))
    expect("the number of accepted commits of eight", commits.count(True), 1)
    expect("the status", await store.status("task.1"), TaskStatus.COMPLETED)
    expect("a ninth commit", await store.commit("task.1", epochs[0]), False)


@_check
async def _fenced(rig: Rig) -> None:
    """After a fence, earlier attempts are refused, and later ones are accepted."""
    store = rig.system.store
    await store.register("task.1")
    late = await store.begin("task.1", AGENT) or 0
    expect("whether an attempt is current before the fence", await store.is_current("task.1", late), True)
    expect("the fenced epoch", await store.fence("task.1"), late)
    expect("whether it is current afterwards", await store.is_current("task.1", late), False)
    expect("a late commit", await store.commit("task.1", late), False)
    expect("a late failure", await store.fail("task.1", late, TaskStatus.FAILED, "E"), False)
    expect("a late checkpoint", await store.save_checkpoint("task.1", late, 1.0), None)
    expect("the status", await store.status("task.1"), TaskStatus.RUNNING)
    epoch = await store.begin("task.1", AGENT) or 0
    expect("whether the next attempt is current", await store.is_current("task.1", epoch), True)
    expect("its commit", await store.commit("task.1", epoch), True)


@_check
async def _overtaken(rig: Rig) -> None:
    """A failure of an attempt is refused if a later attempt has begun."""
    store = rig.system.store
    await store.register("task.1")
    first = await store.begin("task.1", AGENT) or 0
    await store.begin("task.1", AGENT)
    expect("its failure", await store.fail("task.1", first, TaskStatus.FAILED, "E"), False)
    expect("the status", await store.status("task.1"), TaskStatus.RUNNING)


@_check
async def _finished(rig: Rig) -> None:
    """A completed or escalated task does not change."""
    store = rig.system.store
    for name, status in (("task.1", TaskStatus.COMPLETED), ("task.2", TaskStatus.ESCALATED)):
        await store.register(name)
        epoch = await store.begin(name, AGENT) or 0
        await (store.commit(name, epoch) if status is TaskStatus.COMPLETED else store.escalate(name, "enough"))
        expect(f"an attempt at a task that is {status}", await store.begin(name, AGENT), None)
        expect(f"a commit of a task that is {status}", await store.commit(name, epoch), False)
        expect(f"a failure of a task that is {status}", await store.fail(name, epoch, TaskStatus.FAILED, "E"), False)
        expect(f"the requeue of a task that is {status}", await store.requeue(name), False)
        expect(f"the escalation of a task that is {status}", await store.escalate(name, "enough"), False)
        expect("the status", await store.status(name), status)


@_check
async def _halted(rig: Rig) -> None:
    """Failed and blocked tasks are halted, in this order, until they are requeued or escalated."""
    store = rig.system.store
    for name, status in (("b", TaskStatus.FAILED), ("a", TaskStatus.BLOCKED), ("c", TaskStatus.FAILED)):
        await store.register(name)
        expect("a failure", await store.fail(name, await store.begin(name, AGENT) or 0, status, "E"), True)
    expect("the halted tasks", list(await store.halted()), ["b", "a", "c"])
    expect("a requeue", await store.requeue("a"), True)
    await store.escalate("c", "enough")
    expect("the halted tasks after both", list(await store.halted()), ["b"])
    expect("the status of the requeued task", await store.status("a"), TaskStatus.QUEUED)


@_check
async def _runs_already(rig: Rig) -> None:
    """A task is not requeued if an attempt has begun after the fence."""
    store = rig.system.store
    await store.register("task.1")
    await store.begin("task.1", AGENT)
    fenced = await store.fence("task.1")
    await store.begin("task.1", AGENT)
    expect("its requeue", await store.requeue("task.1", fenced), False)
    expect("its status", await store.status("task.1"), TaskStatus.RUNNING)
    expect("its requeue after the next fence", await store.requeue("task.1", await store.fence("task.1")), True)


@_check
async def _retries(rig: Rig) -> None:
    """Retries are counted by kind of failure, and a repeated retry is counted once."""
    store = rig.system.store
    await store.register("task.1")
    for kind, retry in (("a", 1), ("a", 2), ("a", 2), ("a", 1), ("b", 1)):
        await store.count_retry("task.1", kind, retry)
    found = [await store.retries("task.1", kind) for kind in ("a", "b", "c")]
    expect("the retries of three kinds", found, [2, 1, 0])


@_check
async def _checkpoints(rig: Rig) -> None:
    """Checkpoints are numbered in order over all attempts, and are read as they were written."""
    store = rig.system.store
    await store.register("task.1")
    expect("the number of the last checkpoint of a new task", await store.last_checkpoint("task.1"), 0)
    states = ({"rows": [1, 2.5, None], "é": True}, "text", None)
    saved = []
    for progress, state in zip((0, 1, 2.5), states, strict=True):
        epoch = await store.begin("task.1", AGENT) or 0
        saved.append(await store.save_checkpoint("task.1", epoch, progress, state))
        await store.fence("task.1")
    found = list(await store.checkpoints("task.1"))
    expect("the checkpoints", found, saved)
    expect("their numbers", [each.sequence for each in found], [1, 2, 3])
    expect("their epochs", [each.epoch for each in found], [1, 2, 3])
    expect("their progress", [each.progress for each in found], [0, 1, 2.5])
    expect("their states", tuple(each.state for each in found), states)
    expect("whether they are intact", [is_intact(each) for each in found], [True] * 3)
    expect("the number of the last one", await store.last_checkpoint("task.1"), 3)


@_check
async def _no_state(rig: Rig) -> None:
    """A state that is not JSON is refused, and no checkpoint is written."""
    store = rig.system.store
    await store.register("task.1")
    epoch = await store.begin("task.1", AGENT) or 0
    saving = store.save_checkpoint("task.1", epoch, 1.0, object())
    await expect_raised("a checkpoint with a state that is not JSON", ValueError, saving)
    expect("the checkpoints", list(await store.checkpoints("task.1")), [])


@_check
async def _restore_point(rig: Rig) -> None:
    """The next attempt starts from the last chosen checkpoint, or from the beginning."""
    store = rig.system.store
    await store.register("task.1")
    epoch = await store.begin("task.1", AGENT) or 0
    expect("the restore point of a new task", await store.restore_point("task.1"), None)
    saved = [await store.save_checkpoint("task.1", epoch, progress, progress) for progress in (0.1, 0.2)]
    for chosen in (saved[1], saved[0], None):
        await store.set_restore_point("task.1", chosen)
        expect("the restore point", await store.restore_point("task.1"), chosen)
    expect("the checkpoints", list(await store.checkpoints("task.1")), saved)


OF_STORES: tuple[Check, ...] = tuple(_check.all)
