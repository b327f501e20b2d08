"""Outages of agents and cores: concurrent crashes and hangs of one target unite to one interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sim.core.host import CoreHost
from sim.history import Event, History
from sim.world.agents.agents import Agents
from sim.world.entities import Agent


@dataclass(eq=False, slots=True)
class _Outage:
    """The active faults that stop one incarnation of an agent."""

    incarnation: int
    hangs: list[bool] = field(default_factory=list)  # of each, whether heartbeats continue
    downs: int = 0  # crashes by faults after which the agent restarts by itself
    restarts_itself: bool = False  # only such faults have crashed it


class AgentOutages:
    """Crashes, hangs and flaps of agents.

    An agent runs again when all of them have ended, or earlier when the recovery restarts it: a restart ends every
    fault that has stopped the agent. After a crash that is not part of a flap, only the recovery starts it again.
    """

    def __init__(self, agents: Agents, history: History) -> None:
        self._agents = agents
        self._history = history
        self._outages: dict[Agent, _Outage] = {}

    def _of(self, agent: Agent) -> _Outage:
        outage = self._outages.get(agent)
        if outage is None or outage.incarnation != agent.incarnation:
            outage = self._outages[agent] = _Outage(agent.incarnation)
        return outage

    def others(self, agent: Agent) -> int:
        """The number of active faults that stop the agent; a crash that waits for the recovery is one."""
        outage = self._of(agent)
        return len(outage.hangs) + outage.downs + (not agent.up and not outage.restarts_itself)

    def crash(self, agent: Agent) -> None:
        """Crash an agent, which stays down until the recovery restarts it."""
        self._of(agent).restarts_itself = False
        if agent.up:
            self._agents.crash(agent)

    def hang(self, agent: Agent, beating: bool) -> Callable[[], bool]:
        """Suspend an agent; returns the function that ends this. That one returns False after a restart."""
        outage = self._of(agent)
        outage.hangs.append(beating)
        if agent.up:
            self._suspend(agent, outage)

        def end() -> bool:
            if self._of(agent) is not outage:
                return False
            outage.hangs.remove(beating)
            return True

        return end

    def go_down(self, agent: Agent) -> Callable[[], bool]:
        """Crash an agent that restarts by itself; returns the function that ends this, as `hang` does."""
        outage = self._of(agent)
        outage.downs += 1
        if agent.up:
            outage.restarts_itself = True
            self._agents.crash(agent)

        def end() -> bool:
            if self._of(agent) is not outage:
                return False
            outage.downs -= 1
            return True

        return end

    def resume(self, agent: Agent) -> None:
        """Let an agent go on after the end of a fault, if no other one stops it."""
        outage = self._of(agent)
        if agent.up:
            if outage.hangs:
                self._suspend(agent, outage)
            elif agent.hung:
                self._agents.wake(agent)
        elif not outage.hangs and not outage.downs and outage.restarts_itself:
            self._history.record(Event.AGENT_RESTARTED, agent=agent.number)
            self._agents.start(agent)

    def _suspend(self, agent: Agent, outage: _Outage) -> None:
        """Heartbeats of a suspended agent continue only if all of its hangs let them."""
        beating = all(outage.hangs)
        if not agent.hung:
            self._agents.hang(agent, beating)
        elif agent.beating != beating:
            self._agents.change_beating(agent, beating)


class CoreOutages:
    """Crashes and suspensions of cores. A core runs again when all of them have ended."""

    def __init__(self, host: CoreHost) -> None:
        self._host = host
        self._active: dict[str, int] = {}
        self._crashed: dict[str, None] = {}

    def others(self, core: str) -> int:
        """The number of active faults that stop the core."""
        return self._active.get(core, 0)

    def crash(self, core: str) -> None:
        """Cut the power of a core, until `end`."""
        self._active[core] = self.others(core) + 1
        if core not in self._crashed:
            self._crashed[core] = None
            self._host.crash(core)

    def hang(self, core: str) -> None:
        """Suspend a core, until `end`."""
        self._active[core] = self.others(core) + 1
        if self._active[core] == 1:
            self._host.hang(core)

    def end(self, core: str) -> None:
        """End one crash or suspension."""
        self._active[core] -= 1

    def resume(self, core: str) -> None:
        """Let a core go on, if no fault stops it any more: from its journal if it has crashed."""
        if self._active[core]:
            return
        if core in self._crashed:
            del self._crashed[core]
            self._host.restart(core)
        else:
            self._host.wake(core)
