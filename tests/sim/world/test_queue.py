"""The queue: order, slots, capacity, leases, losses, duplicates, dead letters."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.simulation import Run
from sim.world.world import World
from tests.sim.world.stories import recorded, run_with, scenario, values

BURST = {"tasks.arrivals": {"burst": {"size": 3, "at": "10s"}}, "tasks.count": None}
"""Tasks 0, 1 and 2 at 10 s; each takes 3 s."""
PERFECT = {"recovery.detection.detector": "perfect"}


def deliveries(run: Run) -> list[tuple[float, int, int]]:
    """Time, task and agent of each delivery."""
    return [(time, task, agent) for time, _, task, agent, _ in recorded(run, "queue.delivered")]


def test_tasks_are_delivered_in_fifo_order() -> None:
    """One agent, one after the other."""
    assert deliveries(sim.run(scenario(BURST))) == [(10.0, 0, 0), (13.0, 1, 0), (16.0, 2, 0)]


def test_agents_are_served_round_robin() -> None:
    """The agent that has waited longest is next; an agent with another free slot moves to the end."""
    run = sim.run(scenario(BURST | {"agents.count": 2, "agents.slots": 2}))
    assert deliveries(run) == [(10.0, 0, 0), (10.0, 1, 1), (10.0, 2, 0)]


def test_an_agent_executes_as_many_tasks_as_it_has_slots() -> None:
    """Two concurrently, and the third when the first is done."""
    assert deliveries(sim.run(scenario(BURST | {"agents.slots": 2}))) == [(10.0, 0, 0), (10.0, 1, 0), (13.0, 2, 0)]


@pytest.mark.parametrize(("capacity", "rejected"), [(None, []), (1, [2]), (0, [1, 2])])
def test_tasks_beyond_the_capacity_are_rejected(capacity: int | None, rejected: list[int]) -> None:
    """Those in service do not count; with no room at all, only a free agent can take a task."""
    run = sim.run(scenario(BURST | {"queue.capacity": capacity}))
    assert [task for _, _, task, _, _ in recorded(run, "task.rejected")] == rejected


def test_a_delivery_has_the_queue_latency() -> None:
    """The work begins when the task has arrived, and the slot is taken meanwhile."""
    run = sim.run(scenario(BURST | {"queue.latency": "2s"}))
    assert [(time, task) for time, _, task, _, _ in recorded(run, "attempt.started")] == [
        (12.0, 0),
        (17.0, 1),
        (22.0, 2),
    ]


def test_an_expired_lease_causes_a_redelivery_with_one_effect() -> None:
    """The work takes 3 s, the lease 2 s: a second agent repeats the work without effect."""
    run = sim.run(scenario({"queue.ack_timeout": "2s"}, agents=2))
    assert recorded(run, "queue.", "attempt.", "task.completed") == [
        (10.0, "queue.entered", 0, -1, "submitted"),
        (10.0, "queue.delivered", 0, 0, ""),
        (10.0, "attempt.started", 0, 0, ""),
        (12.0, "queue.entered", 0, -1, "redelivery"),
        (12.0, "queue.delivered", 0, 1, ""),
        (12.0, "attempt.started", 0, 1, ""),
        (13.0, "attempt.succeeded", 0, 0, ""),
        (13.0, "task.completed", 0, 0, ""),
        (13.0, "queue.acked", 0, 0, ""),
        (15.0, "attempt.succeeded", 0, 1, ""),
        (15.0, "attempt.refused", 0, 1, "commit"),
        (15.0, "queue.acked", 0, 1, ""),
    ]
    assert run.violations == ()


def test_a_queued_redelivery_is_withdrawn_when_the_task_completes() -> None:
    """With one agent, the work is not repeated."""
    run = sim.run(scenario({"queue.ack_timeout": "2s"}))
    assert recorded(run, "queue.")[2:] == [
        (12.0, "queue.entered", 0, -1, "redelivery"),
        (13.0, "queue.withdrawn", 0, -1, "acknowledged"),
        (13.0, "queue.acked", 0, 0, ""),
    ]


def test_a_withdrawn_task_uses_no_capacity() -> None:
    """Task 0's second copy is withdrawn at 13 s: its place is free and the next queued task is delivered."""
    values = {"tasks.arrivals": {"interval": {"every": "4s"}}, "tasks.count": 4, "tasks.work": "3s"}
    run = sim.run(scenario(values | {"queue.ack_timeout": "2s", "queue.capacity": 1}))
    assert recorded(run, "task.rejected") == []
    assert deliveries(run) == [(4.0, 0, 0), (8.0, 1, 0), (12.0, 2, 0), (16.0, 3, 0)]


def test_the_lease_of_a_finished_task_never_expires() -> None:
    """Neither of one that was acknowledged, nor of one that the core has taken over."""
    done = sim.run(scenario({"queue.ack_timeout": "4s"}))
    assert [row[1:] for row in recorded(done, "queue.entered")] == [("queue.entered", 0, -1, "submitted")]
    failing = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": {"max_retries": 1}}
    failed = sim.run(scenario(failing | {"queue.ack_timeout": "4s"}))
    assert [(time, detail) for time, _, _, _, detail in recorded(failed, "queue.entered")] == [
        (10.0, "submitted"),
        (43.0, "retry"),
    ]


def test_a_lost_acknowledgement_costs_a_delivery_and_no_work() -> None:
    """Each acknowledgement is lost, and each time the agent finds the task done already."""
    run = sim.run(scenario({"queue.ack_loss": 1.0, "queue.ack_timeout": "10s"}, duration="35s"))
    assert recorded(run, "attempt.", "queue.ack_lost") == [
        (10.0, "attempt.started", 0, 0, ""),
        (13.0, "attempt.succeeded", 0, 0, ""),
        (13.0, "queue.ack_lost", 0, 0, ""),
        (20.0, "attempt.skipped", 0, 0, ""),
        (20.0, "queue.ack_lost", 0, 0, ""),
        (30.0, "attempt.skipped", 0, 0, ""),
        (30.0, "queue.ack_lost", 0, 0, ""),
    ]


def test_a_lost_delivery_frees_its_slot_and_waits_for_the_lease() -> None:
    """The loss is not detected before; others are served in the meantime."""
    run = sim.run(scenario({"queue.loss": 1.0, "queue.ack_timeout": "4s"}, duration="25s", count=2))
    assert recorded(run, "queue.delivered", "queue.delivery_lost", "attempt.started") == [
        (10.0, "queue.delivered", 0, 0, ""),
        (10.0, "queue.delivery_lost", 0, 0, ""),
        (14.0, "queue.delivered", 0, 0, ""),
        (14.0, "queue.delivery_lost", 0, 0, ""),
        (18.0, "queue.delivered", 0, 0, ""),
        (18.0, "queue.delivery_lost", 0, 0, ""),
        (20.0, "queue.delivered", 1, 0, ""),
        (20.0, "queue.delivery_lost", 1, 0, ""),
        (22.0, "queue.delivered", 0, 0, ""),
        (22.0, "queue.delivery_lost", 0, 0, ""),
        (24.0, "queue.delivered", 1, 0, ""),
        (24.0, "queue.delivery_lost", 1, 0, ""),
    ]


def test_a_lost_delivery_to_a_crashed_agent_frees_no_slot() -> None:
    """The agent has crashed in the meantime: it receives nothing before it is up again."""
    values = {"queue.latency": "2s", "queue.loss": 1.0, "agents.restart_time": "15s", **PERFECT}
    run = sim.run(scenario(values, "faults: [{agent_crash: {at: 11s}}]\n", count=2, duration="40s"))
    assert deliveries(run)[:2] == [(10.0, 0, 0), (26.0, 1, 0)]


def test_a_duplicate_is_a_normal_delivery() -> None:
    """It needs its own slot, and its work has no effect."""
    run = sim.run(scenario({"queue.duplication": 1.0}, agents=2))
    assert deliveries(run) == [(10.0, 0, 0), (10.0, 0, 1)]
    assert recorded(run, "task.completed", "attempt.refused") == [
        (13.0, "task.completed", 0, 0, ""),
        (13.0, "attempt.refused", 0, 1, "commit"),
    ]
    assert run.violations == ()


def test_a_duplicate_is_not_duplicated() -> None:
    """Even when every delivery is duplicated and all are lost: two deliveries, and those after the lease."""
    lost = {"queue.duplication": 1.0, "queue.loss": 1.0, "queue.ack_timeout": "40s"}
    run = sim.run(scenario(lost, agents=2, duration="80s"))
    assert [time for time, *_ in deliveries(run)] == [10.0, 10.0, 50.0, 50.0]


def test_a_task_beyond_max_deliveries_becomes_a_dead_letter() -> None:
    """Two deliveries and no more: it is an operator's, and so it is counted."""
    run = sim.run(scenario({"queue.loss": 1.0, "queue.ack_timeout": "4s", "queue.max_deliveries": 2}))
    assert recorded(run, "queue.dead_lettered", "task.failed") == [
        (18.0, "queue.dead_lettered", 0, -1, ""),
        (18.0, "task.failed", 0, -1, "dead_lettered"),
    ]
    assert run.metrics["tasks.failed"] == 1
    assert run.metrics["tasks.lost"] == 0


def test_a_dead_letter_stops_its_attempts() -> None:
    """The slow agent stops the attempt, and is free for the next task."""
    run = sim.run(scenario({"queue.ack_timeout": "2s", "queue.max_deliveries": 1}))
    assert recorded(run, "queue.dead_lettered", "attempt.") == [
        (10.0, "attempt.started", 0, 0, ""),
        (12.0, "queue.dead_lettered", 0, -1, ""),
        (12.0, "attempt.interrupted", 0, 0, "stopped"),
    ]


def test_a_completed_task_does_not_fail_as_a_dead_letter() -> None:
    """It has had its effect: only the message becomes a dead letter."""
    run = sim.run(scenario({"queue.ack_loss": 1.0, "queue.ack_timeout": "4s", "queue.max_deliveries": 1}))
    assert recorded(run, "task.", "queue.dead_lettered") == [
        (10.0, "task.submitted", 0, -1, ""),
        (13.0, "task.completed", 0, 0, ""),
        (14.0, "queue.dead_lettered", 0, -1, ""),
    ]
    assert run.violations == ()


@pytest.mark.parametrize(("requeue", "order"), [("tail", [0, 1, 2, 0]), ("head", [0, 1, 0, 2])])
def test_a_retried_task_rejoins_the_queue_at_the_configured_end(requeue: str, order: list[int]) -> None:
    """Task 0 fails at 13 s and is queued again at 14 s, when the agent works on task 1."""
    retry = {"recovery.conditions.task_failure": {"max_retries": 3, "retry_delay": "1s"}, "tasks.requeue": requeue}
    run = sim.run(
        scenario(BURST | retry, "faults: [{execution_failure: {targets: task.0, at: 13s}}]\n", duration="21s")
    )
    assert [task for _, task, _ in deliveries(run)] == order


def test_many_finished_tasks_are_skipped_without_deep_recursion() -> None:
    """A thousand tasks that take no time wait for an agent that comes up late."""
    many: dict[str, Any] = {"tasks.arrivals": {"burst": {"size": 1000, "at": "10s"}}, "tasks.count": None}
    many |= {"tasks.work": "0s", "agents.restart_time": "10s", **PERFECT}
    run = sim.run(scenario(many, "faults: [{agent_crash: {at: 5s}}]\n"))
    assert len(values(run, "task.completed")) == 1000
    assert {time for time, _ in values(run, "task.completed")} == {15.0}


def test_an_unreachable_agent_gets_tasks_after_reconnection() -> None:
    """A partition of 10 s: the task goes to the other agent; the one that comes when both are cut off waits."""
    cut = "faults: [{partition: {between: [agent.0, queue], at: 5s, for: 20s}}]\n"
    run = sim.run(scenario({"tasks.work": "30s"}, cut, agents=2, count=2))
    assert deliveries(run) == [(10.0, 0, 1), (25.0, 1, 0)]
    assert recorded(run, "send.") == [(10.0, "send.failed", 0, 0, "delivery")]


def test_a_partition_returns_a_delivery_in_flight_to_the_queue_head() -> None:
    """It was on its way; the queue notices, and does not wait for the lease."""
    cut = "faults: [{partition: {between: [agent.0, queue], at: 11s, for: 20s}}]\n"
    run = sim.run(scenario({"queue.latency": "2s"}, cut, agents=2))
    assert recorded(run, "queue.entered", "queue.delivered", "attempt.started") == [
        (10.0, "queue.entered", 0, -1, "submitted"),
        (10.0, "queue.delivered", 0, 0, ""),
        (12.0, "queue.entered", 0, -1, "undelivered"),
        (12.0, "queue.delivered", 0, 1, ""),
        (14.0, "attempt.started", 0, 1, ""),
    ]


def test_a_blocked_queue_is_reported_once_the_core_is_reachable() -> None:
    """Both paths are cut at first; the core receives the report when its own path heals, and resets the other."""
    cuts = (
        "faults: [{partition: {between: [agents, queue], at: 5s, for: 15s}},"
        " {partition: {between: [queue, core], at: 5s, for: 25s}}]\n"
    )
    run = sim.run(scenario({}, cuts))
    assert [time for time, *_ in recorded(run, "recovery.opened")] == [30.0]
    assert deliveries(run) == [(30.0, 0, 0)]
    assert run.metrics["tasks.completed"] == 1


def test_a_message_dropped_by_a_partition_is_replayed() -> None:
    """The acknowledgement left at 13 s, the partition came at 14 s, and the failure was noticed at 15 s."""
    cut = "faults: [{partition: {between: [agents, queue], at: 14s, for: 20s}}]\n"
    run = sim.run(scenario({"network.latency": "2s", "tasks.work": "1s"}, cut))
    assert recorded(run, "attempt.succeeded", "send.failed", "queue.replayed", "queue.acked") == [
        (13.0, "attempt.succeeded", 0, 0, ""),
        (15.0, "send.failed", -1, -1, "ack"),
        (34.0, "queue.acked", 0, 0, ""),
        (34.0, "queue.replayed", -1, -1, ""),
    ]


def test_withdrawn_tasks_are_not_counted_as_waiting() -> None:
    """Of 50 tasks two were delivered by 13 s; the second copy of the first one is still in the queue."""
    worlds: list[World] = []
    values = {"tasks.arrivals": {"burst": {"size": 50, "at": "10s"}}, "tasks.count": None, "queue.ack_timeout": "2s"}
    run = run_with(worlds.append, scenario(values, duration="14s"))
    assert [row[0] for row in recorded(run, "queue.withdrawn")] == [13.0]
    assert worlds[0].queue.depth == 48
