"""The queue of escalations for operators, with everything that is known of each incident."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from recovery.audit import AuditEvent
from recovery.errors import error_text
from recovery.journal import NO_JOURNAL, Journal
from recovery.model import (
    URGENCY,
    Escalation,
    FailureKind,
    Incident,
    Severity,
)
from recovery.ports import System

SEVERITY: Mapping[FailureKind, Severity] = {
    FailureKind.TASK: Severity.WARNING,
    FailureKind.RESOURCE: Severity.WARNING,
    FailureKind.AGENT: Severity.CRITICAL,  # its tasks wait
    FailureKind.COMMUNICATION: Severity.CRITICAL,
}
Said = Callable[[AuditEvent, Escalation, str], None]
"""Takes `escalation.acknowledged` or `escalation.resolved`, the escalation, and the operator."""


class EscalationQueue:
    """Escalations by urgency: the most severe first, then the oldest.

    The queue contains the waiting ones, acknowledged or not; `resolved` contains the others in the order of their
    resolution. Initially it contains the escalations of the `journal`.
    """

    def __init__(self, said: Said | None = None, journal: Journal = NO_JOURNAL) -> None:
        self._said = said
        self._journal = journal
        self._waiting: dict[int, Escalation] = {}
        self._resolved: dict[int, Escalation] = {}
        for escalation in journal.escalations():
            place = self._waiting if escalation.resolved_by is None else self._resolved
            place[escalation.incident] = escalation

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Escalation]:
        return iter(sorted(self._waiting.values(), key=_urgency))

    def __getitem__(self, place: int) -> Escalation:
        return list(self)[place]

    @property
    def resolved(self) -> tuple[Escalation, ...]:
        """The resolved escalations."""
        return tuple(self._resolved.values())

    def add(self, escalation: Escalation) -> None:
        """Add an escalation, or replace the one of the same incident."""
        self._journal.keep_escalation(escalation)
        self._waiting[escalation.incident] = escalation

    def of(self, incident: int) -> Escalation:
        """The escalation of this incident, waiting or resolved. Raises KeyError if there is none."""
        found = self._waiting.get(incident) or self._resolved.get(incident)
        if found is None:
            raise KeyError(f"no escalation of incident {incident}")
        return found

    def acknowledge(self, incident: int, operator: str) -> Escalation:
        """Assign an operator to the escalation, which remains in the queue until it is resolved.

        Raises KeyError if none of this incident waits, ValueError if another operator has acknowledged it.
        """
        escalation = self._waiting_one(incident)
        if escalation.acknowledged_by == operator:
            return escalation
        if escalation.acknowledged_by is not None:
            raise ValueError(f"incident {incident} is already acknowledged by {escalation.acknowledged_by}")
        acknowledged = replace(escalation, acknowledged_by=operator)
        self.add(acknowledged)
        self._say(AuditEvent.ESCALATION_ACKNOWLEDGED, acknowledged, operator)
        return acknowledged

    def resolve(self, incident: int, operator: str, note: str = "") -> Escalation:
        """Resolve the escalation. Raises KeyError if none of this incident waits."""
        resolved = replace(self._waiting_one(incident), resolved_by=operator, note=note)
        self._journal.keep_escalation(resolved)
        self._resolved[incident] = resolved
        del self._waiting[incident]
        self._say(AuditEvent.ESCALATION_RESOLVED, resolved, operator)
        return resolved

    def _waiting_one(self, incident: int) -> Escalation:
        if incident not in self._waiting:
            raise KeyError(f"no escalation of incident {incident} waits")
        return self._waiting[incident]

    def _say(self, event: AuditEvent, escalation: Escalation, operator: str) -> None:
        if self._said is not None:
            self._said(event, escalation, operator)


def _urgency(escalation: Escalation) -> tuple[int, float, int]:
    return URGENCY[escalation.severity], escalation.opened_at, escalation.incident


async def escalation_of(incident: Incident, at: float, system: System) -> Escalation:
    """Collect everything that is known of an incident that is escalated at `at` (s). Does not raise."""
    unknown: list[str] = []

    async def ask(name: str, query: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await query()
        except Exception as error:  # noqa: BLE001 - the escalation must not fail because of a store
            system.defect("escalation", error, incident.number)
            unknown.append(f"{name}: {error_text(error)}")
            return None

    failure = incident.failure
    status, stored = None, ()
    if failure.kind in {FailureKind.TASK, FailureKind.RESOURCE}:
        status = await ask("status", lambda: system.store.status(failure.subject))
        stored = await ask("checkpoint", lambda: system.store.checkpoints(failure.subject)) or ()
    return Escalation(
        incident=incident.number,
        failure=failure,
        reason=incident.outcome or "",
        cause=incident.cause,
        opened_at=incident.opened_at,
        at=at,
        tries=incident.tries,
        severity=SEVERITY[failure.kind],
        analysis=incident.analysis,
        status=status,
        checkpoint=replace(stored[-1], state=None) if stored else None,
        released=dict(incident.facts.released),
        unknown=tuple(unknown),
    )
