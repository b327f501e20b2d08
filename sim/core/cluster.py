"""Several cores, each on a machine of its own, of which one leads: it holds a lease in a store that all of them see.

A core may crash, hang for a while and not know of it, or be cut off from the store. Another one leads then, when the
lease is over, and what the first one still does is refused: by the store, and by everybody to whom it gives a command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from recovery import Supervisor, System
from recovery.journal import Journal, MemoryJournal
from recovery.leadership import Candidate, Lease, LeaseConfig, MemoryLeases
from recovery.ports import AuditTrail
from scenarios import Scenario
from scenarios.faults import CoreHang, Partition, each
from scenarios.faults.base import STORE
from sim.core.lease_guard import Guarded, GuardedAudit, GuardedJournal, Reached, Term
from sim.core.mailbox import PORTS, CoreMessages, Late
from sim.core.node import Seat
from sim.history import Event
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.world import World

LEASE = "leader"


def needs_group(scenario: Scenario) -> bool:
    """Whether a lease matters: there are several cores, or one that may lose touch with it."""
    return scenario.recovery.cores.count > 1 or any(
        isinstance(fault, CoreHang) or (isinstance(fault, Partition) and STORE in fault.between)
        for fault in each(scenario.faults)
    )


class CoreGroup:
    """`build` makes a core for a system each time that one begins to lead; they share a journal in the store."""

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
        self._seats = {f"core.{number}": Seat(f"core.{number}", loop, world) for number in range(count)}
        self._leader: Seat | None = None
        self._led = asyncio.Event()
        self._epoch = 0
        world.network.on_healed = self._healed

    def _recipient(self) -> tuple[Machine, Supervisor] | None:
        """The core that leads, if it is awake."""
        seat = self._leader
        return None if seat is None or seat.core is None or seat.is_asleep else (seat.machine, seat.core)

    def _takes_reports(self) -> bool:
        """The one that leads does, when it is awake and not cut off from the store."""
        seat = self._leader
        return seat is not None and seat.core is not None and seat.is_heard

    async def boot(self) -> None:
        """Start all cores; returns when one of them leads."""
        for seat in self._seats.values():
            self._start(seat)
        await self._led.wait()

    def _start(self, seat: Seat) -> None:
        seat.machine = Machine(self._loop)
        candidate = Candidate(
            Reached(self._leases, seat),
            LEASE,
            seat.name,
            self._lease,
            lambda lease: self._lead(seat, lease),
            clock=seat.clock,
            sleep=seat.sleep,
        )
        seat.machine.run(self._loop.create_task, candidate.run()).add_done_callback(self._ended)

    def _ended(self, candidate: asyncio.Task[None]) -> None:
        self._led.set()  # nobody waits for one that cannot
        if not candidate.cancelled():
            candidate.result()  # a core that cannot lead is a defect, and not one that is down

    # ------------------------------------------------------------------------------------------ what happens
    def leading(self) -> str:
        """The name of the core that leads. There has to be one."""
        assert self._leader is not None
        return self._leader.name

    def crash(self, core: str) -> None:
        """Cut the power of a machine."""
        seat = self._seats[core]
        seat.machine.cut_power()
        seat.forget()
        self._world.history.record(Event.CORE_CRASHED, about=core)
        if self._leader is seat:
            self._leader = None

    def restart(self, core: str) -> None:
        """Start a core again: it waits for the lease, as the others do."""
        self._world.history.record(Event.CORE_RESTARTED, about=core)
        self._start(self._seats[core])

    def hang(self, core: str) -> None:
        """Let a core sleep."""
        self._seats[core].fall_asleep()

    def wake(self, core: str) -> None:
        """Let it go on, unless it has crashed since."""
        self._seats[core].wake()
        self.messages.deliver()

    def _healed(self) -> None:
        for seat in self._seats.values():
            seat.flush()
        self.messages.deliver()

    # ------------------------------------------------------------------------------------------------ leading
    async def _lead(self, seat: Seat, lease: Lease) -> None:
        self._depose()
        self._leader, self._epoch = seat, lease.epoch
        self._world.history.record(Event.CORE_ELECTED, value=float(lease.epoch), about=seat.name)
        core = self._build(self._as_seen_by(seat, lease))
        try:
            await core.start()
            seat.core = core
            if self._led.is_set():  # else the world begins with it
                self.messages.introduce()
            self._led.set()
            await self._loop.create_future()
        except asyncio.CancelledError:  # and not when the loop is abandoned, at the end of the run
            seat.step_down()
            if self._leader is seat and self._epoch == lease.epoch:
                self._depose()
            await core.stop()
            raise

    def _depose(self) -> None:
        if self._leader is not None:
            self._world.history.record(Event.CORE_DEPOSED, value=float(self._epoch), about=self._leader.name)
            self._leader = None

    def _as_seen_by(self, seat: Seat, lease: Lease) -> System:
        """The system for a core that has this lease: whatever it does under an older one than the latest is refused."""
        term = Term(seat, lambda: lease.epoch == self._epoch)
        ports = {
            name: Guarded(Late(getattr(self._system, name), self.messages.delay), term, store=False)
            for name in PORTS
            if getattr(self._system, name) is not None
        }
        return replace(
            self._system,
            store=cast("Any", Guarded(self._system.store, term, store=True)),
            journal=cast("Journal", GuardedJournal(self._journal, term)),
            audit=cast("AuditTrail", GuardedAudit(self._system.audit, term)),
            **cast("dict[str, Any]", ports),
        )
