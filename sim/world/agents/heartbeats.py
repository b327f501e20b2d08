"""Heartbeats of agents, as a chain of SimPy events for each agent that is alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import simpy

from scenarios.sections.detection import DetectionSettings
from sim.loop.callbacks import Timer, after
from sim.randomness.streams import STANDARD_UNIFORM, Streams
from sim.world.entities import Agent, Attempt
from sim.world.network import Network


class Listener(Protocol):
    """Who hears the beats: the core's detector."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A beat arrived, with the progress of what the agent executes where that is asked for."""

    def agent_down(self, agent_id: str) -> None:
        """Something that knows at once says that an agent is down."""


class Heartbeats:
    """Starts and ends the agents' chains of beats.

    An agent beats when it starts (it registers with the core) and then every interval: from a uniform phase, or aligned
    with its start. With perfect detection nobody beats: the listener is told of deaths and starts at their instants,
    whatever the network does.
    """

    def __init__(
        self,
        env: simpy.Environment,
        streams: Streams,
        network: Network,
        listener: Listener,
        settings: DetectionSettings,
        progress_of: Callable[[Attempt], float],
    ) -> None:
        self._env = env
        self._streams = streams
        self._network = network
        self._listener = listener
        self._interval = settings.heartbeat_interval
        self._uniform = settings.phase == "uniform"
        self._perfect = settings.detector == "perfect"
        self._tells_progress = settings.stalled_after is not None
        self._progress_of = progress_of
        self._chains: dict[Agent, int] = {}

    def begin(self, agent: Agent) -> None:
        """The agent lives: it registers, and its chain of beats begins."""
        if self._perfect:
            self._listener.heartbeat(agent.name)
            return
        chain = self._chains[agent] = self._chains.get(agent, 0) + 1
        self._send(agent)
        phase = self._interval / agent.clock_rate
        if self._uniform:
            phase *= self._streams.sequence(f"{agent.name}.heartbeat.{chain}", STANDARD_UNIFORM)()
        after(self._env, phase, self._beat, (agent, chain))

    def end(self, agent: Agent) -> None:
        """The agent is silent from now on."""
        if self._perfect:
            self._listener.agent_down(agent.name)
        else:
            self._chains[agent] += 1

    def hang(self, agent: Agent) -> None:
        """The agent hangs: it is silent, unless its heart is a thread of its own. Who knows at once hears of both."""
        if self._perfect or not agent.beating:
            self.end(agent)

    def wake(self, agent: Agent) -> None:
        """The agent goes on."""
        if self._perfect or not agent.beating:
            self.begin(agent)

    def _beat(self, event: Timer) -> None:
        agent, chain = event._value
        if self._chains[agent] == chain:
            self._send(agent)
            after(self._env, self._interval / agent.clock_rate, self._beat, event._value)

    def _send(self, agent: Agent) -> None:
        progress = self._progress(agent) if self._tells_progress else None
        if self._network.transparent:
            self._listener.heartbeat(agent.name, progress)
        else:
            self._network.send(
                "heartbeat",
                agent.name,
                "core",
                lambda: self._listener.heartbeat(agent.name, progress),
                lost=lambda link: None,
            )

    def _progress(self, agent: Agent) -> dict[str, float]:
        """How far each task is that the agent executes; what waits for resources is not being executed."""
        return {attempt.task.name: self._progress_of(attempt) for attempt in agent.attempts if attempt.started}
