"""The system of a core with a lease: it refuses calls as soon as another core leads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from recovery.journal import MemoryJournal, incident_to_json
from recovery.leadership import Deposed, Lease, MemoryLeases
from recovery.model import NOTHING, Incident
from recovery.policies.policy_states import PolicyChanges
from recovery.ports import AuditTrail
from sim.core.node import Node


class RemoteLeases:
    """The leases as a core accesses them that has to reach the store."""

    def __init__(self, leases: MemoryLeases, node: Node) -> None:
        self._leases = leases
        self._node = node

    async def look(self, name: str) -> Lease | None:
        """The current lease, once the store can be reached."""
        await self._node.can_reach(store=True)
        return await self._leases.look(name)

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Replace the lease that was read, once the store can be reached."""
        await self._node.can_reach(store=True)
        return await self._leases.change(seen, to)

    def change_now(self, seen: Lease | None, to: Lease) -> bool | None:
        """`change`; None while the store cannot be reached."""
        return self._leases.replaced(seen, to) if self._node.reaches_store else None


class Term:
    """The time for which a core leads. `is_current` is the state in the store, whatever the core assumes."""

    def __init__(self, node: Node, is_current: Callable[[], bool]) -> None:
        self.node = node
        self.is_current = is_current

    def check(self) -> None:
        """Raise Deposed when another core leads."""
        if not self.is_current():
            raise Deposed(f"{self.node.name} no longer leads")

    def write(self, deliver: Callable[[], None]) -> None:
        """Write something as soon as the store can be reached, unless another core leads by then."""
        self.node.write(lambda: deliver() if self.is_current() else None)


class GuardedPort:
    """A port that a core uses during its term."""

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
    """The journal: writes go to the store, which refuses them when another core leads."""

    def __init__(self, journal: MemoryJournal, term: Term) -> None:
        self._journal = journal
        self._term = term

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def durable(self) -> None:
        """Return when the store has all writes. Raises Deposed."""
        await self._term.node.can_reach(store=True)
        self._term.check()

    def keep(self, incident: Incident, policies: PolicyChanges = NOTHING) -> None:
        """Write the current state of an open recovery, and of policies."""
        number, as_it_is = incident.number, incident_to_json(incident)  # its state now
        self._term.write(lambda: self._journal.keep_json(number, as_it_is, policies))

    def keep_policies(self, policies: PolicyChanges) -> None:
        """Write states of policies."""
        self._term.write(lambda: self._journal.keep_policies(policies))

    def forget(self, number: int) -> None:
        """Remove a recovery that has ended."""
        self._term.write(lambda: self._journal.forget(number))

    def keep_escalation(self, escalation: Any) -> None:
        """Write an escalation."""
        self._term.write(lambda: self._journal.keep_escalation(escalation))


class GuardedAudit:
    """The audit trail, in the same store."""

    def __init__(self, audit: AuditTrail, term: Term) -> None:
        self._audit = audit
        self._term = term

    @property
    def omits_text(self) -> bool:
        """Whether the trail stores no text."""
        return getattr(self._audit, "omits_text", False)

    def record(self, *said: Any, **more: Any) -> None:
        """Write one entry as soon as the store can be reached."""
        self._term.write(lambda: self._audit.record(*said, **more))
