"""What automatic recovery gave up on: an operator's queue, with all that is known, from which nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

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
    FailureKind.AGENT: Severity.CRITICAL,  # others wait for it
    FailureKind.COMMUNICATION: Severity.CRITICAL,
}
Said = Callable[[str, Escalation, str], None]
"""Gets `escalation.acknowledged` or `escalation.resolved`, the escalation, and the operator."""


class EscalationQueue:
    """Escalations in the order in which an operator has to look: the most severe first, then the oldest.

    The queue itself holds those that wait, acknowledged ones included; `resolved` keeps the others in the order of
    their resolution. An incident is in one of both once. What a `journal` has kept is in them from the beginning.
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
        """Those that an operator is done with."""
        return tuple(self._resolved.values())

    def add(self, escalation: Escalation) -> None:
        """Put one in. What is known better by now replaces what is there of the same incident."""
        self._journal.keep_escalation(escalation)
        self._waiting[escalation.incident] = escalation

    def of(self, incident: int) -> Escalation:
        """The one of this incident, waiting or resolved. Raises KeyError when there is none."""
        found = self._waiting.get(incident) or self._resolved.get(incident)
        if found is None:
            raise KeyError(f"no escalation of incident {incident}")
        return found

    def acknowledge(self, incident: int, operator: str) -> Escalation:
        """An operator looks after it; it waits on until it is resolved.

        Raises KeyError when none of this incident waits, ValueError when another operator looks after it.
        """
        escalation = self._waiting_one(incident)
        if escalation.acknowledged_by == operator:
            return escalation
        if escalation.acknowledged_by is not None:
            raise ValueError(f"incident {incident} is looked after by {escalation.acknowledged_by} already")
        acknowledged = replace(escalation, acknowledged_by=operator)
        self.add(acknowledged)
        self._say("escalation.acknowledged", acknowledged, operator)
        return acknowledged

    def resolve(self, incident: int, operator: str, note: str = "") -> Escalation:
        """An operator is done with it. Raises KeyError when none of this incident waits."""
        resolved = replace(self._waiting_one(incident), resolved_by=operator, note=note)
        self._journal.keep_escalation(resolved)
        self._resolved[incident] = resolved
        del self._waiting[incident]
        self._say("escalation.resolved", resolved, operator)
        return resolved

    def _waiting_one(self, incident: int) -> Escalation:
        if incident not in self._waiting:
            raise KeyError(f"no escalation of incident {incident} waits")
        return self._waiting[incident]

    def _say(self, event: str, escalation: Escalation, operator: str) -> None:
        if self._said is not None:
            self._said(event, escalation, operator)


def _urgency(escalation: Escalation) -> tuple[int, float, int]:
    return URGENCY[escalation.severity], escalation.opened_at, escalation.incident


async def escalation_of(incident: Incident, reason: str, at: float, system: System) -> Escalation:
    """Everything that is known of an incident that is given up at `at` (s), before it is handed over. Never raises."""
    unknown: list[str] = []

    async def ask(what: str, question: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await question()
        except Exception as error:  # noqa: BLE001 - whatever a store raises: an operator hears of the failure all the same
            unknown.append(f"{what}: {type(error).__name__}: {error}")
            return None

    failure = incident.failure
    status, stored = None, ()
    if failure.kind in {FailureKind.TASK, FailureKind.RESOURCE}:
        status = await ask("status", lambda: system.store.status(failure.subject))
        stored = await ask("checkpoint", lambda: system.store.checkpoints(failure.subject)) or ()
    return Escalation(
        incident=incident.number,
        failure=failure,
        reason=reason,
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
