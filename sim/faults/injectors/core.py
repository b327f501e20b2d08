"""Injectors of the faults of the core."""

from __future__ import annotations

from scenarios.faults import CoreCrash, CoreHang, CoreSlow
from sim.core.cluster import CoreGroup
from sim.core.single_node import CoreHost
from sim.faults.injection import Injection, Injector
from sim.history import Event


def crash(injection: Injection) -> None:
    """The core ends, unless there is none."""
    host = _host(injection)
    if not host.messages.is_up:
        injection.note(Event.FAULT_SKIPPED)
        return
    seat = host.leading()
    injection.inject(lambda: host.restart(seat), seat)
    host.crash(seat)


def hang(injection: Injection) -> None:
    """The core that leads does nothing for a while, unless there is none."""
    host = _host(injection)
    assert isinstance(host, CoreGroup)  # as `needs_group` says of this fault
    if not host.messages.is_up:
        injection.note(Event.FAULT_SKIPPED)
        return
    seat = host.leading()
    injection.inject(lambda: host.wake(seat), seat)
    host.hang(seat)


def slow(injection: Injection) -> None:
    """Everything reaches the core late."""
    seconds = injection.site.streams.sequence(f"{injection.stream}.delay", injection.fault.delay)
    injection.inject(_host(injection).messages.slow_down(seconds), "core")


def _host(injection: Injection) -> CoreHost | CoreGroup:
    host = injection.site.host
    assert host is not None  # as `needs_host` says of these faults
    return host


INJECTORS: dict[type, Injector] = {CoreCrash: crash, CoreHang: hang, CoreSlow: slow}
