"""Fast, slow and jumping clocks change the times that are measured with them."""

from __future__ import annotations

from typing import Any

import pytest
import simpy

import sim
from sim.simulation import Run
from sim.world.clocks import Clock
from tests.sim.world.stories import recorded, scenario


def story(*faults: dict[str, Any], duration: str = "100s", agents: int = 1, count: int = 1, **values: Any) -> Run:
    changed = {"faults": list(faults), "recovery.detection.heartbeat_interval": "1000s"} | values
    return sim.run(scenario(changed, duration=duration, agents=agents, count=count), seed=1)


def skew(at: float, lasts: float | None = None, **keys: Any) -> dict[str, Any]:
    return {"clock_skew": {"at": at, "for": lasts} | keys}


def log(run: Run, *events: str) -> list[tuple[float, str]]:
    return [(time, event) for time, event, *_ in recorded(run, *events)]


LEASED = {"tasks.work": "50s", "queue.ack_timeout": "40s"}
"""Task 0 is delivered at 10 s, under a lease until 50 s; its work is done at 60 s."""


@pytest.mark.parametrize(
    ("fault", "redelivered"),
    [
        ({}, 50.0),
        (skew(20, targets="queue", offset="10s"), 40.0),
        (skew(20, targets="queue", offset="99s"), 20.0),
        (skew(20, targets="queue", offset="-5s"), 55.0),
        (skew(20, targets="queue", rate=2), 35.0),
        (skew(20, targets="queue", rate=2, offset="10s"), 30.0),
        (skew(20, targets="queue", rate=0.5, lasts=1000), None),  # it would be 80 s
        (skew(20, targets="queue", rate=4, lasts=5), 50.0),  # set right again: 15 s too early, and back
    ],
)
def test_a_lease_expires_by_the_clock_of_the_queue(fault: dict[str, Any], redelivered: float | None) -> None:
    run = story(*([fault] if fault else []), agents=2, **LEASED)
    expected = [] if redelivered is None else [redelivered]
    assert [time for time, _, _, _, why in recorded(run, "queue.entered") if why == "redelivery"][:1] == expected


def test_a_lease_granted_after_a_clock_jump_back_may_expire_first() -> None:
    """Task 0, from 10 s on: 75 s instead of 50 s, for at 15 s it goes back by 25 s. Task 1, from 20 s on: 60 s."""
    run = story(skew(15, targets="queue", offset="-25s"), agents=3, count=2, **LEASED | {"tasks.work": "90s"})
    again = [(time, task) for time, _, task, _, why in recorded(run, "queue.entered") if why == "redelivery"]
    assert again == [(60.0, 1), (75.0, 0)]


def test_a_slow_clock_delays_heartbeats_and_causes_a_false_suspicion() -> None:
    beats = {"recovery.detection.heartbeat_interval": "5s", "recovery.detection.phase": "aligned"}
    run = story(skew(21, targets=["agent.1"], rate=0.25, lasts=40), agents=2, **beats)
    assert recorded(run, "agent.suspected", "agent.cleared") == [
        (40.0, "agent.suspected", -1, 1, ""),
        (40.0, "agent.cleared", -1, 1, ""),  # it answers a probe
        (60.0, "agent.suspected", -1, 1, ""),
        (60.0, "agent.cleared", -1, 1, ""),
    ]
    assert run.metrics["detection.false_positives"] == 2


@pytest.mark.parametrize(("rate", "timed_out"), [(1.0, 20.0), (2.0, 15.0), (0.5, 30.0)])
def test_an_attempt_timeout_follows_the_clock_of_the_agent(rate: float, timed_out: float) -> None:
    faults = [] if rate == 1 else [skew(5, targets="all", rate=rate)]
    run = story(*faults, **{"tasks.work": "60s", "tasks.timeout": "10s"})
    assert log(run, "attempt.timed_out")[:1] == [(timed_out, "attempt.timed_out")]


def test_concurrent_clock_faults_multiply_until_one_ends() -> None:
    """Then the clock shows what it would without the ended one; it is right when neither is left."""
    env = simpy.Environment()
    clock = Clock(env, lambda clock: None)
    first = clock.skew(10, 2)
    env.run(until=1)
    second = clock.skew(5, 3)
    env.run(until=2)
    assert clock.now == 10 + 2 + 5 + 6
    first()
    assert clock.now == 2 + 5 + 2
    env.run(until=3)
    assert clock.now == 3 + 5 + 4
    second()
    assert clock.now == 3
    assert clock.is_right
    assert clock.until(5) == 2


def test_the_faulty_clock_is_recorded() -> None:
    run = story(skew(5, lasts=2, targets=["agent.0"], rate=2), skew(6, targets="queue", rate=2), **LEASED)
    assert [(time, event, agent) for time, event, _, agent, _ in recorded(run, "fault.")] == [
        (5.0, "fault.injected", 0),
        (6.0, "fault.injected", -1),
        (7.0, "fault.cleared", 0),
    ]
