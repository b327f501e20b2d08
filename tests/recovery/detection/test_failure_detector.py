"""Detection beside heartbeats: stalled progress, failed sends, unhealthy pools."""

import asyncio

import pytest
from pydantic import ValidationError

from recovery import Supervisor
from recovery.config import DetectionConfig
from recovery.detection.failed_deliveries import FailedDeliveryDetector
from recovery.detection.failure_detector import regular_heartbeat_timeout
from recovery.detection.stalled_tasks import StalledTaskDetector
from recovery.model import FailureKind, TaskStatus
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import short, supervise


# --------------------------------------------------------------------------------------------- regular heartbeats
@pytest.mark.parametrize(
    ("detection", "accepted"),
    [
        ({}, True),
        ({"stalled_after": "19s"}, False),  # the progress in each heartbeat counts
        ({"detector": "phi_accrual"}, False),  # each interval counts
        ({"poll": "1s"}, False),
        ({"detector": "perfect"}, False),
    ],
)
def test_heartbeats_that_change_nothing_need_not_be_reported(detection, accepted):
    """Until they end, at 100 s: with the timeout of three intervals, the agent is suspected 15 s after the last one."""
    system, answers = SmallSystem(), []

    async def story(supervisor: Supervisor) -> None:
        supervisor.watch("agent.1")
        answers.append(supervisor.regular_heartbeats("agent.1", 5.0, lambda: 100.0))
        if answers[0]:
            await asyncio.sleep(100)
            supervisor.regular_heartbeats_end("agent.1")
            await asyncio.sleep(20)

    supervise(system, story, detection=detection)
    assert answers == [accepted]
    if accepted:
        assert short(system, "agent.suspected") == [(115.0, "agent.suspected")]


# ------------------------------------------------------------------------------------------------------ progress
def stalled(*beats: tuple[float, dict[str, float]], after: float = 9.0) -> list[tuple[float, str, tuple[str, ...]]]:
    """The tasks of an agent with these heartbeats that are reported as stalled."""
    alarms, now = [], 0.0
    watch = StalledTaskDetector(after, lambda agent, tasks: alarms.append((now, agent, tasks)))
    for at, progress in beats:
        now = at
        watch.beat("a", progress, at)
    return alarms


def test_a_progressing_task_is_never_stalled():
    assert stalled(*((float(at), {"t": at / 100}) for at in range(0, 1000, 5))) == []


def test_a_task_is_stalled_after_unchanged_progress_for_the_limit():
    beats = [(float(at), {"t": min(at, 7.0)}) for at in range(0, 21, 5)]
    assert stalled(*beats) == [(20.0, "a", ("t",))]


def test_a_stall_is_reported_once_until_progress_resumes():
    beats = [(float(at), {"t": 1.0 if at < 60 else 2.0}) for at in range(0, 101, 5)]
    assert [at for at, *_ in stalled(*beats)] == [10.0, 70.0]


def test_a_dismissed_stall_is_reported_again_after_the_same_time():
    alarms = []
    watch = StalledTaskDetector(9.0, lambda agent, tasks: alarms.append(now))
    for now in range(0, 41, 5):
        watch.beat("a", {"t": 1.0}, now)
        if now == 15:
            watch.again("a", now)
    assert alarms == [10, 25]


def test_a_task_missing_from_a_heartbeat_is_not_running():
    beats = [(0.0, {"t": 1.0}), (5.0, {}), (10.0, {"t": 1.0}), (15.0, {"t": 1.0}), (20.0, {"t": 1.0})]
    assert [at for at, *_ in stalled(*beats)] == [20.0]


def test_only_the_stalled_tasks_of_an_agent_are_reported():
    beats = [(float(at), {"s": 1.0, "t": 2.0, "u": float(at)}) for at in range(0, 11, 5)]
    assert stalled(*beats) == [(10.0, "a", ("s", "t"))]


def test_a_restarted_task_counts_as_progress():
    beats = [(0.0, {"t": 7.0}), (5.0, {"t": 7.0}), (9.0, {"t": 0.0}), (15.0, {"t": 0.0})]
    assert stalled(*beats) == []


def test_agents_are_tracked_separately_and_can_be_removed():
    alarms = []
    watch = StalledTaskDetector(9.0, lambda agent, tasks: alarms.append(agent))
    for at in (0.0, 5.0, 10.0):
        watch.beat("a", {"t": 1.0}, at)
        watch.beat("b", {"t": 1.0}, at)
        if at == 5.0:
            watch.forget("b")
    assert alarms == ["a"]


def test_an_agent_with_heartbeats_but_no_progress_is_restarted():
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1", "agent.1")
    system.up["agent.1"] = False  # no response to a probe, although it sends heartbeats

    async def story(supervisor: Supervisor) -> None:
        supervisor.watch("agent.1")
        for _ in range(8):
            supervisor.heartbeat("agent.1", {"task.1": 3.0})
            await asyncio.sleep(5)

    supervise(system, story, detection={"stalled_after": "19s"})
    assert short(system, "task.stalled", "recovery.analyzed") == [
        (20.0, "task.stalled agent.1"),
        (20.0, "recovery.analyzed system_failures.agent_failure"),
    ]
    assert system.queue == ["task.1"]
    assert "agent.suspected" not in system.trail


def test_a_responding_agent_with_a_slow_task_is_not_restarted():
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1", "agent.1")

    async def story(supervisor: Supervisor) -> None:
        supervisor.watch("agent.1")
        for _ in range(12):
            supervisor.heartbeat("agent.1", {"task.1": 3.0})
            await asyncio.sleep(5)

    supervise(system, story, detection={"stalled_after": "19s"})
    assert short(system, "recovery.dismissed") == [(at, "recovery.dismissed agent_responds") for at in (20.0, 40.0)]
    assert system.calls == []


def test_time_under_suspicion_is_not_a_stall():
    """The agent returns at 30 s with unchanged progress: time under suspicion does not count."""
    system = SmallSystem()

    async def story(supervisor: Supervisor) -> None:
        supervisor.watch("agent.1")
        supervisor.heartbeat("agent.1", {"task.1": 3.0})
        await asyncio.sleep(30)
        supervisor.heartbeat("agent.1", {"task.1": 3.0})
        await asyncio.sleep(10)

    supervise(system, story, detection={"stalled_after": "19s"})
    assert short(system, "agent.suspected", "task.stalled") == [(15.0, "agent.suspected")]


def test_progress_is_ignored_unless_configured():
    system = SmallSystem()

    async def story(supervisor: Supervisor) -> None:
        supervisor.watch("agent.1")
        for _ in range(50):
            supervisor.heartbeat("agent.1", {"task.1": 3.0})
            await asyncio.sleep(5)

    supervise(system, story)
    assert system.trail == []


# ---------------------------------------------------------------------------------------------------- deliveries
def test_the_first_failed_send_is_reported_unless_some_are_tolerated():
    assert FailedDeliveryDetector().failed("a|b")
    watch = FailedDeliveryDetector(tolerated=2)
    assert [watch.failed("a|b") for _ in range(4)] == [False, False, True, True]


def test_a_successful_send_resets_the_count_of_its_connection_only():
    watch = FailedDeliveryDetector(tolerated=1)
    assert not watch.failed("a|b")
    assert not watch.failed("a|c")
    watch.restored("a|b")
    assert not watch.failed("a|b")
    assert watch.failed("a|c")


@pytest.mark.parametrize(("failed_deliveries", "opened"), [(1, 1.0), (3, 3.0)])
def test_a_connection_is_reported_with_the_nth_send_that_fails(failed_deliveries, opened):
    system = SmallSystem()
    system.broken_links.append(("agents", "queue"))

    async def story(supervisor: Supervisor) -> None:
        for _ in range(4):
            await asyncio.sleep(1)
            if system.broken_links:
                supervisor.delivery_failed("agents|queue", ("agents", "queue"), ("queue",), 1.0)

    supervise(system, story, detection={"failed_deliveries": failed_deliveries})
    assert short(system, "recovery.opened", "recovery.verified") == [
        (opened, "recovery.opened communication_failure"),
        (opened, "recovery.verified"),
    ]


def test_a_connection_that_recovers_by_itself_is_not_reported():
    system = SmallSystem()

    async def story(supervisor: Supervisor) -> None:
        for _ in range(5):
            supervisor.delivery_failed("agents|queue", ("agents", "queue"), ("queue",), 0.0)
            supervisor.connection_restored("agents|queue")

    supervise(system, story, detection={"failed_deliveries": 2})
    assert system.trail == []


def test_a_stopped_supervisor_rejects_reports():
    supervisor = Supervisor({}, SmallSystem().ports)
    with pytest.raises(RuntimeError, match="does not run"):
        supervisor.delivery_failed("agents|queue", ("agents", "queue"), (), 0.0)
    supervisor.connection_restored("agents|queue")


# --------------------------------------------------------------------------------------------------------- pools
def blocked_task() -> SmallSystem:
    """A task that lost a unit, without a report."""
    system = SmallSystem()
    system.failed("task.7", TaskStatus.BLOCKED, gpu=2)
    system.held["task.7"] = {"gpu": 1}
    system.available["gpu"] = 3
    return system


async def half_a_minute(supervisor: Supervisor) -> None:
    await asyncio.sleep(30)


NO_DELAY = {"resource_failure": {"max_retries": 2, "retry_delay": 0}}


def test_a_pool_is_suspected_and_cleared_by_probes():
    system = SmallSystem()

    async def story(supervisor: Supervisor) -> None:
        await asyncio.sleep(12)
        system.available["gpu"] = 1
        await asyncio.sleep(15)
        system.available["gpu"] = 4
        await asyncio.sleep(10)

    supervise(system, story, detection={"resource_probe": "5s"})
    assert short(system, "resource.") == [(15.0, "resource.suspected"), (30.0, "resource.cleared")]
    assert [entry.value for entry in system.audit.entries if entry.event == "resource.suspected"] == [3.0]


def test_a_probe_finds_a_blocked_task_that_was_not_reported():
    system = blocked_task()
    supervise(system, half_a_minute, conditions=NO_DELAY, detection={"resource_probe": "10s"})
    assert short(system, "recovery.opened", "recovery.verified") == [
        (10.0, "recovery.opened resource_failure"),
        (10.0, "recovery.verified"),
    ]
    assert system.queue == ["task.7"]


def test_without_probes_a_blocked_task_is_not_found():
    system = blocked_task()
    supervise(system, half_a_minute, conditions=NO_DELAY)
    assert system.queue == []


def test_a_task_in_recovery_is_not_recovered_twice():
    system = blocked_task()

    async def story(supervisor: Supervisor) -> None:
        supervisor.report(failure_of("task.7", FailureKind.RESOURCE))
        await asyncio.sleep(40)

    conditions = {"resource_failure": {"max_retries": 2, "retry_delay": 25}}
    supervise(system, story, conditions=conditions, detection={"resource_probe": "10s"})
    assert short(system, "recovery.opened", "recovery.verified") == [
        (0.0, "recovery.opened resource_failure"),
        (25.0, "recovery.verified"),
    ]


def test_probes_skip_failed_running_and_unrelated_tasks():
    system = SmallSystem()
    system.units["cpu"] = system.available["cpu"] = 4
    system.failed("task.1", TaskStatus.FAILED, gpu=1)
    del system.held["task.1"]
    system.failed("task.2", TaskStatus.BLOCKED, cpu=1)
    system.submit("task.3", gpu=1)
    system.start("task.3", "agent.1")
    system.available["gpu"] = 3
    supervise(system, half_a_minute, conditions=NO_DELAY, detection={"resource_probe": "10s"})
    assert short(system, "recovery.") == []


def test_a_failed_probe_is_recorded_and_probing_continues():
    system = blocked_task()
    system.raises["inspect"] = TimeoutError("no answer")

    async def story(supervisor: Supervisor) -> None:
        await asyncio.sleep(15)
        del system.raises["inspect"]
        await asyncio.sleep(10)

    supervise(system, story, conditions=NO_DELAY, detection={"resource_probe": "10s"})
    assert short(system, "resource.probe_failed", "recovery.verified") == [
        (10.0, "resource.probe_failed TimeoutError: no answer"),
        (20.0, "recovery.verified"),
    ]


# ------------------------------------------------------------------------------------------------- configuration
def test_a_stall_limit_below_the_heartbeat_interval_is_rejected():
    with pytest.raises(ValidationError, match="stalled_after must be longer than heartbeat_interval"):
        DetectionConfig(heartbeat_interval=5, stalled_after=5)


def test_timeout_for_an_agent_with_regular_heartbeats():
    assert regular_heartbeat_timeout(DetectionConfig()) == 15.0
    assert regular_heartbeat_timeout(DetectionConfig(detector="perfect")) == 0.0
    assert regular_heartbeat_timeout(DetectionConfig(detector="phi_accrual")) == pytest.approx(5 + 5.612 * 1.25, 1e-3)


def test_a_supervisor_with_phi_accrual_adapts_to_the_heartbeat_rhythm():
    system = SmallSystem()
    system.up["agent.1"] = False

    async def story(supervisor: Supervisor) -> None:
        supervisor.watch("agent.1")
        for _ in range(20):
            supervisor.heartbeat("agent.1")
            await asyncio.sleep(1)
        await asyncio.sleep(30)

    supervise(system, story, detection={"detector": "phi_accrual", "heartbeat_interval": 1, "phi_window": 5})
    (at, _), *_ = short(system, "agent.suspected")
    assert at == pytest.approx(19 + 1 + 0.1 * 5.612, abs=1e-3)


def test_halted_tasks_are_read_from_the_store():
    system = SmallSystem()
    for number in range(4):
        system.failed(f"task.{number}", TaskStatus.BLOCKED if number % 2 else TaskStatus.FAILED)
    assert system.store.requeue("task.1")
    assert system.store.escalate("task.2", "given up")
    system.store.begin("task.3", "agent.1")
    assert system.store.halted() == ("task.0",)
