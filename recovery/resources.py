"""Resource recovery: give back what is left, and allocate anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recovery.ports import System


class ResourceManager:
    """What tasks hold and need."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Give back all that a task holds; idempotent."""
        return await self._system.resources.release(task_id)

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """What a task needs, in units by pool."""
        return await self._system.resources.requirements(task_id)


class AllocationManager:
    """Who gets which units."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Allocate all of it now, or None."""
        return await self._system.resources.allocate(task_id, requirements)


class ResourceRecovery:
    """Replaces resources that failed under a task."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self.resource_manager = ResourceManager(config.get("resources", {}), system)
        self.allocation_manager = AllocationManager(config.get("allocation", {}), system)

    async def recover_resources(self, task_id: str, failed_resources: Sequence[str]) -> bool:
        """Release what the task still holds and allocate all that it needs. False: not possible now."""
        return await self.reallocate(task_id) is not None

    async def reallocate(self, task_id: str, requirements: Mapping[str, int] | None = None) -> Mapping[str, int] | None:
        """As `recover_resources`, with what was allocated as its result; None when that is not possible now."""
        await self._release_failed_resources(task_id)
        if requirements is None:
            requirements = await self._get_resource_requirements(task_id)
        return await self._allocate_new_resources(task_id, requirements)

    async def _release_failed_resources(self, task_id: str) -> None:
        await self.resource_manager.release(task_id)

    async def _get_resource_requirements(self, task_id: str) -> Mapping[str, int]:
        return await self.resource_manager.requirements(task_id)

    async def _allocate_new_resources(
        self, task_id: str, requirements: Mapping[str, int]
    ) -> Mapping[str, int] | None:
        return await self.allocation_manager.allocate(task_id, requirements)
