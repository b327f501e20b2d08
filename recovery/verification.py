"""Verification: a recovery has worked when state, resources and the ability to execute say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recovery.model import TaskStatus, TaskView
from recovery.ports import System

_OVER = frozenset({TaskStatus.COMPLETED, TaskStatus.ESCALATED, TaskStatus.REJECTED})


class StateVerifier:
    """Judges where a task stands."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def verify(self, view: TaskView) -> bool:
        """Queued, completed, or running under an epoch that is not void."""
        if view.status is TaskStatus.RUNNING:
            return self._system.store.is_current(view.task_id, view.epoch)
        return view.status in {TaskStatus.QUEUED, TaskStatus.COMPLETED}


class ResourceVerifier:
    """Judges what a task holds."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def verify(self, view: TaskView) -> bool:
        """Never more than it needs: nothing of an earlier attempt is left."""
        if view.status is TaskStatus.COMPLETED:
            return not any(view.held.values())
        return all(units <= view.needs.get(name, 0) for name, units in view.held.items())


class RecoveryVerification:
    """Verifies recoveries of tasks, agents and connections. Nothing is verified by having been commanded."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system
        self.state_verifier = StateVerifier(config.get("state", {}), system)
        self.resource_verifier = ResourceVerifier(config.get("resources", {}), system)

    async def verify_recovery(self, task_id: str) -> bool:
        """Whether a task is recovered: its state, its resources, and that somebody will execute it."""
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
        """A queued task really waits or was delivered; a running one has an agent."""
        if view.status is TaskStatus.COMPLETED:
            return True
        return view.waiting_in_queue if view.status is TaskStatus.QUEUED else view.agent is not None

    async def verify_agent(self, agent_id: str, tasks: Sequence[str]) -> bool:
        """Whether an agent responds again, and each task that it held is over or somebody's."""
        health = await self._system.agents.health(agent_id)
        if not health.responding:
            return False
        for task_id in tasks:
            view = await self._system.tasks.inspect(task_id)
            if view is None or view.status in _OVER or view.status in {TaskStatus.FAILED, TaskStatus.BLOCKED}:
                continue  # over, or an incident of its own takes care of it
            if not (await self._verify_task_state(view) and await self._verify_execution(view)):
                return False
        return True

    async def verify_link(self, endpoints: Sequence[str], queue_ids: Sequence[str]) -> bool:
        """Whether endpoints are connected and the queues that were named are not blocked by it."""
        links = await self._system.network.status(endpoints)
        return all(link.connected for link in links)
