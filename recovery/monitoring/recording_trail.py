"""A trail that remembers what was said of the incidents that are open, and passes everything on."""

from __future__ import annotations

from collections.abc import Callable

from recovery.audit import AuditEntry
from recovery.ports import AuditTrail


class Transcript:
    """Implements `recovery.ports.AuditTrail` around another trail; `clock` gives the time of an entry in seconds.

    An incident is remembered from its `recovery.opened` until it is forgotten.
    """

    def __init__(self, trail: AuditTrail, clock: Callable[[], float]) -> None:
        self._trail = trail
        self._clock = clock
        self._open: dict[int, list[AuditEntry]] = {}

    def record(
        self, event: str, incident: int, subject: str, detail: str = "", value: float | None = None, text: str = ""
    ) -> None:
        """Pass an entry on, and remember it. Raises what the other trail raises."""
        self._trail.record(event, incident, subject, detail, value, text)
        if event == "recovery.opened":
            self._open[incident] = []
        if incident in self._open:
            self._open[incident].append(AuditEntry(self._clock(), event, incident, subject, detail, value, text))

    def of(self, incident: int) -> tuple[AuditEntry, ...]:
        """What was said of an incident so far, oldest first."""
        return tuple(self._open.get(incident, ()))

    def clear(self) -> None:
        """Remember nothing at all any more."""
        self._open.clear()

    def forget(self, incident: int) -> None:
        """Remember nothing of an incident any more."""
        self._open.pop(incident, None)
