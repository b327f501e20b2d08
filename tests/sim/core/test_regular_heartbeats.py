"""Heartbeats that change nothing have no events, and the history is that of a run in which each one has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest

import scenarios
import sim
from recovery import Supervisor
from sim.loop.callbacks import Timer
from sim.world.agents.heartbeats import Heartbeats

WORLD = """
name: beats
duration: 3m
tasks: {{arrivals: {{interval: {{every: 10s}}}}, work: 8s, checkpoint: {{every: 2s}}}}
agents: {{count: 3, restart_time: 10s}}
queue: {{ack_timeout: 30s}}
faults: {faults}
"""
FAULTS = {
    "none": "[]",
    "crash": "[agent_crash: {at: 41, targets: 2}, agent_crash: {at: 60, targets: all}]",
    "hang": "[agent_hang: {at: 33, for: 40s}, agent_hang: {at: 90, targets: all, for: 30s, beating: true}]",
    "short hang": "[agent_hang: {every: 21, for: 4s}]",
    "partition": "[partition: {at: 30, between: [agents, core], for: 20s}]",
    "other partition": "[partition: {at: 30, between: [agents, queue], for: 20s}, agent_crash: {at: 40}]",
    "partition of one agent": "[partition: {at: 50, between: [agent.1, core], for: 40s}, agent_crash: {at: 55}]",
    "loss": "[message_loss: {at: 20, probability: 0.7, for: 60s}]",
    "delay": "[message_delay: {at: 20, delay: 4s, probability: 1, for: 60s}]",
    "slow clock": "[clock_skew: {at: 20, targets: 2, rate: 0.25, for: 60s}]",
    "crash of the core": "[core_crash: {at: 50, for: 20s}, agent_crash: {at: 60}, agent_crash: {at: 100}]",
    "suspended core": "[core_hang: {at: 50, for: 60s}, agent_crash: {at: 55}, agent_hang: {at: 95, for: 40s}]",
    "core without the store": "[partition: {at: 50, between: [core, store], for: 50s}, agent_crash: {at: 70}]",
    "slow core": "[core_slow: {at: 50, delay: 6s, for: 40s}, agent_crash: {at: 60}]",
    "fast clock": "[clock_skew: {at: 20, targets: all, rate: 3, for: 60s}, agent_crash: {at: 70}]",
}


class OneByOne(Supervisor):
    """A core that overrides `heartbeat`, so that it gets each one."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """As its base."""
        super().heartbeat(agent_id, progress)


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_the_history_is_the_same_with_and_without_events(faults: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events = 0
    beat = Heartbeats._beat

    def counted(self: Heartbeats, event: Timer) -> None:
        nonlocal events
        events += 1
        beat(self, event)

    monkeypatch.setattr(Heartbeats, "_beat", counted)
    scenario = scenarios.loads(WORLD.format(faults=faults))
    single = sim.run(scenario, seed=3, core=partial(sim.build_core, supervisor=OneByOne))
    each, events = events, 0
    regular = sim.run(scenario, seed=3)
    assert regular.history_sha256 == single.history_sha256
    assert events < each
    assert each > 50


@pytest.mark.parametrize(
    "detection",
    [
        "{detector: phi_accrual}",
        "{poll: 1s}",
        "{missed_heartbeats: 1}",
        "{phase: aligned}",
        "{stalled_after: 30s}",
    ],
)
def test_a_detector_that_needs_each_heartbeat_gets_each(detection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began = []
    begin = Heartbeats._begin_regular
    monkeypatch.setattr(Heartbeats, "_begin_regular", lambda *args: began.append(begin(*args)) or began[-1])
    text = WORLD.format(faults="[]") + f"recovery: {{detection: {detection}}}\n"
    sim.run(scenarios.loads(text), seed=3)
    assert not any(began)
