"""The journal of recoveries, escalations and policies in a database."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from recovery.journal import analysis_with, failure_with, incident_from_json, incident_to_json, plain, tuples
from recovery.model import NOTHING, Escalation, Incident
from recovery.policies.policy_states import PolicyChanges, PolicyState, state_from_json, state_to_json
from recovery.stores.database import Writable
from recovery.stores.errors import StoreError
from recovery.stores.tables import ESCALATIONS, JOURNAL, META, POLICIES

Result = TypeVar("Result")
_ESCALATION: TypeAdapter[Escalation] = TypeAdapter(Escalation)
_THERE = select(JOURNAL.c.number).where(JOURNAL.c.number.in_(bindparam("numbers", expanding=True)))
_CHANGE = update(JOURNAL).where(JOURNAL.c.number == bindparam("changed")).values(incident=bindparam("text"))
_DELETE_STATE = delete(POLICIES).where(POLICIES.c.name == bindparam("changed"))
_NUMBERS = "incidents"
"""The name under which the next number of a recovery is stored."""
States = Mapping[str, bytes | None]
"""Changed states of policies as JSON by name; None: the state is deleted."""
Kept = tuple[int | None, bytes, States]
"""The number and the text of a recovery, and the states that change with it. None: states without a recovery."""


def no_offset() -> float:
    """The offset of a clock that survives the core, as that of a simulation does."""
    return 0.0


class SqlJournal:
    """A `recovery.journal.Journal`. Errors of writes are raised by the next `durable`, as StoreError.

    `offset` returns the seconds by which the clock of stored instants is ahead of the loop's clock, because a restarted
    core has another loop: `recovery.local.ports.ahead` for cores in processes. With `blocking`, `durable` blocks the
    loop, as in a simulation.
    """

    def __init__(self, database: Writable, offset: Callable[[], float] = no_offset, *, blocking: bool = False) -> None:
        self._database = database
        self._offset = offset
        self._blocking = blocking
        self._pending: deque[Future[None]] = deque()

    async def durable(self) -> None:
        """Return when everything that was accepted so far is durable."""
        pending = list(self._pending)  # others may wait for them concurrently
        try:
            for future in pending:
                if self._blocking:
                    future.result()
                else:
                    await asyncio.wrap_future(future)
        finally:
            while self._pending and self._pending[0].done():
                self._pending.popleft()

    def _query(self, question: Callable[[Connection], Result]) -> Result:
        """Run a query after everything that was accepted so far is written."""
        return self._database.write(question)

    def _submit(self, work: Callable[[Connection], None]) -> None:
        self._await_later(self._database.submit(work))

    def _await_later(self, future: Future[None]) -> None:
        """Add a write for the next `durable`. Earlier writes that are durable are no longer needed."""
        pending = self._pending
        while pending and pending[0].done() and pending[0].exception() is None:
            pending.popleft()
        pending.append(future)

    # ------------------------------------------------------------------------------------------- recoveries
    def keep(self, incident: Incident, policies: PolicyChanges = NOTHING) -> None:
        """Store an open recovery in its present state, and states of policies in the same transaction."""
        kept: Kept = incident.number, incident_to_json(incident, self._offset()), self._as_json(policies)
        self._await_later(self._database.submit_one(_keep_all, kept))

    def forget(self, number: int) -> None:
        """Delete a recovery that has ended."""

        def work(connection: Connection) -> None:
            connection.execute(delete(JOURNAL).where(JOURNAL.c.number == number))

        self._submit(work)

    def unfinished(self) -> Sequence[Incident]:
        """The open recoveries. Raises StoreError for a damaged one."""
        rows = self._query(lambda connection: connection.execute(select(JOURNAL).order_by(JOURNAL.c.number)).all())
        return [self._incident(number, text) for number, text in rows]

    def _incident(self, number: int, text: bytes) -> Incident:
        try:
            return incident_from_json(text, -self._offset())
        except ValidationError:
            raise StoreError(f"{self._database.place}: recovery {number} in the journal is damaged") from None

    def numbers(self) -> int:
        """One more than the highest number of all recoveries."""
        return self._query(_numbers)

    # ---------------------------------------------------------------------------------------------- policies
    def keep_policies(self, policies: PolicyChanges) -> None:
        """Store changed states of policies."""
        kept: Kept = None, b"", self._as_json(policies)
        self._await_later(self._database.submit_one(_keep_all, kept))

    def policies(self) -> Mapping[str, PolicyState]:
        """The stored states. Raises StoreError for a damaged one."""
        rows = self._query(lambda connection: connection.execute(select(POLICIES).order_by(POLICIES.c.name)).all())
        return {name: self._state(name, text) for name, text in rows}

    def _as_json(self, policies: PolicyChanges) -> States:
        later = self._offset() if policies else 0.0
        return {name: None if state is None else state_to_json(state, later) for name, state in policies.items()}

    def _state(self, name: str, text: bytes) -> PolicyState:
        try:
            return state_from_json(text, -self._offset())
        except ValidationError:
            raise StoreError(f"{self._database.place}: the policy state {name!r} in the journal is damaged") from None

    # ------------------------------------------------------------------------------------------- escalations
    def keep_escalation(self, escalation: Escalation) -> None:
        """Store an escalation."""
        incident, text = escalation.incident, _ESCALATION.dump_json(_with(plain, escalation, self._offset()))

        def work(connection: Connection) -> None:
            changed = update(ESCALATIONS).where(ESCALATIONS.c.incident == incident).values(escalation=text)
            if connection.execute(changed).rowcount == 0:
                connection.execute(insert(ESCALATIONS).values(incident=incident, escalation=text))

        self._submit(work)

    def escalations(self) -> Sequence[Escalation]:
        """All escalations, in the order in which they were first stored. Raises StoreError for a damaged one."""
        asked = select(ESCALATIONS.c.incident, ESCALATIONS.c.escalation).order_by(ESCALATIONS.c.place)
        rows = self._query(lambda connection: connection.execute(asked).all())
        return tuple(self._escalation(number, text) for number, text in rows)

    def _escalation(self, number: int, text: bytes) -> Escalation:
        try:
            return _with(tuples, _ESCALATION.validate_json(text), -self._offset())
        except ValidationError:
            raise StoreError(f"{self._database.place}: the escalation of recovery {number} is damaged") from None


def _keep_all(connection: Connection, kept: Sequence[Kept]) -> Sequence[None]:
    """Write the last one of several texts of a recovery, and of several states of a policy."""
    texts: dict[int, bytes] = {}
    states: dict[str, bytes | None] = {}
    for number, text, changed in kept:
        states |= changed
        if number is not None:
            texts[number] = text
    if texts:
        _keep_recoveries(connection, texts)
    if states:
        connection.execute(_DELETE_STATE, [{"changed": name} for name in states])
        present = [{"name": name, "state": state} for name, state in states.items() if state is not None]
        if present:
            connection.execute(insert(POLICIES), present)
    return [None] * len(kept)


def _keep_recoveries(connection: Connection, texts: Mapping[int, bytes]) -> None:
    there = set(connection.execute(_THERE, {"numbers": sorted(texts)}).scalars())
    changed = [{"changed": number, "text": text} for number, text in texts.items() if number in there]
    opened = [{"number": number, "incident": text} for number, text in texts.items() if number not in there]
    if changed:
        connection.execute(_CHANGE, changed)
    if opened:
        connection.execute(insert(JOURNAL), opened)
        _count(connection, 1 + max(number for number in texts if number not in there))


def _numbers(connection: Connection) -> int:
    found = connection.execute(select(META.c.value).where(META.c.name == _NUMBERS)).scalar_one_or_none()
    return 0 if found is None else int(found)


def _count(connection: Connection, numbers: int) -> None:
    """Store the next number, so that numbers of deleted recoveries are not reused."""
    before = _numbers(connection)
    if before == 0:
        connection.execute(insert(META).values(name=_NUMBERS, value=str(numbers)))
    elif before < numbers:
        connection.execute(update(META).where(META.c.name == _NUMBERS).values(value=str(numbers)))


def _with(convert: Callable[[Any], Any], escalation: Escalation, later: float) -> Escalation:
    return replace(
        escalation,
        failure=failure_with(convert, escalation.failure, later),
        opened_at=escalation.opened_at + later,
        at=escalation.at + later,
        analysis=analysis_with(convert, escalation.analysis, later),
        released=convert(escalation.released),
    )
