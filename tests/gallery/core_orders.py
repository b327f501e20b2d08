"""Concurrent recoveries of the real core as a program to explore: the order of what is ready at the same instant.

Every call of a port awaits, so that the recoveries of several subjects interleave at each of them. Each task that is
recovered is started again and fails once more, at any moment of its recovery's end.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from recovery import Supervisor
from recovery.model import Failure, FailureKind, TaskStatus
from tests.recovery.small_system import SmallSystem, failure_of

TASKS = ("task.1", "task.2", "task.3")
Result = dict[str, object]


class EveryCall(dict[str, float]):
    """Every call of a port awaits, and no virtual time passes."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> float:
        return 0.0


class Forgetful(Supervisor):
    """A defect: a failure that is reported before the recovery of the one before it has ended is dropped."""

    def report(self, failure: Failure) -> None:
        """Open an incident for a failure, unless its subject has an open one."""
        if failure.subject not in self._open:
            super().report(failure)


async def recoveries(supervisor_class: type[Supervisor] = Supervisor) -> Result:
    """Two tasks fail twice each, and an agent with a third one; failures are reported twice."""
    system = SmallSystem()
    for task in TASKS[:2]:
        system.failed(task, gpu=1)
    system.submit(TASKS[2], gpu=1)
    system.start(TASKS[2], "agent.1")
    system.up["agent.1"] = False
    system.pauses = EveryCall()
    quick = {"max_retries": 3, "retry_delay": 0}
    supervisor = supervisor_class({"conditions": {"task_failure": quick, "agent_failure": quick}}, system.ports)
    await supervisor.start()

    async def report() -> None:
        for failure in (*map(failure_of, TASKS[:2]), failure_of("agent.1", FailureKind.AGENT)):
            supervisor.report(failure)
            await asyncio.sleep(0)

    async def fail_again(task: str) -> None:
        while task not in system.queue:  # noqa: ASYNC110 - as an agent that polls
            await asyncio.sleep(0)
        for _ in range(8):  # first in, first out, the recovery has ended then
            await asyncio.sleep(0)
        system.start(task)
        system.fail(task)
        supervisor.report(failure_of(task))

    await asyncio.gather(report(), report(), *map(fail_again, TASKS[:2]))
    await supervisor.settled()
    await supervisor.stop()
    return {
        "queued": Counter(system.queue),
        "status": {task: system.store.status(task) for task in TASKS},
        "held": {task: units for task, units in system.held.items() if units},
        "escalated": [incident.failure.subject for incident in supervisor.escalations],
    }


async def forgetful() -> Result:
    """The same with the defect."""
    return await recoveries(Forgetful)


def consistent(result: Result) -> None:
    """Each task is in the queue once, and nothing is held, escalated or lost."""
    assert result["queued"] == Counter(TASKS)
    assert result["status"] == dict.fromkeys(TASKS, TaskStatus.QUEUED)
    assert result["held"] == {}
    assert result["escalated"] == []
