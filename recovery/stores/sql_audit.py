"""An audit trail in a database; each line is sealed together with all lines before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from recovery.audit import AuditEntry, AuditEvent, audit_event
from recovery.stores.database import Writable
from recovery.stores.errors import StoreError
from recovery.stores.identity import store_identity
from recovery.stores.tables import AUDIT, META

_HEAD = "audit"
"""The name under which the number of lines and the last seal are stored."""
_START = "0" * 64
_FIRST_TIME, _LAST_TIME = -62_135_596_800.0, 253_402_300_799.0
"""The first and the last second that have a date, from year 1 to 9999."""
_EVENTS: dict[str, AuditEvent] = {event.value: event for event in AuditEvent}


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of a trail: the store's identity, the number of lines, and the seal of the last one.

    Kept outside of the store, it shows later whether these lines are still the ones that were written.
    """

    store: str
    lines: int
    sha256: str


class SqlAudit:
    """An append-only `recovery.ports.AuditTrail`, also for the events of operators.

    `clock` gives the time of a line in seconds. The seal of a line is the SHA-256 of its content and of the seal before
    it. The last seal is stored separately, so that removed lines at the end are detected as well. Whoever can write to
    the store can seal changed lines again: only an earlier `head`, kept elsewhere, detects that.
    """

    def __init__(self, database: Writable, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._latest: Future[None] | None = None

    def record(
        self,
        event: AuditEvent | str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one line, without blocking. Raises ValueError for an unknown event."""
        event = audit_event(event, tuple(AuditEvent))
        entry = AuditEntry(self._clock(), event, incident, subject, detail, value, text)
        self._latest = self._database.submit_one(_append_all, entry)

    def record_now(self, decide: Callable[[Connection], AuditEntry]) -> AuditEntry:
        """Append the line that `decide` returns, in the same transaction; returns it when it is durable."""

        def work(connection: Connection) -> AuditEntry:
            _head(connection, lock=True)  # what it decides by does not change before its line is written
            entry = decide(connection)
            _append_all(connection, [entry])
            return entry

        return self._database.write(work)

    def flush(self) -> None:
        """Wait until all lines are durable. Raises StoreError when the last one could not be written."""
        if self._latest is not None:
            self._latest.result()

    def entries(self, after: int = 0) -> list[AuditEntry]:
        """All lines after number `after`, in order. Raises StoreError for a line with values of other types."""
        lines = self._database.read(lambda connection: _lines(connection, after))
        for number, entry, _ in lines:
            if (name := _wrong_field(entry)) is not None:
                raise StoreError(
                    f"{self._database.place}: line {number} of the audit trail is damaged: its {name} is not valid; "
                    "valid: a copy from before"
                )
        return [entry for _, entry, _ in lines]

    def head(self) -> AuditHead:
        """The end of the trail, to be kept outside of the store. Raises StoreError."""
        return self._database.read(lambda connection: AuditHead(store_identity(connection), *_head(connection)))

    def first_wrong(self, kept: AuditHead | None = None) -> str | None:
        """The problem with the first line that was changed, removed or moved; None: there is none.

        `kept` is an earlier `head`: its lines have to be unchanged, and the store has to be the same.
        """
        lines, head, store = self._database.read(
            lambda connection: (_lines(connection), _head(connection), store_identity(connection))
        )
        if kept is not None and kept.store != store:
            return "the store is not the one of the head"
        seal, seals = _START, {0: _START}
        for place, (number, entry, sealed) in enumerate(lines, 1):
            if number != place:
                return f"line {place} is missing"
            if _wrong_field(entry) is not None:
                return f"line {number} is not what was written"
            seal = seals[number] = _sealed(seal, number, entry)
            if seal != sealed:
                return f"line {number} is not what was written"
        if head != (len(lines), seal):
            return f"lines are missing after line {len(lines)}"
        return None if kept is None else _differs(kept, seals)


def _differs(kept: AuditHead, seals: Mapping[int, str]) -> str | None:
    """The difference of an intact trail to an earlier head of it."""
    if kept.lines not in seals:
        return f"lines {len(seals)} to {kept.lines} of the head are missing"
    if seals[kept.lines] != kept.sha256:
        return f"lines 1 to {kept.lines} are not those of the head"
    return None


def _append_all(connection: Connection, entries: Sequence[AuditEntry]) -> Sequence[None]:
    number, seal = first, _ = _head(connection, lock=True)
    rows = []
    for number, entry in enumerate(entries, first + 1):
        seal = _sealed(seal, number, entry)
        rows.append({"number": number, "sha256": seal, **_fields(entry)})
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
    try:
        number, seal = json.loads(found)
    except (TypeError, ValueError):
        number, seal = None, None
    if not isinstance(number, int) or not isinstance(seal, str):
        raise StoreError("the head of the audit trail is damaged; valid: a copy from before")
    return number, seal


def _lines(connection: Connection, after: int = 0) -> list[tuple[int, AuditEntry, str]]:
    columns = [AUDIT.c[name] for name in AuditEntry.__slots__]
    asked = select(AUDIT.c.number, AUDIT.c.sha256, *columns).where(AUDIT.c.number > after)
    rows = connection.execute(asked.order_by(AUDIT.c.number))
    return [(number, AuditEntry(at, _event(event), *others), seal) for number, seal, at, event, *others in rows]


def _sealed(before: str, number: int, entry: AuditEntry) -> str:
    content = [before, number, *_fields(entry).values()]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def _fields(entry: AuditEntry) -> dict[str, Any]:
    """The columns of an entry, in order."""
    texts = {"event": str(entry.event), "detail": str(entry.detail)}  # of an enum, the plain text
    return {name: getattr(entry, name) for name in AuditEntry.__slots__} | texts


def _wrong_field(entry: AuditEntry) -> str | None:
    """The first field whose value has another type; None: there is none. Columns of SQLite have no types."""
    for name, value in _fields(entry).items():
        if name in ("at", "value"):
            is_right = isinstance(value, float | int) or (name == "value" and value is None)
        else:
            is_right = isinstance(value, int if name == "incident" else str)
        if not is_right or (name == "at" and not _FIRST_TIME <= value <= _LAST_TIME):
            return name
    return None


def _event(name: str) -> AuditEvent | str:
    """The event with a stored name, or the name itself where this version does not define it."""
    return _EVENTS.get(name, name)
