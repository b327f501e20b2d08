"""Putting tasks back to work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery.model import TaskStatus
from recovery.ports import System


class TaskManager:
    """Queues tasks again, resumes blocked ones and stops attempts that are void."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def stop(self, task_id: str) -> None:
        """Stop every attempt that can be reached."""
        await self._system.tasks.stop_attempts(task_id)

    async def requeue(self, task_id: str, reason: str, fenced: int | None = None) -> bool:
        """Queue the task for another attempt; True as well when it is finished.

        Where an attempt of an epoch above `fenced` runs already, there is nothing to do: another one beside it would
        only do its work twice.
        """
        if await self._system.store.requeue(task_id, fenced):
            return await self._system.tasks.enqueue(task_id, reason)
        return True

    async def resume(self, task_id: str, resources: Mapping[str, int], fenced: int | None = None) -> bool:
        """Let a blocked task go on with new resources; `fenced` as for `requeue`."""
        if await self._system.store.requeue(task_id, fenced):
            return await self._system.tasks.resume(task_id, resources)
        return await self._system.store.status(task_id) is TaskStatus.RUNNING
