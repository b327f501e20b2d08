"""Requeues, resumes and stops tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery.model import TaskStatus
from recovery.ports import System


class TaskManager:
    """Requeues failed tasks, resumes blocked ones, and stops fenced attempts."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def stop(self, task_id: str) -> None:
        """Stop every reachable attempt."""
        await self._system.tasks.stop_attempts(task_id)

    async def requeue(self, task_id: str, reason: str, fenced: int | None = None) -> bool:
        """Queue the task for another attempt. Also True if it is finished.

        Has no effect if an attempt of an epoch above `fenced` runs already, which would do the same work.
        """
        if await self._system.store.requeue(task_id, fenced):
            return await self._system.tasks.enqueue(task_id, reason)
        return True

    async def resume(self, task_id: str, resources: Mapping[str, int], fenced: int | None = None) -> bool:
        """Resume a blocked task with new resources; `fenced` as for `requeue`."""
        if await self._system.store.requeue(task_id, fenced):
            return await self._system.tasks.resume(task_id, resources)
        return await self._system.store.status(task_id) is TaskStatus.RUNNING
