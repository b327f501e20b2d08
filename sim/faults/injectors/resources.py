"""Injectors of the faults of resources."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scenarios.faults import ResourceDegraded, ResourceLeak, ResourceUnavailable
from sim.faults.injection import Injection, Injector
from sim.history import Event


def disable(injection: Injection) -> None:
    """Take units out of service; attempts that held one of them are blocked."""
    site, name = injection.site, injection.fault.resource
    pools = site.world.pools
    claims = site.claims.setdefault((injection.fault.kind, name), [])
    if not claims and not pools.in_reach(name):
        injection.note(Event.FAULT_SKIPPED, name)
        return
    end = _claim(injection, claims, lambda: pools.pools[name].unavailable, partial(pools.enable, name))
    _, hit = pools.disable(name, injection.fault.units, site.streams.generator(injection.stream))
    for attempt in site.running():
        if attempt.allocation in hit and attempt.agent.responding:  # a hung agent notices when it resumes
            site.world.agents.lose_resource(attempt, name)
    injection.later(end)


def _claim(
    injection: Injection, claims: list[int], taken: Callable[[], int], give_back: Callable[[int], None]
) -> Callable[[], None]:
    """Claim units of a pool; returns the function that ends this.

    The claims of concurrent faults add up, and the units that exist are their limit. At the end of one, what the others
    do not claim is given back.
    """
    name, units = injection.fault.resource, injection.fault.units
    injection.injected(len(claims), name)
    claims.append(units)

    def end() -> None:
        claims.remove(units)
        injection.cleared(len(claims), name)
        give_back(max(0, taken() - sum(claims)))

    return end


def degrade(injection: Injection) -> None:
    """Slow down work that holds units of the pool."""
    name = injection.fault.resource
    injection.inject(injection.site.slowdowns.slow_pool(name, injection.fault.factor), name)


def leak(injection: Injection) -> None:
    """Leak free units."""
    site, name = injection.site, injection.fault.resource
    pools = site.world.pools
    claims = site.claims.setdefault((injection.fault.kind, name), [])
    if not claims and pools.pools[name].free == 0:
        injection.note(Event.FAULT_SKIPPED, name)
        return
    end = _claim(injection, claims, lambda: pools.pools[name].leaked, partial(pools.find, name))
    pools.leak(name, injection.fault.units)
    injection.later(end)


INJECTORS: dict[type, Injector] = {ResourceUnavailable: disable, ResourceDegraded: degrade, ResourceLeak: leak}
