"""Injectors of the faults of agents."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from scenarios.faults import AgentCrash, AgentFlap, AgentHang, AgentSlow
from sim.faults.injection import Injection, Injector, Site
from sim.loop.callbacks import EventCallback
from sim.randomness.delays import drawn_delays
from sim.randomness.streams import Samplable
from sim.world.entities import Agent


def crash(injection: Injection) -> None:
    """Crash agents. One that is down already stays down, and a count takes agents that are up first."""
    site = injection.site
    for agent in injection.choose(site.agents, len(site.agents), lambda agent: agent.up):
        injection.injected(0 if agent.up else site.agent_outages.others(agent), agent=agent.number)
        site.agent_outages.crash(agent)


def hang(injection: Injection) -> None:
    """Hang agents until all faults that stop them have ended. A count takes responding agents first."""
    site, outages = injection.site, injection.site.agent_outages
    for agent in injection.choose(site.agents, len(site.agents), lambda agent: agent.responding):
        injection.injected(outages.others(agent), agent=agent.number)
        end = outages.hang(agent, injection.fault.beating)

        def wake(agent: Agent = agent, end: Callable[[], bool] = end) -> None:
            if end():
                injection.cleared(outages.others(agent), agent=agent.number)
                outages.resume(agent)

        injection.later(wake)


def slow(injection: Injection) -> None:
    """Slow agents down, whether they are up or not: their hosts are slow."""
    site = injection.site
    for agent in injection.choose(site.agents, len(site.agents)):
        injection.inject(site.slowdowns.slow_agent(agent, injection.fault.factor), agent=agent.number)


def flap(injection: Injection) -> None:
    """Start repeated crashes and restarts of agents. A count takes agents that are up first."""
    site, fault = injection.site, injection.fault
    until = inf if injection.seconds is None else site.env.now + injection.seconds
    for agent in injection.choose(site.agents, len(site.agents), lambda agent: agent.up):
        name = f"{injection.stream}.{agent.name}"
        down, up = (_drawn(site, f"{name}.{what}", getattr(fault, what)) for what in ("down", "up"))
        _die(injection, agent, down, up, until)


Later = Callable[[EventCallback], None]
"""Calls back after a time down, or up, that it draws."""


def _drawn(site: Site, name: str, distribution: Samplable) -> Later:
    draw, wait = site.streams.sequence(name, distribution), drawn_delays(site.env, site.streams, name, distribution)
    return lambda callback: wait(draw(), callback)


def _die(injection: Injection, agent: Agent, down: Later, up: Later, until: float) -> None:
    if injection.site.env.now >= until:
        return
    outages = injection.site.agent_outages
    injection.injected(outages.others(agent), agent=agent.number)
    end = outages.go_down(agent)

    def restart(_: object) -> None:
        if end():  # it was not restarted in the meantime
            injection.cleared(outages.others(agent), agent=agent.number)
            outages.resume(agent)
        up(lambda _: _die(injection, agent, down, up, until))

    down(restart)


INJECTORS: dict[type, Injector] = {AgentCrash: crash, AgentHang: hang, AgentSlow: slow, AgentFlap: flap}
