"""Injectors of the faults of resources."""

from __future__ import annotations

from scenarios.faults import ResourceDegraded, ResourceLeak, ResourceUnavailable
from sim.faults.injection import Injection, Injector
from sim.history import Event


def disable(injection: Injection) -> None:
    """Take units out of service; attempts that held one of them are blocked."""
    site, name = injection.site, injection.fault.resource
    pools = site.world.pools
    if pools.pools[name].available == 0:
        injection.note(Event.FAULT_SKIPPED, name)
        return
    injection.note(Event.FAULT_INJECTED, name)
    units, hit = pools.disable(name, injection.fault.units, site.streams.generator(injection.stream))
    for attempt in site.running():
        if attempt.allocation in hit and attempt.agent.responding:  # a hung agent notices when it resumes
            site.world.agents.lose_resource(attempt, name)

    def enable() -> None:
        injection.note(Event.FAULT_CLEARED, name)
        pools.enable(name, units)

    injection.later(enable)


def degrade(injection: Injection) -> None:
    """Slow down work that holds units of the pool."""
    name = injection.fault.resource
    injection.inject(injection.site.slowdowns.slow_pool(name, injection.fault.factor), name)


def leak(injection: Injection) -> None:
    """Leak free units."""
    pools, name = injection.site.world.pools, injection.fault.resource
    if pools.pools[name].free == 0:
        injection.note(Event.FAULT_SKIPPED, name)
        return
    injection.note(Event.FAULT_INJECTED, name)
    units = pools.leak(name, injection.fault.units)

    def find() -> None:
        injection.note(Event.FAULT_CLEARED, name)
        pools.find(name, units)

    injection.later(find)


INJECTORS: dict[type, Injector] = {ResourceUnavailable: disable, ResourceDegraded: degrade, ResourceLeak: leak}
