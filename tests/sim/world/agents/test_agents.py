"""Agents: slots, crashes, hangs, restarts, and their held resources."""

from __future__ import annotations

import sim
from sim.simulation import Run
from tests.sim.world.stories import Recorded, recorded, scenario

PERFECT = {"recovery.detection.detector": "perfect"}
POOL = {"resources": {"gpu": {"units": 2}}, "tasks.needs": {"gpu": 1}}
GPU = "resources: {gpu: {units: 2}}\n"
CRASH = "faults: [{agent_crash: {targets: agent.0, at: 11s}}]\n"
"""One second after task 0 was delivered to it."""


def units(run: Run) -> list[Recorded]:
    """Allocations and releases."""
    return recorded(run, "resource.allocated", "resource.released")


def test_resources_of_a_crashed_agent_stay_allocated_until_the_core_releases_them() -> None:
    """The core restarts the agent (5 s), releases, and queues the task again."""
    run = sim.run(scenario(PERFECT | POOL | {"agents.restart_time": "5s"}, CRASH, agents=1))
    assert recorded(run, "agent.", "attempt.", "queue.entered", "resource.released", "task.completed") == [
        (10.0, "queue.entered", 0, -1, "submitted"),
        (10.0, "attempt.started", 0, 0, ""),
        (11.0, "agent.crashed", -1, 0, ""),
        (11.0, "attempt.interrupted", 0, 0, "agent_crash"),
        (11.0, "agent.suspected", -1, 0, ""),
        (16.0, "agent.restarted", -1, 0, ""),
        (16.0, "agent.cleared", -1, 0, ""),
        (16.0, "resource.released", 0, -1, ""),
        (16.0, "queue.entered", 0, -1, "reassigned"),
        (16.0, "attempt.started", 0, 0, ""),
        (19.0, "attempt.succeeded", 0, 0, ""),
        (19.0, "task.completed", 0, 0, ""),
        (19.0, "resource.released", 0, -1, ""),
    ]
    assert run.violations == ()


ONE_GPU = {"resources": {"gpu": {"units": 1}}, "tasks.needs": {"gpu": 1}}
ONE_GPU |= {"tasks.arrivals": {"interval": {"every": "1m"}}, "tasks.work": "30s", "tasks.count": None}
ONE_GPU |= {"recovery.conditions.task_failure": {"max_retries": 3, "retry_delay": "5m"}}
FAILURE = "faults: [{execution_failure: {targets: 1, at: 65s}}]\n"
"""A task of 30 s every minute, all with the same GPU; the first fails after 5 s and is retried 5 min later."""


def test_a_failed_attempt_returns_its_resources_before_the_retry_delay() -> None:
    """The GPU is free from 65 s on. The retry waits for it from 365 s to 390 s; no first attempt waits."""
    run = sim.run(scenario(ONE_GPU, FAILURE, agents=4, duration="15m"))
    assert [(time, event) for time, event, task, *_ in units(run) if task == 0] == [
        (60.0, "resource.allocated"),
        (65.0, "resource.released"),
        (390.0, "resource.allocated"),
        (420.0, "resource.released"),
    ]
    assert run.metrics["tasks.wait.max"] == 0.0
    assert run.metrics["resources.gpu.utilization"] == (5 + 14 * 30) / 900
    assert run.violations == ()


def test_a_retry_can_hold_its_resources_during_its_delay() -> None:
    """Held until release_resources at 365 s: the tasks of 120 s, 180 s and 240 s wait for it on the other agents."""
    values = ONE_GPU | {"tasks.retry_holds_resources": True}
    run = sim.run(scenario(values, FAILURE, agents=4, duration="15m"))
    assert [(time, event) for time, event, task, *_ in units(run) if task == 0][:2] == [
        (60.0, "resource.allocated"),
        (365.0, "resource.released"),
    ]
    assert run.metrics["tasks.wait.max"] == 365 - 120
    assert run.violations == ()


def test_a_blocked_attempt_returns_its_remaining_resources_before_the_retry_delay() -> None:
    """Of two units one fails at 12 s; the other one is free at once, or after the delay of 15 s."""
    values = PERFECT | {"tasks.needs": {"gpu": 2}, "tasks.work": "10s"}
    fault = GPU + "faults: [{resource_unavailable: {resource: gpu, units: 1, at: 12s, for: 10s}}]\n"
    released = {}
    for holds in (False, True):
        run = sim.run(scenario(values | {"tasks.retry_holds_resources": holds}, fault))
        released[holds] = [time for time, event, *_ in units(run) if event == "resource.released"]
    assert released == {False: [12.0, 12.0, 37.0], True: [12.0, 27.0, 37.0]}


def test_resources_of_a_crashed_agent_are_held_without_retry_holds_resources() -> None:
    """The key is about failed attempts on agents that run: after a crash nothing can be returned."""
    for holds in (False, True):
        values = PERFECT | POOL | {"agents.restart_time": "5s", "tasks.retry_holds_resources": holds}
        run = sim.run(scenario(values, CRASH, agents=1))
        assert [time for time, event, *_ in units(run) if event == "resource.released"] == [16.0, 19.0]


def test_a_crashed_agent_waiting_for_resources_gets_none() -> None:
    """Two attempts wait for the pool when their agent crashes: neither starts when units become free."""
    values = {"agents.slots": 3, "tasks.arrivals": {"burst": {"size": 3, "at": "10s"}}, "tasks.count": None}
    values |= {"resources": {"gpu": {"units": 4}}, "tasks.needs": {"gpu": 3}, "agents.restart_time": "50s"}
    run = sim.run(scenario(PERFECT | values, CRASH, duration="30s"))
    assert recorded(run, "attempt.", "resource.allocated") == [
        (10.0, "resource.allocated", 0, -1, ""),
        (10.0, "attempt.started", 0, 0, ""),
        (11.0, "attempt.interrupted", 0, 0, "agent_crash"),
    ]


def test_resources_of_a_crashed_redundant_attempt_are_released() -> None:
    """The slow copy crashes after the effect of the other one: no recovery will release its unit."""
    values = PERFECT | POOL | {"queue.duplication": 1.0, "tasks.checkpoint": {"every": "1s"}}
    crash = "faults: [{agent_hang: {targets: agent.1, at: 11s}}, {agent_crash: {targets: agent.1, at: 20s}}]\n"
    run = sim.run(scenario(values | {"recovery.detection.detector": "heartbeat"}, crash, agents=2))
    assert recorded(run, "task.completed") == [(13.0, "task.completed", 0, 0, "")]
    assert [(time, event) for time, event, *_ in units(run)][-1] == (20.0, "resource.released")
    assert run.violations == ()


def test_a_lease_that_expires_before_detection_leaks_no_resources() -> None:
    """The lease expires and the other agent completes the task before the crash is detected."""
    values = POOL | {"queue.ack_timeout": "4s", "recovery.detection.heartbeat_interval": "20s"}
    run = sim.run(scenario(values, CRASH, agents=2))
    assert units(run) == [
        (10.0, "resource.allocated", 0, -1, ""),
        (14.0, "resource.released", 0, -1, ""),
        (14.0, "resource.allocated", 0, -1, ""),
        (17.0, "resource.released", 0, -1, ""),
    ]
    assert run.violations == ()


def test_a_hung_agent_continues_its_work_afterwards() -> None:
    """1 s of work before, 10 s of nothing, 2 s of work after."""
    patient = {"recovery.detection.heartbeat_interval": "50s"}
    run = sim.run(scenario(patient, "faults: [{agent_hang: {at: 11s, for: 10s}}]\n"))
    assert recorded(run, "agent.", "attempt.") == [
        (10.0, "attempt.started", 0, 0, ""),
        (11.0, "agent.hung", -1, 0, ""),
        (21.0, "agent.woke", -1, 0, ""),
        (23.0, "attempt.succeeded", 0, 0, ""),
    ]


def test_a_zombie_is_fenced_and_the_task_has_one_effect() -> None:
    """The core cannot restart the unreachable agent, and reassigns its task; then the agent resumes."""
    faults = (
        "faults: [{agent_hang: {targets: agent.0, at: 11s, for: 20s}},"
        " {partition: {between: [agent.0, core], at: 11s, for: 5s}}]\n"
    )
    run = sim.run(scenario(PERFECT | {"tasks.work": "30s", "agents.restart_time": "1s"}, faults, agents=2))
    assert len(recorded(run, "task.completed")) == 1
    assert run.violations == ()

    late = {"tasks.work": "30s", "queue.ack_timeout": "5s", "recovery.detection.heartbeat_interval": "50s"}
    run = sim.run(scenario(late, "faults: [{agent_hang: {targets: agent.0, at: 11s, for: 20s}}]\n", agents=2))
    assert recorded(run, "task.completed", "attempt.refused") == [
        (45.0, "task.completed", 0, 1, ""),
        (60.0, "attempt.refused", 0, 0, "commit"),
    ]
    assert run.violations == ()


def test_messages_to_a_hung_agent_are_read_when_it_resumes() -> None:
    """The delivery takes 2 s and finds it hung."""
    patient = {"recovery.detection.heartbeat_interval": "50s", "queue.latency": "2s"}
    run = sim.run(scenario(patient, "faults: [{agent_hang: {at: 11s, for: 10s}}]\n"))
    assert [row[:2] for row in recorded(run, "attempt.")] == [(21.0, "attempt.started"), (24.0, "attempt.succeeded")]


def test_a_hung_agent_is_skipped_when_units_become_free() -> None:
    """Task 1 waits at the hung agent; task 2, behind it, gets the units, and task 1 requests them again later."""
    values = {"resources": {"gpu": {"units": 1}}, "tasks.needs": {"gpu": 1}, "tasks.work": "6s"}
    values |= {"tasks.arrivals": {"burst": {"size": 3, "at": "10s"}}, "tasks.count": None}
    values |= {"recovery.detection.heartbeat_interval": "50s"}
    hang = "faults: [{agent_hang: {targets: agent.1, at: 11s, for: 9s}}]\n"
    run = sim.run(scenario(values, hang, agents=3))
    assert [(time, task) for time, _, task, _, _ in recorded(run, "attempt.started")] == [
        (10.0, 0),
        (16.0, 2),
        (22.0, 1),
    ]
    assert run.violations == ()


def test_a_hung_agent_reports_its_failed_units_when_it_resumes() -> None:
    """It cannot report before."""
    faults = (
        "faults: [{agent_hang: {at: 11s, for: 5s}},"
        " {resource_unavailable: {resource: gpu, units: 2, at: 12s, for: 20s}}]\n"
    )
    values = {"tasks.needs": {"gpu": 1}, "recovery.detection.heartbeat_interval": "50s"}
    run = sim.run(scenario(values, GPU + faults))
    assert recorded(run, "attempt.interrupted", "recovery.opened") == [
        (16.0, "attempt.interrupted", 0, 0, "resource_unavailable"),
        (16.0, "recovery.opened", 0, -1, "resource_failure"),
    ]


def test_an_attempt_waiting_at_a_zombie_starts_once() -> None:
    """The zombie resumes past its deadline and is rejected; its released units go to the waiters."""
    values = {"agents.slots": 2, "tasks.work": "30s", "tasks.timeout": "20s", "queue.ack_timeout": "5s"}
    values |= {"tasks.arrivals": {"interval": {"every": "1s"}}, "recovery.detection.heartbeat_interval": "50s"}
    values |= {"resources": {"gpu": {"units": 2}}, "tasks.needs": {"gpu": 1}}
    hang = "faults: [{agent_hang: {targets: agent.0, at: 3500ms, for: 19500ms}}]\n"
    run = sim.run(scenario(values, hang, agents=2, count=3, duration="42500ms"))
    assert [row for row in recorded(run, "attempt.") if row[3] == 0] == [
        (1.0, "attempt.started", 0, 0, ""),
        (23.0, "attempt.timed_out", 0, 0, "timeout"),
        (23.0, "attempt.refused", 0, 0, "failure"),
        (42.0, "attempt.started", 2, 0, ""),
    ]


def test_restart_slots_limit_concurrent_restarts() -> None:
    """Three agents, 5 s each, one at a time or all together."""
    crash = "faults: [{agent_crash: {targets: all, at: 10s}}]\n"
    values = PERFECT | {"agents.count": 3, "agents.restart_time": "5s"}
    one = sim.run(scenario(values | {"agents.restart_slots": 1}, crash))
    assert [time for time, *_ in recorded(one, "agent.restarted")] == [15.0, 20.0, 25.0]
    free = sim.run(scenario(values, crash))
    assert [time for time, *_ in recorded(free, "agent.restarted")] == [15.0, 15.0, 15.0]


def test_a_retry_can_hold_its_slot_while_it_waits() -> None:
    """The slot is kept for 30 s: task 1 goes before or after the retry of task 0."""
    values = {"tasks.arrivals": {"burst": {"size": 2, "at": "10s"}}, "tasks.count": None}
    fault = "faults: [{execution_failure: {targets: task.0, at: 12s}}]\n"
    order = {}
    for holds in (False, True):
        run = sim.run(scenario(values | {"tasks.retry_holds_agent": holds}, fault))
        order[holds] = [(time, task) for time, _, task, _, _ in recorded(run, "attempt.started")]
    assert order == {False: [(10.0, 0), (12.0, 1), (42.0, 0)], True: [(10.0, 0), (42.0, 0), (45.0, 1)]}


def test_a_slot_held_for_a_retry_is_freed_when_the_task_completes_elsewhere() -> None:
    """Its copy succeeds while the retry waits: the agent that kept a slot takes the next task."""
    values = {"queue.duplication": 1.0, "tasks.retry_holds_agent": True, "tasks.count": 2}
    values |= {"tasks.arrivals": {"interval": {"every": "10s"}}}
    fault = "faults: [{execution_failure: {targets: 1, at: 12s}}]\n"
    run = sim.run(scenario(values, fault, agents=2))
    assert recorded(run, "task.completed")[0][0] == 13.0
    assert sorted(agent for _, _, task, agent, _ in recorded(run, "attempt.started") if task == 1) == [0, 1]


def test_a_slot_held_by_a_crashed_agent_is_lost() -> None:
    """The retry goes to any free agent."""
    values = PERFECT | {"tasks.retry_holds_agent": True, "agents.restart_time": "5s"}
    faults = "faults: [{execution_failure: {targets: task.0, at: 12s}}, {agent_crash: {targets: agent.0, at: 20s}}]\n"
    run = sim.run(scenario(values, faults, agents=2))
    assert [(time, agent) for time, _, _, agent, _ in recorded(run, "attempt.started")] == [(10.0, 0), (42.0, 1)]
