"""Actions on other components follow their durable journal entry."""

import asyncio
from dataclasses import replace

import pytest

from recovery.journal import MemoryJournal
from recovery.model import FailureKind, TaskStatus
from tests.recovery.small_system import SmallSystem
from tests.recovery.supervised import report, supervise


class Slow(MemoryJournal):
    """No accepted write is durable before it is awaited."""

    def __init__(self):
        super().__init__()
        self.accepted = []

    def keep(self, incident):
        super().keep(incident)
        self.accepted.append(incident.phase)

    def forget(self, number):
        super().forget(number)
        self.accepted.append("forgotten")

    def keep_escalation(self, escalation):
        super().keep_escalation(escalation)
        self.accepted.append("escalated")

    async def durable(self):
        await asyncio.sleep(0.001)
        self.accepted.clear()


class Watched(SmallSystem):
    """Records for each change the writes that were not durable at that time."""

    def __init__(self):
        super().__init__()
        self.journal = Slow()
        self.ports = replace(self.ports, journal=self.journal)
        self.unsure = []
        self.counted = self.store.count_retry
        self.store.count_retry = self.count_retry

    async def called(self, name, *arguments, changes=True):
        if changes and name != "stop_attempts":  # a task is fenced and stopped at the begin of each try anew
            self.note(name, *arguments)
        await super().called(name, *arguments, changes=changes)

    def count_retry(self, task_id, kind, retry):
        self.note("count_retry", task_id)
        self.counted(task_id, kind, retry)

    def note(self, *change):
        self.unsure += [(*change, what) for what in self.journal.accepted]
        self.calls.append(change)


def a_task(system):
    system.failed("task.1", gpu=1)
    return "task.1", FailureKind.TASK


def a_blocked_task(system):
    system.failed("task.1", TaskStatus.BLOCKED, gpu=1)
    system.available["gpu"] = 3
    return "task.1", FailureKind.RESOURCE


def an_agent(system):
    for number in (1, 2, 3):
        system.submit(f"task.{number}")
        system.start(f"task.{number}")
    system.store.count_retry("task.3", FailureKind.AGENT, 2)
    system.up["agent.0"] = False
    return "agent.0", FailureKind.AGENT


def a_connection(system):
    system.broken_links = [("core", "agent.0")]
    return "core-agent.0", FailureKind.COMMUNICATION


@pytest.mark.parametrize("retries", [2, 0, None])
@pytest.mark.parametrize("parallel", [1, 8])
@pytest.mark.parametrize("failure", [a_task, a_blocked_task, an_agent, a_connection])
def test_external_actions_follow_the_durable_journal_entry(failure, parallel, retries):
    system = Watched()
    failed = failure(system)
    system.unsure.clear()
    system.calls.clear()
    policy = None if retries is None else {"max_retries": retries, "retry_delay": 0}
    conditions = dict.fromkeys(("task_failure", "resource_failure", "agent_failure"), policy)
    supervise(system, report(failed), conditions=conditions, parallel=parallel)
    assert system.unsure == []
    assert len(system.calls) >= 2
