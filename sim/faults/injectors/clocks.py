"""Injector of wrong clocks."""

from __future__ import annotations

from scenarios.faults import ClockSkew
from sim.faults.injection import Injection, Injector


def skew(injection: Injection) -> None:
    """Skew the clock of the queue, or those of agents."""
    site, fault = injection.site, injection.fault
    if fault.targets == "queue":
        queue = site.world.queue
        injection.inject(queue.clock.skew(fault.offset, fault.rate), queue.name)
        return
    for agent in injection.choose(site.agents, len(site.agents)):
        clock = site.world.agents.clock_of(agent)
        injection.inject(clock.skew(fault.offset, fault.rate), agent=agent.number)


INJECTORS: dict[type, Injector] = {ClockSkew: skew}
