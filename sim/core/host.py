"""The host of the recovery core: the protocol, and which of its implementations a scenario needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from recovery import Supervisor, System
from scenarios import Scenario
from sim.core.cluster import ClusterHost, needs_cluster
from sim.core.direct import DirectHost
from sim.core.single_node import SingleNodeHost, needs_node
from sim.loop import SimLoop
from sim.world.clocks import Clock
from sim.world.listeners import Core
from sim.world.world import World


class CoreHost(Protocol):
    """Runs the recovery core and delivers to it what the world reports. Faults of the core act on its host.

    `core` in the arguments is the name of a core, as `leading` returns it.
    """

    @property
    def core(self) -> Core:
        """Receives the reports of the world, whichever core runs."""

    @property
    def is_up(self) -> bool:
        """Whether a core receives reports."""

    def receive(self, arrive: Callable[[], None]) -> None:
        """Call `arrive` when a core takes the message; the sender keeps it until then."""

    def network_healed(self) -> None:
        """Send what waited for a connection: a partition has ended."""

    def boot(self) -> Awaitable[None]:
        """Start; returns when a core runs."""

    def leading(self) -> str:
        """The name of the core that runs or leads, or that did last."""

    def crash(self, core: str) -> None:
        """Cut the power of a core's machine."""

    def restart(self, core: str) -> None:
        """Start a core again after a crash."""

    def hang(self, core: str) -> None:
        """Suspend a core."""

    def wake(self, core: str) -> None:
        """Resume a suspended core, unless it has crashed since."""

    def clocks(self) -> Mapping[str, Clock]:
        """The clocks of the leases of all cores, by name. Empty for a host without a lease."""

    def slow_down(self, delay: Callable[[], float]) -> Callable[[], None]:
        """Delay all messages to the core by `delay()` seconds; returns the function that ends the delay."""


def host_for(
    scenario: Scenario, loop: SimLoop, world: World, system: System, build: Callable[[System], Supervisor]
) -> CoreHost:
    """The simplest host that supports all faults of a scenario. `build` makes a core for a system."""
    if needs_cluster(scenario):
        cores = scenario.recovery.cores
        return ClusterHost(loop, world, system, build, cores.count, cores.lease)
    if needs_node(scenario):
        return SingleNodeHost(loop, world, system, build)
    return DirectHost(build(system))
