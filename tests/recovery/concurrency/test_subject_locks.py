"""Per-subject mutual exclusion of recoveries."""

import asyncio

import pytest

from recovery.concurrency.subject_locks import SubjectLocks
from recovery.model import FailureKind, TaskStatus
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import at_once, short, supervise


def test_the_second_caller_waits_for_the_first():
    output = []

    async def main() -> None:
        locks = SubjectLocks()

        async def act(name: str, subject: str) -> None:
            async with locks.of(subject):
                output.append((asyncio.get_running_loop().time(), name))
                await asyncio.sleep(1)

        await asyncio.gather(act("first", "task.1"), act("second", "task.1"), act("other", "task.2"))
        assert locks._uses == {}  # nothing is kept of those who are done

    run(main())
    assert output == [(0, "first"), (0, "other"), (1, "second")]


def test_a_cancelled_waiter_passes_the_lock_on():
    async def main() -> None:
        locks = SubjectLocks()

        async def act() -> None:
            async with locks.of("task.1"):
                await asyncio.sleep(10)

        acting = [asyncio.create_task(act()) for _ in range(3)]
        await asyncio.sleep(1)
        for task in acting:
            task.cancel()
        await asyncio.gather(*acting, return_exceptions=True)
        async with asyncio.timeout(1), locks.of("task.1"):
            pass

    run(main())


class Overlaps:
    """Detects two concurrent recoveries of one task: each call takes a second."""

    def __init__(self, system: SmallSystem) -> None:
        self.acting: dict[str, str] = {}
        self.seen: list[str] = []
        self.system = system
        for name in ("stop_attempts", "release", "enqueue"):
            system.pauses[name] = 1.0
            system.before[name] = self.look

    def look(self) -> None:
        name, task_id, *_ = self.system.calls[-1]
        who = asyncio.current_task().get_name()
        other = self.acting.setdefault(task_id, who)
        if name == "enqueue":
            del self.acting[task_id]
        elif other != who:
            self.seen.append(f"{who} and {other} act on {task_id}")


def busy_agent() -> SmallSystem:
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1", "agent.1")
    return system


def fails_as_its_agent_dies(system: SmallSystem) -> None:
    system.store.fail("task.1", system.store.epoch("task.1"), TaskStatus.FAILED, "E1")
    system.errors["task.1"] = "E1"
    system.up["agent.1"] = False


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5])
@pytest.mark.parametrize("first", ["agent", "task"])
def test_a_task_and_its_agent_are_never_recovered_concurrently(first, gap):
    """The last report of the task arrives some seconds before or after the silence of its agent is detected."""
    system = busy_agent()
    overlaps = Overlaps(system)
    task, agent = ("task.1", FailureKind.TASK), ("agent.1", FailureKind.AGENT)

    async def story(supervisor):
        fails_as_its_agent_dies(system)
        for subject, kind in (agent, task) if first == "agent" else (task, agent):
            supervisor.report(failure_of(subject, kind))
            await asyncio.sleep(gap)

    supervise(system, story, conditions=at_once())
    assert overlaps.seen == []
    assert system.queue == ["task.1"]
    assert [name for name, *_ in system.calls].count("enqueue") == 1


def test_a_report_during_the_agent_recovery_needs_no_further_recovery():
    system = busy_agent()
    Overlaps(system)

    async def story(supervisor):
        fails_as_its_agent_dies(system)
        supervisor.report(failure_of("agent.1", FailureKind.AGENT))
        await asyncio.sleep(1.5)
        supervisor.report(failure_of("task.1"))

    supervise(system, story, conditions=at_once())
    ends = [(subject, words) for _, subject, words in system.timed_trail if words.startswith("recovery.dismissed")]
    assert ends == [("task.1", "recovery.dismissed task_waits")]
    assert short(system, "recovery.verified") == [(3.0, "recovery.verified")]


@pytest.mark.parametrize("gap", [0.5, 1.5, 2.5])
def test_a_task_is_not_escalated_during_its_takeover(gap):
    """Its last report, that allows no retry, comes in while its agent's recovery puts it back."""
    system = busy_agent()
    for name in ("stop_attempts", "release", "enqueue"):
        system.pauses[name] = 1.0

    async def story(supervisor):
        fails_as_its_agent_dies(system)
        supervisor.report(failure_of("agent.1", FailureKind.AGENT))
        await asyncio.sleep(gap)
        supervisor.report(failure_of("task.1"))

    supervisor = supervise(system, story, conditions=at_once(0))
    steps = [name for name, *_ in system.calls]
    assert steps == ["restart", "stop_attempts", "release", "enqueue", "give_up"]
    assert system.store.status("task.1") is TaskStatus.ESCALATED
    assert [known.failure.subject for known in supervisor.escalations] == ["task.1"]


def test_a_task_report_that_reveals_an_agent_failure_does_not_deadlock():
    system = busy_agent()
    system.up["agent.1"] = False

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(0)

    supervise(system, story, conditions=at_once())
    assert "recovery.analyzed system_failures.agent_failure" in system.trail
    assert system.queue == ["task.1"]
