"""Faults of the network and of the queue, and their effect on messages."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

QUIET = {"recovery.detection.heartbeat_interval": "1000s", "tasks.count": None}


def run_with(fault: dict[str, Any], duration: str = "100s", agents: int = 1, **values: Any) -> Run:
    """A task of 3 s every ten seconds, and a fault."""
    return sim.run(scenario(QUIET | {"faults": [fault]} | values, duration=duration, agents=agents), seed=1)


def times(run: Run, *events: str) -> list[tuple[float, str]]:
    return [(time, event) for time, event, *_ in recorded(run, *events)]


def started(run: Run) -> list[tuple[float, int]]:
    return [(time, task) for time, _, task, *_ in recorded(run, "attempt.started")]


# ----------------------------------------------------------------------------------------------------------- loss
def test_deliveries_lost_to_a_fault_are_repeated_by_the_queue() -> None:
    """The delivery of task 1 at 20 s is lost, and repeated when its lease expires."""
    loss = {"message_loss": {"probability": 1, "at": "15s", "for": "10s"}}
    run = run_with(loss, duration="60s", **{"queue.ack_timeout": "12s"})
    assert started(run)[:3] == [(10.0, 0), (30.0, 2), (33.0, 1)]
    assert ("message.lost", "delivery") in [(event, detail) for _, event, _, _, detail in recorded(run, "message.lost")]
    assert [time for time, event in times(run, "fault.")] == [15.0, 25.0]


def test_only_the_named_messages_and_direction_are_affected() -> None:
    """Nothing passes from the agent to the queue: no acknowledgement, but every delivery."""
    one_way = {"message_loss": {"probability": 1, "between": ["agent.0", "queue"], "one_way": True, "at": "15s"}}
    run = run_with(one_way, duration="45s")
    assert {detail for *_, detail in recorded(run, "message.lost")} == {"ack"}
    assert len(started(run)) == 4
    other_way = {"message_loss": {"probability": 1, "between": ["queue", "agents"], "one_way": True, "at": "15s"}}
    assert {detail for *_, detail in recorded(run_with(other_way), "message.lost")} == {"delivery"}
    elsewhere = {"message_loss": {"probability": 1, "between": ["agents", "core"], "at": "15s"}}
    assert recorded(run_with(elsewhere), "message.lost") == []


def test_a_loss_fraction_drops_that_fraction() -> None:
    some = {"message_loss": {"probability": "20%", "at": "0s"}}
    run = run_with(some, duration="2h", **{"queue.ack_timeout": "9s"})
    deliveries = run.metrics["queue.deliveries"]
    assert deliveries is not None
    lost = [detail for *_, detail in recorded(run, "message.lost")].count("delivery")
    assert 0.15 < lost / deliveries < 0.25


# ---------------------------------------------------------------------------------------------------------- delay
def test_messages_are_late_only_during_the_fault() -> None:
    late = {"message_delay": {"delay": "2s", "at": "15s", "for": "10s"}}
    assert started(run_with(late, duration="45s")) == [(10.0, 0), (22.0, 1), (30.0, 2), (40.0, 3)]


def test_a_message_sent_during_the_fault_stays_late() -> None:
    late = {"message_delay": {"delay": "7s", "at": "15s", "for": "6s"}}
    assert (27.0, 1) in started(run_with(late, duration="45s"))


def test_delayed_messages_can_be_overtaken() -> None:
    """Five tasks at once for five agents: they arrive in another order than they were sent."""
    burst = {"tasks.arrivals": {"burst": {"size": 8, "at": "10s"}}}
    reorder = {"message_reorder": {"delay": {"uniform": {"low": "1s", "high": "2s"}}, "at": "5s"}}
    arrived = [task for _, task in started(run_with(reorder, agents=8, **burst))]
    assert sorted(arrived) == list(range(8))
    assert arrived != sorted(arrived)
    straight = [task for _, task in started(run_with({"agent_hang": {"at": "90s"}}, agents=8, **burst))]
    assert straight == sorted(straight)


# ------------------------------------------------------------------------------------------------------ duplicates
def test_a_duplicated_delivery_has_one_effect() -> None:
    twice = {"message_duplicate": {"probability": 1, "at": "15s", "for": "10s"}}
    run = run_with(twice, duration="60s")
    assert [task for _, _, task, *_ in recorded(run, "queue.duplicated")] == [1]
    assert run.metrics["consistency.violations"] == 0
    assert run.metrics["tasks.completed"] == 5


def test_of_concurrent_faults_the_stronger_applies_and_each_ends_alone() -> None:
    faults = [
        {"message_duplicate": {"probability": 1, "at": "15s", "for": "20s"}},
        {"message_duplicate": {"probability": 1, "at": "25s", "for": "20s"}},
    ]
    run = sim.run(scenario(QUIET | {"faults": faults}, duration="70s"), seed=1)
    assert [task for _, _, task, *_ in recorded(run, "queue.duplicated")] == [1, 2, 3]


# --------------------------------------------------------------------------------------------------------- blocked
def test_a_blocked_queue_accepts_tasks_and_delivers_them_afterwards() -> None:
    run = run_with({"queue_blocked": {"at": "15s", "for": "20s"}}, duration="50s")
    assert started(run) == [(10.0, 0), (35.0, 1), (38.0, 2), (41.0, 3)]
    assert times(run, "queue.blocked", "queue.unblocked") == [(15.0, "queue.blocked"), (35.0, "queue.unblocked")]
    assert run.metrics["consistency.violations"] == 0


def test_a_queue_blocked_twice_is_released_when_both_end() -> None:
    faults = [{"queue_blocked": {"at": "15s", "for": "20s"}}, {"queue_blocked": {"at": "25s", "for": "20s"}}]
    run = sim.run(scenario(QUIET | {"faults": faults}, duration="60s"), seed=1)
    assert started(run)[1] == (45.0, 1)


def test_a_retry_that_holds_its_slot_waits_while_the_queue_is_blocked() -> None:
    settings = {
        "tasks.retry_holds_agent": True,
        "recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "5s"},
        "tasks.count": 1,
    }
    faults = [{"execution_failure": {"at": "11s"}}, {"queue_blocked": {"at": "12s", "for": "20s"}}]
    run = sim.run(scenario(QUIET | settings | {"faults": faults}), seed=1)
    assert started(run) == [(10.0, 0), (32.0, 0)]
    assert run.metrics["consistency.violations"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"message_loss": {"probability": 0.5, "at": "15s", "for": "50s"}},
        {"message_delay": {"delay": {"exponential": {"mean": "3s"}}, "at": "15s"}},
        {"message_reorder": {"delay": "4s", "every": "20s", "for": "10s"}},
        {"message_duplicate": {"probability": 0.5, "at": "15s"}},
        {"queue_blocked": {"every": "20s", "for": "5s"}},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_random_message_faults_lose_no_task(fault: dict[str, Any]) -> None:
    busy = {
        "tasks.arrivals": {"poisson": {"rate": "1/s"}},
        "tasks.failure_probability": 0.1,
        "queue.ack_timeout": "30s",
        "recovery.detection.heartbeat_interval": "5s",
    }
    run = run_with(fault, duration="10m", agents=5, **busy)
    assert run.violations == ()
    assert run.metrics["tasks.lost"] == 0
    assert run.history_sha256 == run_with(fault, duration="10m", agents=5, **busy).history_sha256
