"""Alarms of each detector in histories with known ground truth."""

from __future__ import annotations

from sim.history import Event
from tests.sim.measures.test_recovery import at, recovery, story

PROBED = {"agents": 4, "end": 100.0, "stalled_after": 20.0, "resource_probe": 5.0}


def test_a_silence_is_attributed_to_a_crash_hang_partition_or_nothing() -> None:
    metrics = story(
        at(1.0, Event.AGENT_CRASHED, agent=0),
        at(4.0, Event.AGENT_SUSPECTED, agent=0),
        at(2.0, Event.AGENT_HUNG, agent=1),
        at(8.0, Event.AGENT_SUSPECTED, agent=1),
        at(3.0, Event.LINK_CUT, about="agent.2|core"),
        at(12.0, Event.AGENT_SUSPECTED, agent=2),
        at(13.0, Event.AGENT_SUSPECTED, agent=3),
        **PROBED,
    )
    assert metrics["detection.agent.latency.mean"] == (3 + 6 + 9) / 3
    assert metrics["detection.agent.latency.max"] == 9
    assert metrics["detection.agent.false_positives"] == 1


def test_only_the_first_alarm_after_an_onset_has_a_latency() -> None:
    metrics = story(
        at(10.0, Event.AGENT_HUNG, agent=0),
        at(33.0, Event.TASK_STALLED, task=7, detail="agent.0"),
        at(33.0, Event.TASK_STALLED, task=8, detail="agent.0"),
        at(53.0, Event.TASK_STALLED, task=7, detail="agent.0"),
        at(60.0, Event.TASK_STALLED, task=9, detail="agent.1"),
        **PROBED,
    )
    assert (metrics["detection.progress.latency.mean"], metrics["detection.progress.latency.max"]) == (23, 23)
    assert metrics["detection.progress.false_positives"] == 1


def test_an_alarm_after_a_hang_has_ended_is_false() -> None:
    metrics = story(
        at(10.0, Event.AGENT_HUNG, agent=0),
        at(20.0, Event.AGENT_WOKE, agent=0),
        at(33.0, Event.TASK_STALLED, task=7, detail="agent.0"),
        **PROBED,
    )
    assert metrics["detection.progress.latency.mean"] is None
    assert metrics["detection.progress.false_positives"] == 1
    assert metrics["detection.false_positives"] == 1


def test_an_unhealthy_pool_is_attributed_to_its_first_failed_unit() -> None:
    """One unit at 3, another at 8: found at 10; whole at 20, another at 31, found at 35; and once when all was well."""
    metrics = story(
        at(3.0, Event.RESOURCE_UNAVAILABLE, about="gpu", value=1.0),
        at(4.0, Event.RESOURCE_UNAVAILABLE, about="cpu", value=1.0),
        at(8.0, Event.RESOURCE_UNAVAILABLE, about="gpu", value=1.0),
        at(10.0, Event.RESOURCE_SUSPECTED, about="gpu"),
        at(15.0, Event.RESOURCE_AVAILABLE, about="gpu", value=1.0),
        at(20.0, Event.RESOURCE_AVAILABLE, about="gpu", value=1.0),
        at(25.0, Event.RESOURCE_SUSPECTED, about="gpu"),
        at(31.0, Event.RESOURCE_UNAVAILABLE, about="gpu", value=2.0),
        at(35.0, Event.RESOURCE_SUSPECTED, about="gpu"),
        at(36.0, Event.RESOURCE_SUSPECTED, about="disk"),
        **PROBED,
    )
    assert metrics["detection.resource.latency.mean"] == (7 + 4) / 2
    assert metrics["detection.resource.false_positives"] == 2
    assert metrics["detection.false_positives"] == 2


def test_a_connection_recovery_is_attributed_to_its_partition() -> None:
    link = "system_failures.communication_failure"
    metrics = story(
        at(10.0, Event.LINK_CUT, about="agents|queue"),
        recovery(0, "communication_failure", link, [14.0, 14.0], about="agents|queue"),
        recovery(1, "communication_failure", link, [20.0, 20.0], about="core|queue"),
        **PROBED,
    )
    assert metrics["detection.delivery.latency.mean"] == 4
    assert metrics["detection.delivery.false_positives"] == 1


def test_unused_detectors_and_the_warm_up_are_not_measured() -> None:
    metrics = story(
        at(1.0, Event.AGENT_SUSPECTED, agent=0),
        at(50.0, Event.AGENT_SUSPECTED, agent=1),
        agents=4,
        end=100.0,
        warmup=10.0,
    )
    assert metrics["detection.agent.false_positives"] == 1
    assert metrics["detection.progress.false_positives"] is None
    assert metrics["detection.resource.false_positives"] is None
    assert metrics["detection.delivery.false_positives"] == 0
