"""Random crashes of agents (`agents.mtbf`).

A lifetime is drawn at each start. Its clock runs always, or only while the agent is busy. A hung agent can crash as
well: the clock ignores hangs.
"""

from __future__ import annotations

from collections.abc import Callable

import simpy

from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.streams import Residual, Samplable, Streams
from sim.world.agents.agents import Agents
from sim.world.entities import Agent


class Breakdowns:
    """Draws lifetimes and crashes agents at their end."""

    def __init__(
        self, env: simpy.Environment, streams: Streams, agents: Agents, lifetime: Samplable, only_while_busy: bool
    ) -> None:
        self._env = env
        self._agents = agents
        self._crash = agents.crash
        self._lifetime = lifetime
        self._only_while_busy = only_while_busy
        self._lifetimes: list[Callable[[], float]] = [
            streams.sequence(f"{agent.name}.crash", lifetime) for agent in agents.all
        ]
        self._drawn: list[float] = [0.0] * len(agents.all)
        self._left: list[float] = [0.0] * len(agents.all)
        self._since: list[float] = [0.0] * len(agents.all)
        self._timers: list[Timer | None] = [None] * len(agents.all)
        self._stopped = False
        streams.on_branch(self._redraw)

    def stop(self) -> None:
        """No agent crashes any more."""
        self._stopped = True

    def begin(self, agent: Agent) -> None:
        """Draws the lifetime of an agent that has started."""
        self._left[agent.number] = self._drawn[agent.number] = self._lifetimes[agent.number]()
        if not self._only_while_busy:
            self.busy(agent)

    def end(self, agent: Agent) -> None:
        """Stops the clock of an agent that is down."""
        disarm(self._timers[agent.number])
        self._timers[agent.number] = None

    def busy(self, agent: Agent) -> None:
        """Starts the agent's clock."""
        self._since[agent.number] = self._env.now
        self._timers[agent.number] = after(self._env, self._left[agent.number], lambda _: self._end_life(agent))

    def _end_life(self, agent: Agent) -> None:
        if agent.up and not self._stopped:
            self._crash(agent)

    def idle(self, agent: Agent) -> None:
        """Stops the agent's clock and keeps the rest of its lifetime."""
        if self._timers[agent.number] is not None:
            elapsed = self._env.now - self._since[agent.number]
            self._left[agent.number] = max(0.0, self._left[agent.number] - elapsed)  # rounding may give less than 0
            self.end(agent)

    def _redraw(self, residual: Residual) -> None:
        """Draws the lifetimes of running agents again, given their ages."""
        for agent in self._agents.all:
            number, timer = agent.number, self._timers[agent.number]
            if not agent.up:
                continue
            if timer is not None:
                self.idle(agent)
            age = self._drawn[number] - self._left[number]
            lifetime = residual(f"{agent.name}.crash", self._lifetime, age)
            if lifetime is not None:
                self._drawn[number], self._left[number] = lifetime, lifetime - age
            if timer is not None:
                self.busy(agent)
