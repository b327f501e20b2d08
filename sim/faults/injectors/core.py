"""Injectors of the faults of the core."""

from __future__ import annotations

from scenarios.faults import CoreCrash, CoreHang, CoreSlow
from sim.faults.injection import Injection, Injector
from sim.history import Event


def crash(injection: Injection) -> None:
    """Crash the running or leading core; skipped when there is none."""
    host = injection.site.host
    if not host.is_up:
        injection.note(Event.FAULT_SKIPPED)
        return
    leading = host.leading()
    injection.inject(lambda: host.restart(leading), leading)
    host.crash(leading)


def hang(injection: Injection) -> None:
    """Suspend the leading core; skipped when there is none."""
    host = injection.site.host
    if not host.is_up:
        injection.note(Event.FAULT_SKIPPED)
        return
    leading = host.leading()
    injection.inject(lambda: host.wake(leading), leading)
    host.hang(leading)


def slow(injection: Injection) -> None:
    """Delay every message to the core."""
    seconds = injection.site.streams.sequence(f"{injection.stream}.delay", injection.fault.delay)
    injection.inject(injection.site.host.slow_down(seconds), "core")


INJECTORS: dict[type, Injector] = {CoreCrash: crash, CoreHang: hang, CoreSlow: slow}
