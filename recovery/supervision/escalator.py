"""Escalation: an incident that automatic recovery gives up is handed over to an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from recovery.actions.context import RecoveryServices
from recovery.audit import AuditEvent, EscalationReason
from recovery.engine.engine import RecoveryEngine
from recovery.errors import error_text
from recovery.model import TASK_KINDS, FailureKind, Incident, TaskStatus
from recovery.ports import System
from recovery.supervision.escalation_queue import EscalationQueue, escalation_of

Say = Callable[[Incident, AuditEvent, str], None]
"""Records an event of an incident in the audit trail, with its detail."""


class Escalator:
    """Escalates incidents to the queue of the operators."""

    def __init__(self, system: System, engine: RecoveryEngine, escalations: EscalationQueue, say: Say) -> None:
        self._system = system
        self._engine = engine
        self._escalations = escalations
        self._say = say

    async def escalate(
        self, incident: Incident, cause: EscalationReason | None, reason: str, services: RecoveryServices
    ) -> None:
        """Escalate an incident. A task is given up; the tasks of an agent are reassigned."""
        incident.cause, incident.outcome = cause, reason
        self._system.keep(incident)
        known = await escalation_of(incident, asyncio.get_running_loop().time(), self._system)
        self._escalations.add(known)  # first, so that it is not lost if the core ends meanwhile
        await self._system.journal.durable()
        try:
            async with _exclusive_task(incident, services):
                self._escalations.add(replace(known, released=await self._released(incident, reason, services)))
        except Exception as error:  # noqa: BLE001 - the escalation stands although not everything was released
            self._system.defect("escalation", error, incident.number)
            self._say(incident, AuditEvent.RECOVERY_FAILED, error_text(error))
        self._say(incident, AuditEvent.RECOVERY_ESCALATED, reason)
        self._system.journal.forget(incident.number)

    async def _released(self, incident: Incident, reason: str, services: RecoveryServices) -> dict[str, int]:
        """Give up the task, or reassign the agent's tasks; returns the units by pool that all tries have released."""
        released = dict(incident.facts.released)
        held = await self._held(incident)
        await self._release(incident, reason, services)
        left = await self._held(incident) if held else {}
        for pool, units in held.items():
            released[pool] = released.get(pool, 0) + units - left.get(pool, 0)
        return {pool: units for pool, units in released.items() if units}

    async def _held(self, incident: Incident) -> Mapping[str, int]:
        """What a task holds; empty if the port raises, so that the escalation continues."""
        if incident.failure.kind not in TASK_KINDS:
            return {}
        try:
            return dict(await self._system.resources.held(incident.failure.subject))
        except Exception as error:  # noqa: BLE001 - a port may raise anything
            self._system.defect("escalation", error, incident.number)
            return {}

    async def _release(self, incident: Incident, reason: str, services: RecoveryServices) -> None:
        failure = incident.failure
        if failure.kind in TASK_KINDS:
            store, subject = self._system.store, failure.subject
            if await store.escalate(subject, reason) or await store.status(subject) is TaskStatus.ESCALATED:
                await self._system.tasks.give_up(failure.subject, reason)
        elif failure.kind is FailureKind.AGENT:
            await self._engine.reassign(incident, services)


def _exclusive_task(incident: Incident, services: RecoveryServices) -> AbstractAsyncContextManager[None]:
    """The lock of a task, which a recovery of its agent may hold. The tasks of an agent are locked one by one."""
    if incident.failure.kind not in TASK_KINDS:
        return nullcontext()
    return services.lock_of(incident.failure.subject)
