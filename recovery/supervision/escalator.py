"""Handing over: what automatic recovery gives up becomes an operator's, and goes on as far as it can without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from recovery.concurrency.subject_locks import Exclusively
from recovery.engine.engine import RecoveryEngine
from recovery.model import TASK_KINDS, FailureKind, Incident, TaskStatus
from recovery.ports import System
from recovery.supervision.escalation_queue import EscalationQueue, escalation_of

Say = Callable[[Incident, str, str], None]
"""Puts an event of an incident on record, with its detail."""


class HandOver:
    """Escalates incidents into an operator's queue."""

    def __init__(self, system: System, engine: RecoveryEngine, escalations: EscalationQueue, say: Say) -> None:
        self._system = system
        self._engine = engine
        self._escalations = escalations
        self._say = say

    async def escalate(self, incident: Incident, reason: str) -> None:
        """Hand an incident over. A task ends here; what a lost agent held goes on elsewhere."""
        incident.outcome = reason
        self._system.keep(incident)
        known = await escalation_of(incident, reason, asyncio.get_running_loop().time(), self._system)
        self._escalations.add(known)  # first of all: nothing is lost, whatever happens while it is handed over
        await self._system.journal.durable()
        try:
            async with _alone_with(incident):
                self._escalations.add(replace(known, released=await self._released(incident, reason)))
        except Exception as error:  # noqa: BLE001 - what could not be freed is the operator's as well
            self._say(incident, "recovery.failed", f"{type(error).__name__}: {error}")
        self._say(incident, "recovery.escalated", reason)
        self._system.journal.forget(incident.number)

    async def _released(self, incident: Incident, reason: str) -> dict[str, int]:
        """Hand over, and tell the units by pool that recovery gave back until then."""
        released: dict[str, int] = dict(incident.context.get("released", {}))
        held = await self._held(incident)
        await self._let_go(incident, reason)
        left = await self._held(incident) if held else {}
        for pool, units in held.items():
            released[pool] = released.get(pool, 0) + units - left.get(pool, 0)
        return {pool: units for pool, units in released.items() if units}

    async def _held(self, incident: Incident) -> Mapping[str, int]:
        """What a task holds; nothing is known when the port raises, and it is handed over all the same."""
        if incident.failure.kind not in TASK_KINDS:
            return {}
        try:
            return dict(await self._system.resources.held(incident.failure.subject))
        except Exception:  # noqa: BLE001 - whatever a port raises
            return {}

    async def _let_go(self, incident: Incident, reason: str) -> None:
        failure = incident.failure
        if failure.kind in TASK_KINDS:
            store, subject = self._system.store, failure.subject
            if await store.escalate(subject, reason) or await store.status(subject) is TaskStatus.ESCALATED:
                await self._system.tasks.give_up(failure.subject, reason)
        elif failure.kind is FailureKind.AGENT:
            await self._engine.reassign(incident)


def _alone_with(incident: Incident) -> AbstractAsyncContextManager[None]:
    """A task is not given up while its agent's recovery puts it back; an agent's tasks are seen to one by one."""
    if incident.failure.kind not in TASK_KINDS:
        return nullcontext()
    exclusively: Exclusively = incident.context.get("exclusively", nullcontext)
    return exclusively(incident.failure.subject)
