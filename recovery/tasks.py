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

        Where an attempt of an epoch above `fenced` runs already, there is nothing to do.
        """
        if self._is_under_way(task_id, fenced) or not self._system.store.requeue(task_id):
            return True
        return await self._system.tasks.enqueue(task_id, reason)

    async def resume(self, task_id: str, resources: Mapping[str, int], fenced: int | None = None) -> bool:
        """Let a blocked task go on with new resources; `fenced` as for `requeue`."""
        if self._is_under_way(task_id, fenced):
            return True
        return self._system.store.requeue(task_id) and await self._system.tasks.resume(task_id, resources)

    def _is_under_way(self, task_id: str, fenced: int | None) -> bool:
        """Whether an attempt has begun since the fence: another one beside it would only do its work twice."""
        store = self._system.store
        return fenced is not None and store.status(task_id) is TaskStatus.RUNNING and store.epoch(task_id) > fenced
