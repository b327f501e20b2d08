"""Heartbeats of agents: a chain of SimPy events for each running agent.

Most heartbeats change nothing: they arrive at once, at a core that expects them. While that is so, and if the core
accepts it, the chain of an agent is *regular*: it has no events, and its instants are computed when the core asks for
the latest one. Any change that a heartbeat may depend on ends that: of the agent, of its clock, or of the network.
The instants are the same sums of floats in both cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import simpy

from scenarios.sections.detection import DetectionSettings
from sim.loop.callbacks import Timer, after, again, again_at
from sim.randomness.delays import drawn_delays
from sim.randomness.streams import STANDARD_UNIFORM, Streams
from sim.world.entities import Agent, Attempt
from sim.world.network import Network


class Listener(Protocol):
    """Receives heartbeats: the core's failure detector."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A heartbeat arrived, with the progress of the agent's attempts if it is requested."""

    def regular_heartbeats(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Heartbeats arrive every `interval` seconds and are not passed on one by one. False: each one has to be."""

    def regular_heartbeats_end(self, agent_id: str) -> None:
        """Each heartbeat of an agent is passed on again."""

    def agent_down(self, agent_id: str) -> None:
        """A perfect detector reports that an agent is down."""


@dataclass(slots=True)
class _Regular:
    """A chain without events: its next heartbeat, the one before it, and the event that continues it."""

    env: simpy.Environment
    latest: float
    interval: float
    event: Timer

    def pass_until_now(self) -> float:
        """The instant of the latest heartbeat."""
        now = self.env.now
        while (following := self.latest + self.interval) <= now:
            self.latest = following
        return self.latest


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
        self._regular: dict[Agent, _Regular] = {}
        # Aligned heartbeats are at one instant with others, and the order of what is at one instant has to stay.
        self._may_be_regular = self._uniform and not self._tells_progress and not streams.branches
        self._wait = drawn_delays(env, streams, "heartbeat.phase", STANDARD_UNIFORM)

    def begin(self, agent: Agent) -> None:
        """Registers an agent that has started, and begins its heartbeats."""
        if self._perfect:
            self._listener.heartbeat(agent.name)
            return
        self._end_regular(agent)
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
            self._end_regular(agent)
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
            if not self._may_be_regular or not self._begin_regular(agent, event):
                again(self._env, self._interval / agent.clock_rate, self._chain, event)

    def _begin_regular(self, agent: Agent, event: Timer) -> bool:
        """After a heartbeat: let the chain continue without events, if nothing can happen to the next ones."""
        if not self._network.is_immediate(agent.name, "core"):
            return False
        interval = self._interval / agent.clock_rate
        chain = _Regular(self._env, self._env.now, interval, event)
        if not self._listener.regular_heartbeats(agent.name, interval, chain.pass_until_now):
            return False
        self._regular[agent] = chain
        return True

    def _end_regular(self, agent: Agent) -> None:
        """Let the chain continue with events, from its next heartbeat on."""
        chain = self._regular.pop(agent, None)
        if chain is not None:
            latest = chain.pass_until_now()
            self._listener.regular_heartbeats_end(agent.name)
            again_at(self._env, latest + chain.interval, self._chain, chain.event)

    def clock_changed(self, agent: Agent) -> None:
        """The clock of an agent has another rate from now on."""
        self._end_regular(agent)

    def transport_changed(self) -> None:
        """Heartbeats may be late or lost from now on."""
        if self._regular and not self._network.transparent:
            for agent in list(self._regular):
                if not self._network.is_immediate(agent.name, "core"):
                    self._end_regular(agent)

    def recipient_changes(self) -> None:
        """Another core receives the heartbeats from now on, or none, or receives them late."""
        for agent in list(self._regular):
            self._end_regular(agent)

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
