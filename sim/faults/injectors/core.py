"""Injectors of the faults of the core."""

from __future__ import annotations

from scenarios.faults import CoreCrash, CoreHang, CoreSlow
from sim.faults.injection import Injection, Injector


def crash(injection: Injection) -> None:
    """Crash the core that runs or leads, or that led last."""
    outages, core = injection.site.core_outages, injection.site.host.leading()
    _stop(injection, core)
    outages.crash(core)


def hang(injection: Injection) -> None:
    """Suspend the core that leads, or that led last."""
    outages, core = injection.site.core_outages, injection.site.host.leading()
    _stop(injection, core)
    outages.hang(core)


def _stop(injection: Injection, core: str) -> None:
    outages = injection.site.core_outages
    injection.injected(outages.others(core), core)

    def resume() -> None:
        outages.end(core)
        injection.cleared(outages.others(core), core)
        outages.resume(core)

    injection.later(resume)


def slow(injection: Injection) -> None:
    """Delay every message to the core."""
    seconds = injection.site.streams.sequence(f"{injection.stream}.delay", injection.fault.delay)
    injection.inject(injection.site.host.slow_down(seconds), "core")


INJECTORS: dict[type, Injector] = {CoreCrash: crash, CoreHang: hang, CoreSlow: slow}
