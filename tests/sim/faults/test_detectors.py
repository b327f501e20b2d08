"""Each detector in the world: its detections, latency and false alarms."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import pytest

import scenarios
import sim
from scenarios import Scenario
from sim.measures import needless_recoveries
from sim.simulation import Run
from tests.sim.core.test_recovery_of_agents_that_respond import without_restart
from tests.sim.world.stories import recorded, scenario

WORK = ("attempt.", "task.completed", "task.fenced")


def one_long_task(work: str, faults: str, **values: Any) -> Scenario:
    """task.0 on agent.0 from 10 s on, and another agent; heartbeats at 0, 5, 10, …"""
    settings = {"tasks.work": work, "recovery.detection.phase": "aligned", **values}
    return scenario(settings, f"faults: {faults}\n", duration="400s", agents=2)


def times(run: Run, *events: str) -> list[tuple[float, str]]:
    return [(time, event) for time, event, *_ in recorded(run, *events)]


# -------------------------------------------------------------------------------------------------- stalled progress
HANG = "[{agent_hang: {targets: [agent.0], at: 12s, for: 100s, beating: true}}]"


def test_a_hang_with_heartbeats_is_detected_by_task_progress() -> None:
    """No progress since 12 s; the heartbeat of 15 s shows it first, and that of 40 s comes more than 20 s later."""
    run = sim.run(one_long_task("60s", HANG, **{"recovery.detection.stalled_after": "20s"}), seed=1)
    assert times(run, "task.stalled", "recovery.opened", "recovery.verified", "agent.restarted") == [
        (40.0, "task.stalled"),
        (40.0, "recovery.opened"),
        (40.0, "agent.restarted"),
        (40.0, "recovery.verified"),
    ]
    assert recorded(run, "recovery.analyzed")[0][4] == "system_failures.agent_failure"
    metrics = run.metrics
    assert metrics["tasks.completed"] == 1
    assert (metrics["detection.progress.latency.mean"], metrics["detection.progress.false_positives"]) == (28.0, 0.0)
    assert (metrics["detection.missed"], metrics["detection.false_positives"]) == (0.0, 0.0)
    assert metrics["diagnosis.accuracy"] == 1.0
    assert metrics["consistency.violations"] == 0


def test_heartbeats_alone_do_not_detect_it() -> None:
    run = sim.run(one_long_task("60s", HANG), seed=1)
    assert times(run, "agent.suspected", "task.stalled", "recovery.opened") == []
    assert run.metrics["detection.missed"] == 1.0
    assert run.metrics["detection.progress.false_positives"] is None
    assert [time for time, _ in times(run, "task.completed")] == [170.0]  # 10 + 60 of work + 100 that it hung


def test_a_perfect_detector_detects_it_immediately() -> None:
    run = sim.run(one_long_task("60s", HANG, **{"recovery.detection.detector": "perfect"}), seed=1)
    assert times(run, "agent.suspected") == [(12.0, "agent.suspected")]


def test_an_escalated_agent_that_wakes_up_is_fenced_and_rejoins() -> None:
    """The other agent completes its task, its own result is rejected, and it takes the next task."""
    settings = {"recovery.detection.stalled_after": "20s", "tasks.count": 12}
    hang = HANG.replace("for: 100s", "for: 200s")
    run = sim.run(one_long_task("25s", hang, **settings), seed=1, core=without_restart)
    of_first = [(event, agent, detail) for _, event, task, agent, detail in recorded(run, *WORK) if task == 0]
    assert of_first == [
        ("attempt.started", 0, ""),
        ("task.fenced", -1, ""),
        ("attempt.started", 1, ""),
        ("attempt.succeeded", 1, ""),
        ("task.completed", 1, ""),
        ("attempt.succeeded", 0, ""),
        ("attempt.refused", 0, "commit"),
    ]
    assert [agent for time, _, _, agent, _ in recorded(run, "attempt.started") if time > 212].count(0) > 0
    assert run.violations == ()


def test_a_slow_task_on_a_responding_agent_is_a_dismissed_false_alarm() -> None:
    """Writing its checkpoint takes it 40 s, in which it does not get on."""
    checkpoint = {"tasks.checkpoint": "{every: 10s, cost: 40s}", "recovery.detection.stalled_after": "20s"}
    run = sim.run(one_long_task("30s", "[]", **checkpoint), seed=1)
    assert run.metrics["detection.progress.false_positives"] == 2.0
    assert run.metrics["detection.false_positives"] == 4.0  # each alarm, and the recovery that it opened
    assert run.metrics["recovery.dismissed"] == 2.0
    assert needless_recoveries(run.record) == 0
    assert times(run, "task.completed") == [(120.0, "task.completed")]


def test_a_task_waiting_for_resources_is_not_stalled() -> None:
    crowded = """
name: crowded
duration: 200s
tasks: {arrivals: {burst: {size: 2}}, work: 60s, needs: {gpu: 1}}
agents: {count: 2}
resources: {gpu: {units: 1}}
recovery: {detection: {stalled_after: 20s}}
"""
    run = sim.run(scenarios.loads(crowded), seed=1)
    assert times(run, "task.stalled") == []
    assert run.metrics["tasks.completed"] == 2


# ------------------------------------------------------------------------------------------------------- phi accrual
PHI = {"recovery.detection.detector": "phi_accrual", "recovery.detection.phi_window": 10}
Z8 = -NormalDist().inv_cdf(1e-8)


def test_phi_accrual_detects_the_crash_of_a_regular_agent_early() -> None:
    crash = "[{agent_crash: {targets: [agent.0], at: 102s}}]"
    run = sim.run(one_long_task("300s", crash, **PHI), seed=1)
    (suspected, _), *_ = times(run, "agent.suspected")
    assert suspected == pytest.approx(100 + 5 + Z8 * 0.1, abs=1e-6)
    assert run.metrics["detection.agent.latency.mean"] == pytest.approx(suspected - 102)
    assert run.metrics["detection.missed"] == 0
    patient = sim.run(one_long_task("300s", crash), seed=1)
    assert times(patient, "agent.suspected") == [(115.0, "agent.suspected")]


def test_an_agent_disconnected_longer_than_phi_allows_continues_its_task() -> None:
    cut = "[{partition: {between: [agent.0, core], at: 101s, for: 30s}}]"
    run = sim.run(one_long_task("200s", cut, **PHI), seed=1)
    assert [event for _, event in times(run, "agent.suspected", "agent.cleared")] == [
        "agent.suspected",
        "agent.cleared",
    ]
    assert [event for _, event in times(run, "attempt.started", "attempt.succeeded", "task.completed")] == [
        "attempt.started",
        "attempt.succeeded",
        "task.completed",
    ]
    assert needless_recoveries(run.record) == 0
    assert (run.metrics["detection.agent.false_positives"], run.metrics["consistency.violations"]) == (0, 0)


def test_a_higher_threshold_is_slower_and_has_fewer_false_alarms() -> None:
    slow = {**PHI, "network.latency": "{exponential: {mean: 1s}}", "tasks.count": 1}
    low, high = (
        sim.run(scenario({**slow, "recovery.detection.phi_threshold": phi}, duration="3h", agents=3), seed=1).metrics
        for phi in (2.0, 8.0)
    )
    assert low["detection.agent.false_positives"] > 5 * (high["detection.agent.false_positives"] + 1)


# ---------------------------------------------------------------------------------------------------------- latency
@pytest.mark.parametrize("phase", ["aligned", "uniform"])
@pytest.mark.parametrize("latency", ["10s", "30s"])
@pytest.mark.parametrize(
    "detector",
    [{"missed_heartbeats": 1}, {"missed_heartbeats": 3}, {"detector": "phi_accrual"}, {"detector": "perfect"}],
)
def test_a_constant_latency_beyond_the_heartbeat_interval_is_no_failure(
    detector: dict[str, Any], latency: str, phase: str
) -> None:
    """Neither at the start nor after the restart of an agent or of the core. Heartbeats are 5 s apart."""
    values = {f"recovery.detection.{key}": value for key, value in (detector | {"phase": phase}).items()}
    crashes = {"faults": [{"agent_crash": {"at": 100, "targets": ["agent.0"]}}, {"core_crash": {"at": 250, "for": 60}}]}
    values |= crashes | {"network.latency": latency, "agents.restart_time": "20s"}
    run = sim.run(scenario(values, duration="400s", agents=2), seed=1)
    assert (run.metrics["detection.false_positives"], run.metrics["detection.missed"]) == (0, 0)
    assert len(times(run, "agent.suspected")) == 1


def test_a_rising_latency_is_a_gap_between_heartbeats() -> None:
    """The heartbeat of 30 s arrives at 46 s, 21 s after the one of 25 s; 15 s are allowed."""
    slow = "[{message_delay: {delay: 16s, at: 27s}}]"
    run = sim.run(one_long_task("60s", slow), seed=1)
    assert times(run, "agent.suspected")[0] == (40.0, "agent.suspected")
    assert run.metrics["detection.false_positives"] == 2


# ---------------------------------------------------------------------------------------------------- failed sends
PARTED = "[{partition: {between: [agents, queue], at: 31s, for: 60s}}]"


@pytest.mark.parametrize(("failed_deliveries", "opened"), [(1, 33.0), (2, 40.0)])
def test_a_partition_is_reported_at_the_nth_failed_send(failed_deliveries: int, opened: float) -> None:
    settings = {"recovery.detection.failed_deliveries": failed_deliveries, "tasks.count": 12}
    run = sim.run(one_long_task("3s", PARTED, **settings), seed=1)
    assert times(run, "recovery.opened") == [(opened, "recovery.opened")]
    assert run.metrics["detection.delivery.latency.mean"] == opened - 31
    assert run.metrics["detection.delivery.false_positives"] == 0
    assert run.metrics["tasks.completed"] == 12


# -------------------------------------------------------------------------------------------------- unhealthy pools
LOSSY = """
name: lossy
duration: 400s
tasks: {arrivals: {burst: {size: 1}}, work: 50s, needs: {gpu: 2}}
agents: {count: 1}
resources: {gpu: {units: 2}}
network: {loss: 50%}
recovery:
  detection: {resource_probe: null, missed_heartbeats: 30}
  conditions: {resource_failure: {max_retries: 10, retry_delay: 5s}}
faults:
  - resource_unavailable: {resource: gpu, units: 2, at: 10s, for: 30s}
"""
SEED_THAT_LOSES_THE_REPORT = 3


def lossy(probe: str) -> Run:
    changed = scenarios.loads(LOSSY).with_values({"recovery.detection.resource_probe": probe})
    return sim.run(changed, seed=SEED_THAT_LOSES_THE_REPORT)


def test_a_probe_finds_a_task_whose_report_was_lost() -> None:
    """Its units are gone at 10 s and the report with them; it is found at 20 s and tried from 25 s on."""
    run = lossy("20s")
    assert ("message.lost", "report") in [(event, detail) for _, event, _, _, detail in recorded(run, "message.lost")]
    assert times(run, "resource.suspected", "resource.cleared") == [
        (20.0, "resource.suspected"),
        (40.0, "resource.cleared"),
    ]
    assert times(run, "recovery.opened") == [(20.0, "recovery.opened")]
    assert run.metrics["detection.resource.latency.mean"] == 10.0
    assert run.metrics["detection.resource.false_positives"] == 0.0
    assert run.metrics["tasks.completed"] == 1
    assert needless_recoveries(run.record) == 0


def test_without_probes_the_task_stays_blocked() -> None:
    run = lossy("null")
    assert times(run, "recovery.opened") == []
    assert run.metrics["tasks.completed"] == 0
    assert run.metrics["detection.resource.false_positives"] is None


def test_probes_of_healthy_pools_find_nothing() -> None:
    busy = scenarios.load("execution-failure").with_values(
        {"recovery.detection.resource_probe": "10s", "duration": "20m"}
    )
    run = sim.run(busy, seed=7)
    assert run.metrics["detection.resource.false_positives"] == 0.0
    assert needless_recoveries(run.record) == 0
