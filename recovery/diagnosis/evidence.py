"""Evidence: observations of a failure through the ports, in the runbook's terms."""

from __future__ import annotations

from recovery.audit import DismissalReason
from recovery.diagnosis.verification import RecoveryVerification
from recovery.model import FINISHED, HALTED, Failure, FailureKind, Symptom, TaskStatus, TaskView
from recovery.ports import System

UNREACHABLE = (("message_delivery", "failed"), ("network_metrics", "degraded"))


class Evidence:
    """Observes tasks, agents, pools and connections, without conclusions.

    A report may be outdated: the task may run elsewhere, the agent may have recovered. A present observation replaces a
    reported one with the same name and subject.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._verification = RecoveryVerification({}, system)

    async def dismissal(self, failure: Failure) -> DismissalReason | None:
        """The reason to dismiss a failure: whatever was reported, its subject is healthy. None: there is no reason."""
        if failure.kind is FailureKind.AGENT:
            health = await self._system.agents.health(failure.subject)
            return DismissalReason.AGENT_RESPONDS if health.responding else None
        if failure.kind is FailureKind.COMMUNICATION:
            return None
        status = await self._system.store.status(failure.subject)
        if status is None:
            return DismissalReason.TASK_UNKNOWN
        if status in FINISHED:
            return DismissalReason.TASK_FINISHED
        return None if status in HALTED else await self._of_healthy_task(failure.subject)

    async def _of_healthy_task(self, task_id: str) -> DismissalReason | None:
        """The reason that a task runs or waits as it should; None: it does not."""
        if not await self._verification.verify_task(task_id):
            return None
        view = await self._system.tasks.inspect(task_id)
        if view is None or view.status is not TaskStatus.RUNNING:
            return DismissalReason.TASK_WAITS
        assert view.agent is not None  # or it would not have been verified
        health = await self._system.agents.health(view.agent)
        return DismissalReason.TASK_RUNS if health.responding else None

    async def gather(self, failure: Failure) -> tuple[Symptom, ...]:
        """The present observations, and those reported ones that they do not replace."""
        if failure.kind is FailureKind.AGENT:
            seen = await self._of_agent(failure.subject)
        elif failure.kind is FailureKind.COMMUNICATION:
            seen = await self._of_link(failure)
        else:
            seen = await self._of_task(failure.subject)
        observed = {(symptom.name, symptom.subject) for symptom in seen}
        reported = [each for each in failure.symptoms if (each.name, each.subject) not in observed or each in seen]
        return tuple(dict.fromkeys((*reported, *seen)))

    async def _of_task(self, task_id: str) -> list[Symptom]:
        view = await self._system.tasks.inspect(task_id)
        if view is None:
            return []
        seen = []
        if view.status in HALTED:
            seen.append(Symptom("task_status", view.status.value, task_id))
            if any(view.held.values()):
                seen.append(Symptom("resource_state", "inconsistent", task_id))
        elif view.status is TaskStatus.RUNNING:
            seen += await self._of_running(view)
        if view.error_code is not None:
            seen.append(Symptom("error_code", "present", task_id))
        return seen + await self._of_pools(view)

    async def _of_running(self, view: TaskView) -> list[Symptom]:
        """The symptoms of a running task, which depend on its agent."""
        seen = [Symptom("task_status", view.status.value, view.task_id)]
        if view.agent is None:
            return seen
        health = await self._system.agents.health(view.agent)
        if not health.reachable:
            seen += [Symptom(name, value, view.agent) for name, value in UNREACHABLE]
        elif not health.responding:
            seen.append(Symptom("task_progress", "stalled", view.task_id))
            seen.append(Symptom("system_state", "inconsistent", view.agent))
        return seen

    async def _of_pools(self, view: TaskView) -> list[Symptom]:
        """A pool is degraded if units are out of service, and unavailable if the task lacks units for that reason."""
        seen = []
        for pool in await self._system.resources.health(tuple(view.needs)) if view.needs else ():
            if not pool.healthy:
                if pool.free < view.needs[pool.name] - view.held.get(pool.name, 0):
                    seen.append(Symptom("resource_status", "unavailable", pool.name))
                seen.append(Symptom("system_metrics", "degraded", pool.name))
        return seen

    async def _of_agent(self, agent_id: str) -> list[Symptom]:
        health = await self._system.agents.health(agent_id)
        if not health.reachable:
            return [Symptom(name, value, agent_id) for name, value in UNREACHABLE]
        if health.responding:
            return []
        seen = [Symptom("system_state", "inconsistent", agent_id)]
        if await self._system.tasks.tasks_on(agent_id):
            seen.append(Symptom("task_progress", "stalled", agent_id))
        return seen

    async def _of_link(self, failure: Failure) -> list[Symptom]:
        seen = []
        endpoints = tuple(failure.info.get("endpoints", ()))
        links = await self._system.network.status(endpoints)
        if any(not link.connected for link in links):
            seen.append(Symptom("network_metrics", "degraded", failure.subject))
        queues = await self._system.queues.health(tuple(failure.info.get("queue_ids", ())))
        if any(queue.of_endpoints(endpoints).blocked for queue in queues):
            seen.append(Symptom("queue_status", "blocked", failure.subject))
        return seen
