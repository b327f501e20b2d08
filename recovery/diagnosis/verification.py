"""Verification of recoveries: state, resources, and the ability to execute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recovery.audit import AuditEvent, FailureReason
from recovery.errors import error_text
from recovery.model import FINISHED, HALTED, TaskStatus, TaskView
from recovery.ports import System


class StateVerifier:
    """Verifies the status of tasks."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def verify(self, view: TaskView) -> bool:
        """Whether the task is queued, completed, or running under an epoch that is not fenced."""
        if view.status is TaskStatus.RUNNING:
            store = self._system.store
            current = await store.is_current(view.task_id, view.epoch)
            return current or await store.status(view.task_id) is TaskStatus.COMPLETED
        return view.status in {TaskStatus.QUEUED, TaskStatus.COMPLETED}


class ResourceVerifier:
    """Verifies the resources of tasks."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def verify(self, view: TaskView) -> bool:
        """Whether the task holds no more than it needs: nothing of an earlier attempt."""
        if view.status is TaskStatus.COMPLETED:
            return not any(view.held.values())
        return all(units <= view.needs.get(name, 0) for name, units in view.held.items())


class RecoveryVerification:
    """Verifies recoveries of tasks, agents and connections by observation."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system
        self.state_verifier = StateVerifier(config.get("state", {}), system)
        self.resource_verifier = ResourceVerifier(config.get("resources", {}), system)

    async def verify_recovery(self, task_id: str) -> bool:
        """Whether a task is recovered. False if a port raises an error."""
        try:
            return await self.verify_task(task_id)
        except Exception as error:  # noqa: BLE001 - a port may raise anything
            self._system.defect("verification", error)
            await self._handle_verification_failure(task_id, error)
            return False

    async def verify_task(self, task_id: str) -> bool:
        """As `verify_recovery`, but raises the errors of ports."""
        view = await self._system.tasks.inspect(task_id)
        return (
            view is not None
            and await self._verify_task_state(view)
            and await self._verify_resources(view)
            and await self._verify_execution(view)
        )

    async def _verify_task_state(self, view: TaskView) -> bool:
        return await self.state_verifier.verify(view)

    async def _verify_resources(self, view: TaskView) -> bool:
        return await self.resource_verifier.verify(view)

    async def _verify_execution(self, view: TaskView) -> bool:
        """Whether a queued task waits in the queue, and a running one has an agent."""
        if view.status is TaskStatus.COMPLETED:
            return True
        return view.waiting_in_queue if view.status is TaskStatus.QUEUED else view.agent is not None

    async def _handle_verification_failure(self, task_id: str, error: Exception) -> None:
        self._system.audit.record(
            AuditEvent.RECOVERY_FAILED, -1, task_id, f"{FailureReason.VERIFICATION}: {error_text(error)}"
        )

    async def verify_agent(self, agent_id: str, tasks: Sequence[str]) -> bool:
        """Whether an agent responds, and each task that it held is finished, queued or running."""
        health = await self._system.agents.health(agent_id)
        if not health.responding:
            return False
        for task_id in tasks:
            view = await self._system.tasks.inspect(task_id)
            if view is None or view.status in FINISHED | HALTED:
                continue  # finished, or recovered by an incident of its own
            if not (await self._verify_task_state(view) and await self._verify_execution(view)):
                return False
        return True

    async def verify_link(self, endpoints: Sequence[str], queue_ids: Sequence[str]) -> bool:
        """Whether the endpoints are connected, and none of these queues is blocked for them.

        A queue that is blocked for other endpoints is recovered by an incident of its own.
        """
        links = await self._system.network.status(endpoints)
        queues = await self._system.queues.health(queue_ids) if queue_ids else ()
        return all(link.connected for link in links) and not any(
            queue.of_endpoints(endpoints).blocked for queue in queues
        )
