"""What a core that has the lease is given: the system, which refuses it as soon as another one leads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from recovery.journal import MemoryJournal, incident_from_json, incident_to_json
from recovery.leadership import Deposed, Lease, MemoryLeases
from recovery.model import Incident
from recovery.ports import AuditTrail
from sim.core.node import Node


class Reached:
    """The leases, as a core sees them that has to reach the store."""

    def __init__(self, leases: MemoryLeases, node: Node) -> None:
        self._leases = leases
        self._node = node

    async def look(self, name: str) -> Lease | None:
        """The lease as it is, once the store can be reached."""
        await self._node.can_reach(store=True)
        return await self._leases.look(name)

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Put a lease in the place of what was seen, once the store can be reached."""
        await self._node.can_reach(store=True)
        return await self._leases.change(seen, to)


class Term:
    """While a core leads. `lasts` is what the store says of it, whatever the core believes."""

    def __init__(self, node: Node, lasts: Callable[[], bool]) -> None:
        self.node = node
        self.lasts = lasts

    def check(self) -> None:
        """Raise Deposed when another core leads."""
        if not self.lasts():
            raise Deposed(f"{self.node.name} does not lead any more")

    def say(self, deliver: Callable[[], None]) -> None:
        """Have something written, unless another core leads by the time that it can be."""
        self.node.say(lambda: deliver() if self.lasts() else None)


class Guarded:
    """A port, asked by a core in its term."""

    def __init__(self, port: Any, term: Term, *, store: bool) -> None:
        self._port = port
        self._term = term
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)

        async def ask(*args: Any, **kwargs: Any) -> Any:
            await self._term.node.can_reach(store=self._store)
            self._term.check()
            answer = await method(*args, **kwargs)
            await self._term.node.can_reach(store=self._store)
            return answer

        return ask


class GuardedJournal:
    """The journal: what is kept goes to the store, which refuses it when another core leads."""

    def __init__(self, journal: MemoryJournal, term: Term) -> None:
        self._journal = journal
        self._term = term

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def durable(self) -> None:
        """Return when the store has heard everything. Raises Deposed."""
        await self._term.node.can_reach(store=True)
        self._term.check()

    def keep(self, incident: Incident) -> None:
        """An open recovery as it stands now."""
        as_it_is = incident_from_json(incident_to_json(incident))  # as it stands now
        self._term.say(lambda: self._journal.keep(as_it_is))

    def forget(self, number: int) -> None:
        """A recovery is over."""
        self._term.say(lambda: self._journal.forget(number))

    def keep_escalation(self, escalation: Any) -> None:
        """An escalation."""
        self._term.say(lambda: self._journal.keep_escalation(escalation))


class GuardedAudit:
    """The audit trail, in the same store."""

    def __init__(self, audit: AuditTrail, term: Term) -> None:
        self._audit = audit
        self._term = term

    def record(self, *said: Any, **more: Any) -> None:
        """One entry, as soon as the store hears it."""
        self._term.say(lambda: self._audit.record(*said, **more))
