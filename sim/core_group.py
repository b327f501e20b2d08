"""Several cores, each on a machine of its own, of which one leads: it holds a lease in a store that all of them see.

A core may crash, hang for a while and not know of it, or be cut off from the store. Another one leads then, when the
lease is over, and what the first one still does is refused: by the store, and by everybody to whom it gives a command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from recovery import Supervisor, System
from recovery.journal import Journal, MemoryJournal, read, written
from recovery.leadership import Candidate, Deposed, Lease, LeaseConfig, MemoryLeases
from recovery.model import Incident
from recovery.ports import AuditTrail
from scenarios import Scenario
from scenarios.faults import CoreHang, Partition, each
from scenarios.faults.base import STORE
from sim.core_messages import PORTS, CoreMessages, Late
from sim.history import Event
from sim.loop import SimLoop
from sim.loop_machine import Machine
from sim.world.world import World

LEASE = "leader"


def needs_group(scenario: Scenario) -> bool:
    """Whether a lease matters: there are several cores, or one that may lose touch with it."""
    return scenario.recovery.cores.count > 1 or any(
        isinstance(fault, CoreHang) or (isinstance(fault, Partition) and STORE in fault.between)
        for fault in each(scenario.faults)
    )


class Seat:
    """One core's machine, and how it is connected with the rest."""

    def __init__(self, name: str, loop: SimLoop, world: World) -> None:
        self.name = name
        self.machine = Machine(loop)
        self.core: Supervisor | None = None  # while it leads, or believes so
        self._loop = loop
        self._world = world
        self._asleep_since: float | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._outbox: list[Callable[[], None]] = []  # what it has said and nobody has heard so far

    # -------------------------------------------------------------------------------------------- sleeping
    @property
    def is_asleep(self) -> bool:
        """Whether it does nothing, and does not know."""
        return self._asleep_since is not None

    def fall_asleep(self) -> None:
        """Do nothing from now on."""
        self._asleep_since = self._loop.time()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Go on, as if nothing had been."""
        self._asleep_since = None
        self._awake.set()
        self.flush()

    def clock(self) -> float:
        """What it takes for the time."""
        return self._loop.time() if self._asleep_since is None else self._asleep_since

    async def sleep(self, seconds: float) -> None:
        """Wait; it takes as long as it sleeps."""
        await asyncio.sleep(seconds)
        await self._awake.wait()

    # ---------------------------------------------------------------------------------------------- speaking
    async def can_reach(self, *, store: bool) -> None:
        """Return when it is awake, and connected with the store where it is that which matters."""
        while True:
            await self._awake.wait()
            link = self._world.network.broken_link(self.name, STORE) if store else None
            if link is None:
                return
            await self._loop.wait(link.healed)

    @property
    def is_heard(self) -> bool:
        """Whether it can reach the store now."""
        return not self.is_asleep and self._world.network.broken_link(self.name, STORE) is None

    def say(self, deliver: Callable[[], None]) -> None:
        """Have the store hear something, as soon as it can, and after what was said before."""
        self._outbox.append(deliver)
        self.flush()

    def flush(self) -> None:
        """Let the store hear what it can hear now."""
        if not self.is_heard:
            return
        outbox, self._outbox = self._outbox, []
        for deliver in outbox:
            deliver()

    def step_down(self) -> None:
        """It leads no more, and takes back what nobody has heard."""
        self.core = None
        self._outbox = []

    def forget(self) -> None:
        """Its machine has no power any more."""
        self.step_down()
        self._asleep_since = None
        self._awake = asyncio.Event()
        self._awake.set()


class CoreGroup(CoreMessages):
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
        super().__init__(loop, world)
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

    def recipient(self) -> tuple[Machine, Supervisor] | None:
        """The core that leads, if it is awake."""
        seat = self._leader
        return None if seat is None or seat.core is None or seat.is_asleep else (seat.machine, seat.core)

    @property
    def takes_reports(self) -> bool:
        """The one that leads, when it is awake and not cut off from the store."""
        seat = self._leader
        return seat is not None and self.is_up and seat.is_heard

    async def boot(self) -> None:
        """Start all cores; returns when one of them leads."""
        for seat in self._seats.values():
            self._start(seat)
        await self._led.wait()

    def _start(self, seat: Seat) -> None:
        seat.machine = Machine(self._loop)
        candidate = Candidate(
            _Reached(self._leases, seat),
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
        """The name of the core that leads. There has to be one: `is_up`."""
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
        self.deliver()

    def _healed(self) -> None:
        for seat in self._seats.values():
            seat.flush()
        self.deliver()

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
                self.introduce()
            self._led.set()
            await self._loop.create_future()
        finally:
            seat.step_down()
            if self._leader is seat and self._epoch == lease.epoch:
                self._depose()
            await core.stop()

    def _depose(self) -> None:
        if self._leader is not None:
            self._world.history.record(Event.CORE_DEPOSED, value=float(self._epoch), about=self._leader.name)
            self._leader = None

    def _as_seen_by(self, seat: Seat, lease: Lease) -> System:
        """The system for a core that has this lease: whatever it does under an older one than the latest is refused."""
        term = _Term(seat, lambda: lease.epoch == self._epoch)
        ports = {
            name: _Guarded(Late(getattr(self._system, name), self.delay), term, store=False)
            for name in PORTS
            if getattr(self._system, name) is not None
        }
        return replace(
            self._system,
            store=cast("Any", _Guarded(self._system.store, term, store=True)),
            journal=cast("Journal", _GuardedJournal(self._journal, term)),
            audit=cast("AuditTrail", _GuardedAudit(self._system.audit, term)),
            **cast("dict[str, Any]", ports),
        )


class _Reached:
    """The leases, as a core sees them that has to reach the store."""

    def __init__(self, leases: MemoryLeases, seat: Seat) -> None:
        self._leases = leases
        self._seat = seat

    async def look(self, name: str) -> Lease | None:
        await self._seat.can_reach(store=True)
        return await self._leases.look(name)

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        await self._seat.can_reach(store=True)
        return await self._leases.change(seen, to)


class _Term:
    """While a core leads. `lasts` is what the store says of it, whatever the core believes."""

    def __init__(self, seat: Seat, lasts: Callable[[], bool]) -> None:
        self.seat = seat
        self.lasts = lasts

    def check(self) -> None:
        """Raise Deposed when another core leads."""
        if not self.lasts():
            raise Deposed(f"{self.seat.name} does not lead any more")

    def say(self, deliver: Callable[[], None]) -> None:
        """Have something written, unless another core leads by the time that it can be."""
        self.seat.say(lambda: deliver() if self.lasts() else None)


class _Guarded:
    """A port, asked by a core in its term."""

    def __init__(self, port: Any, term: _Term, *, store: bool) -> None:
        self._port = port
        self._term = term
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)

        async def ask(*args: Any, **kwargs: Any) -> Any:
            await self._term.seat.can_reach(store=self._store)
            self._term.check()
            answer = await method(*args, **kwargs)
            await self._term.seat.can_reach(store=self._store)
            return answer

        return ask


class _GuardedJournal:
    """The journal: what is kept goes to the store, which refuses it when another core leads."""

    def __init__(self, journal: MemoryJournal, term: _Term) -> None:
        self._journal = journal
        self._term = term

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def durable(self) -> None:
        await self._term.seat.can_reach(store=True)
        self._term.check()

    def keep(self, incident: Incident) -> None:
        as_it_is = read(written(incident))  # as it stands now
        self._term.say(lambda: self._journal.keep(as_it_is))

    def forget(self, number: int) -> None:
        self._term.say(lambda: self._journal.forget(number))

    def keep_escalation(self, escalation: Any) -> None:
        self._term.say(lambda: self._journal.keep_escalation(escalation))


class _GuardedAudit:
    """The audit trail, in the same store."""

    def __init__(self, audit: AuditTrail, term: _Term) -> None:
        self._audit = audit
        self._term = term

    def record(self, *said: Any, **more: Any) -> None:
        self._term.say(lambda: self._audit.record(*said, **more))
