"""The audit trail of the core, recorded in the history of the run."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from recovery.audit import AUDIT_EVENTS, AuditEvent
from sim.history import Event, History
from sim.history.error_texts import reproducible

_EVENTS: Mapping[str, Event] = {event: Event[event.name] for event in AUDIT_EVENTS}

_WITH_ERRORS = frozenset(
    {Event.RECOVERY_FAILED, Event.RECOVERY_ESCALATED, Event.RESOURCE_PROBE_FAILED, Event.MONITOR_FAILED}
)
"""The events whose detail may be the text of an error."""


class HistoryAudit:
    """Implements `recovery.ports.AuditTrail`. A history does not store the text of an entry."""

    omits_text = True

    def __init__(self, history: History) -> None:
        self._history = history

    def record(
        self,
        event: AuditEvent | str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one entry as an event of the history. Raises ValueError for an unknown event."""
        happened = _EVENTS.get(event)
        if happened is None:
            raise ValueError(f"unknown audit event {event!r}")
        if happened in _WITH_ERRORS:
            detail = reproducible(detail)
        task = agent = -1
        about = ""
        group, _, number = subject.partition(".")
        if group == "task" and number.isdigit():
            task = int(number)
        elif group == "agent" and number.isdigit():
            agent = int(number)
        else:
            about = subject
        self._history.record(happened, task, agent, -1, nan if value is None else value, detail, about, incident)
