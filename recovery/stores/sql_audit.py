"""An audit trail in a database, in which every line is sealed with those before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from sqlalchemy import Connection, insert, select, update

from recovery.audit import AUDIT_EVENTS, OPERATOR_EVENTS, AuditEntry
from recovery.stores.database import Writable
from recovery.stores.tables import AUDIT, META

_HEAD = "audit"
"""Under which name the number of lines and the seal of the last one are kept."""
_START = "0" * 64


class SqlAudit:
    """A `recovery.ports.AuditTrail`, append-only: `clock` gives the seconds that a line is marked with.

    The seal of a line is the SHA-256 of the seal before it and of what it says. The seal of the last one is kept beside
    them, so that lines cannot be cut off either.
    """

    def __init__(self, database: Writable, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._latest: Future[None] | None = None

    def record(
        self,
        event: str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one line, as soon as may be. Does not block. Raises ValueError for an unknown event."""
        if event not in AUDIT_EVENTS + OPERATOR_EVENTS:
            raise ValueError(f"unknown audit event {event!r}")
        entry = AuditEntry(self._clock(), event, incident, subject, detail, value, text)
        self._latest = self._database.submit_one(_append_all, entry)

    def record_now(self, decide: Callable[[Connection], AuditEntry]) -> AuditEntry:
        """Append the line that is decided on in the same transaction, and return it when it is durable."""

        def work(connection: Connection) -> AuditEntry:
            entry = decide(connection)
            _append_all(connection, [entry])
            return entry

        return self._database.write(work)

    def flush(self) -> None:
        """Wait until all lines are on the disk. Raises StoreError when the last could not be written."""
        if self._latest is not None:
            self._latest.result()

    def entries(self, after: int = 0) -> list[AuditEntry]:
        """All lines behind the first `after`, in order."""
        return [entry for _, entry, _ in self._database.read(lambda connection: _lines(connection, after))]

    def first_wrong(self) -> str | None:
        """What is wrong with the first line that was changed, removed or moved; None: all is as it was written."""
        lines, head = self._database.read(lambda connection: (_lines(connection), _head(connection)))
        seal = _START
        for place, (number, entry, sealed) in enumerate(lines, 1):
            if number != place:
                return f"line {place} is missing"
            seal = _sealed(seal, number, entry)
            if seal != sealed:
                return f"line {number} is not what was written"
        if head != (len(lines), seal):
            return f"lines are missing after line {len(lines)}"
        return None


def _append_all(connection: Connection, entries: Sequence[AuditEntry]) -> Sequence[None]:
    number, seal = first, _ = _head(connection, lock=True)
    rows = []
    for number, entry in enumerate(entries, first + 1):
        seal = _sealed(seal, number, entry)
        said = {name: getattr(entry, name) for name in AuditEntry.__slots__}
        rows.append({"number": number, "sha256": seal, **said})
    connection.execute(insert(AUDIT), rows)
    head = json.dumps([number, seal])
    if first == 0:
        connection.execute(insert(META).values(name=_HEAD, value=head))
    else:
        connection.execute(update(META).where(META.c.name == _HEAD).values(value=head))
    return [None] * len(entries)


def _head(connection: Connection, *, lock: bool = False) -> tuple[int, str]:
    asked = select(META.c.value).where(META.c.name == _HEAD)
    found = connection.execute(asked.with_for_update() if lock else asked).scalar_one_or_none()
    if found is None:
        return 0, _START
    number, seal = json.loads(found)
    return number, seal


def _lines(connection: Connection, after: int = 0) -> list[tuple[int, AuditEntry, str]]:
    columns = [AUDIT.c[name] for name in AuditEntry.__slots__]
    asked = select(AUDIT.c.number, AUDIT.c.sha256, *columns).where(AUDIT.c.number > after)
    rows = connection.execute(asked.order_by(AUDIT.c.number))
    return [(number, AuditEntry(*said), seal) for number, seal, *said in rows]


def _sealed(before: str, number: int, entry: AuditEntry) -> str:
    said = [getattr(entry, name) for name in AuditEntry.__slots__]
    return hashlib.sha256(json.dumps([before, number, *said], ensure_ascii=False).encode()).hexdigest()
