"""Two cores on one store: a core without the lease has no effect."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from recovery import Supervisor
from recovery.leadership import Candidate, Deposed, Lease, LeaseConfig
from recovery.model import FailureKind, TaskStatus
from recovery.policies.policy_states import BudgetState
from recovery.stores import inline
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_leases import SqlLeases, only_with
from recovery.stores.sql_tasks import SqlTaskStore
from sim.loop import SimLoop
from sim.loop.machine import Machine
from tests.recovery.small_system import SmallSystem, failure_of

CONFIG = LeaseConfig(duration=10, renew_every=2, drift=1.25)
POLICY = {"conditions": {"task_failure": {"max_retries": 3, "retry_delay": 1}}}


class Two:
    """Cores `a` and `b` over one small system; each may sleep, and notices nothing of it."""

    def __init__(self, database) -> None:
        self.database = database
        self.system = SmallSystem(SqlTaskStore(database))
        self.loop = SimLoop()
        self.cores: dict[str, Supervisor] = {}
        self.asleep: dict[str, tuple[float, asyncio.Event]] = {}
        self.machines = {}
        self.terms = []

    def start(self, name: str) -> None:
        candidate = Candidate(
            SqlLeases(self.database),
            "leader",
            name,
            CONFIG,
            lambda lease: self.lead(name, lease),
            clock=lambda: self.asleep[name][0] if name in self.asleep else self.loop.time(),
            sleep=lambda seconds: self.sleep(name, seconds),
        )
        self.machines[name] = Machine(self.loop)
        self.machines[name].run(self.loop.create_task, candidate.run())

    async def sleep(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if name in self.asleep:
            await self.asleep[name][1].wait()

    async def lead(self, name: str, lease: Lease) -> None:
        mine = self.database.guarded(only_with(lease))
        ports = replace(
            self.system.ports,
            store=inline(SqlTaskStore(mine)),
            journal=SqlJournal(mine, blocking=True),
            audit=SqlAudit(mine, self.loop.time),
        )
        core = Supervisor(POLICY, ports)
        await core.start()
        self.cores[name] = core
        self.terms.append((name, self.loop.time()))
        try:
            await self.loop.create_future()
        except asyncio.CancelledError:
            await core.stop()
            raise

    def fall_asleep(self, name: str) -> None:
        self.asleep[name] = self.loop.time(), asyncio.Event()

    def wake(self, name: str) -> None:
        self.asleep.pop(name)[1].set()

    def report(self, name: str, task: str) -> None:
        self.machines[name].run(self.cores[name].report, failure_of(task, FailureKind.TASK))

    def until(self, seconds: float) -> None:
        self.loop.env.run(until=seconds)

    def trail(self, *events: str) -> list[tuple[float, str]]:
        audit = SqlAudit(self.database, self.loop.time)
        assert audit.first_wrong() is None
        return [(each.at, f"{each.event} {each.subject}") for each in audit.entries() if each.event in events]


@pytest.fixture
def two(database):
    made = Two(database)
    made.start("a")
    made.until(1)
    made.start("b")
    yield made
    made.loop.abandon()


def test_only_the_leader_recovers(two):
    two.system.failed("task.1")
    two.report("a", "task.1")
    two.until(30)
    assert list(two.cores) == ["a"]
    assert two.trail("recovery.opened", "recovery.verified") == [
        (1.0, "recovery.opened task.1"),
        (2.0, "recovery.verified task.1"),
    ]


def test_a_standby_continues_the_recoveries_of_a_dead_leader(two):
    two.system.failed("task.1")
    two.system.pauses["enqueue"] = 5
    two.report("a", "task.1")
    two.until(4)
    two.machines["a"].cut_power()
    two.until(40)
    assert two.terms == [("a", 0.0), ("b", 13.0)]
    assert two.trail("recovery.opened", "recovery.taken_up", "recovery.verified") == [
        (1.0, "recovery.opened task.1"),
        (13.0, "recovery.taken_up task.1"),
        (18.0, "recovery.verified task.1"),
    ]
    assert two.system.store.retries("task.1", FailureKind.TASK) == 1


def test_a_core_that_sleeps_past_its_lease_performs_no_step(two):
    """Asleep from 3 s to 60 s, in the middle of a step that the other one takes in its place."""
    two.system.failed("task.1")
    two.system.pauses["enqueue"] = 58
    two.report("a", "task.1")
    two.until(3)
    two.fall_asleep("a")
    two.system.pauses["enqueue"] = 1
    two.until(59.5)
    assert two.terms == [("a", 0.0), ("b", 13.0)]
    done = two.trail("recovery.verified", "step.completed", "recovery.failed")
    assert done[-1] == (14.0, "recovery.verified task.1")
    two.system.failed("task.2")
    two.report("a", "task.2")  # it still believes that it leads
    two.until(60.5)
    two.wake("a")
    two.until(100)
    assert two.trail("recovery.verified", "step.completed", "recovery.failed") == done
    assert two.trail("recovery.opened") == [(1.0, "recovery.opened task.1")]
    assert two.system.store.status("task.2") is TaskStatus.FAILED
    assert two.system.store.epoch("task.2") == 1
    assert [call[:2] for call in two.system.calls if call[1:2] == ("task.2",)] == []
    assert SqlJournal(two.database, blocking=True).unfinished() == []


def test_a_report_to_a_sleeping_core_is_found_by_the_next_leader(two):
    two.until(3)
    two.system.failed("task.1")
    two.fall_asleep("a")
    two.until(40)
    assert two.trail("recovery.opened", "recovery.verified") == [
        (13.0, "recovery.opened task.1"),
        (14.0, "recovery.verified task.1"),
    ]


@pytest.mark.parametrize("ask", [("fence", "task.1"), ("requeue", "task.1"), ("escalate", "task.1", "enough")])
def test_the_store_rejects_writes_without_the_lease(database, ask):
    lease = Lease("leader", "a", 1)
    tasks = SqlTaskStore(database.guarded(only_with(lease)))
    SqlTaskStore(database).register("task.1")
    assert asyncio.run(SqlLeases(database).change(None, lease))
    assert tasks.fence("task.1") == 0
    assert asyncio.run(SqlLeases(database).change(lease, Lease("leader", "b", 2)))
    with pytest.raises(Deposed, match="a has lost the lease 'leader', which b holds"):
        getattr(tasks, ask[0])(*ask[1:])
    assert tasks.status("task.1") is TaskStatus.QUEUED  # it may look


def test_a_core_without_the_lease_changes_no_state_of_a_policy(database):
    lease = Lease("leader", "a", 1)
    mine = SqlJournal(database.guarded(only_with(lease)), blocking=True)
    assert asyncio.run(SqlLeases(database).change(None, lease))
    budget = BudgetState("task_failure", 4.0)
    mine.keep_policies({budget.name: budget})
    asyncio.run(mine.durable())
    assert asyncio.run(SqlLeases(database).change(lease, Lease("leader", "b", 2)))
    mine.keep_policies({budget.name: None})
    with pytest.raises(Deposed):
        asyncio.run(mine.durable())
    assert SqlJournal(database, blocking=True).policies() == {budget.name: budget}


def test_a_database_lease_changes_by_compare_and_swap(database):
    async def story():
        leases = SqlLeases(database)
        mine = Lease("leader", "a", 1)
        assert await leases.look("leader") is None
        assert not await leases.change(mine, replace(mine, renewals=1))
        assert await leases.change(None, mine)
        assert not await leases.change(None, Lease("leader", "b", 1))
        assert await leases.change(mine, replace(mine, renewals=1))
        assert not await leases.change(mine, Lease("leader", "b", 2))
        assert await leases.look("leader") == replace(mine, renewals=1)
        assert await leases.change(None, Lease("other", "b", 1))

    asyncio.run(story())
