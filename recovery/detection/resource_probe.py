"""Resource probes: detect pools with units out of service, and report the tasks that they block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from recovery.audit import AuditEvent
from recovery.detection.orphaned_tasks import seen
from recovery.errors import error_text
from recovery.model import Failure, ResourceHealth, Symptom, TaskStatus
from recovery.policies.policy_states import PoolState
from recovery.policy_changes import NO_CHANGES, PolicyChangeLog
from recovery.ports import System


class ResourceProbe:
    """Probes all pools every `every` seconds of the loop's clock.

    A pool with units out of service is suspected until a probe finds it healthy; both are recorded in the audit trail.
    Each time that a pool is unhealthy, the blocked tasks that need it are reported, because their agents' reports may
    have been lost. A report of a task that is being recovered has no effect. Initially the pools in `suspected` are
    suspected, by an earlier probe; the suspected pools are written to `changes`.
    """

    def __init__(
        self,
        every: float,
        system: System,
        report: Callable[[Failure], None],
        suspected: Iterable[str] = (),
        changes: PolicyChangeLog = NO_CHANGES,
    ) -> None:
        self._every = every
        self._system = system
        self._report = report
        self._suspected = dict.fromkeys(suspected)
        self._changes = changes

    async def run(self) -> None:
        """Probe until cancelled. A failed probe is recorded, and has no other effect."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - a port may raise anything
                self._system.defect("resource probe", error)
                self._system.audit.record(AuditEvent.RESOURCE_PROBE_FAILED, -1, "resources", error_text(error))

    async def _look(self) -> None:
        unhealthy = []
        for pool in await self._system.resources.health(()):
            if not pool.healthy:
                unhealthy.append(pool)
            if pool.healthy != (pool.name in self._suspected):
                continue  # unchanged
            if pool.healthy:
                del self._suspected[pool.name]
                self._system.audit.record(AuditEvent.RESOURCE_CLEARED, -1, pool.name)
            else:
                self._suspected[pool.name] = None
                out = pool.units - pool.available
                self._system.audit.record(AuditEvent.RESOURCE_SUSPECTED, -1, pool.name, value=float(out))
            self._changes.change(PoolState(tuple(self._suspected)))
        self._changes.write()
        if unhealthy:
            await self._report_blocked(unhealthy)

    async def _report_blocked(self, unhealthy: list[ResourceHealth]) -> None:
        for task_id in await self._system.store.halted():
            view = await self._system.tasks.inspect(task_id)
            if view is None or view.status is not TaskStatus.BLOCKED:
                continue
            short = [pool.name for pool in unhealthy if view.held.get(pool.name, 0) < view.needs.get(pool.name, 0)]
            if short:
                now = asyncio.get_running_loop().time()
                self._report(seen(view, now, *(Symptom("resource_status", "unavailable", name) for name in short)))
