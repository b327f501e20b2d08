"""Evidence: what can be observed of a failure through the ports, in the runbook's words."""

from __future__ import annotations

from recovery.model import FINISHED, HALTED, Failure, FailureKind, Impact, Symptom
from recovery.ports import System


class Evidence:
    """Looks at tasks, agents and connections. It observes; it never concludes."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def moot(self, failure: Failure) -> str | None:
        """Why there is nothing left to recover, or None."""
        if failure.kind is FailureKind.AGENT:
            health = await self._system.agents.health(failure.subject)
            return "agent_responds" if health.responding else None
        if failure.kind is FailureKind.COMMUNICATION:
            return None
        status = self._system.store.status(failure.subject)
        if status is None:
            return "task_unknown"
        return "task_finished" if status in FINISHED else None

    async def gather(self, failure: Failure) -> tuple[Symptom, ...]:
        """What was reported, and what is observed now."""
        if failure.kind is FailureKind.AGENT:
            seen = await self._of_agent(failure.subject)
        elif failure.kind is FailureKind.COMMUNICATION:
            seen = await self._of_link(failure)
        else:
            seen = await self._of_task(failure.subject)
        return tuple(dict.fromkeys((*failure.symptoms, *seen)))

    async def _of_task(self, task_id: str) -> list[Symptom]:
        view = await self._system.tasks.inspect(task_id)
        if view is None:
            return []
        seen = []
        if view.status in HALTED:
            seen.append(Symptom("task_status", view.status.value, task_id))
            if any(view.held.values()):
                seen.append(Symptom("resource_state", "inconsistent", task_id))
        if view.error_code is not None:
            seen.append(Symptom("error_code", "present", task_id))
        if view.needs:
            for pool in await self._system.resources.health(tuple(view.needs)):
                if not pool.healthy:
                    seen.append(Symptom("resource_status", "unavailable", pool.name))
                    seen.append(Symptom("system_metrics", "degraded", pool.name))
        return seen

    async def _of_agent(self, agent_id: str) -> list[Symptom]:
        health = await self._system.agents.health(agent_id)
        if not health.reachable:
            return [
                Symptom("message_delivery", "failed", agent_id),
                Symptom("network_metrics", "degraded", agent_id),
            ]
        if health.responding:
            return []
        seen = [Symptom("system_state", "inconsistent", agent_id)]
        if await self._system.tasks.tasks_on(agent_id):
            seen.append(Symptom("task_progress", "stalled", agent_id))
        return seen

    async def _of_link(self, failure: Failure) -> list[Symptom]:
        seen = []
        links = await self._system.network.status(tuple(failure.info.get("endpoints", ())))
        if any(not link.connected for link in links):
            seen.append(Symptom("network_metrics", "degraded", failure.subject))
        queues = await self._system.queues.health(tuple(failure.info.get("queue_ids", ())))
        if any(queue.blocked for queue in queues):
            seen.append(Symptom("queue_status", "blocked", failure.subject))
        return seen

    async def impact(self, failure: Failure) -> Impact:
        """Whom the failure touches directly."""
        if failure.kind is FailureKind.AGENT:
            return Impact(tasks=tuple(await self._system.tasks.tasks_on(failure.subject)), agents=(failure.subject,))
        if failure.kind is FailureKind.COMMUNICATION:
            return Impact(queues=tuple(failure.info.get("queue_ids", ())))
        agent = failure.info.get("agent_id")
        return Impact(
            tasks=(failure.subject,),
            agents=() if agent is None else (agent,),
            resources=tuple(failure.info.get("resource_ids", ())),
        )
