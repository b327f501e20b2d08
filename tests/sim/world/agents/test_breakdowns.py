"""Random crashes against renewal theory."""

from __future__ import annotations

from statistics import mean, stdev

import pytest

import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

PERFECT = {"recovery.detection.detector": "perfect"}
IDLE = PERFECT | {"tasks.arrivals": {"burst": {"size": 1, "at": "0s"}}, "tasks.count": None, "tasks.work": "1s"}


def crashes(run: Run) -> list[float]:
    """When agents crashed."""
    return [time for time, *_ in recorded(run, "agent.crashed")]


def test_a_lifetime_begins_at_each_start() -> None:
    """10 s of life, 5 s of restart."""
    values = IDLE | {"agents.mtbf": {"uniform": {"low": "9999ms", "high": "10001ms"}}, "agents.restart_time": "5s"}
    run = sim.run(scenario(values, duration="50s"))
    assert crashes(run) == pytest.approx([10, 25, 40], abs=0.01)


def test_a_busy_failure_clock_stops_while_the_agent_is_idle() -> None:
    """3 s of work every ten seconds: a life of 10 busy seconds ends one second into the fourth task."""
    mtbf = {"uniform": {"low": "9999ms", "high": "10001ms"}}
    run = sim.run(scenario(PERFECT | {"agents.mtbf": mtbf, "agents.failure_clock": "busy"}, count=4, duration="60s"))
    assert crashes(run) == pytest.approx([41.0], abs=0.01)


def test_a_hang_does_not_stop_the_failure_clock() -> None:
    """Neither the one that always runs nor, with work at hand, the busy one."""
    mtbf = {"uniform": {"low": "9999ms", "high": "10001ms"}}
    hang = "faults: [{agent_hang: {at: 12s, for: 3s}}]\n"
    patient = {"recovery.detection.heartbeat_interval": "100s", "tasks.work": "30s"}
    for clock, expected in (("busy", 20.0), ("always", 10.0)):
        run = sim.run(scenario(patient | {"agents.mtbf": mtbf, "agents.failure_clock": clock}, hang, duration="40s"))
        assert crashes(run)[0] == pytest.approx(expected, abs=0.01)


def test_availability_is_mtbf_over_mtbf_plus_mttr() -> None:
    """mtbf 90 s, restart 10 s, perfect detector: 0.9, within four standard errors of the mean."""
    values = IDLE | {"agents.mtbf": "90s", "agents.restart_time": {"exponential": {"mean": "10s"}}}
    fleet = scenario(values, duration="2500s", agents=2)
    found = [sim.run(fleet, seed=f"1/{number}").metrics["agents.availability"] for number in range(20)]
    assert mean(found) == pytest.approx(0.9, abs=4 * stdev(found) / 20**0.5)
    assert stdev(found) < 0.06


def test_idle_agents_never_crash_with_a_busy_failure_clock() -> None:
    """There is nothing to do for the first ten seconds."""
    run = sim.run(scenario(PERFECT | {"agents.mtbf": "1s", "agents.failure_clock": "busy"}, duration="11s", agents=3))
    assert all(time >= 10 for time in crashes(run))
