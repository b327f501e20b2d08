"""Concurrent failures are diagnosed separately, and healthy subjects are not recovered."""

from __future__ import annotations

import random  # noqa: TID251 - with a seed
from itertools import combinations_with_replacement
from typing import Any

import pytest

import recovery.diagnosis.evidence
import scenarios
import sim
from recovery.runbook.catalogue import documented
from scenarios import Scenario
from sim.measures import needless_recoveries

WORLD = """
name: overlap
duration: 6m
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: {exponential: {mean: 3s}}
  needs: {gpu: 1}
  checkpoint: {every: 1s, cost: 20ms, restore: 50ms}
agents: {count: 10, restart_time: 20s}
queue: {ack_timeout: 2m}
resources: {gpu: {units: 14}}
"""
EXECUTION, RESOURCE, AGENT, LINK = (name for name, _ in documented().entries())
BEGINS, LATER, BETWEEN = 60.0, 20.0, 120.0
"""The first overlap begins after a minute, its second failure up to 20 s later, the next overlap 2 minutes later."""


def faults(entry: str, at: float, chance: random.Random) -> list[dict[str, Any]]:
    """A documented failure, as its scenario injects it."""
    when, lasts = f"{at:.3f}s", f"{chance.uniform(20, 60):.3f}s"
    return {
        EXECUTION: [{"execution_failure": {"targets": 3, "at": when}}],
        RESOURCE: [{"resource_unavailable": {"resource": "gpu", "units": 4, "at": when, "for": lasts}}],
        AGENT: [{"agent_crash": {"targets": 2, "at": when}}],
        LINK: [{"partition": {"between": ["agents", "queue"], "at": when, "for": lasts}}],
        "cut from the core": [{"partition": {"between": ["agents", "core"], "at": when, "for": lasts}}],
        "hang": [{"agent_hang": {"targets": 2, "at": when, "for": lasts}}],
    }[entry]


def overlapping(one: str, other: str, seed: int) -> Scenario:
    """Both failures twice, at random times, the second within the first or soon after it."""
    chance = random.Random(f"{one} {other} {seed}")
    injected: list[dict[str, Any]] = []
    for number in range(2):
        begins = BEGINS + number * BETWEEN + chance.uniform(0, LATER)
        follows = begins + chance.uniform(0, LATER)
        first, second = (one, other) if chance.random() < 0.5 else (other, one)
        injected += faults(first, begins, chance) + faults(second, follows, chance)
    return scenarios.loads(WORLD).with_values({"faults": injected})


PAIRS = list(combinations_with_replacement((EXECUTION, RESOURCE, AGENT, LINK), 2))
HARDER = [
    (AGENT, "cut from the core"),
    ("cut from the core", "hang"),
    (AGENT, "hang"),
    (EXECUTION, "cut from the core"),
]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize(("one", "other"), [*PAIRS, *HARDER], ids=lambda name: name.rpartition(".")[2])
def test_concurrent_failures_are_diagnosed_separately(one: str, other: str, seed: int) -> None:
    run = sim.run(overlapping(one, other, seed), seed=seed)
    diagnosed = [name for name in run.confusion if run.confusion[name].sum()]
    assert all(name in diagnosed for name in (one, other) if "." in name)
    accuracy = run.metrics["diagnosis.accuracy"]
    assert accuracy is not None
    assert accuracy >= 0.95
    assert needless_recoveries(run.record) == 0
    assert run.violations == ()


def test_a_core_without_network_evidence_misdiagnoses_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counterpart: the network evidence separates the two failures."""
    monkeypatch.setattr(recovery.diagnosis.evidence, "UNREACHABLE", ())
    run = sim.run(overlapping(AGENT, "cut from the core", 1), seed=1)
    accuracy = run.metrics["diagnosis.accuracy"]
    assert accuracy is not None
    assert accuracy < 0.95
    assert run.confusion.loc[LINK, AGENT] > 0


@pytest.mark.parametrize("name", ["execution-failure", "resource-failure", "agent-failure", "communication-failure"])
def test_every_documented_failure_is_diagnosed_correctly(name: str) -> None:
    scenario = scenarios.load(name).with_values({"duration": "30m"})
    run = sim.run(scenario)
    assert run.metrics["diagnosis.accuracy"] == 1
    of_entry = run.confusion.loc[scenario.documents, scenario.documents]
    assert 0 < of_entry == run.confusion.to_numpy().sum()
    assert needless_recoveries(run.record) == 0
