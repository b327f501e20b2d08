"""Injector of wrong clocks."""

from __future__ import annotations

from scenarios.faults import ClockSkew
from sim.faults.injection import Injection, Injector


def skew(injection: Injection) -> None:
    """Skew the clock of the queue, those of cores, or those of agents."""
    site, fault = injection.site, injection.fault
    if fault.targets == "queue":
        queue = site.world.queue
        injection.inject(queue.clock.skew(fault.offset, fault.speed), queue.name)
        return
    if fault.of_cores:
        for core, clock in site.host.clocks().items():
            if fault.targets == "core" or core in fault.targets:
                injection.inject(clock.skew(fault.offset, fault.speed), core)
        return
    for agent in injection.choose(site.agents, len(site.agents)):
        clock = site.world.agents.clock_of(agent)
        injection.inject(clock.skew(fault.offset, fault.speed), agent=agent.number)


INJECTORS: dict[type, Injector] = {ClockSkew: skew}
