"""The leading core of a local system counts completions of tasks."""

import asyncio
from dataclasses import replace

import pytest

from recovery import Supervisor
from recovery.journal import MemoryJournal
from recovery.local import LocalConfig, agent_registry, completions, task_queue
from recovery.local.completions import Completions
from recovery.local.ports import local_ports
from recovery.model import FailureKind, TaskStatus
from tests.recovery.local.stories import do
from tests.recovery.small_system import failure_of

REFILLED = {"task_failure": {"max_retries": 3, "retry_delay": 0, "budget": {"tokens": 2, "refill": 0.5}}}


async def no_agent(name):
    raise AssertionError(name)


def attempt(database, name: str, *, works: bool) -> None:
    """The next queued task is completed, or fails."""
    incarnation = do(database, agent_registry.arrive, "agent.0", 1)
    taken = do(database, task_queue.take, "agent.0", incarnation)
    assert taken.task_id == name
    if works:
        assert do(database, task_queue.commit, name, taken.epoch, "agent.0", "null")
    else:
        assert do(database, task_queue.fail, name, taken.epoch, "agent.0", TaskStatus.FAILED, "E1")


def story(database, conditions, look) -> None:
    """`look(supervisor, completions)` is the story of a leading core, without its polling."""

    async def main():
        config = LocalConfig.model_validate({"recovery": {"conditions": conditions}})
        system = replace(local_ports(database, no_agent, config)[0], journal=MemoryJournal())
        supervisor = Supervisor(config.recovery, system)
        await supervisor.start()
        await look(supervisor, Completions(database, supervisor))
        await supervisor.stop()

    asyncio.run(main())


@pytest.fixture
def each_look(monkeypatch):
    monkeypatch.setattr(completions, "LOOK_SECONDS", 0.0)


def test_completions_refill_a_retry_budget(database, each_look):
    """Not those of before the core began to look, and each of the others once."""

    async def look(supervisor, found):
        def left() -> float | None:
            return supervisor.retry_limits(failure_of("task.0")).budget_tokens

        for name in ("task.0", "task.1", "task.2", "task.3"):
            do(database, task_queue.submit, name, None, {})
        attempt(database, "task.0", works=True)
        await found.look()
        attempt(database, "task.1", works=False)
        supervisor.report(failure_of("task.1"))
        await supervisor.settled()
        assert left() == 1
        attempt(database, "task.2", works=True)
        await found.look()
        await found.look()
        assert left() == 1.5
        attempt(database, "task.3", works=True)
        await found.look()
        assert left() == 2

    story(database, REFILLED, look)


def test_a_completed_task_is_removed_from_the_histories(database, each_look):
    async def look(supervisor, found):
        do(database, task_queue.submit, "task.0", None, {})
        assert not supervisor.counts_completions
        attempt(database, "task.0", works=False)
        supervisor.report(failure_of("task.0"))
        await supervisor.settled()
        assert supervisor.remembered_tasks() == ["task.0"]
        assert list(supervisor.system.journal.policies()) == ["retries task_failure task.0"]
        attempt(database, "task.0", works=True)
        await found.look()
        assert supervisor.remembered_tasks() == []
        assert supervisor.system.journal.policies() == {}

    condition = {"max_retries": 3, "retry_delay": 0, "deadline": "1m"}
    story(database, {FailureKind.TASK.value: condition}, look)


def test_a_breaker_of_attempts_counts_completions(database, each_look):
    """Two failures that are not consecutive do not open it."""

    async def look(supervisor, found):
        for name in ("task.0", "task.1", "task.2"):
            do(database, task_queue.submit, name, None, {})
        await found.look()
        for name, works in (("task.0", False), ("task.1", True), ("task.2", False)):
            attempt(database, name, works=works)
            await found.look()
            if not works:
                supervisor.report(failure_of(name))
        assert supervisor.retry_limits(failure_of("task.2")).breaker_open is False

    condition = {"max_retries": 3, "retry_delay": 9, "breaker": {"failures": 2, "counts": "attempts"}}
    story(database, {FailureKind.TASK.value: condition}, look)
