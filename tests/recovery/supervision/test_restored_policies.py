"""A core continues with the states of policies and detectors that an earlier core has stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from recovery import RecoveryEngine, Supervisor
from recovery.journal import MemoryJournal
from recovery.model import Failure, FailureKind, Incident, Phase, Symptom, TaskStatus
from recovery.policies.policy_states import BreakerRecord, BudgetState, LoadState, RetryState
from recovery.stores.memory import MemoryTaskStore
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.tables import POLICIES
from sim.loop import SimLoop
from sim.loop.machine import Machine
from tests.recovery.conftest import database_of
from tests.recovery.small_system import failure_of
from tests.recovery.test_journal import Cores

RETRIES = RetryState(FailureKind.TASK, "task.1", 0.0)


def task_policy(**policy) -> dict:
    return {"conditions": {"task_failure": {"max_retries": None, "retry_delay": 10} | policy}}


class Processes(Cores):
    """Cores of which each runs in a new process: its clock begins again at 0. The journal has the wall clock.

    `begun` is what the wall clock showed when the present process began.
    """

    def __init__(self, journal) -> None:
        super().__init__(MemoryTaskStore(), journal)
        self.begun = 1000.0

    def new_process(self, after: float = 0.0) -> None:
        self.machine.cut_power()
        self.begun += self.loop.time() + after
        self.loop.abandon()
        self.loop = SimLoop()


@pytest.fixture
def processes(request):
    made = Processes(MemoryJournal())
    database = database_of("sqlite", request)
    made.system.ports = replace(made.system.ports, journal=SqlJournal(database, lambda: made.begun, blocking=True))
    yield made
    made.loop.abandon()


@pytest.fixture
def cores():
    made = Cores(MemoryTaskStore(), MemoryJournal())
    yield made
    made.loop.abandon()


def fails_again(cores: Cores, core: Supervisor, at: float, task_id: str = "task.1") -> None:
    """The queued task is started, and fails at this time."""
    cores.until(at)
    cores.system.start(task_id)
    cores.system.fail(task_id)
    cores.report(core, task_id)


def granted(cores: Cores) -> list[float | None]:
    return [entry.value for entry in cores.system.audit.entries if entry.event == "retry.granted"]


# ----------------------------------------------------------------------------------------------- clocks
def test_a_deadline_is_kept_by_the_clock_of_the_store(processes):
    """The first failure was 25 s before the second process, whose clock begins at 0: the next retry is in time until
    it shows 15 s, less the delay."""
    processes.config = task_policy(deadline=40)
    processes.system.failed("task.1")
    processes.report(processes.start(), "task.1")
    processes.until(20)
    processes.new_process(after=5)
    core = processes.start()
    fails_again(processes, core, 4)
    fails_again(processes, core, 14.5)
    processes.until(15)
    assert processes.trail("retry.granted", "recovery.escalated")[-2:] == [
        (4, "retry.granted task_failure"),
        (14.5, "recovery.escalated retry deadline passed"),
    ]


def set_back(cores: Cores) -> None:
    """The next core has a clock that begins again at 0, and a journal without an offset for it."""
    cores.machine.cut_power()
    cores.loop.abandon()
    cores.loop = SimLoop()


def test_a_clock_that_is_set_back_restarts_a_deadline_at_most_once_per_core(cores):
    """The bound that the documentation states: the deadline counts from the start of the core."""
    cores.config = task_policy(deadline=40)
    cores.until(5000)
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.until(5015)
    set_back(cores)
    core = cores.start()
    for at in (1, 12, 23, 34):
        fails_again(cores, core, at)
    cores.until(50)
    assert cores.trail("recovery.escalated") == [(34, "recovery.escalated retry deadline passed")]


def test_a_clock_that_is_set_back_lengthens_a_delay_to_twice_itself_at_most(cores):
    cores.config = task_policy()
    cores.until(5000)
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.until(5007)
    set_back(cores)
    cores.start()
    cores.until(20)
    assert cores.trail("recovery.started") == [(10, "recovery.started")]


def test_a_breaker_that_opened_in_the_future_has_opened_now(cores):
    journal = cores.system.ports.journal
    breaker = BreakerRecord("task_failure", "open", opened_at=5000.0, period=1)
    journal.keep_policies({breaker.name: breaker})
    cores.config = task_policy(breaker={"failures": 2, "open_for": 30}, retry_delay=0)
    cores.system.failed("task.1")
    cores.start()
    cores.until(60)
    assert cores.trail("recovery.started") == [(30, "recovery.started")]


def test_tokens_of_the_future_are_not_waited_for(cores):
    journal = cores.system.ports.journal
    journal.keep_policies({"load": LoadState(5000.0)})
    cores.config = task_policy(retry_delay=0) | {"load": {"rate": 0.1, "burst": 3}}
    for number in range(4):
        cores.system.failed(f"task.{number}")
    cores.start()
    cores.until(100)
    assert [at for at, _ in cores.trail("recovery.started")] == [10, 20, 30, 40]


# --------------------------------------------------------------------------------- counted exactly once
GUARD = {"failures": 2, "open_for": 30, "counts": "tries"}


def test_a_failed_try_without_a_verdict_counts_once(cores):
    """The core was killed between its two writes: the failed try is stored, and its breaker is not."""
    journal = cores.system.ports.journal
    cores.config = task_policy(breaker=GUARD, retry_delay=1000)
    cores.system.failed("task.1")
    journal.keep(Incident(0, failure_of("task.1"), 0.0, tries=1, phase=Phase.FAILED, ticket=0))
    for at in (1, 2, 3):
        cores.start()
        cores.until(at)
        cores.machine.cut_power()
    (breaker,) = [state for state in journal.policies().values() if isinstance(state, BreakerRecord)]
    assert (breaker.state, breaker.failures) == ("closed", 1)


def test_a_probe_that_is_continued_remains_the_only_one(cores):
    """It began before the crash at 32 s; the other task waits for its result, and is admitted when it has worked."""
    cores.config = task_policy(breaker=GUARD, retry_delay=0)
    journal = cores.system.ports.journal
    breaker = BreakerRecord("task_failure", "open", opened_at=0.0, period=1)
    journal.keep_policies({breaker.name: breaker})
    cores.system.failed("task.1")
    cores.system.failed("task.2")
    cores.system.pauses["release"] = 5
    cores.start()
    cores.crash(32)
    cores.until(33)
    cores.start()
    cores.until(60)
    assert cores.trail("breaker.", "recovery.started", "recovery.verified") == [
        (30, "breaker.half_opened"),
        (30, "recovery.started"),
        (38, "recovery.verified"),
        (38, "breaker.closed"),
        (38, "recovery.started"),
        (43, "recovery.verified"),
    ]


def test_a_begun_try_is_not_refused_by_a_breaker_that_has_opened_since(cores):
    cores.config = task_policy(breaker=GUARD | {"when_open": "refuse", "failures": 1}, retry_delay=0)
    for number in (1, 2):
        cores.system.failed(f"task.{number}")
    cores.system.before["enqueue"] = lambda: cores.system.pauses.update(enqueue=20)
    core = cores.start()
    cores.until(1)
    core._retry_loop.admission.gate(failure_of("task.3")).settle(0, worked=False)
    core._changes.write()
    cores.crash(5)
    cores.system.before.clear()
    cores.system.pauses.clear()
    cores.start()
    cores.until(10)
    assert [words for _, words in cores.trail("recovery.verified", "recovery.escalated")] == ["recovery.verified"] * 2


def test_a_granted_retry_takes_one_token_from_the_budget(cores):
    """However often a core starts before the retry is due."""
    journal = cores.system.ports.journal
    cores.config = task_policy(budget={"tokens": 5})
    cores.system.failed("task.1")
    for at in (1, 2, 20):
        cores.start()
        cores.crash(at)
    assert journal.policies() == {"budget task_failure": BudgetState("task_failure", 4.0)}


def test_a_late_report_of_a_finished_task_is_dismissed(cores):
    cores.config = task_policy(max_retries=0)
    cores.system.failed("task.1")
    late = replace(failure_of("task.1"), at=4.0)
    cores.until(5)
    core = cores.start()
    cores.until(6)
    cores.machine.run(core.report, late)
    cores.until(7)
    assert cores.trail("recovery.escalated", "recovery.dismissed") == [(5, "recovery.escalated retries exhausted")]
    cores.machine.run(core.report, replace(late, at=6.5))  # one from after the start
    cores.until(8)
    assert cores.trail("recovery.dismissed") == [(7, "recovery.dismissed task_finished")]


# ---------------------------------------------------------------------------------------- what is removed
def test_the_history_of_a_task_is_deleted_with_its_end(cores):
    """Task 1 is completed, task 2 is escalated, and task 3 is completed while no core runs."""
    journal = cores.system.ports.journal
    cores.config = task_policy(max_retries=1, jitter="decorrelated", max_delay=100)
    for number in (1, 2, 3):
        cores.system.failed(f"task.{number}")
    core = cores.start()
    cores.until(25)
    assert [name for name in journal.policies() if name.startswith("retries")] == [
        f"retries task_failure task.{number}" for number in (1, 2, 3)
    ]
    cores.machine.run(core.task_succeeded, "task.1")
    fails_again(cores, core, 26, "task.2")
    cores.crash(27)
    assert list(journal.policies()) == ["retries task_failure task.3"]
    cores.system.start("task.3")
    cores.system.store.commit("task.3", cores.system.store.epoch("task.3"))
    cores.start()
    assert journal.policies() == {}


def test_states_of_other_policies_have_no_effect(cores):
    journal = cores.system.ports.journal
    budget = BudgetState("task_failure", 100.0)
    other = BudgetState("resource_failure", 1.0)
    breaker = BreakerRecord("agent_failure", "open", 0.0, 1)
    journal.keep_policies({each.name: each for each in (budget, other, breaker)})
    cores.config = task_policy(budget={"tokens": 2})
    core = cores.start()
    assert core.retry_limits(failure_of("task.1")).budget_tokens == 2
    assert core.retry_limits(failure_of("agent.0", FailureKind.AGENT)).breaker_open is None


class EarlierJournal:
    """A journal of one's own, without policies."""

    def __init__(self) -> None:
        kept = MemoryJournal()
        self.durable, self.forget, self.unfinished, self.numbers = (
            kept.durable,
            kept.forget,
            kept.unfinished,
            kept.numbers,
        )
        self.keep_escalation, self.escalations = kept.keep_escalation, kept.escalations
        self._kept = kept

    def keep(self, incident: Incident) -> None:
        self._kept.keep(incident)


def test_a_journal_without_policies_keeps_recoveries():
    cores = Cores(MemoryTaskStore(), EarlierJournal())
    cores.config = task_policy(budget={"tokens": 1}, deadline=100, breaker=GUARD) | {"load": {"rate": 1}}
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.crash(5)
    core = cores.start()
    cores.until(20)
    assert cores.trail("recovery.verified") == [(10, "recovery.verified")]
    assert core.retry_limits(failure_of("task.1")).budget_tokens == 1
    cores.loop.abandon()


# --------------------------------------------------------------------------------------------- deadlines
def test_a_try_without_a_slot_until_the_deadline_is_refused(cores):
    cores.config = task_policy(deadline=15) | {"parallel": 1}
    cores.system.pauses["release"] = 20
    for number in (1, 2):
        cores.system.failed(f"task.{number}")
    cores.start()
    cores.until(60)
    assert cores.trail("recovery.started", "recovery.escalated") == [
        (10, "recovery.started"),
        (30, "recovery.escalated retry deadline passed"),
    ]


# -------------------------------------------------------------------------------------- random numbers
def test_each_delay_of_an_agent_has_its_own_random_number(cores):
    """In all of its incidents, and of all cores."""
    drawn: list[tuple[str, int]] = []

    def jitter(subject: str, number: int) -> float:
        drawn.append((subject, number))
        return 0.5

    config = {"conditions": {"agent_failure": {"max_retries": 3, "retry_delay": 1, "jitter": "full"}}}

    def start() -> Supervisor:
        cores.machine = Machine(cores.loop)
        core = Supervisor(config, cores.system.ports, RecoveryEngine(config, cores.system.ports), jitter=jitter)
        cores.loop.run_until_complete(cores.machine.run(cores.loop.create_task, core.start()))
        return core

    core = start()
    for at in (10, 20):
        cores.report(core, "agent.0", kind=FailureKind.AGENT)
        cores.until(at)
    cores.crash(21)
    core = start()
    cores.report(core, "agent.0", "agent.1", kind=FailureKind.AGENT)
    cores.until(40)
    assert drawn == [("agent.0", 1), ("agent.0", 2), ("agent.0", 3), ("agent.1", 1)]


# -------------------------------------------------------------------------------------------- detectors
def beat_until(cores: Cores, core: Supervisor, agent: str, every: float, until: float) -> None:
    while cores.loop.time() + every <= until:
        cores.until(cores.loop.time() + every)
        cores.machine.run(core.heartbeat, agent)


def timeout_of(core: Supervisor, agent: str) -> float:
    return core._detector._timeout.of(agent)


def test_the_intervals_between_heartbeats_are_restored(cores):
    """They are stored every ten heartbeat intervals; what was learnt since then is lost."""
    cores.config = {"detection": {"detector": "phi_accrual", "heartbeat_interval": 5, "phi_window": 30}}
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    beat_until(cores, core, "agent.0", 2.0, until=100)
    stored = timeout_of(core, "agent.0")
    beat_until(cores, core, "agent.0", 2.3, until=148)
    assert timeout_of(core, "agent.0") > stored
    cores.crash(149)
    core = cores.start()
    assert timeout_of(core, "agent.0") == pytest.approx(stored)
    assert timeout_of(core, "agent.1") > stored  # nothing is known of it


def test_the_time_without_a_core_is_no_interval_between_heartbeats(cores):
    cores.config = {"detection": {"detector": "phi_accrual", "heartbeat_interval": 5, "phi_window": 30}}
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    beat_until(cores, core, "agent.0", 2.0, until=100)
    before = timeout_of(core, "agent.0")
    cores.crash(101)
    cores.until(500)
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    beat_until(cores, core, "agent.0", 2.0, until=520)
    assert timeout_of(core, "agent.0") == pytest.approx(before, rel=0.1)
    assert cores.trail("agent.") == []


def test_a_silent_agent_is_suspected_one_timeout_after_the_start_of_the_next_core(cores):
    """The bound that the documentation states: heartbeats to no core are lost, so that the timeout begins anew."""
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    cores.crash(14)
    cores.until(20)
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    cores.until(60)
    assert cores.trail("agent.suspected")[0] == (20 + 15, "agent.suspected")


def send_fails(cores: Cores, core: Supervisor) -> None:
    cores.machine.run(core.delivery_failed, "agents|queue", ("agents", "queue"), ("queue",), cores.loop.time())


def test_failed_sends_are_counted_across_cores(cores):
    cores.config = {"detection": {"failed_deliveries": 3}}
    core = cores.start()
    send_fails(cores, core)
    send_fails(cores, core)
    cores.crash(1)
    core = cores.start()
    assert cores.trail("recovery.opened") == []
    send_fails(cores, core)
    assert len(cores.trail("recovery.opened")) == 1
    cores.machine.run(core.connection_restored, "agents|queue")
    assert cores.system.ports.journal.policies() == {}


def test_a_suspected_pool_is_recorded_once(cores):
    """By two cores, and as cleared by the second one, although it was healthy again before that began."""
    cores.config = {"detection": {"resource_probe": 5}}
    cores.system.available["gpu"] = 1
    cores.start()
    cores.crash(7)
    cores.start()
    cores.until(20)
    cores.machine.cut_power()
    cores.system.available["gpu"] = 4
    cores.start()
    cores.until(30)
    assert cores.trail("resource.") == [(5, "resource.suspected"), (25, "resource.cleared")]


def test_a_stalled_task_of_an_escalated_agent_is_not_reported_again(cores):
    cores.config = {"detection": {"stalled_after": 12}, "conditions": {"agent_failure": None}, "unconditional_tries": 1}
    cores.system.submit("task.1")
    cores.system.start("task.1")
    cores.system.raises["restart"] = ConnectionError("no route to host")
    stalled = Symptom("task_progress", "stalled", "task.1")
    journal = cores.system.ports.journal
    journal.keep(Incident(0, Failure(FailureKind.AGENT, "agent.0", 0.0, symptoms=(stalled,)), 0.0, outcome="by hand"))
    core = cores.start()
    cores.until(1)
    assert len(core.escalations) == 1
    for at in (5, 10, 15, 20, 25, 30):
        cores.until(at)
        cores.machine.run(core.heartbeat, "agent.0", {"task.1": 0.5})
    cores.crash(31)
    core = cores.start()
    for at in (35, 40, 45, 50, 55):
        cores.until(at)
        cores.machine.run(core.heartbeat, "agent.0", {"task.1": 0.5})
    assert cores.trail("task.stalled", "recovery.opened", "agent.cleared") == []


# ------------------------------------------------------------------------------------------- in a database
def test_a_recovery_and_its_budget_are_stored_in_one_transaction(database):
    """Neither is stored if one of them cannot be."""
    journal = SqlJournal(database, blocking=True)
    database.write(POLICIES.drop)
    journal.keep(Incident(0, failure_of("task.1"), 0.0), {"b": BudgetState("task_failure", 1.0)})
    assert journal.unfinished() == []
    database.write(POLICIES.create)
    assert database.read(lambda connection: connection.execute(select(POLICIES)).all()) == []


def test_a_task_that_fails_in_each_of_three_processes_has_its_retries_in_all(processes):
    processes.config = task_policy(max_retries=2, jitter="compounding", retry_delay=4)
    processes.system.failed("task.1")
    processes.report(processes.start(), "task.1")
    for _ in range(2):
        processes.until(processes.loop.time() + 20)
        processes.new_process(after=100)
        core = processes.start()
        fails_again(processes, core, 1)
    processes.until(30)
    assert granted(processes) == [4.0, 8.0]
    assert processes.system.store.status("task.1") is TaskStatus.ESCALATED
