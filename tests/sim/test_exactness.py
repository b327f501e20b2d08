"""Virtual time passes only for configured costs."""

from __future__ import annotations

import pytest

import scenarios
import sim

QUIET = """
name: quiet
duration: 1h
tasks: {arrivals: {interval: {every: 10s}}, work: {constant: {value: 3s}}}
agents: {count: 1}
"""


def test_in_a_perfect_world_tasks_take_exactly_their_work() -> None:
    """The sojourn time of tasks that never wait equals their work exactly."""
    metrics = sim.run(scenarios.loads(QUIET), seed=1).metrics
    assert metrics["tasks.sojourn.max"] == pytest.approx(3.0, abs=1e-9)
    assert metrics["tasks.wait.max"] == 0
    assert metrics["tasks.wait_probability"] == 0


def test_a_failed_task_is_recovered_after_exactly_its_retry_delay() -> None:
    """30 s by the guide, and all of it is waiting."""
    failing = scenarios.loads(QUIET).with_values({"tasks.failure_probability": 0.1})
    metrics = sim.run(failing, seed=1).metrics
    assert metrics["recovery.count"] > 10
    assert metrics["recovery.time.max"] == pytest.approx(30.0, abs=1e-9)
    assert metrics["recovery.wait.mean"] == pytest.approx(30.0, abs=1e-9)
    assert metrics["recovery.detect.max"] == 0


def test_a_command_cost_appears_once() -> None:
    """A cost of the recovery shows in the phase of its command, and nowhere else."""
    failing = scenarios.loads(QUIET).with_values(
        {"tasks.failure_probability": 0.1, "recovery.costs.release_resources": "2s"}
    )
    metrics = sim.run(failing, seed=1).metrics
    assert metrics["recovery.execute.mean"] == pytest.approx(2.0, abs=1e-9)
    assert metrics["recovery.time.mean"] == pytest.approx(32.0, abs=1e-9)


@pytest.mark.parametrize(("phase", "low", "high"), [("uniform", 10.0, 15.0), ("aligned", 10.0, 15.0)])
def test_a_crash_is_detected_two_to_three_intervals_later(phase: str, low: float, high: float) -> None:
    """Deadline = last heartbeat + 3 x 5 s, and the last heartbeat is at most 5 s old."""
    crashing = scenarios.loads(
        QUIET
        + f"recovery: {{detection: {{heartbeat_interval: 5s, missed_heartbeats: 3, phase: {phase}}}}}\n"
        + "faults: [{agent_crash: {targets: 1, every: {exponential: {mean: 5m}}}}]\n"
    )
    metrics = sim.run(crashing, seed=3).metrics
    assert metrics["recovery.count"] >= 5
    assert low - 1e-9 <= metrics["detection.latency.mean"] <= metrics["detection.latency.max"] <= high + 1e-9
    assert metrics["detection.false_positives"] == 0


def test_perfect_detection_takes_no_time() -> None:
    """The core detects the crash immediately; the restart takes its configured time."""
    crashing = scenarios.loads(
        QUIET + "recovery: {detection: {detector: perfect}}\n" + "faults: [{agent_crash: {targets: 1, every: 5m}}]\n"
    ).with_values({"agents.restart_time": "7s"})
    metrics = sim.run(crashing, seed=3).metrics
    assert metrics["detection.latency.max"] == 0
    assert metrics["recovery.time.mean"] == pytest.approx(7.0, abs=1e-9)


def test_a_connection_recovers_when_its_partition_ends() -> None:
    """Detected at the first message that fails, over when the connection is: 30 s after the cut."""
    cut = scenarios.loads(QUIET + "faults: [{partition: {between: [agents, queue], at: 10m, for: 30s}}]\n")
    run = sim.run(cut, seed=1)
    assert run.metrics["recovery.count"] == 1
    assert run.metrics["recovery.time.mean"] == pytest.approx(30.0, abs=1e-9)
    assert run.metrics["tasks.lost"] == 0


def test_an_idle_world_schedules_only_heartbeats() -> None:
    """With one task in an hour and perfect detection there is next to nothing to do."""
    idle = scenarios.loads(QUIET).with_values(
        {"tasks.arrivals": {"burst": {"size": 1}}, "recovery.detection.detector": "perfect"}
    )
    assert sim.run(idle, seed=1).events < 20
