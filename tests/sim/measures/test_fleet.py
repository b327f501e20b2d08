"""Agents, resources and the queue over time: step functions computed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sim.history import Event, History
from sim.measures import measure


def at(time: float, event: Event, **columns: Any) -> dict[str, Any]:
    """One event of a story."""
    return {"time": time, "event": event, **columns}


def story(*events: dict[str, Any], **meta: Any) -> dict[str, float | None]:
    """The metrics of events that are in order."""
    return measure(History.of(events, meta))


def test_an_agent_is_down_from_its_crash_until_its_restart() -> None:
    """Of two agents one is down for 4 of 10 s, and believed down for 2 of them."""
    metrics = story(
        at(2.0, Event.AGENT_CRASHED, agent=1),
        at(4.0, Event.AGENT_SUSPECTED, agent=1),
        at(6.0, Event.AGENT_RESTARTED, agent=1),
        at(6.0, Event.AGENT_CLEARED, agent=1),
        agents=2,
        end=10.0,
    )
    assert metrics["agents.up.mean"] == pytest.approx(1.6)
    assert metrics["agents.availability"] == pytest.approx(0.8)
    assert metrics["agents.availability_observed"] == pytest.approx(0.9)
    assert metrics["agents.all_up"] == pytest.approx(0.6)
    assert metrics["agents.restarts"] == 1


def test_overlapping_downtimes_count_once() -> None:
    """Hung at 1, stopped at 3, up again at 5; another one hangs from 4 to 6: 4 + 2 agent-seconds down."""
    metrics = story(
        at(1.0, Event.AGENT_HUNG, agent=0),
        at(3.0, Event.AGENT_STOPPED, agent=0),
        at(4.0, Event.AGENT_HUNG, agent=1),
        at(5.0, Event.AGENT_RESTARTED, agent=0),
        at(6.0, Event.AGENT_WOKE, agent=1),
        agents=2,
        end=10.0,
    )
    assert metrics["agents.up.mean"] == pytest.approx(2 - 0.6)
    assert metrics["agents.all_up"] == pytest.approx(0.5)


def test_downtime_from_the_warm_up_continues_into_the_window() -> None:
    """Down from 1 to 5: three of the eight seconds from 2 to 10."""
    metrics = story(
        at(1.0, Event.AGENT_CRASHED, agent=0),
        at(5.0, Event.AGENT_RESTARTED, agent=0),
        agents=1,
        end=10.0,
        warmup=2.0,
    )
    assert metrics["agents.availability"] == metrics["agents.all_up"] == 5 / 8
    assert metrics["agents.restarts"] == 1


def test_slots_are_busy_while_attempts_run() -> None:
    """2 to 5 and 4 to the end: 3 + 6 of 4 slots × 10 s."""
    metrics = story(
        at(2.0, Event.ATTEMPT_STARTED, task=0, agent=0, epoch=1, value=0.0),
        at(4.0, Event.ATTEMPT_STARTED, task=1, agent=1, epoch=1, value=0.0),
        at(5.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1, value=3.0),
        agents=2,
        slots=2,
        end=10.0,
    )
    assert metrics["agents.utilization"] == pytest.approx(9 / 40)


def test_without_agents_fleet_metrics_are_none() -> None:
    """None, not 0."""
    metrics = story(end=10.0)
    assert {metrics[f"agents.{name}"] for name in ("availability", "up.mean", "all_up", "utilization")} == {None}


def test_pool_utilization_and_unavailability_by_hand() -> None:
    """3 units for 4 s and 1 for 6 s, of 4 × 10; 2 out of service for 5 s, one of them taken from its holder."""
    metrics = story(
        at(0.0, Event.RESOURCE_ALLOCATED, task=0, epoch=1, value=3.0, about="gpu"),
        at(0.0, Event.RESOURCE_ALLOCATED, task=0, epoch=1, value=1.0, about="cpu"),
        at(4.0, Event.RESOURCE_UNAVAILABLE, value=2.0, about="gpu"),
        at(4.0, Event.RESOURCE_RELEASED, task=0, epoch=1, value=2.0, detail="unavailable", about="gpu"),
        at(9.0, Event.RESOURCE_AVAILABLE, value=2.0, about="gpu"),
        resources={"gpu": 4, "cpu": 1},
        end=10.0,
    )
    assert metrics["resources.gpu.utilization"] == pytest.approx((3 * 4 + 1 * 6) / 40)
    assert metrics["resources.gpu.available"] == pytest.approx((4 * 5 + 2 * 5) / 40)
    assert metrics["resources.cpu.utilization"] == 1.0
    assert metrics["resources.cpu.available"] == 1.0


def test_queue_depth_is_the_time_average_of_queued_tasks() -> None:
    """One from 0 to 4, another from 1 to 3; a third passes through at one instant."""
    metrics = story(
        at(0.0, Event.QUEUE_ENTERED, task=0),
        at(1.0, Event.QUEUE_ENTERED, task=1),
        at(2.0, Event.QUEUE_ENTERED, task=2),
        at(2.0, Event.QUEUE_DELIVERED, task=2, agent=0, value=1.0),
        at(3.0, Event.QUEUE_WITHDRAWN, task=1, detail="given_up"),
        at(4.0, Event.QUEUE_DELIVERED, task=0, agent=0, value=2.0),
        end=10.0,
    )
    assert metrics["queue.depth.mean"] == pytest.approx(0.6)
    assert metrics["queue.depth.max"] == 2
    assert metrics["queue.deliveries"] == 2
    assert metrics["queue.redeliveries"] == 1


@pytest.mark.parametrize(("stands_in_line", "seconds"), [(True, 5.0), (False, 1.0)])
def test_a_dead_letter_reduces_the_depth_only_if_it_was_queued(stands_in_line: bool, seconds: float) -> None:
    """Dead-lettered at 5 from the queue; or from an agent, which does not change the queue position of another task."""
    delivered = [] if stands_in_line else [at(1.0, Event.QUEUE_DELIVERED, task=0, agent=0, value=1.0)]
    metrics = story(
        at(0.0, Event.QUEUE_ENTERED, task=0),
        *delivered,
        at(5.0, Event.QUEUE_DEAD_LETTERED, task=0, value=1.0),
        at(6.0, Event.QUEUE_ENTERED, task=1),
        end=10.0,
    )
    assert metrics["queue.depth.mean"] == pytest.approx((seconds + 4) / 10)
    assert metrics["queue.dead_lettered"] == 1


def test_queue_counts_exclude_the_warm_up() -> None:
    """Earlier deliveries do not count, tasks queued since before do."""
    metrics = story(
        at(0.0, Event.QUEUE_ENTERED, task=0),
        at(0.0, Event.QUEUE_ENTERED, task=1),
        at(1.0, Event.QUEUE_DELIVERED, task=1, agent=0, value=1.0),
        at(3.0, Event.QUEUE_DUPLICATED, task=1, agent=0, value=1.0),
        end=10.0,
        warmup=2.0,
    )
    assert metrics["queue.depth.mean"] == metrics["queue.depth.max"] == 1
    assert metrics["queue.deliveries"] == 0
    assert metrics["queue.duplicates"] == 1


def test_each_agent_has_its_own_state() -> None:
    """Two crash, at 2 and at 6, and stay down: 2 up, then 1, then none."""
    metrics = story(at(2.0, Event.AGENT_CRASHED, agent=0), at(6.0, Event.AGENT_CRASHED, agent=1), agents=2, end=10.0)
    assert metrics["agents.up.mean"] == pytest.approx((2 * 2 + 1 * 4) / 10)
    assert metrics["agents.all_up"] == pytest.approx(0.2)
