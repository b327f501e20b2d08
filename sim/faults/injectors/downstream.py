"""Injectors of the faults of downstream dependencies."""

from __future__ import annotations

from scenarios.faults import DependencyDown, DependencySlow
from sim.faults.injection import Injection, Injector


def take_down(injection: Injection) -> None:
    """Take a dependency down."""
    name = injection.fault.dependency
    injection.inject(injection.site.world.downstream[name].take_down(), name)


def slow(injection: Injection) -> None:
    """Slow a dependency down."""
    name, factor = injection.fault.dependency, injection.fault.factor
    injection.inject(injection.site.world.downstream[name].slow_down(factor), name)


INJECTORS: dict[type, Injector] = {DependencyDown: take_down, DependencySlow: slow}
