"""Resource recovery: release the old allocation of a task, and allocate again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recovery.audit import AuditEvent, FailureReason
from recovery.errors import error_text
from recovery.ports import System


class ResourceManager:
    """Reads and releases the resources of tasks."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def held(self, task_id: str) -> Mapping[str, int]:
        """The units by pool that a task holds."""
        return await self._system.resources.held(task_id)

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Release all resources that a task holds, and return them. Idempotent."""
        return await self._system.resources.release(task_id)

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """The units by pool that a task needs."""
        return await self._system.resources.requirements(task_id)


class AllocationManager:
    """Allocates resources."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Allocate everything now. None: not possible, and nothing is allocated."""
        return await self._system.resources.allocate(task_id, requirements)


class ResourceRecovery:
    """Replaces the allocation of a task whose resources have failed.

    Allocation is all or nothing, and a task that waits for it holds nothing. Otherwise two tasks could wait for each
    other's units forever. Therefore the rest of the old allocation is released as well.
    """

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system
        self.resource_manager = ResourceManager(config.get("resources", {}), system)
        self.allocation_manager = AllocationManager(config.get("allocation", {}), system)

    async def recover_resources(self, task_id: str, failed_resources: Sequence[str]) -> bool:
        """Replace the allocation of a task that needs one of the failed resources. False: not possible now.

        Has no effect if the task needs none of them.
        """
        try:
            requirements = await self._get_resource_requirements(task_id)
            if not any(name in requirements for name in failed_resources):
                return True
            return await self.reallocate(task_id, requirements) is not None
        except Exception as error:  # noqa: BLE001 - a port may raise anything
            self._system.defect("resource recovery", error)
            await self._handle_resource_recovery_failure(task_id, error)
            return False

    async def reallocate(self, task_id: str, requirements: Mapping[str, int] | None = None) -> Mapping[str, int] | None:
        """Replace a task's allocation, and return the new one. None: not possible now."""
        await self._release_failed_resources(task_id)
        if requirements is None:
            requirements = await self._get_resource_requirements(task_id)
        allocated = await self._allocate_new_resources(task_id, requirements)
        if allocated is None or not await self._update_task_allocation(task_id, allocated):
            return None
        return allocated

    async def _release_failed_resources(self, task_id: str) -> None:
        await self.resource_manager.release(task_id)

    async def _get_resource_requirements(self, task_id: str) -> Mapping[str, int]:
        return await self.resource_manager.requirements(task_id)

    async def _allocate_new_resources(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        return await self.allocation_manager.allocate(task_id, requirements)

    async def _update_task_allocation(self, task_id: str, allocated: Mapping[str, int]) -> bool:
        """Whether the system reports the new allocation."""
        held = await self.resource_manager.held(task_id)
        return all(held.get(name, 0) == units for name, units in allocated.items())

    async def _handle_resource_recovery_failure(self, task_id: str, error: Exception) -> None:
        self._system.audit.record(
            AuditEvent.RECOVERY_FAILED, -1, task_id, f"{FailureReason.RESOURCES}: {error_text(error)}"
        )
