"""`queue.max_deliveries` holds however a delivery ends: the task becomes a dead letter, once, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

import scenarios
import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario, values

POISON = """
name: poison
duration: 10m
tasks: {arrivals: {burst: {size: 1, at: 1s}}, work: 100s}
agents: {count: 5, restart_time: 5s}
queue: {max_deliveries: 3}
faults: [{poison_task: {targets: 1, at: 5s}}]
"""
FAILING = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": {"max_retries": None}}
LONG = {"tasks.work": "5m"}
BLOCKED = {
    **LONG,
    "tasks.needs": {"gpu": 2},
    "recovery.conditions.resource_failure": {"max_retries": None, "retry_delay": "2s"},
}
LOSES_UNITS = "{resource_unavailable: {resource: gpu, units: 2, every: 12s, for: 3s}}"
GPUS = "resources: {gpu: {units: 2}}\n"
CUT = "{partition: {between: [agents, queue], every: 11s, for: 5s}}"
DUPLICATED = {"queue.duplication": 1.0}
CORE_CRASHES = "{core_crash: {at: 16s, for: 20s}}, {core_crash: {at: 60s, for: 20s}}"


def faults(*each: str) -> str:
    return f"faults: [{', '.join(each)}]\n"


WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "failures": (FAILING, ""),
    "failures, at the agent of before": ({**FAILING, "tasks.retry_holds_agent": True}, ""),
    "failures, at the head": ({**FAILING, "tasks.requeue": "head"}, ""),
    "failures and duplicates": ({**FAILING, **DUPLICATED}, ""),
    "failures and restarts of the core": (FAILING, faults(CORE_CRASHES)),
    "timeouts": ({**FAILING, "tasks.failure_probability": 0, "tasks.timeout": "1s"}, ""),
    "crashes": (LONG, faults("{agent_crash: {targets: all, every: 15s}}")),
    "crashes, and the tasks are given up as well": (
        {**LONG, "recovery.conditions.agent_failure": {"max_retries": 9}},
        faults("{agent_crash: {targets: all, every: 15s}}"),
    ),
    "a poison task": (LONG, faults("{poison_task: {targets: 1, at: 15s}}")),
    "a poison task and duplicates": ({**LONG, **DUPLICATED}, faults("{poison_task: {targets: all, at: 15s}}")),
    "a poison task and restarts of the core": (LONG, faults("{poison_task: {targets: 1, at: 15s}}", CORE_CRASHES)),
    "a poison task and a standby": (
        {**LONG, "recovery.cores.count": 2},
        faults("{poison_task: {targets: 1, at: 15s}}", CORE_CRASHES),
    ),
    "hangs": (LONG, faults("{agent_hang: {targets: all, every: 20s, for: 10m}}")),
    "migrations": (BLOCKED, GPUS + faults(LOSES_UNITS)),
    "migrations at the agent of before": ({**BLOCKED, "tasks.retry_holds_agent": True}, GPUS + faults(LOSES_UNITS)),
    "cut off while under way": ({"queue.latency": "6s", "network.latency": "1s"}, faults(CUT)),
    "lost deliveries": ({"queue.loss": 1.0, "queue.ack_timeout": "4s"}, ""),
    "expired leases": ({**LONG, "queue.ack_timeout": "9s"}, ""),
    "expired leases and duplicates": ({**LONG, **DUPLICATED, "queue.ack_timeout": "9s"}, ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_task_is_delivered_no_more_often_than_allowed(way: str) -> None:
    """Without the limit, each of these tasks is delivered more often than that."""
    changed, more = WAYS[way]
    made = scenario(changed, more, duration="10m", agents=4)
    assert (sim.run(made).metrics["queue.deliveries"] or 0) > 3
    for most in (1, 3):
        run = sim.run(made.with_values({"queue.max_deliveries": most}))
        assert run.metrics["queue.deliveries"] == most
        assert fate(run) == [("queue.dead_lettered", ""), ("task.failed", "dead_lettered")]
        assert run.metrics["tasks.failed"] == 1
        assert run.metrics["tasks.lost"] == run.metrics["consistency.violations"] == 0
        assert run.errors == ()


def fate(run: Run) -> list[tuple[str, str]]:
    """How the task ended, with the detail."""
    ends = recorded(run, "queue.dead_lettered", "task.failed", "task.completed")
    return [(event, detail) for _, event, _, _, detail in ends]


def test_a_poison_task_ends_after_as_many_agents_as_it_may_kill() -> None:
    """Detected after 13 to 15 s each time, restarted in 5 s; the fourth delivery is refused."""
    run = sim.run(scenarios.loads(POISON))
    assert run.metrics["queue.dead_lettered"] == 1
    assert run.metrics["queue.deliveries"] == run.metrics["agents.restarts"] == 3
    assert run.metrics["recovery.succeeded"] == run.metrics["recovery.count"] == 3
    assert run.violations == ()


def test_a_retry_that_the_queue_refuses_is_the_last() -> None:
    """Two attempts; the recovery of the second one has no task any more, and is granted no further retry."""
    run = sim.run(scenario({**FAILING, "queue.max_deliveries": 2}))
    assert recorded(run, "attempt.failed", "retry.granted", "queue.dead_lettered", "recovery.")[5:] == [
        (43.0, "recovery.executed", 0, -1, ""),
        (43.0, "recovery.verified", 0, -1, ""),
        (46.0, "attempt.failed", 0, 0, "execution_error"),
        (46.0, "recovery.opened", 0, -1, "task_failure"),
        (46.0, "retry.granted", 0, -1, "task_failure"),
        (76.0, "recovery.started", 0, -1, ""),
        (76.0, "recovery.analyzed", 0, -1, "task_failures.execution_failure"),
        (76.0, "queue.dead_lettered", 0, -1, ""),
        (76.0, "recovery.failed", 0, -1, "retry_task"),
        (76.0, "recovery.dismissed", 0, -1, "task_finished"),
    ]


def test_duplicates_beyond_the_limit_are_dropped_and_the_delivery_goes_on() -> None:
    """One delivery is allowed, and succeeds; and of two, a duplicate that is queued is withdrawn at the second."""
    run = sim.run(scenario({**DUPLICATED, "queue.max_deliveries": 1}, agents=2))
    assert recorded(run, "queue.delivered", "queue.duplicated", "task.") == [
        (10.0, "task.submitted", 0, -1, ""),
        (10.0, "queue.delivered", 0, 0, ""),
        (13.0, "task.completed", 0, 0, ""),
    ]
    busy = {**DUPLICATED, "queue.max_deliveries": 2, "queue.ack_timeout": "1s", "tasks.count": 2}
    crash = "faults: [{agent_crash: {targets: agent.0, at: 12500ms}}]\n"
    quick = {"recovery.detection.detector": "perfect", "agents.restart_time": "1s"}
    run = sim.run(scenario({**busy, **quick}, crash, duration="18s"))
    assert recorded(run, "queue.entered", "queue.delivered", "queue.withdrawn", "task.completed") == [
        (10.0, "queue.entered", 0, -1, "submitted"),
        (10.0, "queue.delivered", 0, 0, ""),
        (10.0, "queue.entered", 0, -1, "duplicate"),
        (11.0, "queue.entered", 0, -1, "redelivery"),
        (13.5, "queue.delivered", 0, 0, ""),
        (13.5, "queue.withdrawn", 0, -1, "max_deliveries"),
    ]


def test_a_dead_letter_holds_no_units_and_no_slot() -> None:
    """The units that were kept for the retry serve the next task at once."""
    held = {"tasks.needs": {"gpu": 2}, "tasks.retry_holds_resources": True, "tasks.retry_holds_agent": True}
    run = sim.run(
        scenario({**FAILING, **held, "queue.max_deliveries": 1, "tasks.count": 2}, GPUS, count=2, duration="3m")
    )
    assert [time for time, *_ in recorded(run, "queue.dead_lettered")] == [43.0, 76.0]
    assert [time for time, *_ in recorded(run, "attempt.started")] == [10.0, 43.0]
    assert run.metrics["resources.gpu.utilization"] == pytest.approx(66 / 180)
    assert run.violations == ()


def test_a_client_may_repeat_a_request_whose_task_became_a_dead_letter() -> None:
    """Its next try is another task, with deliveries of its own."""
    client = {"tasks.client": {"max_retries": 1, "retry_delay": "5s"}}
    run = sim.run(scenario({**FAILING, **client, "queue.max_deliveries": 2}, duration="3m"))
    assert [task for _, _, task, _, _ in recorded(run, "queue.dead_lettered")] == [0, 1]
    assert values(run, "queue.delivered") == [(10.0, 1.0), (43.0, 2.0), (81.0, 1.0), (114.0, 2.0)]
