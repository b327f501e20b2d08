"""Several cores, each on its own machine. The holder of a lease in their common store leads.

A core may crash, be suspended without noticing it, or lose its connection with the store. When its lease expires,
another one leads, and the store and all recipients of commands refuse what the first one still does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from recovery import Supervisor, System
from recovery.journal import Journal, MemoryJournal
from recovery.leadership import Candidate, Lease, LeaseConfig, MemoryLeases
from recovery.ports import AuditTrail
from scenarios import Scenario
from scenarios.faults import AnyFault, ClockSkew, CoreHang, Partition, each
from scenarios.faults.base import STORE
from sim.core.lease_guard import GuardedAudit, GuardedJournal, GuardedPort, RemoteLeases, Term
from sim.core.mailbox import PORTS, CoreMessages, DelayedPort
from sim.core.node import Node
from sim.history import Event
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.clocks import Clock
from sim.world.world import World

LEASE = "leader"


def needs_cluster(scenario: Scenario) -> bool:
    """Whether a lease is needed: there are several cores, or one that can lose its connection with the store, or has a
    wrong clock.
    """
    return scenario.recovery.cores.count > 1 or any(
        isinstance(fault, CoreHang) or (isinstance(fault, Partition) and STORE in fault.between) or _skews_cores(fault)
        for fault in each(scenario.faults)
    )


def _skews_cores(fault: AnyFault) -> bool:
    return isinstance(fault, ClockSkew) and fault.of_cores


class ClusterHost:
    """Implements `sim.core.host.CoreHost`: several nodes, of which the holder of the lease runs the core.

    `build` makes a core for a system each time that a node begins to lead; the cores share a journal in the store.
    """

    def __init__(
        self,
        loop: SimLoop,
        world: World,
        system: System,
        build: Callable[[System], Supervisor],
        count: int,
        lease: LeaseConfig,
    ) -> None:
        self._loop = loop
        self._world = world
        self.messages = CoreMessages(loop, world, self._recipient, self._takes_reports)
        self._system = system
        self._build = build
        self._lease = lease
        self._leases = MemoryLeases()
        self._journal = MemoryJournal()
        keeps_time = not any(_skews_cores(fault) for fault in each(world.scenario.faults))
        names = [f"core.{number}" for number in range(count)]
        self._nodes = {name: Node(name, loop, world, keeps_time=keeps_time) for name in names}
        self._leader: Node | None = None
        self._led_last = next(iter(self._nodes))
        self._led = asyncio.Event()
        self._epoch = 0

    def _recipient(self) -> tuple[Machine, Supervisor] | None:
        """The leading core, if it is awake."""
        node = self._leader
        return None if node is None or node.core is None or node.is_suspended else (node.machine, node.core)

    def _takes_reports(self) -> bool:
        """Whether the leading core is awake and connected with the store."""
        node = self._leader
        return node is not None and node.core is not None and node.reaches_store

    @property
    def core(self) -> CoreMessages:
        """What the world reports to."""
        return self.messages

    @property
    def is_up(self) -> bool:
        """Whether a core leads and is awake."""
        return self.messages.is_up

    def receive(self, arrive: Callable[[], None]) -> None:
        """Call `arrive` when the leading core takes the message."""
        self.messages.receive(arrive)

    def slow_down(self, delay: Callable[[], float]) -> Callable[[], None]:
        """Delay all messages to the cores; returns the function that ends the delay."""
        return self.messages.slow_down(delay)

    def clocks(self) -> Mapping[str, Clock]:
        """The clocks of the nodes."""
        return {name: node.lease_clock for name, node in self._nodes.items()}

    async def boot(self) -> None:
        """Start all cores; returns when one of them leads."""
        for node in self._nodes.values():
            self._start(node)
        await self._led.wait()

    def _start(self, node: Node) -> None:
        node.machine = Machine(self._loop)
        candidate = Candidate(
            RemoteLeases(self._leases, node),
            LEASE,
            node.name,
            self._lease,
            lambda lease: self._lead(node, lease),
            clock=node.clock,
            sleep=node.sleep,
        )
        node.machine.run(self._loop.create_task, candidate.run()).add_done_callback(self._ended)

    def _ended(self, candidate: asyncio.Task[None]) -> None:
        self._led.set()  # waiting for a core that cannot lead would never end
        if not candidate.cancelled():
            candidate.result()  # a core that cannot lead is a defect of the code, not a core that is down

    # ------------------------------------------------------------------------------------------ what happens
    def leading(self) -> str:
        """The name of the core that leads, or that led last."""
        return self._led_last

    def crash(self, core: str) -> None:
        """Cut the power of a core's machine."""
        node = self._nodes[core]
        self.messages.recipient_changes()
        node.machine.cut_power()
        node.forget()
        self._world.history.record(Event.CORE_CRASHED, about=core)
        if self._leader is node:
            self._leader = None

    def restart(self, core: str) -> None:
        """Start a core again: it waits for the lease, as the others do."""
        self._world.history.record(Event.CORE_RESTARTED, about=core)
        self._start(self._nodes[core])

    def hang(self, core: str) -> None:
        """Suspend a core."""
        self.messages.recipient_changes()
        self._nodes[core].suspend()

    def wake(self, core: str) -> None:
        """Resume a suspended core, unless it has crashed since."""
        self._nodes[core].wake()
        self.messages.deliver()

    def network_healed(self) -> None:
        """Send what waited for a connection: writes to the store, and reports to the core."""
        for node in self._nodes.values():
            node.flush()
        self.messages.deliver()

    # ------------------------------------------------------------------------------------------------ leading
    async def _lead(self, node: Node, lease: Lease) -> None:
        self._depose()
        self._leader, self._epoch, self._led_last = node, lease.epoch, node.name
        self._world.history.record(Event.CORE_ELECTED, value=float(lease.epoch), about=node.name)
        core = self._build(self._as_seen_by(node, lease))
        try:
            await core.start()
            node.core = core
            if self._led.is_set():  # the first lease is recorded when the world begins
                self.messages.register_agents()
            self._led.set()
            await self._loop.create_future()
        except asyncio.CancelledError:  # not when the loop is abandoned at the end of the run
            self.messages.recipient_changes()
            node.step_down()
            if self._leader is node and self._epoch == lease.epoch:
                self._depose()
            await core.stop()
            raise

    def _depose(self) -> None:
        leader = self._leader
        if leader is None:
            return
        self.messages.recipient_changes()
        unaware = leader.core is not None and not leader.is_suspended
        self._world.history.record(
            Event.CORE_DEPOSED, value=float(self._epoch), detail="unaware" if unaware else "", about=leader.name
        )
        self._leader = None

    def _as_seen_by(self, node: Node, lease: Lease) -> System:
        """The system for a core with this lease: it refuses everything done under an outdated lease."""
        term = Term(node, lambda: lease.epoch == self._epoch)
        ports = {
            name: GuardedPort(DelayedPort(getattr(self._system, name), self.messages.delay), term, store=False)
            for name in PORTS
            if getattr(self._system, name) is not None
        }
        return replace(
            self._system,
            store=cast("Any", GuardedPort(self._system.store, term, store=True)),
            journal=cast("Journal", GuardedJournal(self._journal, term)),
            audit=cast("AuditTrail", GuardedAudit(self._system.audit, term)),
            **cast("dict[str, Any]", ports),
        )
