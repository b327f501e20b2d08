"""Heartbeats of agents: a chain of SimPy events for each running agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import simpy

from scenarios.sections.detection import DetectionSettings
from sim.loop.callbacks import Timer, after, again
from sim.randomness.delays import drawn_delays
from sim.randomness.streams import STANDARD_UNIFORM, Streams
from sim.world.entities import Agent, Attempt
from sim.world.network import Network


class Listener(Protocol):
    """Receives heartbeats: the core's failure detector."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A heartbeat arrived, with the progress of the agent's attempts if it is requested."""

    def agent_down(self, agent_id: str) -> None:
        """A perfect detector reports that an agent is down."""


class Heartbeats:
    """Starts and ends the heartbeats of agents.

    An agent sends a heartbeat when it starts, which registers it with the core, and then one per interval, from a
    uniform phase or aligned with its start. With perfect detection no heartbeats are sent: the listener is informed of
    crashes and starts at once, regardless of the network.
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
        self._chain = (self._beat,)
        self._wait = drawn_delays(env, streams, "heartbeat.phase", STANDARD_UNIFORM)

    def begin(self, agent: Agent) -> None:
        """Registers an agent that has started, and begins its heartbeats."""
        if self._perfect:
            self._listener.heartbeat(agent.name)
            return
        chain = self._chains[agent] = self._chains.get(agent, 0) + 1
        self._send(agent)
        interval = self._interval / agent.clock_rate
        if self._uniform:
            phase = self._streams.sequence(f"{agent.name}.heartbeat.{chain}", STANDARD_UNIFORM)()
            self._wait(phase, self._beat, (agent, chain), scale=interval)
        else:
            after(self._env, interval, self._beat, (agent, chain))

    def end(self, agent: Agent) -> None:
        """Ends the heartbeats of an agent."""
        if self._perfect:
            self._listener.agent_down(agent.name)
        else:
            self._chains[agent] += 1

    def hang(self, agent: Agent) -> None:
        """Suspends the heartbeats of an agent, unless a separate thread sends them. A perfect detector reports both
        cases.
        """
        if self._perfect or not agent.beating:
            self.end(agent)

    def beat_again(self, agent: Agent) -> None:
        """Resumes the heartbeats of an agent that still hangs. A perfect detector does not use them."""
        if not self._perfect:
            self.begin(agent)

    def wake(self, agent: Agent) -> None:
        """Resumes the heartbeats of an agent."""
        if self._perfect or not agent.beating:
            self.begin(agent)

    def _beat(self, event: Timer) -> None:
        agent, chain = event._value
        if self._chains[agent] == chain:
            self._send(agent)
            again(self._env, self._interval / agent.clock_rate, self._chain, event)

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
        """Progress of each task that the agent executes; attempts that wait for resources are left out."""
        return {attempt.task.name: self._progress_of(attempt) for attempt in agent.attempts if attempt.started}
