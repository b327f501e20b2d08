"""Restarts of agents. A restart continues even if the core that requested it crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import simpy
from simpy.resources.resource import Request

from sim.history import Event, History
from sim.loop import SimLoop
from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.streams import Residual, Samplable, Streams
from sim.world.agents.agents import Agents
from sim.world.entities import Agent


@dataclass(eq=False, slots=True)
class Boot:
    """An agent that is being started. The futures of those who wait for it have a result when it runs."""

    agent: Agent
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    is_done: bool = False
    slot: Request | None = None
    timer: Timer | None = None
    since: float = 0.0


class Restarts:
    """Stops and starts agents. Each start takes one of `slots` (None: unlimited) and a duration drawn from `time`."""

    def __init__(
        self, loop: SimLoop, history: History, agents: Agents, streams: Streams, time: Samplable, slots: int | None
    ) -> None:
        self._loop = loop
        self._history = history
        self._agents = agents
        self._slots = None if slots is None else simpy.Resource(loop.env, slots)
        self._time = time
        self._streams = streams
        self._times: dict[str, Callable[[], float]] = {}
        self._boots: dict[Agent, Boot] = {}
        streams.on_branch(self._redraw)

    @property
    def under_way(self) -> list[int]:
        """The numbers of the agents that are being restarted, or wait for a slot, in the order of the requests."""
        return [agent.number for agent in self._boots]

    async def restart(self, agent: Agent) -> None:
        """Stops the agent and returns when it runs again.

        A call during a start waits for that start. A cancelled call cancels the restart, unless another call waits for
        it: that of the next leader, when a core loses its lease.
        """
        boot = self._boots.get(agent)
        if boot is None:
            if agent.up:
                self._agents.crash(agent, Event.AGENT_STOPPED, "agent_restart")
            boot = self._begin(agent)
        if boot.is_done:
            return
        waiter = self._loop.create_future()
        boot.waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            boot.waiters.remove(waiter)
            if not boot.waiters:
                self._abandon(boot)
            raise

    def _begin(self, agent: Agent) -> Boot:
        boot = self._boots[agent] = Boot(agent)
        if self._slots is None:
            self._start(boot)
        else:
            boot.slot = self._slots.request()
            assert boot.slot.callbacks is not None
            boot.slot.callbacks.append(lambda _: self._start(boot))
        return boot

    def _start(self, boot: Boot) -> None:
        if self._boots.get(boot.agent) is not boot:  # cancelled at the instant at which it got its slot
            return
        name = boot.agent.name
        if name not in self._times:
            self._times[name] = self._streams.sequence(f"{name}.restart", self._time)
        boot.since = self._loop.env.now
        self._last(boot, self._times[name]())

    def _last(self, boot: Boot, seconds: float) -> None:
        if seconds > 0:
            boot.timer = after(self._loop.env, seconds, lambda _: self._finish(boot))
        else:
            self._finish(boot)

    def _redraw(self, residual: Residual) -> None:
        """Draws the durations of current starts again, given how long they have taken."""
        for boot in self._boots.values():
            if boot.timer is not None and boot.timer.callbacks:
                age = self._loop.env.now - boot.since
                seconds = residual(f"{boot.agent.name}.restart", self._time, age)
                if seconds is not None:
                    disarm(boot.timer)
                    self._last(boot, seconds - age)

    def _finish(self, boot: Boot) -> None:
        self._leave(boot)
        if not boot.agent.up:
            self._history.record(Event.AGENT_RESTARTED, agent=boot.agent.number)
            self._agents.start(boot.agent)
        boot.is_done = True
        for waiter in boot.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _abandon(self, boot: Boot) -> None:
        if self._boots.get(boot.agent) is boot:
            disarm(boot.timer)
            self._leave(boot)

    def _leave(self, boot: Boot) -> None:
        del self._boots[boot.agent]
        if self._slots is not None and boot.slot is not None:
            if boot.slot.triggered:
                self._slots.release(boot.slot)
            else:
                boot.slot.cancel()
