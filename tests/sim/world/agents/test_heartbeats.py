"""Heartbeats: times, network effects, and the perfect detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import simpy

from scenarios.fields.distributions import Constant
from scenarios.sections.detection import DetectionSettings
from sim.history import History
from sim.randomness.streams import Streams
from sim.world.agents.heartbeats import Heartbeats
from sim.world.entities import Agent
from sim.world.network import Network
from tests.sim.world.stories import NetworkLog


class Ear:
    """Records received heartbeats with their times."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self.beats: list[float] = []
        self.deaths: list[float] = []

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A heartbeat message."""
        self.beats.append(self._env.now)

    def regular_heartbeats(self, *_: Any) -> bool:
        """Each heartbeat has to be passed on."""
        return False

    def regular_heartbeats_end(self, agent_id: str) -> None:
        """They were passed on before."""

    def agent_down(self, agent_id: str) -> None:
        """A death."""
        self.deaths.append(self._env.now)


def heart(
    latency: float = 0.0, loss: float = 0.0, **settings: Any
) -> tuple[simpy.Environment, Heartbeats, Ear, Network]:
    """One heart that can be started, with an ear."""
    env = simpy.Environment()
    streams, ear = Streams("1/0"), Ear(env)
    network = Network(env, History(env), streams, Constant(value=latency), loss)
    network.listener = NetworkLog()
    detection = DetectionSettings(**({"heartbeat_interval": 5.0} | settings))
    return env, Heartbeats(env, streams, network, ear, detection, lambda attempt: attempt.progress), ear, network


def test_an_agent_sends_a_heartbeat_at_its_start_and_every_interval() -> None:
    """Aligned with its start, until it ends."""
    env, hearts, ear, _ = heart(phase="aligned")
    agent = Agent(0, 1)
    env.run(until=3)
    hearts.begin(agent)
    env.run(until=14)
    hearts.end(agent)
    env.run(until=40)
    assert ear.beats == [3.0, 8.0, 13.0]
    hearts.begin(agent)
    env.run(until=46)
    assert ear.beats[3:] == [40.0, 45.0]
    assert ear.deaths == []


def test_each_agent_has_its_own_heartbeat_phase() -> None:
    """Uniform over the interval, different for each agent and each start, and equal in every run."""
    phases = []
    for number in (0, 1, 0):
        env, hearts, ear, _ = heart(phase="uniform")
        hearts.begin(Agent(number, 1))
        env.run(until=15)
        first = ear.beats[1]
        assert 0 <= first < 5
        assert ear.beats == pytest.approx([0.0, first, first + 5, first + 10])
        phases.append(first)
    assert phases[0] == phases[2] != phases[1]


def test_a_heartbeat_has_the_network_latency() -> None:
    """Sent at 0, 5 and 10 s."""
    env, hearts, ear, _ = heart(latency=2.0, phase="aligned")
    hearts.begin(Agent(0, 1))
    env.run(until=13)
    assert ear.beats == [2.0, 7.0, 12.0]


def test_lost_heartbeats_are_not_resent() -> None:
    """The next heartbeat does not depend on the arrival of the previous one."""
    env, hearts, ear, network = heart(phase="aligned")
    hearts.begin(Agent(0, 1))
    network.cut("agents", "core")
    env.run(until=12)
    network.heal("agents|core")
    env.run(until=17)
    assert ear.beats == [0.0, 15.0]
    env, hearts, ear, _ = heart(loss=1.0, phase="aligned")
    hearts.begin(Agent(0, 1))
    env.run(until=30)
    assert ear.beats == []


def test_a_perfect_detector_detects_starts_and_crashes_despite_the_network() -> None:
    """Without any heartbeat."""
    env, hearts, ear, network = heart(loss=1.0, latency=2.0, detector="perfect")
    network.cut("agents", "core")
    agent = Agent(0, 1)
    hearts.begin(agent)
    assert env.peek() == float("inf")
    env.run(until=30)
    hearts.end(agent)
    assert (ear.beats, ear.deaths) == ([0.0], [30.0])
