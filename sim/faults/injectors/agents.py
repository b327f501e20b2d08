"""Injectors of the faults of agents."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from scenarios.faults import AgentCrash, AgentFlap, AgentHang, AgentSlow
from sim.faults.injection import Injection, Injector, Site
from sim.history import Event
from sim.loop.callbacks import EventCallback
from sim.randomness.delays import drawn_delays
from sim.randomness.streams import Samplable
from sim.world.entities import Agent


def crash(injection: Injection) -> None:
    """Crash agents that are up."""
    site = injection.site
    for agent in injection.choose([agent for agent in site.agents if agent.up], len(site.agents)):
        injection.note(Event.FAULT_INJECTED, agent=agent.number)
        site.world.agents.crash(agent)


def hang(injection: Injection) -> None:
    """Hang responding agents; they resume unless they were restarted in the meantime."""
    site = injection.site
    for agent in injection.choose([agent for agent in site.agents if agent.responding], len(site.agents)):
        injection.note(Event.FAULT_INJECTED, agent=agent.number)
        site.world.agents.hang(agent, injection.fault.beating)

        def wake(agent: Agent = agent, incarnation: int = agent.incarnation) -> None:
            if agent.hung and agent.incarnation == incarnation:
                injection.note(Event.FAULT_CLEARED, agent=agent.number)
                site.world.agents.wake(agent)

        injection.later(wake)


def slow(injection: Injection) -> None:
    """Slow agents down, whether they are up or not: their hosts are slow."""
    site = injection.site
    for agent in injection.choose(site.agents, len(site.agents)):
        injection.inject(site.slowdowns.slow_agent(agent, injection.fault.factor), agent=agent.number)


def flap(injection: Injection) -> None:
    """Start repeated crashes and restarts of agents that are up."""
    site, fault = injection.site, injection.fault
    until = inf if injection.seconds is None else site.env.now + injection.seconds
    for agent in injection.choose([agent for agent in site.agents if agent.up], len(site.agents)):
        name = f"{injection.stream}.{agent.name}"
        down, up = (_drawn(site, f"{name}.{what}", getattr(fault, what)) for what in ("down", "up"))
        _die(injection, agent, down, up, until)


Later = Callable[[EventCallback], None]
"""Calls back after a time down, or up, that it draws."""


def _drawn(site: Site, name: str, distribution: Samplable) -> Later:
    draw, wait = site.streams.sequence(name, distribution), drawn_delays(site.env, site.streams, name, distribution)
    return lambda callback: wait(draw(), callback)


def _die(injection: Injection, agent: Agent, down: Later, up: Later, until: float) -> None:
    agents, env = injection.site.world.agents, injection.site.env
    if env.now >= until:
        return
    if not agent.up:  # another fault or a restart stopped it and will start it
        up(lambda _: _die(injection, agent, down, up, until))
        return
    injection.note(Event.FAULT_INJECTED, agent=agent.number)
    agents.crash(agent)
    incarnation = agent.incarnation

    def restart(_: object) -> None:
        if not agent.up and agent.incarnation == incarnation:  # it was not restarted in the meantime
            injection.note(Event.FAULT_CLEARED, agent=agent.number)
            injection.site.world.history.record(Event.AGENT_RESTARTED, agent=agent.number)
            agents.start(agent)
        up(lambda _: _die(injection, agent, down, up, until))

    down(restart)


INJECTORS: dict[type, Injector] = {AgentCrash: crash, AgentHang: hang, AgentSlow: slow, AgentFlap: flap}
