"""Metrics of single pools of agents and of single queues."""

import pytest

import scenarios
from scenarios import ScenarioError
from scenarios.fields.metrics import UnknownMetric, lookup
from sim import compare
from sim.measures.metrics.work import NAMES
from sim.simulation import run

FLEET = """\
name: fleet
duration: 100s
tasks:
  kinds:
  - {name: chat, arrivals: {interval: {every: 10s}}, work: 8s, queue: fast}
  - {name: report, arrivals: {burst: {size: 4, at: 0s}}, work: 20s, queue: slow}
queues: {fast: {}, slow: {}}
agents:
  pools: {cpu: {count: 1, takes: [chat]}, gpu: {count: 2, takes: [report]}}
  restart_time: 5s
"""
"""The pool gpu executes two reports until 20 s and two until 40 s; cpu executes a chat of 8 s every 10 s."""


def measured(more: str = "") -> dict[str, float]:
    return run(scenarios.loads(FLEET + more), seed=1).metrics


def test_a_pool_has_the_metrics_of_its_agents():
    metrics = measured("faults: [{agent_crash: {targets: {pool: gpu, count: 1}, at: 60s}}]\n")
    assert metrics["agents.gpu.utilization"] == pytest.approx(0.4)  # 2 agents for 40 of 100 s
    assert metrics["agents.cpu.utilization"] == pytest.approx(0.72)  # 9 chats of 8 s
    assert metrics["agents.utilization"] == pytest.approx(
        (2 * metrics["agents.gpu.utilization"] + metrics["agents.cpu.utilization"]) / 3
    )
    assert (metrics["agents.gpu.restarts"], metrics["agents.cpu.restarts"]) == (1, 0)
    assert (metrics["agents.cpu.availability"], metrics["agents.cpu.all_up"]) == (1, 1)
    assert metrics["agents.gpu.availability"] == pytest.approx(metrics["agents.gpu.up.mean"] / 2)
    assert metrics["agents.gpu.up.mean"] + metrics["agents.cpu.up.mean"] == pytest.approx(metrics["agents.up.mean"])
    assert metrics["agents.gpu.all_up"] == pytest.approx(metrics["agents.all_up"]) != 1


def test_the_time_of_a_pool_is_that_of_its_slots():
    metrics = measured("faults: [{agent_crash: {targets: {pool: gpu, count: 1}, at: 15s}}]\n")
    of_pools = {pool: {name: metrics[f"work.{pool}.{name}"] for name in NAMES} for pool in ("cpu", "gpu")}
    assert {pool: sum(times.values()) for pool, times in of_pools.items()} == {"cpu": 100, "gpu": 200}
    assert of_pools["gpu"]["wasted"] == metrics["work.wasted"] == 15
    assert of_pools["cpu"] == {"useful": 72, "wasted": 0, "checkpoint": 0, "idle": 28, "down": 0}
    assert metrics["work.gpu.wasted_fraction"] == pytest.approx(15 / (15 + 80))
    assert all(metrics[f"work.{name}"] == of_pools["cpu"][name] + of_pools["gpu"][name] for name in NAMES)


def test_a_queue_has_the_metrics_of_its_tasks():
    metrics = measured()
    assert (metrics["queue.slow.depth.mean"], metrics["queue.slow.depth.max"]) == (pytest.approx(0.4), 2)
    assert (metrics["queue.fast.depth.mean"], metrics["queue.slow.deliveries"]) == (0, 4)
    assert metrics["queue.fast.deliveries"] + 4 == metrics["queue.deliveries"]
    again = run(scenarios.loads(FLEET.replace("slow: {}", "slow: {duplication: 100%}")), seed=1).metrics
    assert (again["queue.slow.duplicates"], again["queue.fast.duplicates"], again["queue.duplicates"]) == (4, 0, 4)


def test_expectations_and_comparisons_have_metrics_of_parts():
    scenario = scenarios.loads(FLEET + "expect: [queue.slow.depth.max <= 2, agents.gpu.utilization <= 50%]\n")
    assert all(each.holds for each in run(scenario, seed=1).expectations)
    both = compare(scenario, {}, {"agents.pools.gpu.count": 4}, seed=1, replications=2, metrics=["queue.slow.*"])
    assert list(both.differences)[:2] == ["queue.slow.depth.mean", "queue.slow.depth.max"]


@pytest.mark.parametrize(
    ("metric", "near"),
    [
        ("agents.gpuu.utilization", "agents.gpu.utilization"),
        ("queue.fats.depth.mean", "queue.fast.depth.mean"),
        ("agents.gpu.utilisation", "agents.gpu.utilization"),
        ("work.gpu.wastd", "work.gpu.wasted"),
        ("queue.fast.depth.p95", "queue.fast.depth."),
    ],
)
def test_an_unknown_metric_of_a_part_is_refused_with_the_nearest_one(metric, near):
    with pytest.raises(ScenarioError, match=f"nearest: '{near}"):
        scenarios.loads(FLEET + f"expect: [{metric} <= 1]\n")
    parts = scenarios.loads(FLEET).parts
    with pytest.raises(UnknownMetric):
        lookup(metric, parts)
