"""An audit trail that keeps the entries of open incidents and forwards all entries to another trail."""

from __future__ import annotations

from collections.abc import Callable

from recovery.audit import AuditEntry, AuditEvent
from recovery.ports import AuditTrail


class RecordingTrail:
    """Implements `recovery.ports.AuditTrail` around another trail; `clock` gives the time of an entry in seconds.

    The entries of an incident are kept from its `recovery.opened` until `forget`.
    """

    def __init__(self, trail: AuditTrail, clock: Callable[[], float]) -> None:
        self._trail = trail
        self._clock = clock
        self._open: dict[int, list[AuditEntry]] = {}

    def record(
        self,
        event: AuditEvent | str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Forward an entry and keep it. Raises what the other trail raises, ValueError for an unknown event."""
        self._trail.record(event, incident, subject, detail, value, text)
        event = AuditEvent(event)
        if event is AuditEvent.RECOVERY_OPENED:
            self._open[incident] = []
        if incident in self._open:
            self._open[incident].append(AuditEntry(self._clock(), event, incident, subject, detail, value, text))

    def of(self, incident: int) -> tuple[AuditEntry, ...]:
        """The entries of an open incident so far, oldest first."""
        return tuple(self._open.get(incident, ()))

    def clear(self) -> None:
        """Discard all entries."""
        self._open.clear()

    def forget(self, incident: int) -> None:
        """Discard the entries of an incident."""
        self._open.pop(incident, None)
