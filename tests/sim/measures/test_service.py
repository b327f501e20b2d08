"""Steady state over windows, and restoration after a fault."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

import scenarios
import sim
from scenarios.sections.steady_state import WINDOWED
from sim.history import Event, History
from sim.measures import measure
from sim.measures.metrics.windows import METRICS, values
from sim.measures.tables.event_table import Tracks
from sim.simulation import Run

BUSY = """
name: busy
duration: 10m
warmup: 1m
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: {exponential: {mean: 3s}}
  failure_probability: 10%
  client: {timeout: 8s, max_retries: 1}
agents: {count: 8, slots: 1, mtbf: 3m, restart_time: 10s}
queue: {capacity: 20}
recovery: {conditions: {task_failure: {max_retries: 1, retry_delay: 1s}}}
"""
DAILY = """
name: daily
duration: {duration}
warmup: 5s
tasks: {{arrivals: {{interval: {{every: 1s}}}}, work: 0.5s}}
agents: {{count: 1}}
recovery: {{detection: {{heartbeat_interval: 1000s}}}}
steady_state: {{window: 10s, holds: [{holds}]}}
"""
"""A task every second, each done half a second later: ten completions in any window of 10 s."""


def daily(*faults: dict[str, Any], holds: str = "tasks.throughput >= 0.95", duration: str = "200s") -> Run:
    text = DAILY.format(holds=holds, duration=duration)
    return sim.run(scenarios.loads(text).with_values({"faults": list(faults)}), seed=1)


def service(run: Run) -> tuple[float | None, float | None]:
    return run.metrics["service.availability"], run.metrics["restoration.time.max"]


def blocked(at: float, lasts: float) -> dict[str, Any]:
    return {"queue_blocked": {"at": at, "for": lasts}}


def test_a_condition_that_always_holds_gives_full_availability() -> None:
    assert service(daily()) == (1.0, None)


def test_a_condition_that_never_holds_gives_zero_availability() -> None:
    assert service(daily(holds="tasks.throughput >= 3/s")) == (0.0, None)


def test_restoration_ends_with_the_first_window_in_steady_state() -> None:
    """Nothing is delivered from 100 s to 110 s; the ten tasks and those that come meanwhile keep one agent busy until
    120 s: nothing waits any more from then on, and a window without anybody waiting begins at 120 s."""
    run = daily(blocked(100, 10), holds="queue.depth.mean <= 0")
    assert run.metrics["restoration.time.mean"] == pytest.approx(20, abs=1)
    assert run.metrics["service.availability"] == pytest.approx(1 - 30 / 185, abs=0.02)


def test_a_fault_without_effect_is_restored_immediately() -> None:
    assert service(daily(blocked(100, 0.2))) == (1.0, 0.0)


def test_a_service_that_does_not_return_has_an_infinite_restoration_time() -> None:
    crash = {"agent_crash": {"at": 100}}
    run = daily(crash)
    assert service(run)[1] == inf
    assert run.metrics["restoration.time.p50"] == inf
    assert run.metrics["restoration.time.sd"] is None


def test_a_fault_that_ends_too_late_is_not_counted() -> None:
    assert service(daily(blocked(183, 10)))[1] is None


def test_a_fault_active_at_the_end_has_no_restoration() -> None:
    forever = {"agent_slow": {"factor": 3, "at": 100}}
    assert service(daily(forever))[1] is None


def test_a_fault_with_many_targets_has_one_restoration() -> None:
    text = DAILY.format(holds="agents.up.mean >= 4", duration="200s").replace("count: 1", "count: 4, restart_time: 5s")
    crash = {"agent_crash": {"at": 100, "targets": 3}}
    changed = {"faults": [crash], "recovery.detection.detector": "perfect"}
    run = sim.run(scenarios.loads(text).with_values(changed), seed=1)
    assert run.metrics["restoration.time.max"] == pytest.approx(15, abs=1)
    assert run.metrics["restoration.time.sd"] is None


def test_an_unobserved_metric_does_not_hold() -> None:
    run = daily(blocked(100, 50), holds="tasks.sojourn.mean <= 1000s")
    assert run.metrics["service.availability"] == pytest.approx(1 - 40 / 185, abs=0.02)


# ------------------------------------------------------------------------------------------------------------- learnt
LEARNING = """
name: learning
duration: {duration}
warmup: 1m
tasks: {{arrivals: {{poisson: {{rate: 4/s}}}}, work: {{exponential: {{mean: 1s}}}}}}
agents: {{count: 8}}
"""


def learning(*faults: dict[str, Any], duration: str = "30m") -> Run:
    changed = {"faults": list(faults)}
    return sim.run(scenarios.loads(LEARNING.format(duration=duration)).with_values(changed), seed=1)


def test_by_default_the_steady_state_is_learned_before_the_first_fault() -> None:
    run = learning({"load_surge": {"factor": 4, "at": "10m", "for": "1m"}})
    availability, restored = service(run)
    assert availability is not None
    assert 0.8 < availability < 0.95
    assert restored is not None
    assert 60 < restored < 240


def test_a_service_without_faults_is_available_almost_always() -> None:
    availability, restored = service(learning())
    assert availability is not None
    assert 0.95 < availability <= 1
    assert restored is None


def test_four_windows_are_too_few_to_learn() -> None:
    fault = {"queue_blocked": {"at": 60 + 4 * 30 + 29, "for": 30}}
    assert service(learning(fault)) == (None, None)
    assert service(learning({"queue_blocked": {"at": 60 + 5 * 30, "for": 30}})) != (None, None)


def stories_of_depth(after: int) -> dict[str, float | None]:
    """Zero and three queued tasks, alternating every half minute; a fault at 150 s, and so many tasks from then on."""
    rows: list[dict[str, Any]] = [{"time": 150.0, "event": Event.FAULT_INJECTED, "detail": "queue_blocked"}]
    for begin, end, number in ((30.0, 60.0, 3), (90.0, 120.0, 3), (150.0, 300.0, after)):
        for task in range(number):
            rows.append({"time": begin, "event": Event.QUEUE_ENTERED, "task": task})
            rows.append({"time": end, "event": Event.QUEUE_DELIVERED, "task": task, "agent": 0})
    rows.sort(key=lambda row: row["time"])
    return measure(History.of(rows, {"end": 300.0, "agents": 1}))


def test_fewer_windows_give_wider_limits() -> None:
    """Of 0, 3, 0, 3, 0: mean 1.2, s = 1.64, t(4) = 6.62 at 99.865 %; 1.2 + 6.62 s sqrt(1 + 1/5) = 13.1. Wrong: 12.1."""
    assert stories_of_depth(13)["service.availability"] == 1
    availability = stories_of_depth(14)["service.availability"]
    assert availability is not None
    assert availability < 0.6


# ------------------------------------------------------------------------------------------------------------ windows
def test_an_event_at_a_boundary_belongs_to_the_earlier_window() -> None:
    history = History.of([{"time": 10.0, "event": Event.CLIENT_TIMED_OUT, "task": 0}], {"end": 30.0})
    assert list(values(Tracks.of(history), "client.timeouts", np.array([10.0, 20.0]), 10.0)) == [1, 0]


def test_every_window_metric_is_measured() -> None:
    assert list(METRICS) == list(WINDOWED)


@pytest.fixture(scope="module")
def busy() -> Run:
    return sim.run(scenarios.loads(BUSY), seed=3)


OF_THE_COHORT = ("tasks.sojourn.mean", "tasks.wait.mean", "tasks.failed", "tasks.rejected", "attempts.failed")
"""Of the tasks that were submitted after the warm-up, and not of what happened in the window."""


@pytest.mark.parametrize("metric", [name for name in WINDOWED if name not in OF_THE_COHORT])
def test_a_window_over_the_measured_time_equals_the_run_metric(busy: Run, metric: str) -> None:
    tracks = Tracks.of(busy.record)
    (whole,) = values(tracks, metric, np.array([600.0]), 540.0)
    assert whole == pytest.approx(busy.metrics[metric], rel=1e-9)
    assert whole > 0


@pytest.mark.parametrize("metric", OF_THE_COHORT)
def test_a_window_over_the_run_equals_the_metric_without_warm_up(metric: str) -> None:
    run = sim.run(scenarios.loads(BUSY.replace("warmup: 1m", "warmup: 0s")), seed=3)
    (whole,) = values(Tracks.of(run.record), metric, np.array([600.0]), 600.0)
    distribution = run.samples.get(metric.removesuffix(".mean"))
    if distribution is None:
        expected = run.metrics[metric]
    else:  # of the tasks that it has happened to; those that the end cuts off are in the run's metric only
        expected = np.average(distribution.observed.values, weights=distribution.observed.counts)
    assert whole == pytest.approx(expected, rel=1e-9)
    assert whole > 0


@pytest.mark.parametrize("metric", WINDOWED)
def test_consecutive_windows_add_up_to_the_run(busy: Run, metric: str) -> None:
    """Averages over time are the average of those of the parts; numbers add up."""
    tracks = Tracks.of(busy.record)
    parts = values(tracks, metric, np.arange(20.0, 601.0, 20.0), 20.0)
    (whole,) = values(tracks, metric, np.array([600.0]), 600.0)
    if metric in {"tasks.sojourn.mean", "tasks.wait.mean"}:
        assert np.nanmin(parts) <= whole <= np.nanmax(parts)
    elif "failed" in metric or "rejected" in metric or metric in {"client.timeouts", "client.retries"}:
        assert parts.sum() == whole
    else:
        assert parts.mean() == pytest.approx(whole, rel=1e-9)
