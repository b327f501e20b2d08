"""Slowdowns, flapping agents, leaks, poison tasks, surges and storage faults: their exact costs."""

from __future__ import annotations

from typing import Any

import pytest

import scenarios
import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

QUIET = {"recovery.detection.heartbeat_interval": "1000s", "tasks.work": "10s"}
"""Task 0 comes at 10 s and takes 10 s."""


def story(*faults: dict[str, Any], duration: str = "100s", agents: int = 1, count: int = 1, **values: Any) -> Run:
    changed = QUIET | {"faults": list(faults), "tasks.count": count} | values
    return sim.run(scenario(changed, duration=duration, agents=agents), seed=1)


def completed(run: Run) -> list[tuple[float, int]]:
    return [(time, task) for time, _, task, *_ in recorded(run, "task.completed")]


# ---------------------------------------------------------------------------------------------------- slow agents
def test_work_on_a_slow_agent_takes_proportionally_longer() -> None:
    assert completed(story({"agent_slow": {"factor": 3, "at": "5s"}})) == [(40.0, 0)]


def test_work_in_progress_is_slowed_and_restored_exactly() -> None:
    """4 s of work are done by 14 s, 2 s more by 20 s, and the last four then."""
    slow = {"agent_slow": {"factor": 3, "at": "14s", "for": "6s"}}
    run = story(slow)
    assert completed(run) == [(24.0, 0)]
    assert [(time, event) for time, event, *_ in recorded(run, "fault.")] == [
        (14.0, "fault.injected"),
        (20.0, "fault.cleared"),
    ]
    assert run.metrics["work.useful"] == 14.0  # agent time, not work


def test_slowdowns_multiply() -> None:
    """2 s of work in the first 4 s, then 1 s in 6 s, and the rest twice as slow as it should be."""
    run = story({"agent_slow": {"factor": 2, "at": "0s"}}, {"agent_slow": {"factor": 3, "at": "14s", "for": "6s"}})
    assert completed(run) == [(34.0, 0)]


def test_work_finished_at_the_instant_of_a_slowdown_is_complete() -> None:
    """Two tasks end at 20 s, and two that have waited begin then, slow from the start."""
    burst = {"tasks.arrivals": {"burst": {"size": 4, "at": "10s"}}, "agents.slots": 2}
    run = story({"agent_slow": {"factor": 2, "at": "20s"}}, count=4, **burst)
    assert completed(run) == [(20.0, 0), (20.0, 1), (40.0, 2), (40.0, 3)]


def test_other_agents_are_not_slowed_down() -> None:
    run = story({"agent_slow": {"targets": ["agent.1"], "factor": 5, "at": "5s"}}, agents=2, count=2)
    assert completed(run) == [(20.0, 0), (70.0, 1)]


def test_a_restart_keeps_the_slowdown_and_a_hang_adds_to_it() -> None:
    """Slow from 12 s on with 8 s of work left, it hangs from 14 s to 24 s with 7 s left."""
    hang = {"agent_hang": {"at": "14s", "for": "10s"}}
    assert completed(story({"agent_slow": {"factor": 2, "at": "12s"}}, hang)) == [(38.0, 0)]
    crash = {"agent_crash": {"at": "14s"}}
    perfect = {"recovery.detection.detector": "perfect"}
    assert completed(story({"agent_slow": {"factor": 2, "at": "12s"}}, crash, **perfect)) == [(34.0, 0)]


def test_an_agent_slowed_while_hanging_is_slow_when_it_resumes() -> None:
    hang, slow = {"agent_hang": {"at": "14s", "for": "10s"}}, {"agent_slow": {"factor": 2, "at": "16s"}}
    assert completed(story(hang, slow)) == [(36.0, 0)]


def test_a_slowdown_changes_neither_checkpoint_cost_nor_timeouts() -> None:
    checkpoint = {"tasks.checkpoint": "{every: 5s, cost: 2s}"}
    assert completed(story({"agent_slow": {"factor": 3, "at": "0s"}}, **checkpoint)) == [(42.0, 0)]
    timeout = {"tasks.timeout": "12s"}
    run = story({"agent_slow": {"factor": 3, "at": "0s"}}, **timeout)
    assert recorded(run, "attempt.timed_out")[0][0] == 22.0


def test_a_slow_agent_is_not_suspected() -> None:
    beats = {"recovery.detection.heartbeat_interval": "5s"}
    run = story({"agent_slow": {"factor": 9, "at": "5s"}}, duration="200s", **beats)
    assert recorded(run, "agent.suspected", "recovery.opened") == []


# ------------------------------------------------------------------------------------------------ degraded and leaked
def pooled(*faults: dict[str, Any], **values: Any) -> Run:
    pool = {"resources": {"gpu": {"units": 2}}, "tasks.needs": {"gpu": 1}}
    return story(*faults, **(pool | values))


def test_only_holders_of_a_degraded_pool_are_slow() -> None:
    degraded = {"resource_degraded": {"resource": "gpu", "factor": 2, "at": "14s", "for": "8s"}}
    assert completed(pooled(degraded)) == [(24.0, 0)]
    assert completed(pooled(degraded, **{"tasks.needs": {}})) == [(20.0, 0)]


def test_agent_and_pool_slowdowns_multiply_and_the_slower_pool_counts() -> None:
    gpu = {"resource_degraded": {"resource": "gpu", "factor": 2, "at": "0s"}}
    cpu = {"resource_degraded": {"resource": "cpu", "factor": 3, "at": "0s"}}
    both = {"resources": {"gpu": {"units": 1}, "cpu": {"units": 1}}, "tasks.needs": {"gpu": 1, "cpu": 1}}
    assert completed(story(gpu, cpu, **both)) == [(40.0, 0)]
    assert completed(story(gpu, {"agent_slow": {"factor": 3, "at": "0s"}}, **both)) == [(70.0, 0)]


def test_leaked_units_are_unavailable_in_a_pool_that_looks_healthy() -> None:
    leak = {"resource_leak": {"resource": "gpu", "units": 2, "at": "5s", "for": "30s"}}
    run = pooled(leak)
    assert completed(run) == [(45.0, 0)]
    assert [(time, event) for time, event, *_ in recorded(run, "resource.leaked", "resource.found")] == [
        (5.0, "resource.leaked"),
        (35.0, "resource.found"),
    ]
    assert run.metrics["resources.gpu.available"] == 1.0
    assert run.metrics["consistency.violations"] == 0


def test_only_free_units_leak_otherwise_the_fault_is_skipped() -> None:
    """Task 0 holds the only unit from 10 s on; later leaks unite with the first one of a pool."""
    leak = {"resource_leak": {"resource": "gpu", "units": 1, "at": "12s"}}
    busy = pooled(leak, duration="14s", resources={"gpu": {"units": 1}})
    assert [event for _, event, *_ in recorded(busy, "fault.", "resource.leaked")] == ["fault.skipped"]
    often = {"resource_leak": {"resource": "gpu", "units": 5, "every": "7s"}}
    free = pooled(often, duration="30s", resources={"gpu": {"units": 5}})
    assert [event for _, event, *_ in recorded(free, "fault.", "resource.leaked")] == [
        "fault.injected",
        "resource.leaked",
        *["fault.injected"] * 3,
    ]


# ---------------------------------------------------------------------------------------------------------- flapping
def test_a_flapping_agent_crashes_and_restarts_repeatedly() -> None:
    flap = {"agent_flap": {"down": "3s", "up": "7s", "at": "12s", "for": "25s"}}
    run = story(flap, duration="90s", **{"tasks.count": 1, "queue.ack_timeout": "4s"})
    assert [(time, event) for time, event, *_ in recorded(run, "agent.crashed", "agent.restarted")] == [
        (12.0, "agent.crashed"),
        (15.0, "agent.restarted"),
        (22.0, "agent.crashed"),
        (25.0, "agent.restarted"),
        (32.0, "agent.crashed"),
        (35.0, "agent.restarted"),
    ]
    assert [task for _, task in completed(run)] == [0]
    assert run.metrics["consistency.violations"] == 0


def test_a_flapping_agent_restarted_by_the_core_starts_once() -> None:
    """The core detects it immediately and restarts it within 1 s; the flapping continues."""
    flap = {"agent_flap": {"down": "3s", "up": "7s", "at": "12s", "for": "15s"}}
    run = story(flap, **{"recovery.detection.detector": "perfect", "agents.restart_time": "1s"})
    assert [(time, event) for time, event, *_ in recorded(run, "agent.crashed", "agent.restarted")] == [
        (12.0, "agent.crashed"),
        (13.0, "agent.restarted"),
        (22.0, "agent.crashed"),
        (23.0, "agent.restarted"),
    ]


# ------------------------------------------------------------------------------------------------------------ poison
POISON = """
name: poison
duration: 20m
tasks: {arrivals: {interval: {every: 10s}}, work: 8s}
agents: {count: 3, restart_time: 5s}
queue: {max_deliveries: 4, ack_timeout: 30s}
recovery: {detection: {detector: perfect}%s}
faults:
  - poison_task: {targets: 1, at: 15s}
"""


def test_a_poison_task_crashes_every_agent_that_executes_it() -> None:
    run = sim.run(scenarios.loads(POISON % ", conditions: {agent_failure: {max_retries: 3}}"), seed=1)
    crashed = [(time, agent) for time, _, _, agent, _ in recorded(run, "agent.crashed")]
    assert len(crashed) == 4  # the attempt that it was found in, and three retries
    poisoned = [task for _, event, task, _, _ in recorded(run, "fault.injected") if task >= 0]
    assert poisoned == [0]
    assert [(task, detail) for _, _, task, _, detail in recorded(run, "task.failed")] == [(0, "retries exhausted")]
    assert run.violations == ()


def test_without_a_delivery_limit_a_poison_task_never_ends() -> None:
    unlimited = scenarios.loads(POISON % "").with_values({"queue.max_deliveries": None})
    run = sim.run(unlimited, seed=1)
    assert len(recorded(run, "agent.crashed")) > 20
    assert 0 not in [task for _, task in completed(run)]


# ------------------------------------------------------------------------------------------------------------- surge
def arrivals(run: Run) -> list[float]:
    return [time for time, *_ in recorded(run, "task.submitted")]


def test_arrivals_are_faster_only_during_a_surge() -> None:
    """One every 10 s; from 25 s to 35 s time passes five times as fast for the load, which is 40 s ahead then."""
    surge = {"load_surge": {"factor": 5, "at": "25s", "for": "10s"}}
    run = story(surge, duration="60s", count=100)
    assert arrivals(run) == [10.0, 20.0, 26.0, 28.0, 30.0, 32.0, 34.0, 40.0, 50.0]


def test_a_surge_changes_no_other_draws() -> None:
    poisson = {"tasks.arrivals": {"poisson": {"rate": "1/s"}}}
    alone, surged = (
        arrivals(story(*faults, duration="100s", count=1000, **poisson))
        for faults in ((), ({"load_surge": {"factor": 2, "at": "50s", "for": "10s"}},))
    )
    before = [at for at in alone if at < 50]
    assert surged[: len(before)] == before
    moved = [50 + (at - 50) / 2 if at < 70 else at - 10 for at in alone[len(before) :]]
    assert surged[len(before) : len(alone)] == pytest.approx(moved)


def test_a_surge_shortens_client_think_time() -> None:
    closed = {"tasks.arrivals": {"closed": {"clients": 1, "think": "10s"}}}
    run = story({"load_surge": {"factor": 2, "at": "15s"}}, duration="50s", count=100, **closed)
    assert arrivals(run) == [10.0, 25.0, 40.0]


# ----------------------------------------------------------------------------------------------------------- storage
CHECKPOINTS = {"tasks.checkpoint": "{every: 2s, cost: 1s, restore: 1s}"}


def test_slow_storage_slows_checkpoints_that_start_later() -> None:
    """Ten seconds of work and four checkpoints: those at 12 s, 15 s, 18 s and 21 s; the last two take 3 s each."""
    assert completed(story(**CHECKPOINTS)) == [(24.0, 0)]
    slow = {"storage_slow": {"factor": 3, "at": "17s"}}
    assert completed(story(slow, **CHECKPOINTS)) == [(28.0, 0)]


def test_a_failed_checkpoint_write_does_not_fail_the_attempt() -> None:
    """The write that ends at 16 s fails: after the crash at 17 s, work continues from the checkpoint before, at 2 s."""
    fails = {"storage_failure": {"at": "14s", "for": "3s"}}
    crash, perfect = {"agent_crash": {"at": "17s"}}, {"recovery.detection.detector": "perfect"}
    run = story(fails, crash, **CHECKPOINTS, **perfect)
    assert [time for time, *_ in recorded(run, "checkpoint.failed")] == [16.0]
    loaded = run.history[run.history["event"] == "checkpoint.loaded"]
    assert loaded["value"].tolist() == [2.0]
    assert run.metrics["consistency.violations"] == 0


def test_checkpoint_writes_can_fail_with_a_configured_probability() -> None:
    run = story(duration="3000s", count=200, **CHECKPOINTS, **{"storage.failure": 0.25})
    written, failed = len(recorded(run, "checkpoint.written")), len(recorded(run, "checkpoint.failed"))
    assert 0.2 < failed / (failed + written) < 0.3


@pytest.mark.parametrize("kind", ["checkpoint_torn", "checkpoint_corrupt"])
def test_a_damaged_checkpoint_is_skipped_for_the_previous_one(kind: str) -> None:
    crash, perfect = {"agent_crash": {"at": "18s"}}, {"recovery.detection.detector": "perfect"}
    run = story({kind: {"at": "17s"}}, crash, **CHECKPOINTS, **perfect)
    loaded = run.history[run.history["event"] == "checkpoint.loaded"]
    assert loaded["value"].tolist() == [2.0]
    assert [event for _, event, *_ in recorded(run, "checkpoint.rejected")] == ["checkpoint.rejected"]
    assert run.metrics["consistency.violations"] == 0


def read_by_the_core(lag: str, **values: Any) -> Run:
    """Checkpoints at 13 s, 16 s and 19 s; the agent crashes at 20 s, and another continues at once."""
    stale, crash = {"checkpoint_stale": {"at": "1s", "lag": lag}}, {"agent_crash": {"at": "20s"}}
    perfect = {"recovery.detection.detector": "perfect"}
    return story(stale, crash, **CHECKPOINTS, **perfect, **values)


def went_on_from(run: Run) -> list[float]:
    return list(run.history["value"][run.history["event"] == "checkpoint.loaded"])


@pytest.mark.parametrize(
    ("lag", "missing", "loaded"), [("1s", [], 6), ("2s", [1], 4), ("4s", [1], 4), ("5s", [2], 2), ("1m", [3], None)]
)
def test_checkpoints_younger_than_the_lag_are_not_readable(lag: str, missing: list[int], loaded: int | None) -> None:
    run = read_by_the_core(lag)
    assert list(run.history["value"][run.history["event"] == "checkpoint.stale"]) == missing
    assert went_on_from(run) == ([] if loaded is None else [loaded])
    assert run.metrics["consistency.violations"] == 0


def test_the_core_retries_reads_until_the_replica_catches_up() -> None:
    again = {"recovery.stale_reads": {"max_retries": 9, "retry_delay": "2s"}}
    run = read_by_the_core("6s", **again)
    assert [time for time, *_ in recorded(run, "checkpoint.stale")] == [20.0, 22.0, 24.0]
    assert [time for time, *_ in recorded(run, "checkpoint.restored")] == [26.0]
    assert went_on_from(run) == [6.0]
    assert run.metrics["recovery.execute.mean"] == 6.0


def test_the_next_core_continues_to_wait_for_the_replica() -> None:
    again = {"recovery.stale_reads": {"max_retries": 9, "retry_delay": "2s"}}
    stale, crash = {"checkpoint_stale": {"at": "1s", "lag": "6s"}}, {"agent_crash": {"at": "20s"}}
    core = {"core_crash": {"at": "23s", "for": "10s"}}
    run = story(stale, crash, core, **CHECKPOINTS, **again, **{"recovery.detection.detector": "perfect"})
    assert [time for time, *_ in recorded(run, "checkpoint.restored")] == [33.0]
    assert went_on_from(run) == [6.0]
    assert run.metrics["consistency.violations"] == 0


@pytest.mark.parametrize(("crash", "missing"), [("20s", [3]), ("21500ms", [])])
def test_of_concurrent_lags_the_longer_applies(crash: str, missing: list[int]) -> None:
    minute = {"checkpoint_stale": {"at": "17s", "for": "4s", "lag": "1m"}}
    seconds = {"checkpoint_stale": {"at": "18s", "for": "4s", "lag": "2s"}}
    perfect = {"recovery.detection.detector": "perfect"}
    run = story(minute, seconds, {"agent_crash": {"at": crash}}, **CHECKPOINTS, **perfect)
    assert list(run.history["value"][run.history["event"] == "checkpoint.stale"]) == missing
