"""A core continues from the journal of an earlier core."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from recovery import RecoveryEngine, Supervisor
from recovery.engine.resumption import next_step
from recovery.journal import Journal, MemoryJournal
from recovery.model import FailureKind, Incident, TaskStatus
from recovery.stores import PlainTaskStore
from recovery.stores.memory import MemoryTaskStore
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore
from sim.loop import SimLoop
from sim.loop.machine import Machine
from tests.recovery.conftest import database_of
from tests.recovery.small_system import SmallSystem, failure_of


# ----------------------------------------------------------------------------- cores, one after another
class Cores:
    """Cores over one small system and one journal, on machines that lose their power."""

    def __init__(self, store: PlainTaskStore, journal: Journal) -> None:
        self.system = SmallSystem(store)
        self.system.ports = replace(self.system.ports, journal=journal)
        self.config: dict = {}
        self.loop = SimLoop()
        self.machine = Machine(self.loop)
        self.core: Supervisor | None = None

    def start(self, engine: type[RecoveryEngine] = RecoveryEngine) -> Supervisor:
        self.machine = Machine(self.loop)
        core = Supervisor(self.config, self.system.ports, engine(self.config, self.system.ports))
        self.loop.run_until_complete(self.machine.run(self.loop.create_task, core.start()))
        return core

    def report(self, core: Supervisor, *subjects: str, kind: FailureKind = FailureKind.TASK) -> None:
        for subject in subjects:
            self.machine.run(core.report, replace(failure_of(subject, kind), at=self.loop.time()))

    def until(self, seconds: float) -> None:
        self.loop.env.run(until=seconds)

    def crash(self, at: float) -> None:
        self.until(at)
        self.machine.cut_power()

    def trail(self, *events: str) -> list[tuple[float, str]]:
        return [(at, words) for at, _, words in self.system.timed_trail if words.startswith(events)]


@pytest.fixture(params=["memory", "sqlite"])
def cores(request):
    database = database_of(request.param, request)
    if database is None:
        made = Cores(MemoryTaskStore(), MemoryJournal())
    else:
        made = Cores(SqlTaskStore(database), SqlJournal(database, blocking=True))
    made.config = {"conditions": {"task_failure": {"max_retries": 3, "retry_delay": 10}}}
    yield made
    made.loop.abandon()


def test_a_granted_delay_continues_and_is_not_granted_again(cores):
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.crash(4)
    cores.until(6)
    cores.start()
    cores.until(20)
    assert cores.trail("core", "recovery.taken_up", "retry.granted", "recovery.started", "recovery.verified") == [
        (0, "retry.granted task_failure"),
        (6, "core.started"),
        (6, "recovery.taken_up granted"),
        (10, "recovery.started"),
        (10, "recovery.verified"),
    ]
    assert cores.system.store.retries("task.1", FailureKind.TASK) == 1


def test_an_elapsed_delay_is_not_repeated(cores):
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.crash(4)
    cores.until(60)
    cores.start()
    cores.until(61)
    assert cores.trail("recovery.verified") == [(60, "recovery.verified")]


@pytest.mark.parametrize(
    ("slow", "again"),
    [
        ("release", ["release", "enqueue"]),  # it was in progress: its result is unknown
        ("enqueue", ["enqueue"]),  # what was done before it is not done again
    ],
)
def test_completed_steps_are_not_repeated(cores, slow, again):
    cores.system.failed("task.1", gpu=1)
    cores.system.pauses[slow] = 5
    cores.report(cores.start(), "task.1")
    cores.crash(12)
    cores.system.pauses.clear()
    calls = len(cores.system.calls)
    cores.start()
    cores.until(20)
    assert [call[0] for call in cores.system.calls[calls:] if call[0] != "stop_attempts"] == again
    assert cores.trail("recovery.verified") == [(12, "recovery.verified")]
    assert cores.system.queue == ["task.1"]


def test_a_started_step_is_checked_again_when_the_task_has_changed(cores):
    """An attempt has started since the fence: it owns its resources."""
    cores.system.failed("task.1", gpu=1)
    cores.system.pauses["enqueue"] = 5
    cores.report(cores.start(), "task.1")
    cores.crash(12)
    cores.system.queue.append("task.1")
    cores.system.start("task.1", "agent.1")
    cores.start()
    cores.until(20)
    assert [words for _, words in cores.trail("recovery.")][-2:] == [
        "recovery.taken_up executing",
        "recovery.dismissed task_runs",
    ]
    assert cores.system.held["task.1"] == {"gpu": 1}


def test_an_agent_started_while_the_core_was_down_counts_as_restarted(cores):
    """So its tasks are taken over, though it answers."""
    cores.system.submit("task.1")
    cores.system.start("task.1")
    cores.system.up["agent.0"] = False
    cores.system.pauses["restart"] = 5
    cores.report(cores.start(), "agent.0", kind=FailureKind.AGENT)
    cores.crash(2)
    cores.system.up["agent.0"] = True
    cores.start()
    cores.until(20)
    assert cores.trail("recovery.verified") == [(2, "recovery.verified")]
    assert cores.system.queue == ["task.1"]


def test_a_task_that_failed_while_the_core_was_down_is_found(cores):
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.crash(1)
    cores.system.failed("task.2")
    cores.system.failed("task.3", TaskStatus.BLOCKED)
    cores.start()
    entries = cores.system.audit.entries
    opened = [(each.incident, each.subject, each.detail) for each in entries if each.event == "recovery.opened"]
    assert opened == [
        (0, "task.1", "task_failure"),
        (1, "task.2", "task_failure"),
        (2, "task.3", "resource_failure"),
    ]


def test_a_task_that_failed_again_gets_a_second_recovery(cores):
    """Steps for the first failure do not count for the second: all steps are repeated, starting with the fence."""
    cores.system.failed("task.1", gpu=1)
    cores.system.pauses["enqueue"] = 5
    cores.report(cores.start(), "task.1")
    cores.crash(12)
    cores.system.queue.append("task.1")
    cores.system.start("task.1")
    cores.system.fail("task.1")
    cores.system.pauses.clear()
    calls = len(cores.system.calls)
    cores.start()
    cores.until(40)
    assert [call[0] for call in cores.system.calls[calls:]] == ["stop_attempts", "release", "enqueue"]
    assert [entry.value for entry in cores.system.audit.entries if entry.event == "task.fenced"] == [1, 2]
    assert cores.system.store.status("task.1") is TaskStatus.QUEUED
    assert cores.system.queue == ["task.1"]


def test_an_allocation_that_is_no_longer_held_is_repeated(cores):
    """It was given back while there was no core; a task that went on would hold nothing."""
    cores.system.failed("task.1", TaskStatus.BLOCKED, gpu=1)
    cores.system.available["gpu"] = 3
    cores.system.pauses["resume"] = 5
    cores.report(cores.start(), "task.1", kind=FailureKind.RESOURCE)
    cores.crash(2)
    cores.system.held.clear()
    cores.system.pauses.clear()
    cores.start()
    cores.until(20)
    assert cores.system.held == {"task.1": {"gpu": 1}}
    assert cores.trail("recovery.verified") == [(2, "recovery.verified")]


class OfAnAgent:
    """An agent that has died with tasks, of which the takeover is cut short."""

    def __init__(self, cores: Cores, *, max_retries: int | None, slow: str) -> None:
        condition = None if max_retries is None else {"max_retries": max_retries, "retry_delay": 0}
        cores.config["conditions"] = {"agent_failure": condition}
        for number in (1, 2):
            cores.system.submit(f"task.{number}")
            cores.system.start(f"task.{number}")
        cores.system.up["agent.0"] = False
        self.seen = 0

        def pause() -> None:
            self.seen += 1
            cores.system.pauses[slow] = 0 if self.seen == 1 else 5

        cores.system.before[slow] = pause
        cores.config["parallel"] = 1
        cores.report(cores.start(), "agent.0", kind=FailureKind.AGENT)
        cores.crash(2)
        cores.system.pauses.clear()
        cores.system.before.clear()


def test_a_completed_takeover_is_not_repeated(cores):
    """The same agent has the first task again; the second one, whose takeover was interrupted, is taken over."""
    OfAnAgent(cores, max_retries=None, slow="enqueue")
    cores.system.start("task.1")
    calls = len(cores.system.calls)
    cores.start()
    cores.until(20)
    assert [call[:2] for call in cores.system.calls[calls:] if call[0] == "enqueue"] == [("enqueue", "task.2")]
    assert cores.system.running == {"task.1": "agent.0"}


def test_a_takeover_in_progress_has_counted_its_retry(cores):
    OfAnAgent(cores, max_retries=3, slow="enqueue")
    cores.start()
    cores.until(20)
    assert [cores.system.store.retries(f"task.{number}", FailureKind.AGENT) for number in (1, 2)] == [1, 1]


def test_an_interrupted_escalation_is_completed(cores):
    """It has its status already, and the system still keeps it."""
    OfAnAgent(cores, max_retries=0, slow="give_up")
    assert cores.system.store.status("task.2") is TaskStatus.ESCALATED
    calls = len(cores.system.calls)
    cores.start()
    cores.until(20)
    assert [call[:2] for call in cores.system.calls[calls:] if call[0] == "give_up"] == [("give_up", "task.2")]


def test_a_task_that_continues_during_the_analysis_is_no_failure(cores):
    cores.system.failed("task.1")
    cores.report(cores.start(), "task.1")
    cores.crash(1)
    cores.system.failed("task.2")
    cores.system.before["inspect"] = lambda: cores.system.store.requeue("task.2")
    cores.start()
    cores.until(5)
    assert [each.subject for each in cores.system.audit.entries if each.event == "recovery.opened"] == ["task.1"]


def test_the_next_step_is_the_interrupted_one_or_the_following():
    failure = failure_of("task.1")
    assert next_step(Incident(0, failure, 0.0)) == 0
    assert next_step(Incident(0, failure, 0.0, reached=1, under_way=True)) == 1
    assert next_step(Incident(0, failure, 0.0, reached=1)) == 2


def test_an_interrupted_hand_over_is_completed(cores):
    cores.config["conditions"] = {"task_failure": {"max_retries": 0, "retry_delay": 1}}
    cores.system.failed("task.1", gpu=1)
    cores.system.pauses["give_up"] = 5
    cores.report(cores.start(), "task.1")
    cores.crash(2)
    core = cores.start()
    cores.until(20)
    assert cores.trail("recovery.escalated", "retry.exhausted") == [
        (0, "retry.exhausted task_failure"),
        (7, "recovery.escalated retries exhausted"),
    ]
    assert [(each.failure.subject, each.cause) for each in core.escalations] == [("task.1", "retries exhausted")]
    assert cores.system.held == {}


class EscalatedAgent:
    """The incident of an agent that cannot be restarted is escalated, and the core ends meanwhile.

    By then task.1 is given up, task.2 is given up in the store alone, and task.3 is not looked at.
    """

    def __init__(self, cores: Cores) -> None:
        conditions = {"agent_failure": {"max_retries": 0, "retry_delay": 0}}
        cores.config = {"conditions": conditions, "unconditional_tries": 1, "parallel": 1}
        for number in (1, 2, 3):
            cores.system.submit(f"task.{number}", gpu=1)
            cores.system.start(f"task.{number}")
        cores.system.up["agent.0"] = False
        cores.system.raises["restart"] = ConnectionError("no route to host")
        cores.system.before["give_up"] = lambda: cores.system.pauses.update(give_up=5 if given_up(cores) else 0)
        cores.report(cores.start(), "agent.0", kind=FailureKind.AGENT)
        cores.crash(2)
        cores.system.before.clear()
        cores.system.pauses.clear()
        self.calls_before = len(cores.system.calls)


def given_up(cores: Cores) -> list[str]:
    return [call[1] for call in cores.system.calls if call[0] == "give_up"][:-1]


def test_a_core_that_continues_an_escalation_applies_the_retry_condition(cores):
    """Tasks without a retry are given up, including one that the earlier core had given up only in the store."""
    before = EscalatedAgent(cores).calls_before
    assert cores.system.store.status("task.2") is TaskStatus.ESCALATED
    cores.start()
    cores.until(20)
    assert [call[:2] for call in cores.system.calls[before:]] == [("give_up", "task.2"), ("give_up", "task.3")]
    assert cores.system.held == {}
    assert cores.trail("recovery.escalated") == [(2, "recovery.escalated retries exhausted")]


def test_a_core_that_continues_an_escalation_keeps_the_load_limit(cores):
    before = EscalatedAgent(cores).calls_before
    cores.config["load"] = {"rate": 0.1, "burst": 1}
    cores.start()
    cores.until(3)
    assert [call[:2] for call in cores.system.calls[before:]] == [("give_up", "task.2")]
    cores.until(13)
    assert [call[:2] for call in cores.system.calls[before:]] == [("give_up", "task.2"), ("give_up", "task.3")]


def test_escalations_survive_a_change_of_core(cores):
    cores.config["conditions"] = {"task_failure": {"max_retries": 0, "retry_delay": 1}}
    first = cores.start()
    for number in (1, 2, 3):
        cores.system.failed(f"task.{number}")
        cores.report(first, f"task.{number}")
    cores.until(1)
    first.escalations.acknowledge(1, "ann")
    first.escalations.resolve(2, "bob", "by hand")
    cores.crash(2)
    core = cores.start()
    assert [(each.incident, each.acknowledged_by) for each in core.escalations] == [(0, None), (1, "ann")]
    assert [(each.incident, each.note) for each in core.escalations.resolved] == [(2, "by hand")]


def test_a_suspected_agent_is_cleared_by_a_heartbeat_and_suspected_once(cores):
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    cores.system.up["agent.0"] = False
    cores.system.pauses["restart"] = 100
    cores.crash(20)
    core = cores.start()
    cores.machine.run(core.watch, "agent.0")
    cores.until(60)
    cores.machine.run(cores.loop.call_soon, core.heartbeat, "agent.0")
    cores.until(62)
    assert cores.trail("agent.") == [(15, "agent.suspected"), (60, "agent.cleared")]


class Cheat(RecoveryEngine):
    """Puts the task back when its work is cut short, which a core that has lost its power cannot do."""

    async def _verify_recovery(self, incident):
        try:
            await asyncio.sleep(50)
        except BaseException:
            self.system.store.escalate(incident.failure.subject, "except")
            raise
        finally:
            self.system.store.escalate(incident.failure.subject, "finally")
        return True


def test_a_power_cut_runs_no_except_or_finally_block(cores):
    cores.system.failed("task.1")
    cores.report(cores.start(Cheat), "task.1")
    cores.crash(20)
    cores.until(200)
    assert cores.system.store.status("task.1") is TaskStatus.QUEUED


def test_a_stopped_core_leaves_its_recoveries_to_the_next(cores):
    cores.system.failed("task.1")
    core = cores.start()
    cores.report(core, "task.1")
    cores.until(1)
    cores.loop.run_until_complete(core.stop())
    cores.start()
    cores.until(20)
    assert cores.trail("recovery.verified") == [(10, "recovery.verified")]


@pytest.mark.parametrize("subject", ["task.1", "task.2", "task.9"])
def test_a_finished_recovery_is_not_resumed(cores, subject):
    """Verified, dismissed because the task is queued, and dismissed because the task is unknown."""
    core = cores.start()
    cores.system.failed("task.1")
    cores.system.submit("task.2")
    cores.report(core, subject)
    cores.until(20)
    assert len(cores.trail("recovery.verified", "recovery.dismissed")) == 1
    assert cores.system.ports.journal.unfinished() == []


def test_a_manual_recovery_is_not_continued(cores):
    cores.system.failed("task.1")
    cores.system.pauses["enqueue"] = 5
    engine = RecoveryEngine({}, cores.system.ports)
    cores.machine.run(cores.loop.create_task, engine.recover_task("task.1", {}))
    cores.crash(2)
    assert cores.system.ports.journal.unfinished() == []
