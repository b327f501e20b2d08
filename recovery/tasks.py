"""Putting tasks back to work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery.ports import System


class TaskManager:
    """Queues tasks again, resumes blocked ones and stops attempts that are void."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def stop(self, task_id: str) -> None:
        """Stop every attempt that can be reached."""
        await self._system.tasks.stop_attempts(task_id)

    async def requeue(self, task_id: str, reason: str) -> bool:
        """Queue the task for another attempt; True as well when it has been completed meanwhile."""
        if not self._system.store.requeue(task_id):
            return True
        return await self._system.tasks.enqueue(task_id, reason)

    async def resume(self, task_id: str, resources: Mapping[str, int]) -> bool:
        """Let a blocked task go on with new resources."""
        return self._system.store.requeue(task_id) and await self._system.tasks.resume(task_id, resources)
