"""The core's audit trail, written into the history of the run."""

from __future__ import annotations

from math import nan

from recovery.audit import AUDIT_EVENTS
from sim.history import Event, History

_EVENTS = {label: Event[label.upper().replace(".", "_")] for label in AUDIT_EVENTS}


class HistoryAudit:
    """Implements `recovery.ports.AuditTrail`. A history has no column for the text that explains an entry."""

    def __init__(self, history: History) -> None:
        self._history = history

    def record(
        self,
        event: str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one entry of the trail as an event of the history."""
        task = agent = -1
        about = ""
        group, _, number = subject.partition(".")
        if group == "task" and number.isdigit():
            task = int(number)
        elif group == "agent" and number.isdigit():
            agent = int(number)
        else:
            about = subject
        self._history.record(_EVENTS[event], task, agent, -1, nan if value is None else value, detail, about, incident)
